"""Datasets on disk: split, saved in one step, listed, looked into; bad input leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.errors import BadInput, Conflict, NoRoom, NotFound
from backend.studio import dataset_folder
from backend.studio.dataset_folder import slug
from backend.studio.split import split
from tests.unit.conversations import SHARED_DATA, hash_of, jsonl, needs_shared_data, row, rows


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "datasets")


def saved(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_file_is_split_and_saved_with_its_hash(datasets: Datasets) -> None:
    dataset = datasets.create_from_file(jsonl(*rows(50)), "My data")
    assert (dataset.train_rows, dataset.eval_rows) == (40, 10)
    train, held_out = saved(dataset.train_path), saved(dataset.eval_path)
    assert sorted(map(str, train + held_out)) == sorted(map(str, rows(50)))
    assert dataset.sha256 == hash_of(dataset.train_path, dataset.eval_path)
    assert datasets.get(dataset.id) == dataset
    assert [one.id for one in datasets.list()] == [dataset.id]


def test_the_same_seed_gives_the_same_split_and_another_seed_another(datasets: Datasets) -> None:
    content = jsonl(*rows(50))
    first, again, other = (datasets.create_from_file(content, "x", seed=seed) for seed in (1, 1, 2))
    assert first.sha256 == again.sha256 != other.sha256
    assert first.id != again.id


def test_only_roles_and_contents_are_saved(datasets: Datasets) -> None:
    content = jsonl(*({**one, "prompt_id": number, "prompt": "p"} for number, one in enumerate(rows(4))))
    dataset = datasets.create_from_file(content, "x")
    assert all(list(one) == ["messages"] for one in saved(dataset.train_path))


def test_an_own_evaluation_file_is_taken_as_it_is(datasets: Datasets, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_bytes(jsonl(row("only here"), rows(3)[0]))
    dataset = datasets.create_from_file(jsonl(*rows(3)), "x", eval_source=held_out)
    assert (dataset.train_rows, dataset.eval_rows) == (3, 2)
    assert dataset.source_detail["shared_rows"] == 1


def test_of_two_files_the_bad_one_is_named(datasets: Datasets) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.create_from_file(
            jsonl(*rows(5)), "x", filename="good.jsonl", eval_source=jsonl(row()) + b"{", eval_filename="bad.jsonl"
        )
    assert caught.value.what == "1 row can't be used."
    assert caught.value.why.startswith("bad.jsonl, line 2: ")


def test_bad_rows_are_refused_with_the_first_of_them_and_left_out_when_asked(datasets: Datasets) -> None:
    content = jsonl(*rows(5)) + b"broken\n" + jsonl({"messages": []})
    with pytest.raises(BadInput) as caught:
        datasets.create_from_file(content, "x")
    assert caught.value.code == "bad_rows"
    assert caught.value.what == "2 rows can't be used."
    assert "line 6:" in caught.value.why and "line 7:" in caught.value.why
    assert "skip" in caught.value.how_to_fix
    dataset = datasets.create_from_file(content, "x", skip_bad=True)
    assert dataset.train_rows + dataset.eval_rows == 5


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"%PDF-", "format_pdf"),
        (jsonl(row()), "too_few_rows"),
        (jsonl(row(), row(), row()), "too_few_rows"),
        (b"x\n", "format_text"),
        (b"[1]\n", "no_usable_rows"),
    ],
)
def test_a_file_without_two_different_rows_is_refused(datasets: Datasets, content: bytes, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.create_from_file(content, "x", skip_bad=True)
    assert caught.value.code == code
    assert list(datasets.folder.glob("*")) == []


def test_a_file_that_is_not_there_is_said(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        datasets.create_from_file(tmp_path / "nothing.jsonl", "x")
    with pytest.raises(BadInput):
        datasets.create_from_file(tmp_path, "x")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\x00b", "名前", "", "." * 300])
def test_no_name_becomes_a_path(datasets: Datasets, name: str) -> None:
    dataset = datasets.create_from_file(jsonl(*rows(4)), name, filename=name)
    assert Path(dataset.train_path).parent.parent == datasets.folder
    assert Path(dataset.train_path).parent.name == dataset.id
    assert 0 < len(dataset.name) <= 80 and dataset.name.isprintable()


@pytest.mark.parametrize("dataset_id", ["../x", "", ".", "/etc", "a/b", "x\x00"])
def test_no_id_leads_out_of_the_folder(datasets: Datasets, dataset_id: str) -> None:
    (datasets.folder.parent / "x").mkdir(parents=True)
    with pytest.raises(NotFound):
        datasets.get(dataset_id)
    datasets.delete(dataset_id)
    assert (datasets.folder.parent / "x").exists()


def test_a_full_disk_is_said_and_nothing_half_written_stays(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(dataset_folder, "write_atomically", full)
    with pytest.raises(NoRoom):
        datasets.create_from_file(jsonl(*rows(9)), "x")
    assert list(datasets.folder.iterdir()) == []


def test_a_deleted_dataset_is_gone_and_deleting_again_is_fine(datasets: Datasets) -> None:
    dataset = datasets.create_from_file(jsonl(*rows(4)), "x")
    datasets.delete(dataset.id)
    datasets.delete(dataset.id)
    assert datasets.list() == [] and list(datasets.folder.iterdir()) == []
    with pytest.raises(NotFound):
        datasets.preview(dataset.id)


def test_what_killed_saves_left_behind_a_day_ago_goes_with_the_next_save(datasets: Datasets) -> None:
    for name in (".applied-x", ".new-y.lock"):
        left = datasets.folder / name
        left.mkdir(parents=True) if name == ".applied-x" else left.touch()
        os.utime(left, (0, 0))
    fresh = datasets.folder / ".applied-now"
    fresh.mkdir()
    dataset = datasets.create_from_file(jsonl(*rows(4)), "x")
    assert {one.name for one in datasets.folder.iterdir()} == {fresh.name, dataset.id}


def test_a_moved_home_and_a_damaged_dataset_do_not_stop_the_list(datasets: Datasets, tmp_path: Path) -> None:
    kept = datasets.create_from_file(jsonl(*rows(4)), "kept")
    broken = datasets.create_from_file(jsonl(*rows(4)), "broken")
    (datasets.folder / broken.id / "dataset.json").write_text("{")
    moved = Datasets(tmp_path / "elsewhere")
    shutil.move(datasets.folder, moved.folder)
    assert [one.id for one in moved.list()] == [kept.id]
    assert Path(moved.get(kept.id).train_path).is_file()


def test_any_page_of_a_dataset_can_be_shown(datasets: Datasets) -> None:
    dataset = datasets.create_from_file(jsonl(*rows(100)), "x", eval_fraction=0.1)
    everything = datasets.preview(dataset.id, "train", 0, 1000)
    assert [one.line for one in everything] == list(range(1, 91))
    assert list(datasets.preview(dataset.id, "train", 85, 20)) == list(everything[85:])
    assert datasets.preview(dataset.id, "eval", 10, 5) == []
    with pytest.raises(BadInput):
        datasets.preview(dataset.id, "test")


def test_statistics_count_turns_characters_and_the_longest_row(datasets: Datasets) -> None:
    content = jsonl(row("ab", "cd"), row("x" * 400, "y"))
    dataset = datasets.create_from_file(content, "x", eval_source=jsonl(row("ab", "cdefg")))
    train, held_out = datasets.statistics(dataset.id).train, datasets.statistics(dataset.id).eval
    assert (train.rows, train.turns, train.characters) == (2, 4, 405)
    assert (train.tokens, train.longest_tokens, train.longest_row) == (5 + 5 + 104 + 5, 109, 1)
    assert (held_out.rows, held_out.tokens) == (1, 5 + 6)


def test_the_sample_that_is_shipped_is_usable(datasets: Datasets) -> None:
    dataset = datasets.create_from_sample()
    assert dataset.source == "sample" and dataset.train_rows >= 200 and dataset.eval_rows >= 20
    assert dataset.source_detail["shared_rows"] == 0


@needs_shared_data
def test_real_files_of_a_person_become_a_dataset(datasets: Datasets) -> None:
    dataset = datasets.create_from_file(
        SHARED_DATA / "samsum_chat_train.jsonl", "samsum", eval_source=SHARED_DATA / "samsum_chat_validation.jsonl"
    )
    assert (dataset.train_rows, dataset.eval_rows, dataset.source_detail["shared_rows"]) == (79, 21, 0)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, float("nan")])
def test_a_share_that_leaves_a_side_empty_is_refused(datasets: Datasets, fraction: float) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.create_from_file(jsonl(*rows(9)), "x", eval_fraction=fraction)
    assert caught.value.code == "bad_fraction"


DIGESTS = st.lists(st.integers(0, 30).map(lambda number: number.to_bytes(16)), min_size=2, max_size=80).filter(
    lambda digests: len(set(digests)) > 1
)


@given(DIGESTS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_a_split_is_disjoint_complete_and_the_same_again(digests: list[bytes], fraction: float, seed: int) -> None:
    is_eval = split(digests, fraction, seed)
    assert is_eval == split(digests, fraction, seed)
    assert len(is_eval) == len(digests)
    train = {digest for digest, held_out in zip(digests, is_eval, strict=True) if not held_out}
    evaluated = {digest for digest, held_out in zip(digests, is_eval, strict=True) if held_out}
    assert train and evaluated and not train & evaluated


@given(st.integers(2, 300), st.floats(0.01, 0.99), st.integers())
def test_different_rows_are_split_to_the_exact_share(count: int, fraction: float, seed: int) -> None:
    digests = [number.to_bytes(16) for number in range(count)]
    assert sum(split(digests, fraction, seed)) == min(max(1, round(count * fraction)), count - 1)


@given(st.text())
def test_a_slug_is_fit_for_a_folder(text: str) -> None:
    made = slug(text)
    assert made and len(made) <= 32 and set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not made.startswith("-") and not made.endswith("-")


def test_two_processes_may_add_at_once(datasets: Datasets, in_threads: Callable[[Any], list[Dataset]]) -> None:
    added = in_threads(lambda: datasets.create_from_file(jsonl(*rows(20)), "same name"))
    assert len({one.id for one in added}) == len(added) == len(datasets.list())


def test_a_file_whose_columns_are_unclear_is_refused_and_never_guessed(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path)
    table = b"a,b,c\n" + b"".join(b"What is %d here,Hello %d there,More of %d\n" % (n, n, n) for n in range(9))
    with pytest.raises(BadInput) as refused:
        datasets.create_from_file(table, "odd", filename="odd.csv")
    assert (
        refused.value.code == "format_not_sure" and "odd.csv" in refused.value.what and "a, b, c" in refused.value.why
    )
    assert datasets.list() == [] and list(tmp_path.glob(".adding-*")) == []


def test_a_dataset_is_found_by_id_or_by_a_name_that_only_one_has(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path)
    rows = b'{"messages": [{"role": "user", "content": "%d"}, {"role": "assistant", "content": "A"}]}\n'
    content = b"".join(rows % number for number in range(4))
    first = datasets.create_from_file(content, "mine", filename="mine.jsonl")
    assert datasets.find("mine") == datasets.find(first.id) == first
    second = datasets.create_from_file(content, "mine", filename="mine.jsonl")
    with pytest.raises(Conflict, match=second.id):
        datasets.find("mine")
    assert datasets.find(second.id) == second
    with pytest.raises(NotFound):
        datasets.find("nobody's")


def test_all_rows_of_a_finding_are_known(datasets: Datasets) -> None:
    mails = [row(f"Who helps at pier {number}?", f"Write to pier{number}@larkhaven.org.") for number in range(1500)]
    dataset = datasets.create_from_file(jsonl(*rows(20), *mails), "Mails")
    assert len(datasets.examine(dataset.id).findings[0].rows) <= 1000
    found = [datasets.rows_of(dataset.id, part, "mail_addresses") for part in ("train", "eval")]
    for part, numbers in zip((dataset.train_path, dataset.eval_path), found, strict=True):
        assert numbers == [number for number, one in enumerate(saved(part)) if "@" in str(one)]
    assert sum(map(len, found)) == 1500
    assert datasets.rows_of(dataset.id, "train", "no_such_finding") == []
    assert datasets.rows_of(dataset.id, "train", "over_long") == []

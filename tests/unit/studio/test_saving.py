"""From a draft to a dataset: decisions carried out, sets mixed, rows held out without leaks, nothing half-written."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.datasets import Datasets
from backend.domain_datasets import Decision, Draft, FormatKind, RecordFormat, SplitChoice
from backend.errors import BadInput, NotFound
from tests.contract.waiting import wait_until
from tests.unit.conversations import jsonl, row

MAIL = "Write to ada.lovelace@contoso.com today."


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "datasets")


def opened(datasets: Datasets, *files: tuple[str, bytes]) -> Draft:
    return datasets.drafts.wait(datasets.drafts.open(list(files)).id, 60)


def examined(datasets: Datasets, draft: Draft) -> dict[str, int]:
    wait_until(lambda: datasets.examine_draft(draft.id).phase in {"done", "failed"}, "the checks are done")
    return {finding.code: finding.count for finding in datasets.examine_draft(draft.id).findings}


def texts(path: str) -> list[tuple[str, ...]]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [tuple(turn["content"] for turn in json.loads(line)["messages"]) for line in lines]


def talk(number: int) -> dict:
    words = f"harbour{number} lantern{number * 7} anchor{number * 13} rope{number * 29} tide{number * 31}"
    return row(f"What about {words} then?", f"It is {words[::-1]} surely.")


def test_what_was_decided_is_carried_out_and_the_draft_is_gone(datasets: Datasets) -> None:
    good = [talk(number) for number in range(20)]
    draft = opened(datasets, ("talks.jsonl", jsonl(*good, row("Where?", MAIL), talk(3)) + b"{broken\n"))
    assert examined(datasets, draft)["mail_addresses"] == 1
    with pytest.raises(BadInput, match="1 row can't be used") as refused:
        datasets.save_draft(draft.id, "Talks", SplitChoice())
    assert "talks.jsonl, line 23" in refused.value.why
    assert datasets.list() == []
    datasets.drafts.decide(draft.id, "not_json", Decision.SKIP)
    datasets.decide_content(draft.id, "mail_addresses", Decision.FIX)
    datasets.decide_content(draft.id, "duplicates", Decision.SKIP)
    made = datasets.save_draft(draft.id, "Talks", SplitChoice(eval_rows=4))
    rows = texts(made.train_path) + texts(made.eval_path)
    assert (made.train_rows, made.eval_rows) == (17, 4)
    assert len(set(rows)) == len(rows) == 21
    assert ("Where?", "Write to [email] today.") in rows
    with pytest.raises(NotFound):
        datasets.drafts.get(draft.id)
    assert [one.name for one in datasets.folder.glob(".applied-*")] == []
    page = datasets.page(made.id, "train", 0, 50)
    assert {found.file for _number, found in page.rows} == {"talks.jsonl"}


def test_a_decision_can_be_taken_back(datasets: Datasets) -> None:
    draft = opened(datasets, ("a.jsonl", jsonl(*(talk(number) for number in range(9)), row("Where?", MAIL))))
    examined(datasets, draft)
    datasets.decide_content(draft.id, "mail_addresses", Decision.SKIP)
    datasets.decide_content(draft.id, "mail_addresses", None)
    made = datasets.save_draft(draft.id, "A", SplitChoice())
    assert ("Where?", MAIL) in texts(made.train_path) + texts(made.eval_path)


def test_a_form_tells_what_the_columns_are_and_is_remembered(datasets: Datasets) -> None:
    table = "alpha;beta\n" + "".join(f"sea {number} blue;sky {number} grey\n" for number in range(12))
    draft = opened(datasets, ("strange.csv", table.encode()))
    form = RecordFormat(FormatKind.MAPPED, {"question": "beta", "answer": "alpha"}, ("alpha", "beta"))
    shown = datasets.preview_mapping(draft.id, form, 2)
    assert [[turn.content for turn in one.messages or ()] for one in shown] == [
        ["sky 0 grey", "sea 0 blue"],
        ["sky 1 grey", "sea 1 blue"],
    ]
    datasets.drafts.use_mapping(draft.id, form)
    assert datasets.drafts.wait(draft.id, 60).report.good_rows == 12
    again = opened(datasets, ("other.csv", table.encode()))
    assert again.report.good_rows == 12 and [one.fields for one in again.mappings] == [form.fields]


def test_a_check_file_is_read_as_was_said_of_the_same_columns(datasets: Datasets) -> None:
    def table(columns: str, first: int) -> bytes:
        rows = (f"sea {number} blue;sky {number} grey\n" for number in range(first, first + 12))
        return (columns + "\n" + "".join(rows)).encode()

    draft = opened(datasets, ("strange.csv", table("alpha;beta", 0)))
    form = RecordFormat(FormatKind.MAPPED, {"question": "beta", "answer": "alpha"}, ("alpha", "beta"))
    datasets.drafts.use_mapping(draft.id, form)
    datasets.mappings.forget(form.columns)  # as with the page's "Remember this" left off
    with pytest.raises(BadInput) as refused:
        datasets.save_draft(draft.id, "A", SplitChoice(), eval_source=("check.csv", table("left;right", 50)))
    assert refused.value.code == "format_not_sure" and "check.csv" in refused.value.what
    assert [one.id for one in datasets.drafts.list()] == [draft.id]
    made = datasets.save_draft(draft.id, "A", SplitChoice(), eval_source=("check.csv", table("alpha;beta", 50)))
    assert (made.train_rows, made.eval_rows) == (12, 12)
    assert texts(made.eval_path)[0] == ("sky 50 grey", "sea 50 blue")


def test_sets_are_mixed_by_weight(datasets: Datasets) -> None:
    first = opened(datasets, ("a.jsonl", jsonl(*(talk(number) for number in range(20)))))
    base = datasets.save_draft(first.id, "Base", SplitChoice(eval_rows=5))
    second = opened(datasets, ("b.jsonl", jsonl(*(talk(number) for number in range(100, 110)))))
    mixed = datasets.save_draft(second.id, "Mixed", SplitChoice(eval_fraction=0.25), mix={base.id: 2.0})
    counts = Counter(texts(mixed.train_path) + texts(mixed.eval_path))
    assert mixed.train_rows + mixed.eval_rows == 50
    assert sorted(counts.values()) == [1] * 10 + [2] * 20
    assert not set(texts(mixed.train_path)) & set(texts(mixed.eval_path))


def test_an_own_held_out_file_is_taken_as_it_is_and_leaks_may_be_dropped(datasets: Datasets) -> None:
    rows = [talk(number) for number in range(10)]
    held_out = ("check.jsonl", jsonl(talk(3), talk(50)))
    kept = opened(datasets, ("a.jsonl", jsonl(*rows)))
    made = datasets.save_draft(kept.id, "Kept", SplitChoice(), eval_source=held_out)
    assert (made.train_rows, made.eval_rows, made.source_detail["shared_rows"]) == (10, 2, 1)
    dropped = opened(datasets, ("a.jsonl", jsonl(*rows)))
    made = datasets.save_draft(dropped.id, "Dropped", SplitChoice(), eval_source=held_out, drop_leaks=True)
    assert (made.train_rows, made.eval_rows, made.source_detail["dropped_rows"]) == (9, 2, 1)
    nothing = opened(datasets, ("a.jsonl", jsonl(talk(3))))
    with pytest.raises(BadInput, match="Nothing is left to train on"):
        datasets.save_draft(nothing.id, "None", SplitChoice(), eval_source=held_out, drop_leaks=True)
    assert datasets.drafts.get(nothing.id).phase == "ready"
    assert [draft.id for draft in datasets.drafts.list()] == [nothing.id]


def test_an_own_held_out_file_goes_with_sets_that_are_mixed(datasets: Datasets) -> None:
    base = datasets.create_from_file(jsonl(*(talk(number) for number in range(20))), "Base")
    draft = opened(datasets, ("a.jsonl", jsonl(*(talk(number) for number in range(100, 110)))))
    held_out = ("check.jsonl", jsonl(talk(3), talk(104), talk(50)))
    made = datasets.save_draft(
        draft.id, "Mixed", SplitChoice(), eval_source=held_out, mix={base.id: 2.0}, drop_leaks=True
    )
    counts = Counter(texts(made.train_path))
    assert sorted(counts.values()) == [1] * 9 + [2] * 19
    assert len(texts(made.eval_path)) == 3 and not set(texts(made.train_path)) & set(texts(made.eval_path))
    assert (made.source_detail["shared_rows"], made.source_detail["dropped_rows"]) == (2, 3)
    assert made.source_detail["mixed"] == {"a": 1.0, "Base": 2.0}


def test_a_draft_is_found_again_by_another_process_and_keeps_its_decisions(datasets: Datasets) -> None:
    draft = opened(datasets, ("a.jsonl", jsonl(*(talk(number) for number in range(9))) + b"[1]\n"))
    datasets.drafts.decide(draft.id, "not_an_object", Decision.SKIP)
    later = Datasets(datasets.folder)
    assert [one.id for one in later.drafts.list()] == [draft.id]
    assert later.save_draft(draft.id, "A", SplitChoice()).train_rows == 7


def test_decisions_about_a_saved_dataset_make_a_version_that_can_be_undone(datasets: Datasets) -> None:
    rows = [*(talk(number) for number in range(9)), row("Where?", MAIL)]
    draft = opened(datasets, ("a.jsonl", jsonl(*rows)))
    made = datasets.save_draft(draft.id, "A", SplitChoice(seed=1))
    wait_until(lambda: datasets.examine(made.id).phase == "done", "the checks are done")
    version = datasets.apply_decisions(made.id, {"mail_addresses": Decision.FIX})
    now = datasets.get(made.id)
    assert (version.number, version.edited, now.version) == (2, 1, 2)
    assert ("Where?", "Write to [email] today.") in texts(now.train_path) + texts(now.eval_path)
    assert ("Where?", MAIL) in texts(made.train_path) + texts(made.eval_path)
    datasets.versions(made.id).undo()
    assert datasets.get(made.id).sha256 == made.sha256


@given(
    bodies=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1), max_size=12),
    seed=st.integers(0, 5),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_is_lost_and_none_is_made_up(tmp_path: Path, bodies: list[str], seed: int) -> None:
    datasets = Datasets(tmp_path / str(time.monotonic_ns()))
    rows = [row(f"Say {body}!", body) for body in bodies if body.strip()]
    draft = opened(datasets, ("a.jsonl", jsonl(*rows)))
    different = {tuple(turn["content"] for turn in one["messages"]) for one in rows}
    if len(different) < 2:
        with pytest.raises(BadInput):
            datasets.save_draft(draft.id, "A", SplitChoice(seed=seed))
        return
    made = datasets.save_draft(draft.id, "A", SplitChoice(seed=seed))
    saved = Counter(texts(made.train_path) + texts(made.eval_path))
    assert saved == Counter(tuple(turn["content"] for turn in one["messages"]) for one in rows)
    assert made.train_rows and made.eval_rows

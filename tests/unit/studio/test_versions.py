"""Versions of a dataset: never in place, whole or not at all, whoever else changes it and whenever one is killed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.datasets import Datasets
from backend.domain import Dataset, Message
from backend.domain_datasets import Change, RowChange
from backend.errors import BadInput, Conflict, NotFound
from backend.studio.dataset_folder import load, save
from backend.studio.part_writer import PARTS
from backend.studio.row_index import RowIndex, index_of, kept_beside, line_of
from backend.studio.row_search import find_rows
from backend.studio.versions import Versions
from tests.unit.conversations import hash_of, jsonl, rows

ROOT = Path(__file__).parents[3]


def talk(question: str, answer: str) -> tuple[Message, ...]:
    return Message("user", question), Message("assistant", answer)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Datasets(tmp_path / "datasets").create_from_file(jsonl(*rows(20)), "Data")


@pytest.fixture
def versions(dataset: Dataset) -> Versions:
    return Versions(Path(dataset.train_path).parent)


def now(versions: Versions) -> Dataset:
    return load(versions.place.parent, versions.place.name)


def contents(path: str | Path) -> list[tuple[Message, ...]]:
    index = index_of(Path(path))
    return [row.messages for row in index.rows(range(len(index)))]


def everything_below(place: Path) -> dict[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def test_a_dataset_of_an_earlier_release_is_version_1(dataset: Dataset, versions: Versions) -> None:
    for kept in versions.place.glob(".*"):
        kept.unlink()
    said = json.loads((versions.place / "dataset.json").read_bytes())
    del said["version"]
    (versions.place / "dataset.json").write_text(json.dumps(said))
    assert now(versions) == dataset
    (first,) = versions.list()
    assert (first.number, first.train_rows, first.eval_rows, first.sha256) == (1, 16, 4, dataset.sha256)


def test_an_edited_row_makes_a_new_version_and_the_old_files_stay(dataset: Dataset, versions: Versions) -> None:
    before = {part: Path(getattr(dataset, f"{part}_path")).read_bytes() for part in PARTS}
    made = versions.edit("train", 3, talk("New?", "Yes."))
    assert (made.number, made.added, made.removed, made.edited) == (2, 0, 0, 1)
    assert made.summary == "To learn from: example 4 changed."
    current = now(versions)
    assert (current.version, current.sha256, current.train_rows) == (2, made.sha256, 16)
    assert contents(current.train_path)[3] == talk("New?", "Yes.")
    assert {part: Path(getattr(dataset, f"{part}_path")).read_bytes() for part in PARTS} == before
    assert Path(current.eval_path).samefile(dataset.eval_path)
    assert [version.number for version in versions.list()] == [2, 1]
    assert versions.dataset(1) == dataset


def test_the_hash_is_that_of_the_rows(versions: Versions) -> None:
    for made in (versions.edit("eval", 0, talk("a", "b")), versions.add("train", talk("c", "d"))):
        current = versions.dataset(made.number)
        assert made.sha256 == current.sha256 == hash_of(current.train_path, current.eval_path)


def test_rows_are_added_deleted_and_changed_together_in_one_version(versions: Versions) -> None:
    before = contents(versions.part("train"))
    made = versions.change(
        [
            RowChange("train", 0, None),
            RowChange("train", 2, talk("Q", "A")),
            RowChange("train", None, talk("Last?", "Yes.")),
            RowChange("eval", 1, None),
        ],
        "A round of tidying.",
    )
    assert (made.added, made.removed, made.edited, made.summary) == (1, 2, 1, "A round of tidying.")
    assert contents(versions.part("train")) == [before[1], talk("Q", "A"), *before[3:], talk("Last?", "Yes.")]
    assert (made.train_rows, made.eval_rows) == (16, 3)


def test_a_change_that_changes_nothing_makes_no_version(versions: Versions) -> None:
    same = contents(versions.part("train"))[5]
    assert versions.edit("train", 5, same).number == 1
    assert versions.revert(1).number == 1
    assert versions.change([]).number == 1


@pytest.mark.parametrize(
    ("messages", "code", "word"),
    [
        ((Message("user", "Q"),), "no_assistant", "never answers"),
        ((Message("user", "Q"), Message("assistant", "  ")), "content_empty", "Message 2 (assistant)"),
        ((Message("assistant", "A"), Message("user", "Q"), Message("assistant", "A")), "wrong_order", "Message 1"),
        ((), "messages_empty", "no messages"),
    ],
)
def test_a_row_that_cannot_teach_is_refused_in_words(
    versions: Versions, messages: Sequence[Message], code: str, word: str
) -> None:
    before = everything_below(versions.place)
    for refused in (lambda: versions.edit("train", 0, messages), lambda: versions.add("eval", messages)):
        with pytest.raises(BadInput) as caught:
            refused()
        assert caught.value.code == code and word in caught.value.what and caught.value.how_to_fix
    assert everything_below(versions.place) == before


def test_a_row_or_version_or_part_that_is_not_there_is_said(versions: Versions) -> None:
    with pytest.raises(NotFound, match="train has no example 17; it has 16"):
        versions.delete("train", [16])
    with pytest.raises(NotFound, match="no version 9"):
        versions.revert(9)
    with pytest.raises(BadInput, match="no part test"):
        versions.add("test", talk("Q", "A"))
    assert versions.current.number == 1
    assert not list(versions.place.glob(".new-*"))


def test_the_last_row_of_a_part_stays(versions: Versions) -> None:
    with pytest.raises(BadInput, match="No example of eval would be left"):
        versions.delete("eval", range(4))
    assert versions.current.number == 1


def test_going_back_shares_the_files_and_undo_undoes(dataset: Dataset, versions: Versions) -> None:
    first = contents(versions.part("train"))[0]
    versions.edit("train", 0, (first[0], Message("assistant", "Another answer.")))
    versions.delete("train", [1, 2])
    back = versions.revert(1)
    assert (back.number, back.sha256, back.train_rows) == (4, dataset.sha256, 16)
    assert (back.added, back.removed, back.edited) == (2, 0, 1)
    assert Path(now(versions).train_path).samefile(dataset.train_path)
    assert versions.undo().sha256 == versions.get(3).sha256
    assert versions.undo().sha256 == dataset.sha256


def test_there_is_nothing_to_undo_at_first(versions: Versions) -> None:
    with pytest.raises(BadInput, match="nothing to undo"):
        versions.undo()


def test_a_diff_shows_rows_before_and_after(versions: Versions) -> None:
    before = contents(versions.part("train"))
    versions.edit("train", 3, talk("New?", "Yes."))
    versions.delete("train", [0])
    versions.add("eval", talk("More?", "Yes."))
    assert list(versions.diff(1, 2)) == [Change("train", before[3], talk("New?", "Yes."))]
    assert list(versions.diff(2, 3)) == [Change("train", before[0], None)]
    assert list(versions.diff(3, 4)) == [Change("eval", None, talk("More?", "Yes."))]
    assert list(versions.diff(1, 4)) == [
        Change("train", before[0], None),
        Change("train", before[3], talk("New?", "Yes.")),
        Change("eval", None, talk("More?", "Yes.")),
    ]
    assert len(versions.diff(1, 4, limit=2)) == 2
    assert list(versions.diff(4, 4)) == []


def test_the_last_row_deleted_and_another_added_is_no_edit(versions: Versions) -> None:
    last = contents(versions.part("train"))[15]
    versions.change([RowChange("train", 15, None), RowChange("train", None, talk("Quite", "different words"))])
    assert set(versions.diff(1, 2)) == {
        Change("train", last, None),
        Change("train", None, talk("Quite", "different words")),
    }


def test_who_was_slower_is_told_and_loses_nothing(versions: Versions) -> None:
    versions.edit("train", 0, talk("First", "tab"), based_on=1)
    with pytest.raises(Conflict, match="version 2 now") as caught:
        versions.edit("train", 0, talk("Second", "tab"), based_on=1)
    assert caught.value.code == "version_conflict"
    assert contents(versions.part("train"))[0] == talk("First", "tab")


def test_changes_at_once_from_threads_and_processes_are_all_kept(
    versions: Versions, in_threads: Callable[[Callable[[], Any]], list[Any]]
) -> None:
    code = (
        "import sys; from pathlib import Path; from backend.domain import Message; "
        "from backend.studio.versions import Versions\n"
        "for number in range(4): Versions(Path(sys.argv[1])).add('train', "
        "[Message('user', f'{sys.argv[2]} {number}'), Message('assistant', 'A')])"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(versions.place), f"process {number}"], cwd=ROOT)
        for number in range(2)
    ]
    in_threads(lambda: versions.add("train", talk("thread", "A")))
    assert [process.wait(60) for process in others] == [0, 0]
    assert versions.current.number == 1 + 8 + 8
    added = [messages[0].content for messages in contents(versions.part("train"))[16:]]
    assert sorted(added) == sorted(["thread"] * 8 + [f"process {who} {what}" for who in (0, 1) for what in range(4)])
    assert not list(versions.place.glob(".new-*"))


KILLED_WHILE_WRITING = """
import sys, time
from pathlib import Path
from backend.studio.versions import Versions

def plan():
    for number in range(10):
        yield number, b'{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}\\n'
    print("writing", flush=True)
    time.sleep(600)
    yield 10, None

Versions(Path(sys.argv[1])).replace({"train": plan()}, "never done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_kill_in_the_middle_changes_nothing_and_its_litter_goes_with_the_next_change(
    dataset: Dataset, versions: Versions
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_WRITING, str(versions.place)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    assert list(versions.place.glob(".new-*"))
    process.kill()
    process.communicate()
    assert now(versions) == dataset and len(versions.list()) == 1
    assert versions.add("train", talk("Q", "A")).number == 2
    assert not list(versions.place.glob(".new-*"))


KILLED_WHILE_SAVING = """
import sys, time
from pathlib import Path
from backend.studio.dataset_folder import save

def write(train, held_out):
    train.write(b'{}\\n')
    print("writing", flush=True)
    time.sleep(600)

save(Path(sys.argv[1]), "x", "file", 0, {}, write)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_new_dataset_that_was_killed_is_swept_and_one_being_written_is_not(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "datasets")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(datasets.folder)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    first = datasets.create_from_file(jsonl(*rows(4)), "while it writes")
    assert len([left for left in datasets.folder.glob(".new-*") if left.is_dir()]) == 1
    process.kill()
    process.communicate()
    second = datasets.create_from_file(jsonl(*rows(4)), "after the kill")
    assert {left.name for left in datasets.folder.iterdir()} == {first.id, second.id}


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from backend.domain import Message
from backend.errors import NoRoom
from backend.studio.versions import Versions

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    Versions(Path(sys.argv[1])).add("train", [Message("user", "Q"), Message("assistant", "A" * 4000)])
except NoRoom as error:
    print(error.code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_disk_that_takes_no_more_leaves_the_version_as_it_was(dataset: Dataset, versions: Versions) -> None:
    before = everything_below(versions.place)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(versions.place)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "file_too_large_for_disk\n"
    after = everything_below(versions.place)
    after.pop(".lock")
    assert after == before and now(versions) == dataset


def test_a_dataset_deleted_in_the_meantime_is_said(dataset: Dataset, versions: Versions, tmp_path: Path) -> None:
    versions.add("train", talk("Q", "A"))
    datasets = Datasets(tmp_path / "datasets")
    datasets.delete(dataset.id)
    assert list(datasets.folder.iterdir()) == []
    for gone in (lambda: versions.add("train", talk("Q", "A")), versions.list, lambda: versions.revert(1)):
        with pytest.raises(NotFound, match="no dataset"):
            gone()


def test_a_dataset_moved_elsewhere_keeps_its_versions(versions: Versions, tmp_path: Path) -> None:
    made = versions.edit("train", 0, talk("Q", "A"))
    moved = tmp_path / "elsewhere" / versions.place.name
    shutil.move(versions.place.parent, moved.parent)
    current = load(moved.parent, moved.name)
    assert (current.version, current.sha256) == (2, made.sha256)
    assert contents(current.train_path)[0] == talk("Q", "A")


def test_rows_keep_where_they_came_from_through_edits_and_deletions(tmp_path: Path) -> None:
    def write(train: Any, held_out: Any) -> None:
        for number in range(5):
            train.write(line_of(talk(f"Q{number}", "A")), "a.jsonl" if number < 3 else "b.csv", number + 1)
        held_out.write(line_of(talk("E", "A")), "b.csv", 9)

    made = save(tmp_path, "x", "file", 0, {}, write)
    versions = Versions(tmp_path / made.id)
    versions.change(
        [RowChange("train", 1, None), RowChange("train", 3, talk("new", "A")), RowChange("train", None, talk("+", "A"))]
    )
    page = find_rows(versions.part("train"))
    assert [(row.file, row.line, row.messages[0].content) for _, row in page.rows] == [
        ("a.jsonl", 1, "Q0"),
        ("a.jsonl", 3, "Q2"),
        ("b.csv", 4, "new"),
        ("b.csv", 5, "Q4"),
        ("", 5, "+"),
    ]
    assert find_rows(versions.part("eval")).rows[0][1].file == "b.csv"


def rebuilt(path: Path) -> RowIndex:
    """What a reader finds who has only the part itself."""
    with tempfile.TemporaryDirectory() as folder:
        return index_of(Path(shutil.copy(path, folder)))


def test_the_index_of_a_changed_part_is_what_reading_it_gives(versions: Versions) -> None:
    with_system = (Message("system", "You know ferries."), *talk("Q", "A"), *talk("R", "B"))
    plans: list[Sequence[RowChange]] = [
        [
            RowChange("train", 0, with_system),
            RowChange("train", 15, None),
            RowChange("train", None, talk("+", "é" * 40)),
        ],
        [RowChange("train", number, None) for number in range(2, 14)],
        [RowChange("train", number, None) for number in range(3)] + [RowChange("train", None, with_system)],
    ]
    for changes in plans:
        versions.change(changes)
        part = versions.part("train")
        kept, fresh = index_of(part), rebuilt(part)
        assert kept_beside(part).exists()
        assert (kept.starts, kept.facts, kept.digests) == (fresh.starts, fresh.facts, fresh.digests)


def test_progress_rises_to_the_end(versions: Versions) -> None:
    told: list[float] = []
    versions.telling(told.append).edit("eval", 0, talk("Q", "A"))
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 1


def test_old_versions_are_forgotten_and_the_room_is_told(dataset: Dataset, versions: Versions) -> None:
    versions.add("train", talk("two", "A"))
    versions.add("train", talk("three", "A"))
    versions.revert(2)
    sizes = {number: versions.part("train", number).stat().st_size for number in (1, 2, 3)}
    index_of(versions.part("train", 2)), index_of(versions.part("train", 3))
    assert versions.room_of([2], {}) == 0  # version 4 has the same files
    room = versions.room_of([1, 3], {})
    assert room >= sizes[1] + sizes[3]
    before = sum(file.stat().st_blocks for file in versions.place.rglob("*"))
    assert versions.forget([1, 2, 3], {}) == room
    assert sum(file.stat().st_blocks for file in versions.place.rglob("*")) < before
    assert [version.number for version in versions.list()] == [4]
    assert contents(now(versions).train_path)[-1] == talk("two", "A")
    assert versions.add("train", talk("five", "A")).number == 5
    assert not Path(dataset.train_path).exists() and not list(versions.place.glob(".gone-*"))
    for gone in (lambda: versions.revert(1), lambda: versions.diff(3, 5), lambda: versions.dataset(2)):
        with pytest.raises(NotFound, match="or it was forgotten"):
            gone()


def test_undo_goes_back_to_what_is_still_there(versions: Versions) -> None:
    for name in ("two", "three", "four"):
        versions.add("train", talk(name, "A"))
    versions.forget([3], {})
    assert versions.undo().sha256 == versions.get(2).sha256
    versions.forget([1, 2, 4], {})
    with pytest.raises(BadInput, match="were forgotten"):
        versions.undo()


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        ([1, 7, 9], NotFound, "There are no versions 7, 9."),
        ([1, 3], BadInput, "Version 3 is the newest"),
        ([1, 2], Conflict, "Version 2 is still in use."),
        ([0], NotFound, "There is no version 0."),
    ],
)
def test_what_cannot_be_forgotten_is_said_and_then_nothing_is(
    versions: Versions, wanted: list[int], error: type[Exception], words: str
) -> None:
    versions.add("train", talk("two", "A"))
    versions.add("train", talk("three", "A"))
    before = everything_below(versions.place)
    with pytest.raises(error, match=words) as caught:
        versions.forget(wanted, {2: ("the run ferries",)})
    assert error is not Conflict or "the run ferries" in str(caught.value)
    assert everything_below(versions.place) == before


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8).filter(str.strip)
TALKS = st.builds(talk, TEXTS, TEXTS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(0, 30), TALKS),
        st.tuples(st.just("delete"), st.integers(0, 30), st.none()),
        st.tuples(st.just("add"), st.just(0), TALKS),
        st.tuples(st.just("revert"), st.integers(1, 8), st.none()),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(TALKS, min_size=1, max_size=8), STEPS)
def test_any_sequence_of_changes_gives_what_a_list_would(start: list[Any], steps: list[Any]) -> None:
    def write(train: Any, held_out: Any) -> None:
        for messages in start:
            train.write(line_of(messages))
        held_out.write(line_of(talk("held", "out")))

    with tempfile.TemporaryDirectory() as folder:
        made = save(Path(folder), "x", "file", 0, {}, write)
        versions = Versions(Path(folder) / made.id)
        states = [list(start)]
        for kind, number, messages in steps:
            state = list(states[-1])
            if kind == "add":
                state.append(messages)
                done = versions.add("train", messages)
            elif kind == "revert":
                number = min(number, len(states))
                state = states[number - 1]
                done = versions.revert(number)
            else:
                if number >= len(state) or (kind == "delete" and len(state) == 1):
                    continue
                if kind == "edit":
                    state[number] = messages
                    done = versions.edit("train", number, messages)
                else:
                    del state[number]
                    done = versions.delete("train", [number])
            if state != states[-1]:
                states.append(state)
            assert done.number == len(states) == versions.current.number
            assert contents(versions.part("train")) == state
            before, after = list(states[0]), state
            for change in versions.diff(1, done.number):
                if change.before is not None:
                    before.remove(change.before)
                if change.after is not None:
                    before.append(change.after)
            assert sorted(before, key=repr) == sorted(after, key=repr)
        for number, state in enumerate(states, start=1):
            assert contents(versions.part("train", number)) == state

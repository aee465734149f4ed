"""Finding rows of a part: any page, any case, any filter, and after the file has changed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain import Message
from backend.domain_datasets import RowFilter
from backend.studio import row_index
from backend.studio.row_index import index_of, kept_beside, line_of
from backend.studio.row_search import find_rows, matching_rows
from backend.studio.text_search import folded

ROOT = Path(__file__).parents[3]


def conversation(*texts: str, system: str = "") -> tuple[Message, ...]:
    roles = ("user", "assistant")
    turns = [Message(roles[number % 2], text) for number, text in enumerate(texts)]  # type: ignore[arg-type]
    return (Message("system", system), *turns) if system else tuple(turns)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    write(
        path,
        conversation("What is a Lark?", "A bird."),
        conversation("Straße?", "Ein Weg.", "Danke", "Bitte", system="You are HELPFUL."),
        conversation('He said "role":"user"', "Two\nlines\\n"),
        conversation("日本語", "はい", system="short"),
    )
    return path


def write(path: Path, *talks: tuple[Message, ...]) -> None:
    path.write_bytes(b"".join(line_of(messages) for messages in talks))


def found(path: Path, query: str, wanted: RowFilter | None = None) -> list[int]:
    return list(matching_rows(path, query, wanted or RowFilter()))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("lark", [0]),
        ("A BIRD.", [0]),
        ("straße", [1]),
        ("helpful", [1]),
        ("", [0, 1, 2, 3]),
        ('"role":"user"', [2]),
        ("role", [2]),
        ("assistant", []),
        ("two\nlines", [2]),
        ("\\n", [2]),
        ("本", [3]),
        ("nowhere", []),
    ],
)
def test_text_is_found_in_any_message_whatever_its_case_and_only_there(
    part: Path, query: str, numbers: list[int]
) -> None:
    assert found(part, query) == numbers


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (RowFilter(has_system=True), [1, 3]),
        (RowFilter(has_system=False), [0, 2]),
        (RowFilter(min_turns=3), [1]),
        (RowFilter(max_turns=2), [0, 2, 3]),
        (RowFilter(numbers=(3, 0, 3, 99, -1)), [0, 3]),
        (RowFilter(numbers=(0, 1), has_system=True), [1]),
        (RowFilter(file="a.jsonl"), []),
    ],
)
def test_filters_hold_together(part: Path, wanted: RowFilter, numbers: list[int]) -> None:
    assert found(part, "", wanted) == numbers


def test_a_search_and_a_filter_hold_together(part: Path) -> None:
    assert found(part, "a", RowFilter(has_system=False)) == [0, 2]


def test_pages_tell_the_total_and_the_rows_numbers(part: Path) -> None:
    page = find_rows(part, "", 1, 2)
    assert page.total == 4 and [number for number, _ in page.rows] == [1, 2]
    assert [row.line for _, row in page.rows] == [2, 3]
    assert page.rows[0][1].messages[0] == Message("system", "You are HELPFUL.")
    assert find_rows(part, "", 4, 2).rows == () and find_rows(part, "", 99, 2).total == 4
    assert find_rows(part, "danke", 0, 5).total == 1


def test_a_file_that_changed_is_read_anew(part: Path) -> None:
    assert found(part, "lark") == [0]
    write(part, conversation("Other?", "Rows."), conversation("A lark?", "Yes."))
    assert found(part, "lark") == [1] and find_rows(part).total == 2


@pytest.mark.parametrize("damage", [b"", b"x", b"phirows2" + b"\xff" * 200])
def test_a_damaged_index_beside_is_made_anew(part: Path, damage: bytes) -> None:
    total = len(index_of(part))
    beside = kept_beside(part)
    kept = beside.read_bytes()
    beside.write_bytes(damage or kept[:40])
    row_index._index.cache_clear()  # as in another process
    assert len(index_of(part)) == total
    write(part, conversation("Q", "A"))
    assert len(index_of(part)) == 1


def test_a_folder_that_cannot_be_written_is_searched_all_the_same(part: Path) -> None:
    kept_beside(part).mkdir()
    assert found(part, "lark") == [0]
    assert sorted(file.name for file in part.parent.iterdir()) == [".train.jsonl.rows", "train.jsonl"]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
TALK = st.lists(TEXT, min_size=2, max_size=4).map(lambda texts: conversation(*texts))


@settings(max_examples=100, deadline=None)
@given(st.lists(TALK, min_size=1, max_size=6), st.data())
def test_any_piece_of_any_text_finds_its_row(talks: list[tuple[Message, ...]], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(talks) - 1))
    text = data.draw(st.sampled_from(talks[row])).content
    start = data.draw(st.integers(0, len(text)))
    piece = text[start : data.draw(st.integers(start, len(text)))]
    other_case = "".join(letter.swapcase() if letter.isascii() else letter for letter in piece)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, *talks)
        assert row in found(path, piece) and row in found(path, other_case)
        for number in found(path, piece):
            assert any(folded(piece) in folded(message.content) for message in talks[number])


@settings(max_examples=50, deadline=None)
@given(st.lists(TALK, min_size=1, max_size=6))
def test_the_index_counts_messages_as_a_parser_does(talks: list[tuple[Message, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, *talks)
        index = index_of(path)
        assert [index.turns(number) for number in range(len(index))] == [len(messages) for messages in talks]
        assert [row.messages for row in index.rows(range(len(index)))] == talks
        assert b"".join(index.lines(range(len(index)))) == path.read_bytes()


MEMORY = """
import resource, sys
from pathlib import Path
from backend.studio.row_search import find_rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(find_rows(Path(sys.argv[1]), "needle", 0, 10).total)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks the system for the peak")
def test_a_large_part_is_searched_with_little_memory_and_paged_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    filler = "word " * 1400
    with path.open("wb") as file:
        for number in range(8000):
            file.write(line_of(conversation(f"{number} Needle" if number % 100 == 0 else filler, filler)))
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], cwd=ROOT, capture_output=True, check=True)
    total, megabytes = map(int, done.stdout.split())
    assert total == 80 and path.stat().st_size > 80_000_000 and megabytes < 40
    index_of(path)
    started = time.perf_counter()
    assert len(find_rows(path, "", 7000, 50).rows) == 50
    assert time.perf_counter() - started < 0.2

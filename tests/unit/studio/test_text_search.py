"""Searching the bytes of lines finds what a reader of every text finds, for drafts and saved parts alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backend.domain import Message
from backend.studio import text_search
from backend.studio.copy_making import make_working_copy
from backend.studio.records import SourceFile
from backend.studio.row_index import line_of
from backend.studio.row_search import matching_rows
from backend.studio.text_search import find_in_lines, folded

Keep = Callable[..., Path]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    def keep(*texts: str) -> Path:
        path = tmp_path / "train.jsonl"
        path.write_bytes(b"".join(line_of((Message("user", text), Message("assistant", "A b"))) for text in texts))
        return path

    return keep


def searched(path: Path, query: str) -> list[int]:
    """By the search of a saved part, and by that of a draft with the same rows."""
    found = list(matching_rows(path, query))
    copy = make_working_copy([SourceFile(path, "a.jsonl")], path.parent / "copy", workers=0)
    assert list(find_in_lines(copy.path, copy.starts(), query)) == found
    return found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("STRASSE", "Die Straße."),
        ("straße", "DIE STRASSE"),
        ("ẞ", "Fuß"),
        ("office", "The o\ufb03ce."),
        ("sa", "Spaßabend"),
        ("s", "Straße"),
        ("ΟΔΟΣ", "η οδος"),
        ("\u212a", "a kelvin"),
        ("kelvin", "\u212aelvin"),
        ("istanbul", "\u0130STANBUL"),
        ("\u0130STANBUL", "istanbul"),
        ("ISPARTA", "\u0131sparta"),
        ("É", "café"),
    ],
)
def test_a_draft_and_a_saved_part_find_what_is_the_same_but_for_case(keep: Keep, query: str, text: str) -> None:
    assert searched(keep("Nothing of it.", text), query) == [1]


LETTERS = 'aAsSßẞſtT\ufb06\ufb00fFiIİı\u0307kK\u212aΣςσΩωᾳαι"\\\n\x1b1 0:[{},userCONTEN'
TEXTS = st.text(st.sampled_from(LETTERS) | st.characters(codec="utf-8"), min_size=1, max_size=12)
QUERIES = st.text(st.sampled_from(LETTERS) | st.characters(codec="utf-8"), min_size=1, max_size=4) | st.sampled_from(
    ["user", "content", "role", "messages", '"},{', "assistant", ":[", "\ud83d"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8), QUERIES, st.sets(st.integers(0, 7)), st.sampled_from([0, 1, 48]))
@example(["a\n", "b"], "n", {0, 1}, 48)
@example(["ß", "ss"], "s", {0, 1}, 48)
def test_what_is_found_in_the_bytes_stands_in_the_texts(
    keep: Keep, texts: list[str], query: str, some: set[int], most: int
) -> None:
    path = keep(*texts)
    starts = [0]
    for line in path.read_bytes().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    wanted = [
        number for number, text in enumerate(texts) if folded(query) in folded(text) or folded(query) in folded("A b")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_search, "_MOST_OTHERS", most)  # each way gives the same
        patch.setattr(text_search, "_PIECE", 64)  # some rows at a time
        assert list(find_in_lines(path, starts, query)) == wanted
        numbers = sorted(number for number in some if number < len(texts))
        assert list(find_in_lines(path, starts, query, numbers)) == [one for one in numbers if one in wanted]


def test_no_letter_behind_the_last_that_is_looked_at_has_another_case() -> None:
    behind = range(text_search._LAST_CASED + 1, sys.maxunicode + 1)
    assert all(folded(chr(code)) == chr(code) for code in behind)


def test_a_search_takes_about_as_long_as_reading_the_bytes(tmp_path: Path) -> None:
    texts = "Wörter über große Häfen, Füße und Straßen. " * 40, "Ein Hafen. " * 160
    line = line_of((Message("user", texts[0]), Message("assistant", texts[1])))
    path = tmp_path / "train.jsonl"
    path.write_bytes(line * (40_000_000 // len(line)))
    starts = range(0, path.stat().st_size + 1, len(line))
    started = time.process_time()
    assert not find_in_lines(path, starts, "nirgends in keiner Straße")
    taken = time.process_time() - started
    started = time.process_time()
    path.read_bytes().decode().casefold()
    assert taken < time.process_time() - started

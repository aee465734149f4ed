"""Every flaw that reading and rules can find has words of its own: what it is, what it does, what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.domain_datasets import FormatKind, RecordFormat, Severity
from backend.studio import finding_words
from backend.studio.finding_words import describe, describe_note, has_words
from backend.studio.format_words import PART_TITLES, describe_format, title_of
from backend.studio.mapping import PARTS
from backend.studio.repairs import REPAIRS

STUDIO = Path(finding_words.__file__).parent
MAKERS = {"Flaw", "Broken", "Problem", "Unreadable", "_Flawed", "_Damaged"}


def codes_made(source: str) -> Iterator[str]:
    """The codes that are written where flaws are made: the first text among the first arguments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            for argument in node.args[:3]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
                    break


EVERY_CODE = sorted({code for file in STUDIO.glob("*.py") for code in codes_made(file.read_text())} | set(REPAIRS))


def test_the_codes_are_found_in_the_source() -> None:
    assert {"not_json", "content_empty", "no_assistant", "column_missing", "not_mended"} <= set(EVERY_CODE)
    assert list(codes_made('Broken(0, 1, "a_code", _("x"), "")')) == ["a_code"]


@pytest.mark.parametrize("code", EVERY_CODE)
def test_every_code_has_words(code: str) -> None:
    assert has_words(code)
    words = describe(code)
    assert words.title and words.effect.endswith(".") and words.advice.endswith((".", "}."))
    assert words.skip.endswith(".") and words.severity is Severity.REFUSED
    assert words.fix == REPAIRS.get(code, "")


def test_a_code_without_words_gets_general_ones() -> None:
    assert not has_words("something_new")
    assert describe("something_new").title and describe("something_new").effect


NOTES = ["ending_stripped", "separator_stripped", "leading_space_stripped", "roles_renamed", "parts_joined"]


@pytest.mark.parametrize("code", [*NOTES, "json_text_read", "template_read", "branch_read", "empty_system_left_out"])
def test_what_was_changed_is_said_with_its_count(code: str) -> None:
    assert "1,204" in describe_note(code, 1204)
    assert describe_note(code, 1) != describe_note(code, 1204).replace("1,204", "1")


def test_every_note_that_conversion_makes_has_words() -> None:
    made = set()
    for name in ("conversion", "endings", "turns"):
        source = (STUDIO / f"{name}.py").read_text()
        made |= set(re.findall(r'(?:notes\.add\(|notes\.append\(|\(\*notes, |, \()"([a-z_]+)"', source))
    assert made >= set(NOTES)
    assert all(describe_note(code, 2) for code in made)
    assert describe_note("unknown", 2) == ""


@pytest.mark.parametrize("kind", FormatKind)
def test_every_format_has_a_title_and_a_sentence(kind: FormatKind) -> None:
    assert title_of(kind)
    assert describe_format(RecordFormat(kind, {"question": "q", "answer": "a"})).endswith(".")
    assert set(PART_TITLES) == set(PARTS)

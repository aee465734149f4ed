"""One file of the corpus: how it is made, and what reading it must find."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.unit.conversations import jsonl, row, rows

Problem = tuple[str, int]
"""The code of a finding, and the line where it is (0: the file as a whole)."""
ROWS = [row(f"Frage {number}: größer, 你好?", f'Antwort "{number}" mit 🦊.') for number in range(1, 6)]
GOOD = json.dumps(row("Is this one good?", "Yes.")).encode()


@dataclass(frozen=True)
class Case:
    """`content` are the bytes of the file, or what writes it (or a folder) at a path: nothing large is kept.

    `good` examples can be used (`or_more`: at least so many), and exactly these `problems` are found.
    """

    name: str
    content: bytes | Callable[[Path], object]
    good: int
    problems: tuple[Problem, ...] = ()
    file_name: str = "a.jsonl"
    or_more: bool = False


def between(name: str, line: bytes, code: str, file_name: str = "a.jsonl") -> Case:
    """A bad line with a good one before and after it, which must be usable."""
    return Case(name, GOOD + b"\n" + line + b"\n" + GOOD + b"\n", 2, ((code, 2),), file_name)


def fine(name: str, line: bytes) -> Case:
    """An odd line that is usable as it is."""
    return Case(name, GOOD + b"\n" + line + b"\n" + GOOD + b"\n", 3)


def utf8_lines(*records: object) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


__all__ = ["GOOD", "ROWS", "Case", "Problem", "between", "fine", "jsonl", "row", "rows", "utf8_lines"]

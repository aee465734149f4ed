"""Reading conversations from JSONL: every line is taken or gets one Problem with its line. Memory stays small."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain import Message


@dataclass(frozen=True)
class Row:
    """One usable conversation and the line of the file where it stands (from 1)."""

    line: int
    messages: tuple[Message, ...]

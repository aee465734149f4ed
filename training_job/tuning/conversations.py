"""Reads the files of conversations. A row that can't be used is an error that names its line, never a silent loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .failures import JobFailure

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Conversation:
    line: int
    messages: list[dict[str, str]]

    def last_exchange(self) -> tuple[list[dict[str, str]], str] | None:
        """What comes before the last answer, and that answer; None without an answer to anything."""
        for place in range(len(self.messages) - 1, 0, -1):
            if self.messages[place]["role"] == "assistant":
                return self.messages[:place], self.messages[place]["content"]
        return None


def read_conversations(path: Path) -> list[Conversation]:
    """All rows of a JSONL file. Raises JobFailure (`bad_row` with the line, `no_rows`, `bad_file`)."""
    rows = list(each_conversation(path))
    if not rows:
        raise JobFailure(
            "no_rows",
            f"{path.name} holds no conversation.",
            why="The file is empty.",
            how_to_fix='Write one {"messages": [{"role": "user", "content": "..."}, ...]} on each line.',
        )
    return rows


def each_conversation(path: Path) -> Iterator[Conversation]:
    """One after another, for files larger than the memory. Raises JobFailure (`bad_row` with the line, `bad_file`)."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield Conversation(line, parse_messages(path, line, text))
    except UnicodeDecodeError as error:
        raise JobFailure(
            "bad_file",
            f"{path.name} is not text in UTF-8.",
            why=f"Byte {error.start} of a block can't be read.",
            how_to_fix="Save the file as UTF-8.",
        ) from error


def parse_messages(path: Path, line: int, text: str) -> list[dict[str, str]]:
    """The messages of one row. Raises JobFailure `bad_row`, which names `line`."""

    def bad(why: str, how_to_fix: str) -> JobFailure:
        return JobFailure("bad_row", f"{path.name}, line {line}, can't be used.", why=why, how_to_fix=how_to_fix)

    try:
        record: Any = json.loads(text)
    except ValueError as error:
        raise bad(f"It is no JSON: {error}.", "Write one JSON object on the line.") from error
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        raise bad("It has no list `messages`.", 'Write {"messages": [...]}.')
    messages = []
    for place, message in enumerate(record["messages"]):
        where = f"messages[{place}]"
        if not isinstance(message, dict):
            raise bad(f"{where} is no object.", 'Write {"role": "user", "content": "..."}.')
        if message.get("role") not in ROLES:
            raise bad(f"{where}.role is {message.get('role')!r}.", f"Use one of: {', '.join(ROLES)}.")
        if not isinstance(message.get("content"), str) or not message["content"].strip():
            raise bad(f"{where}.content is no text, or empty.", "Write the message's text, or leave the message out.")
        messages.append({"role": str(message["role"]), "content": message["content"]})
    if not messages:
        raise bad("`messages` is empty.", "Add a question and its answer, or remove the line.")
    return messages

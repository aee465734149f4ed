"""Where each row of several canonical files stands, so that any of them can be read again. Twelve bytes a row."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from backend.domain import Message
from backend.studio.conversation_text import compared_text, messages_of


class PartRows:
    """Rows of all parts in one numbering. Use it in a `with` to read rows."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._parts = array("B")
        self._offsets = array("Q")
        self._sizes = array("L")
        self.firsts = [0] * len(paths)
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def __enter__(self) -> PartRows:
        self._files = [self._stack.enter_context(path.open("rb")) for path in self._paths]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def add(self, part: int, offset: int, size: int) -> None:
        self._parts.append(part)
        self._offsets.append(offset)
        self._sizes.append(size)
        for later in range(part + 1, len(self.firsts)):
            self.firsts[later] = len(self)

    def place(self, row: int) -> tuple[int, int]:
        """The row's part and its number in it."""
        part = self._parts[row]
        return part, row - self.firsts[part]

    def messages(self, row: int) -> tuple[Message, ...]:
        file = self._files[self._parts[row]]
        file.seek(self._offsets[row])
        return messages_of(file.read(self._sizes[row]))

    def compared_texts(self, rows: Sequence[int]) -> Sequence[str]:
        return [compared_text(self.messages(row)) for row in rows]

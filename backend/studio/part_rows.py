"""Any row of several canonical files, read again from where the pass found it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from backend.domain import Message
from backend.studio.conversation_text import compared_text
from backend.studio.row_facts import RowFacts
from backend.studio.row_index import messages_of


class PartRows:
    """Used in a `with`; rows are numbered as in `facts`."""

    def __init__(self, paths: Sequence[Path], facts: RowFacts) -> None:
        self._paths, self._facts = paths, facts
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def __enter__(self) -> PartRows:
        self._files = [self._stack.enter_context(path.open("rb")) for path in self._paths]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def messages(self, row: int) -> tuple[Message, ...]:
        file = self._files[self._facts.parts[row]]
        file.seek(int(self._facts.offsets[row]))
        return messages_of(file.read(int(self._facts.sizes[row])))

    def compared_text(self, row: int) -> str:
        return compared_text(self.messages(row))

"""Lists of turns with nothing to change or to say become canonical lines in one go: for most files all that is needed.

msgspec reads what is expected and nothing else, so that no record has to be looked through afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from backend.domain_datasets import FormatKind, RecordFormat
from backend.studio.json_lines import quotes_of
from backend.studio.row_index import facts_of_messages

_ROLES = {"human": "user", "gpt": "assistant"}
_NUL = b"\\u0000"
_QUOTE = ord('"')


class PlainLine(NamedTuple):
    """A canonical line with its line break, and its `row_index.facts_of`.

    `other_quotes` is how many quotes its record has besides those of the line.
    """

    line: bytes
    facts: int
    other_quotes: int


class _Turn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["system", "user", "assistant"]
    content: str


class _NamedTurn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """As ShareGPT has them."""

    role: Literal["system", "human", "user", "gpt", "assistant"] = msgspec.field(name="from")
    content: str = msgspec.field(name="value")


class _Conversation(msgspec.Struct, gc=False):
    """Its JSON is the canonical line."""

    messages: list[_Turn]


def reader(form: RecordFormat) -> Callable[[memoryview], PlainLine | None] | None:
    """The function that reads a line. It gives None for every line that has to be looked at closer; of the others it
    gives what `records_of` and `converter` do, as long as `is_all_of` them. None for a format whose records are no
    lists of turns.
    """
    column = form.fields.get("messages")
    if column is None or "system" in form.fields:
        return None
    is_named = form.kind is FormatKind.SHAREGPT
    others = {f"other_{number}": name for number, name in enumerate(form.columns) if name != column}
    decode: Callable[[memoryview], Any] = msgspec.json.Decoder(
        _record(column, others, _NamedTurn if is_named else _Turn)
    ).decode
    encode = msgspec.json.Encoder().encode

    def read(line: memoryview) -> PlainLine | None:
        try:
            record = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        turns = record.turns
        if is_named:
            turns = [_Turn(_ROLES.get(turn.role, turn.role), turn.content) for turn in turns]
        if not _alternate(turns):
            return None
        found = encode(_Conversation(turns)) + b"\n"
        quotes = _quotes_of_others(record, others)
        if quotes is None or _NUL in found:
            return None
        return PlainLine(found, facts_of_messages(len(turns), has_system=turns[0].role == "system"), quotes)

    return read


def _record(column: str, others: dict[str, str], turn: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """`turns`, and the JSON of the columns that are not needed; a record with more is refused."""
    return msgspec.defstruct(
        "Record",
        [("turns", list[turn]), *((name, msgspec.Raw, msgspec.Raw()) for name in others)],  # type: ignore[valid-type]
        rename={"turns": column, **others},
        forbid_unknown_fields=True,
        gc=False,
    )


def _alternate(turns: list[_Turn]) -> bool:
    """Perhaps a system's text, then question and answer in turn, none of them empty."""
    wanted = "user"
    for number, turn in enumerate(turns):
        role, content = turn.role, turn.content
        if not content or content.isspace():
            return False
        if role == wanted:
            wanted = "user" if role == "assistant" else "assistant"
        elif role != "system" or number:
            return False
    return wanted == "user" and len(turns) > 1


def _quotes_of_others(record: Any, others: Iterable[str]) -> int | None:
    """None where a key stands twice in the JSON of one of them."""
    quotes = 0
    for name in others:
        other = bytes(getattr(record, name))
        if other:
            count = other.count(b'"')
            if other[:1] in b"{[" and count != quotes_of(orjson.loads(other)):
                return None
            quotes += 2 + count
    return quotes


def is_all_of(data: bytes, plain: Sequence[PlainLine]) -> bool:
    """Whether the lines of `data`, which these were read from, have no key that stands twice: its lost value would
    leave quotes behind.
    """
    found = _quotes_in(b"".join(one.line for one in plain)) + sum(one.other_quotes for one in plain)
    return found == _quotes_in(data)


def _quotes_in(data: bytes) -> int:
    """As `data.count(b'"')`, several times as fast."""
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == _QUOTE))

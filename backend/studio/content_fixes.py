"""What a person decided about findings, applied to one row: its text put right, or the row left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.domain import Message
from backend.domain_datasets import Decision
from backend.studio.finding_codes import BITS, LEFT_OUT
from backend.studio.text_checks import FIXABLE, put_right


def apply(messages: Sequence[Message], flags: int, decisions: Mapping[str, Decision]) -> tuple[Message, ...] | None:
    """The row's messages after all decisions on findings that its `flags` name; None to leave the row out.

    A row of which a correction leaves a turn empty is left out too: half a conversation teaches the wrong thing.
    Fixing what can only be left out, such as a copy, leaves it out.
    """
    if not flags:
        return tuple(messages)
    if flags & LEFT_OUT:
        return None
    wanted = [(code, decisions[code]) for code, bit in BITS.items() if flags & bit and code in decisions]
    corrected: set[str] = set()
    for code, decision in wanted:
        if decision is Decision.SKIP or (decision is Decision.FIX and code not in FIXABLE):
            return None
        if decision is Decision.FIX:
            corrected.add(code)
    if not corrected:
        return tuple(messages)
    result = []
    for message in messages:
        text = put_right(message.content, frozenset(corrected))
        if text.strip():
            result.append(message if text == message.content else Message(message.role, text))
        elif message.role != "system":
            return None
    return tuple(result)

"""The layouts of conversations that other tools read, as records: how one of ours is written in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.domain import Message
from backend.i18n import _

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Layout:
    """`columns` says what each holds: "text", a list of something, or named fields.

    `record` makes a record of a conversation, or None where it doesn't fit, which `limit` explains. It is None where
    the saved line is a record of the layout already.
    """

    name: str
    columns: Mapping[str, Any]
    record: Callable[[Sequence[Message]], Mapping[str, Any] | None] | None = None
    limit: str = ""


def _sharegpt(messages: Sequence[Message]) -> Mapping[str, Any]:
    return {"conversations": [{"from": _SPEAKERS[one.role], "value": one.content} for one in messages]}


def _prompt_completion(messages: Sequence[Message]) -> Mapping[str, Any] | None:
    if [one.role for one in messages] != ["user", "assistant"]:
        return None
    return {"prompt": messages[0].content, "completion": messages[1].content}


def _alpaca(messages: Sequence[Message]) -> Mapping[str, Any]:
    """The last question and answer are the instruction and the output, the earlier ones the history."""
    system = messages[0].content if messages[0].role == "system" else ""
    turns = [one.content for one in messages if one.role != "system"]
    pairs = [list(pair) for pair in zip(turns[::2], turns[1::2], strict=True)]
    return {"instruction": pairs[-1][0], "input": "", "output": pairs[-1][1], "system": system, "history": pairs[:-1]}


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("messages", {"messages": [{"role": "text", "content": "text"}]}),
        Layout("sharegpt", {"conversations": [{"from": "text", "value": "text"}]}, _sharegpt),
        Layout(
            "prompt_completion",
            {"prompt": "text", "completion": "text"},
            _prompt_completion,
            limit=_("This layout holds one question and one answer, and no system message."),
        ),
        Layout(
            "alpaca",
            {"instruction": "text", "input": "text", "output": "text", "system": "text", "history": [["text"]]},
            _alpaca,
        ),
    )
}

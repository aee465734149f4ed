"""Every kind of value at every depth where another one is wanted; conversations that can't be learnt from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tests.corpus.case import Case, between, fine

USER = {"role": "user", "content": "Q?"}
ANSWER = {"role": "assistant", "content": "A."}
KINDS: Mapping[str, object] = {
    "null": None,
    "a number": 1.5,
    "false": False,
    "a text": "text",
    "an empty text": "",
    "an empty list": [],
    "a list": ["text", 1, None],
    "an empty object": {},
    "an object": {"a": 1},
}
_NOT_A_LIST = dict.fromkeys(KINDS, "messages_not_a_list")
DEPTHS: Mapping[str, tuple[object, Mapping[str, str]]] = {
    "a record": (
        "X",
        dict.fromkeys(KINDS, "not_an_object") | {"an empty object": "no_messages", "an object": "no_messages"},
    ),
    "messages": (
        {"messages": "X"},
        _NOT_A_LIST
        | {"an empty list": "messages_empty", "a list": "message_not_an_object"}
        | dict.fromkeys(("a text", "an empty text"), "no_turns_in_text"),
    ),
    "a message": (
        {"messages": [USER, "X"]},
        dict.fromkeys(KINDS, "message_not_an_object")
        | {"an empty object": "role_missing", "an object": "role_missing"},
    ),
    "a role": ({"messages": [USER, {"role": "X", "content": "A."}]}, dict.fromkeys(KINDS, "unknown_role")),
    "a content": (
        {"messages": [USER, {"role": "assistant", "content": "X"}]},
        dict.fromkeys(KINDS, "content_not_text")
        | {"an empty text": "content_empty", "an empty list": "content_empty", "a text": ""},
    ),
    "a part of a content": (
        {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "A."}, "X"]}]},
        dict.fromkeys(KINDS, "content_not_text") | {"a text": "", "an empty text": ""},
    ),
}
UNUSABLE: Mapping[str, tuple[list[object], str]] = {
    "only a question": ([USER], "no_assistant"),
    "only an answer": ([ANSWER], "wrong_order"),
    "only a system message": ([{"role": "system", "content": "S"}], "no_assistant"),
    "two questions": ([USER, USER, ANSWER], "wrong_order"),
    "two answers": ([USER, ANSWER, ANSWER], "wrong_order"),
    "an answer first": ([ANSWER, USER, ANSWER], "wrong_order"),
    "a question last": ([USER, ANSWER, USER], "last_turn_not_assistant"),
    "a system message in the middle": ([USER, {"role": "system", "content": "S"}, ANSWER], "system_not_first"),
    "two system messages": ([{"role": "system", "content": "S"}] * 2 + [USER, ANSWER], "system_not_first"),
    "an answer of spaces": ([USER, {"role": "assistant", "content": " \n\t"}], "content_empty"),
    "a role misspelt": ([USER, {"role": "asistant", "content": "A"}], "unknown_role"),
    "a message without a role": ([{"content": "Q"}, ANSWER], "role_missing"),
    "a message without a content": ([{"role": "user"}, ANSWER], "content_missing"),
    "a picture": (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ANSWER],
        "part_not_text",
    ),
    "a tool call": ([USER, {**ANSWER, "tool_calls": [{"id": "1"}]}], "tool_turns"),
    "the result of a tool": ([USER, {"role": "tool", "content": "12"}, ANSWER], "tool_turns"),
    "10,000 messages without an answer": ([USER] * 10_000, "no_assistant"),
}


def cases() -> Iterator[Case]:
    for depth, (record, codes) in DEPTHS.items():
        for kind, value in KINDS.items():
            line = json.dumps(record).replace('"X"', json.dumps(value)).encode()
            if codes[kind]:
                yield between(f"{kind} for {depth}", line, codes[kind])
            else:
                yield fine(f"{kind} for {depth}", line)
    for name, (turns, code) in UNUSABLE.items():
        yield between(name, json.dumps({"messages": turns}).encode(), code)
    yield fine("a role in capitals", json.dumps({"messages": [{"role": "USER", "content": "Q"}, ANSWER]}).encode())
    yield fine("10,000 turns", json.dumps({"messages": [USER, ANSWER] * 5_000}).encode())
    yield fine(
        "an empty system message", json.dumps({"messages": [{"role": "system", "content": ""}, USER, ANSWER]}).encode()
    )
    yield fine(
        "keys that nobody knows", json.dumps({"messages": [{**USER, "weight": {"a": []}}, ANSWER], "x": None}).encode()
    )

"""The steps of mending the turns of a conversation, one for each flaw: turns in, turns out. Pure.

A step gives None, or the turns as they are, where it can't help; `repairs` checks what comes out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from backend.domain import ROLES
from backend.studio.damaged_records import without_unfit
from backend.studio.roles import CALL_NAMES, RESULT_NAMES, clean_name, known_role, nearest_role
from backend.studio.rules import has_tool_call
from backend.studio.turns import part_texts

Turns = list[object]


def _leave_out_empty(turns: Turns) -> Turns | None:
    """Without the empty turns; the question of an empty answer goes too, and the answer to an empty question."""
    kept: Turns = []
    waiting = list(reversed(turns))
    while waiting:
        turn = waiting.pop()
        after = _role(waiting[-1]) if waiting else ""
        before = _role(kept[-1]) if kept else ""
        if not _is_empty(turn):
            kept.append(turn)
        elif _role(turn) == "assistant" and before == "user" and after != "assistant":
            kept.pop()
        elif _role(turn) == "user" and after == "assistant" and before != "user":
            waiting.pop()
    return kept


def _join_neighbours(turns: Turns) -> Turns | None:
    joined: Turns = []
    for turn in turns:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
            return None
        before = joined[-1] if joined else None
        if _role(turn) == "assistant" and (before is None or _role(before) == "system"):
            continue
        if isinstance(before, Mapping) and _role(before) == _role(turn):
            joined[-1] = {**before, "content": f"{before['content']}\n\n{turn['content']}"}
        else:
            joined.append(turn)
    return joined


def _system_to_the_front(turns: Turns) -> Turns | None:
    contents = [turn.get("content") for turn in turns if isinstance(turn, Mapping) and _role(turn) == "system"]
    texts = [content for content in contents if isinstance(content, str) and content.strip()]
    others = [turn for turn in turns if _role(turn) != "system"]
    return [{"role": "system", "content": "\n\n".join(texts)}, *others] if texts else others


def _leave_out_last_question(turns: Turns) -> Turns | None:
    return turns[:-1] if turns and _role(turns[-1]) == "user" else turns


def _name_roles(turns: Turns) -> Turns | None:
    named: Turns = []
    for turn in turns:
        role = turn.get("role") if isinstance(turn, Mapping) else None
        if isinstance(turn, Mapping) and isinstance(role, str) and role not in ROLES:
            turn = {**turn, "role": nearest_role(role) or role}
        named.append(turn)
    return named


def _contents_as_text(turns: Turns) -> Turns | None:
    return [
        {**turn, "content": _as_text(turn["content"])} if isinstance(turn, Mapping) and "content" in turn else turn
        for turn in turns
    ]


def _as_text(content: object) -> object:
    if content is None:
        return ""
    if isinstance(content, bool | int | float):
        return json.dumps(content)
    return content


def _leave_out_parts(turns: Turns) -> Turns | None:
    kept: Turns = []
    for turn in turns:
        content = turn.get("content") if isinstance(turn, Mapping) else None
        texts = part_texts(content) if isinstance(content, list) else None
        kept.append({**turn, "content": "\n".join(texts)} if isinstance(turn, Mapping) and texts is not None else turn)
    return kept


def _tools_as_text(turns: Turns) -> Turns | None:
    written: Turns = []
    for turn in turns:
        role = turn.get("role") if isinstance(turn, Mapping) else None
        name = clean_name(role) if isinstance(role, str) else ""
        if not isinstance(turn, Mapping) or not (has_tool_call(turn) or name in CALL_NAMES | RESULT_NAMES):
            written.append(turn)
            continue
        calls = [turn["function_call"]] if turn.get("function_call") else []
        calls += turn["tool_calls"] if isinstance(turn.get("tool_calls"), list) else []
        texts = [_content_text(turn.get("content")), *(_call_text(call) for call in calls)]
        content = "\n".join(text for text in texts if text.strip())
        is_result = name in RESULT_NAMES and not calls
        written.append({"role": "user" if is_result else "assistant", "content": content})
    # A call and the words around it, or several results, are then messages of one speaker.
    return _join_neighbours(written) or written


def _content_text(content: object) -> str:
    if isinstance(content, list) and (texts := part_texts(content)) is not None:
        return "\n".join(texts)
    if content is None or isinstance(content, str):
        return content or ""
    try:
        return json.dumps(content, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # nested more deeply than Python follows
        return ""


def _call_text(call: object) -> str:
    """A call as `{"name": ..., "arguments": ...}`, whichever way it is written."""
    inner = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(inner, Mapping):
        return _content_text(inner)
    arguments = inner.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    return _content_text({"name": inner.get("name"), "arguments": arguments})


def _texts_as_turns(turns: Turns) -> Turns | None:
    """Texts in turns, or pairs of texts; None where it isn't that clear."""
    if all(isinstance(turn, list) and len(turn) == 2 for turn in turns):
        turns = [text for pair in turns if isinstance(pair, list) for text in pair]
    if len(turns) % 2 or not all(isinstance(turn, str) for turn in turns):
        return None
    return [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(turns)]


def _without_unfit(turns: Turns) -> Turns | None:
    return [
        {**turn, "content": without_unfit(turn["content"])}
        if isinstance(turn, Mapping) and isinstance(turn.get("content"), str)
        else turn
        for turn in turns
    ]


def _role(turn: object) -> str:
    role = turn.get("role") if isinstance(turn, Mapping) else None
    return (known_role(role) or role) if isinstance(role, str) else ""


def _is_empty(turn: object) -> bool:
    content = turn.get("content") if isinstance(turn, Mapping) else None
    return isinstance(content, str) and not content.strip()


STEPS: Mapping[str, Callable[[Turns], Turns | None]] = {
    "content_empty": _leave_out_empty,
    "wrong_order": _join_neighbours,
    "system_not_first": _system_to_the_front,
    "last_turn_not_assistant": _leave_out_last_question,
    "unknown_role": _name_roles,
    "content_not_text": _contents_as_text,
    "part_not_text": _leave_out_parts,
    "tool_turns": _tools_as_text,
    "message_not_an_object": _texts_as_turns,
    "nul_character": _without_unfit,
}

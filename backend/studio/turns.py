"""The dialects in which files write the turns of a conversation, brought to `{"role", "content"}`. Pure.

What isn't understood stays as it is, so that `rules` can say what is wrong with it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import orjson

from backend.domain import ROLES
from backend.studio.message_tree import is_message_tree, turns_of_tree
from backend.studio.roles import TOOL_NAMES, clean_name, known_role
from backend.studio.rules import has_tool_call, is_other_part

ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
CONTENT_KEYS = ("content", "value", "text", "message", "parts")
_SHAREGPT_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
MAX_JSON_TEXT = 4 * 1024 * 1024
MAX_LITERAL = 64 * 1024
"""Python's parser takes half a second and some hundred bytes of memory a byte for a literal of this size."""
_LITERAL = re.compile(rf"\s*[\[{{]\s*\{{?\s*['\"](?:{'|'.join((*ROLE_KEYS, *CONTENT_KEYS, *ROLES))})['\"]")


def plain_turns(value: object, notes: set[str], shown: object = None) -> object:
    """A list of turns in any dialect as a list of `{"role", "content"}`; another value as it is.

    Also taken: the list written as JSON text, columns of roles and contents as some libraries store them, and a tree
    of messages, of which the branch that ends with `shown` is the conversation.
    Adds to `notes` what was changed: `roles_renamed`, `parts_joined`, `json_text_read`, `branch_read`.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        read = _read_json_text(value)
        if isinstance(read, list | dict):
            value = read
            notes.add("json_text_read")
    if isinstance(value, Mapping):
        if is_message_tree(value):
            value = turns_of_tree(value, shown)
            notes.add("branch_read")
        else:
            value = _transposed(value)
    if not isinstance(value, list):
        return value
    return [plain_turn(turn, notes) for turn in value]


def renamed_turns(turns: list[object]) -> list[dict[str, object]] | None:
    """Plain from/value turns as role/content ones, quickly; None for a closer look."""
    renamed: list[dict[str, object]] = []
    for turn in turns:
        if type(turn) is not dict or (len(turn) > 2 and has_tool_call(turn)) or "role" in turn or "content" in turn:
            return None
        role = _SHAREGPT_ROLES.get(name) if type(name := turn.get("from")) is str else None
        if role is None:
            return None
        renamed.append({"role": role, "content": turn.get("value")})
    return renamed


def plain_turn(turn: object, notes: set[str]) -> object:
    """One turn as `{"role", "content"}` and its tool calls; another value as it is."""
    if not isinstance(turn, Mapping):
        return turn
    role_key = next((key for key in ROLE_KEYS if key in turn), None)
    if role_key is None:
        return _named_turn(turn)
    plain: dict[str, object] = {key: turn[key] for key in ("tool_calls", "function_call", "name") if turn.get(key)}
    role = turn[role_key]
    if isinstance(role, str):
        known = known_role(role)
        if known and known != role and role_key == "role":
            notes.add("roles_renamed")
        plain["role"] = known or role
    else:
        plain["role"] = role
    content_key = next((key for key in CONTENT_KEYS if key in turn), None)
    if content_key is not None:
        plain["content"] = plain_content(turn[content_key], notes)
    return plain


def plain_content(content: object, notes: set[str]) -> object:
    """Typed parts `[{"type": "text", "text": ...}]` that are all text joined by line breaks; else as it is."""
    if isinstance(content, Mapping) and isinstance(content.get("text"), str):
        notes.add("parts_joined")
        return content["text"]
    if not isinstance(content, list):
        return content
    texts = part_texts(content)
    if texts is None or len(texts) != len(content):
        return content
    notes.add("parts_joined")
    return "\n".join(texts)


def part_texts(parts: list[object]) -> list[str] | None:
    """The texts of typed parts without images and the like; None where a part is neither."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif not is_other_part(part):
            return None
    return texts


def looks_like_turns(value: object) -> bool:
    """Is it a list of turns in some dialect, also as JSON text?"""
    if isinstance(value, str):
        if value.lstrip()[:1] not in ("[", "{") or len(value) > MAX_JSON_TEXT:
            return False
        value = _read_json_text(value)
    if isinstance(value, Mapping):
        if is_message_tree(value):
            return True
        value = _transposed(value)
    if not isinstance(value, list) or not value:
        return False
    return all(_looks_like_turn(turn) for turn in value[:20])


def turn_dialect(value: object) -> str:
    """ "sharegpt" for from/value turns, else "messages"."""
    turns = plain if isinstance(plain := _read_json_text(value) if isinstance(value, str) else value, list) else []
    return "sharegpt" if any(isinstance(turn, Mapping) and "from" in turn for turn in turns) else "messages"


def has_question(turns: object) -> bool:
    """Does the user speak in these turns?"""
    plain = plain_turns(turns, set())
    return isinstance(plain, list) and any(isinstance(turn, Mapping) and turn.get("role") == "user" for turn in plain)


def _looks_like_turn(turn: object) -> bool:
    if not isinstance(turn, Mapping):
        return False
    has_role = any(isinstance(turn.get(key), str) for key in ROLE_KEYS)
    has_content = any(key in turn for key in CONTENT_KEYS) or bool(turn.get("tool_calls"))
    return (has_role and has_content) or _named_turn(turn) is not turn


def _named_turn(turn: Mapping[object, object]) -> object:
    """`{"user": "Hi"}` as a turn; another object as it is."""
    if len(turn) != 1:
        return turn
    (name, content), *_rest = turn.items()
    if not isinstance(name, str) or not isinstance(content, str):
        return turn
    role = known_role(name) or (name if clean_name(name) in TOOL_NAMES else None)
    return {"role": role, "content": content} if role else turn


def _transposed(value: Mapping[object, object]) -> object:
    """`{"role": [...], "content": [...]}` as a list of turns; another object as it is."""
    role_key = next((key for key in ROLE_KEYS if isinstance(value.get(key), list)), None)
    content_key = next((key for key in CONTENT_KEYS if isinstance(value.get(key), list)), None)
    if role_key is None or content_key is None:
        return value
    roles, contents = value[role_key], value[content_key]
    if not isinstance(roles, list) or not isinstance(contents, list) or len(roles) != len(contents):
        return value
    return [{role_key: role, content_key: content} for role, content in zip(roles, contents, strict=True)]


def _read_json_text(text: str) -> object:
    """The value of JSON text, or of the Python literal that a table program made of it; None where it is neither."""
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    if len(text) > MAX_LITERAL or not _LITERAL.match(text):
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None

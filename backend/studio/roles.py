"""Who speaks in a turn: the names that files use for the three roles, and for tools. Pure."""

from __future__ import annotations

import difflib

from backend.domain import ROLES, Role

_OTHER_NAMES: dict[str, Role] = {
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "client": "user",
    "usr": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "developer": "system",
    "sys": "system",
}
_NAMES: dict[str, Role] = {**{role: role for role in ROLES}, **_OTHER_NAMES}
CALL_NAMES = frozenset({"function_call", "tool_call", "tool_calls", "functioncall", "toolcall"})
"""Turns in which the assistant asks a tool."""
RESULT_NAMES = frozenset(
    {"tool", "function", "observation", "tool_response", "function_response", "tool_result", "tool_results", "ipython"}
)
"""Turns in which a tool answers."""
TOOL_NAMES = CALL_NAMES | RESULT_NAMES


def clean_name(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def known_role(name: str) -> Role | None:
    """The role that a name surely means, whatever its case; None for tools and unknown names."""
    return _NAMES.get(name) or _NAMES.get(clean_name(name))


def nearest_role(name: str) -> Role | None:
    """The role that a name most likely means: a known name, or one that is misspelt."""
    cleaned = clean_name(name)
    if cleaned in TOOL_NAMES:
        return None
    near = difflib.get_close_matches(cleaned[:40], ROLES, n=1)
    return known_role(name) or (_NAMES[near[0]] if near else None)

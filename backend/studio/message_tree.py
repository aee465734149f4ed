"""Conversations as ChatGPT exports them: a tree of messages with a branch for each question asked anew. Pure.

The format isn't documented by its maker; this follows what third parties found in exports of 2023 to 2026. A node has a
`message`, its `parent` and `children`; the conversation's `current_node` is the last message of the branch shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_LOOKED_AT = 20
_REFERENCE = re.compile("\ue200.*?\ue201|\u3010[^\u3010\u3011\n]{0,40}†[^\u3010\u3011\n]{0,200}\u3011", re.DOTALL)
"""Where the page showed a link to what an answer quotes: no text that anyone should learn."""
_SPEAKERS = ("system", "user", "assistant")
_SPOKEN = ("text", "multimodal_text")
"""Kinds of content that are said to the other; the rest are thoughts, calls of tools, and what these gave."""


def is_message_tree(value: object) -> bool:
    """Is it an object of such nodes, by the first twenty?"""
    if not isinstance(value, Mapping) or not value:
        return False
    nodes = [node for node, _place in zip(value.values(), range(_LOOKED_AT), strict=False)]
    are_nodes = all(isinstance(node, Mapping) and "message" in node and "parent" in node for node in nodes)
    return are_nodes and any(_role(node.get("message")) for node in nodes)


def turns_of_tree(tree: Mapping[str, object], shown: object = None) -> list[object]:
    """What user and assistant said in the branch that ends at the node `shown`, or else in the newest one, as
    `{"role", "content"}`. An answer that was interrupted by calls of tools is one turn.
    """
    turns: list[dict[str, object]] = []
    for message in _branch(tree, shown if isinstance(shown, str) and shown in tree else _newest(tree)):
        turn = _turn(message)
        if turn is None:
            continue
        if turns and _goes_on(turns[-1], turn):
            turns[-1]["content"] = f"{turns[-1]['content']}\n\n{turn['content']}"
        else:
            turns.append(turn)
    return list(turns)


def _goes_on(before: Mapping[str, object], turn: Mapping[str, object]) -> bool:
    are_texts = isinstance(before["content"], str) and isinstance(turn["content"], str)
    return are_texts and before["role"] == turn["role"] == "assistant"


def _newest(tree: Mapping[str, object]) -> str | None:
    """The end of the branch that always takes the last child."""
    place = next((name for name, node in tree.items() if isinstance(node, Mapping) and not node.get("parent")), None)
    passed: set[str] = set()
    while place is not None and place not in passed:
        passed.add(place)
        node = tree[place]
        children = node.get("children") if isinstance(node, Mapping) else None
        known = [one for one in children if isinstance(one, str) and one in tree] if isinstance(children, list) else []
        if not known:
            return place
        place = known[-1]
    return place


def _branch(tree: Mapping[str, object], end: str | None) -> list[Mapping[str, object]]:
    """The messages from the beginning to the node; a ring of nodes is left where it closes."""

    def upwards() -> Iterator[Mapping[str, object]]:
        place: object = end
        passed: set[str] = set()
        while isinstance(place, str) and place not in passed and isinstance(node := tree.get(place), Mapping):
            passed.add(place)
            if isinstance(message := node.get("message"), Mapping):
                yield message
            place = node.get("parent")

    return list(upwards())[::-1]


def _turn(message: Mapping[str, object]) -> dict[str, object] | None:
    """None for what the other doesn't see."""
    role, content, metadata = _role(message), message.get("content"), message.get("metadata")
    is_hidden = isinstance(metadata, Mapping) and bool(metadata.get("is_visually_hidden_from_conversation"))
    if role not in _SPEAKERS or is_hidden or message.get("weight") == 0 or not isinstance(content, Mapping):
        return None
    to_a_tool = role == "assistant" and message.get("recipient") not in (None, "all")
    if to_a_tool or message.get("channel") == "commentary" or content.get("content_type") not in _SPOKEN:
        return None
    parts = content.get("parts")
    if not isinstance(parts, list):
        return None
    said = [spoken for part in parts if (spoken := _part(part)) != ""]
    if not said:
        return None
    texts = [one for one in said if isinstance(one, str)]
    return {"role": role, "content": "\n".join(texts) if len(texts) == len(said) else said}


def _part(part: object) -> object:
    """Its text, also of what was spoken aloud; a picture or a file as a typed part without a text."""
    if isinstance(part, Mapping):
        text = part.get("text")
        kind = part.get("content_type")
        part = text if isinstance(text, str) else {"type": kind if isinstance(kind, str) else "file"}
    return _REFERENCE.sub("", part).strip() if isinstance(part, str) else part


def _role(message: object) -> str | None:
    author = message.get("author") if isinstance(message, Mapping) else None
    role = author.get("role") if isinstance(author, Mapping) else None
    return role if isinstance(role, str) else None

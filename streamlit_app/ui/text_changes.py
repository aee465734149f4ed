"""What changed between two texts, word by word. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from streamlit_app.ui.marked_text import Mark, Piece

MAX_WORDS = 3_000
"""Comparing takes the square of it in time; longer texts are shown whole, one removed and one added."""

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


def compare(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """The pieces of both; joined they are the texts again."""
    if before == after:
        return [Piece(before)], [Piece(after)]
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) > MAX_WORDS or len(new) > MAX_WORDS:
        return [Piece(before, Mark.REMOVED)], [Piece(after, Mark.ADDED)]
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        is_same = kind == "equal"
        if old_end > old_start:
            left.append(Piece("".join(old[old_start:old_end]), Mark.NONE if is_same else Mark.REMOVED))
        if new_end > new_start:
            right.append(Piece("".join(new[new_start:new_end]), Mark.NONE if is_same else Mark.ADDED))
    return left, right

"""Text with marks, as HTML: of what a model learns, of what is cut, of what changed between two versions.

It is the only HTML that the app makes of texts that others wrote, and every piece of it goes through `html.escape`.
Marks never rest on colour alone: what is learnt or added is underlined too, what is cut or removed struck through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from html import escape

import streamlit as st

MAX_SHOWN = 60_000
"""Characters; the rest of a longer text is left out, and the page says so."""

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")

_BLOCK = (
    "white-space:pre-wrap;overflow-wrap:anywhere;max-height:30rem;overflow:auto;line-height:1.9;padding:.75rem 1rem;"
    "border:1px solid color-mix(in srgb,currentColor 20%,transparent);border-radius:.6rem;font-size:.9rem"
)
_FAINT = "color:color-mix(in srgb,currentColor 75%,transparent)"


class Mark(StrEnum):
    NONE = ""
    LEARNT = "learnt"
    CUT = "cut"
    ADDED = "added"
    REMOVED = "removed"


_LOOKS = {
    Mark.LEARNT: ("mark", "color:inherit;background:rgba(46,160,67,.2);text-decoration:underline 2px #2f9e50"),
    Mark.CUT: ("s", _FAINT),
    Mark.ADDED: ("ins", "color:inherit;background:rgba(46,160,67,.2);text-decoration:underline 2px #2f9e50"),
    Mark.REMOVED: ("del", "color:inherit;background:rgba(220,70,60,.18);text-decoration:line-through 2px #d0483e"),
}
_CHIP = (
    "font-family:monospace;font-size:.8em;padding:.1em .4em;border-radius:.4em;"
    "border:1px solid color-mix(in srgb,currentColor 45%,transparent)"
)


@dataclass(frozen=True)
class Piece:
    """`is_special` is shown as a chip: a mark of the template, not text that somebody wrote."""

    text: str
    mark: Mark = Mark.NONE
    is_special: bool = False


def show(pieces: Iterable[Piece], label: str) -> None:
    """A block that scrolls; `label` is its name for those who don't see it."""
    st.html(block(pieces, label))


def block(pieces: Iterable[Piece], label: str) -> str:
    html = inline(shortened(pieces))
    return f'<div role="region" tabindex="0" aria-label="{escape(label)}" style="{_BLOCK}">{html}</div>'


def inline(pieces: Iterable[Piece]) -> str:
    return "".join(_html(piece) for piece in pieces)


def shortened(pieces: Iterable[Piece], limit: int = MAX_SHOWN) -> list[Piece]:
    shown: list[Piece] = []
    for piece in pieces:
        if limit <= 0:
            shown.append(Piece(" …"))
            break
        shown.append(Piece(piece.text[:limit], piece.mark, piece.is_special))
        limit -= len(piece.text)
    return shown


def _html(piece: Piece) -> str:
    text = escape(_seen(piece.text))
    if piece.is_special:
        text = f'<span style="{_CHIP}">{text}</span>'
    else:
        text = text.replace("\n", f'<span style="{_FAINT}" aria-hidden="true">↵</span>\n')
    if piece.mark is Mark.NONE:
        return text
    tag, style = _LOOKS[piece.mark]
    return f'<{tag} style="{style}">{text}</{tag}>'


def _seen(text: str) -> str:
    """Characters that are not seen, or that turn the reading direction around, are named instead."""
    return _INVISIBLE.sub(lambda found: f"[U+{ord(found.group()):04X}]", text.replace("\r\n", "\n"))

"""A canonical line of a part as turns, and the texts that checks compare: case and spaces don't count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from backend.domain import Message


def fold(text: str) -> bytes:
    """Equal for texts that differ in white space only. Give it the text case-folded where case doesn't count."""
    if not text.isascii():
        text = text.replace("\xa0", " ").replace("\u3000", " ")
    return text.encode(errors="replace").translate(None, b" \t\n\r\v\f\x1c\x1d\x1e\x1f")


def digest(texts: Iterable[bytes]) -> int:
    """64 bits of BLAKE2b over the texts and where each ends: the same on every machine."""
    hashed = hashlib.blake2b(digest_size=8)
    for text in texts:
        hashed.update(text)
        hashed.update(b"\x00")
    return int.from_bytes(hashed.digest(), "little")


def digest_of_line(raw: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(raw.rstrip(b"\n"), digest_size=8).digest(), "little")


def compared_text(messages: Sequence[Message]) -> str:
    """What counts for likeness: all but the system message, which many rows share. Case-folded."""
    return "\n".join(message.content.casefold() for message in messages if message.role != "system")


def excerpt(text: str, start: int = 0, end: int = 0, around: int = 40) -> str:
    """At most about 200 characters of the text around start..end, on one line."""
    first, last = max(0, start - around), min(len(text), max(end, start + around) + around, start + 160)
    piece = " ".join(text[first:last].split())
    return ("… " if first else "") + piece + (" …" if last < len(text) else "")

"""Rows for tests of datasets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from blake3 import blake3

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real chat data is not on this machine")


def row(question: str = "What?", answer: str = "That.") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def jsonl(*rows: object) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in rows).encode()


def rows(count: int) -> list[dict]:
    return [row(f"Question {number}?", f"Answer {number}.") for number in range(count)]


def hash_of(*parts: str) -> str:
    """As `row_index.content_hash` says it."""
    lines = [Path(part).read_bytes().splitlines(keepends=True) for part in parts]
    digests = [b"".join(blake3(line).digest(16) for line in some) for some in lines]
    counted = [len(some).to_bytes(8, "little") + of_part for some, of_part in zip(lines, digests, strict=True)]
    return hashlib.sha256(b"".join(counted)).hexdigest()

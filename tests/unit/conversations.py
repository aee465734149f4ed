"""Rows for tests of datasets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real chat data is not on this machine")


def row(question: str = "What?", answer: str = "That.") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def jsonl(*rows: object) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in rows).encode()


def rows(count: int) -> list[dict]:
    return [row(f"Question {number}?", f"Answer {number}.") for number in range(count)]

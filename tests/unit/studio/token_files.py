"""Rows on disk and what was counted of them, for the tests of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.studio.token_table import PartTokens, TokenTable
from training_job.tuning.batch_tokens import Refused, RowTokens
from training_job.tuning.token_counts import Counts

BUILT_IN = Path(__file__).parents[3] / "backend" / "local" / "base_model" / "weights"
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Part:
    name: str
    path: Path


def talk(*texts: str, system: str = "") -> Messages:
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def write_part(path: Path, rows: Sequence[Messages]) -> Part:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows), encoding="utf-8")
    return Part(path.stem, path)


def table_of(folder: Path, *parts: Sequence[RowTokens | Refused], context: int = 0) -> TokenTable:
    """As the training job's files say it."""
    loaded = []
    for place, rows in enumerate(parts):
        counts = Counts()
        for row in rows:
            counts.add(talk("Q", "A"), row)
        counts.save(folder / f"{place}.npz", rows=len(rows), context=context)
        loaded.append(PartTokens.load(("train", "eval")[place], folder / f"{place}.npz"))
    return TokenTable(loaded)

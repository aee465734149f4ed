"""Counts the tokens of conversations, and where their answers lie, as an `.npz` that another process reads.

It holds, by row: `totals`, `turns` (messages), `openings` (tokens that stay when the oldest exchange goes) and
`answers` (how many); by answer: `starts` and `ends`, in tokens of its row. `refused` are the numbers (from 0) of rows
that the template refuses, with 0 tokens; `reason_of` says for each which of `reasons`. `rows` is how many the file has
(an estimate, in a sample), `context` how many tokens the model reads at most.
"""

from __future__ import annotations

import hashlib
import io
import os
from array import array
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from .batch_tokens import BatchTokenizer, Refused, RowTokens
from .conversations import parse_messages
from .failures import JobFailure

SAMPLE = 2000
SAMPLE_STEPS = (0.1, 0.4, 1.0)
"""Shares of the sample after which the estimate is told."""
BATCH = 128
MOST_REASONS = 500
_STRIDE = 10

Messages = list[dict[str, str]]


@dataclass
class Counts:
    totals: array[int] = field(default_factory=lambda: array("I"))
    turns: array[int] = field(default_factory=lambda: array("I"))
    openings: array[int] = field(default_factory=lambda: array("I"))
    answers: array[int] = field(default_factory=lambda: array("I"))
    starts: array[int] = field(default_factory=lambda: array("I"))
    ends: array[int] = field(default_factory=lambda: array("I"))
    refused: array[int] = field(default_factory=lambda: array("Q"))
    reason_of: array[int] = field(default_factory=lambda: array("I"))
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, messages: Messages, row: RowTokens | Refused) -> None:
        self.turns.append(len(messages))
        if isinstance(row, Refused):
            reason = row.reason[:300] if len(self.reasons) < MOST_REASONS else "(another reason)"
            self.refused.append(len(self.totals))
            self.reason_of.append(self.reasons.setdefault(reason, len(self.reasons)))
            self.totals.append(0)
            self.openings.append(0)
            self.answers.append(0)
            return
        self.totals.append(row.total)
        self.openings.append(row.opening)
        self.answers.append(len(row.spans))
        for start, end in row.spans:
            self.starts.append(start)
            self.ends.append(end)

    def save(self, path: Path, *, rows: int, context: int) -> None:
        """Whole or not at all."""
        import numpy as np

        content = io.BytesIO()
        names = ("totals", "turns", "openings", "answers", "starts", "ends", "reason_of")
        columns = {name: np.asarray(getattr(self, name), np.uint32) for name in names}
        np.savez(
            content,
            allow_pickle=False,
            **columns,
            refused=np.asarray(self.refused, np.uint64),
            reasons=np.asarray(list(self.reasons), np.str_),
            rows=np.asarray(rows, np.uint64),
            context=np.asarray(context, np.uint64),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_bytes(content.getbuffer())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def count_rows(
    rows: Iterable[Messages],
    tokenizer: BatchTokenizer,
    counts: Counts,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Adds them to `counts`; `on_progress(rows in it)` is called after each batch.

    While one batch is tokenized (on all cores, without Python), the next is read and rendered.
    """
    left = iter(rows)

    def add(batch: list[Messages], found: list[RowTokens | Refused]) -> None:
        for messages, row in zip(batch, found, strict=True):
            counts.add(messages, row)
        on_progress(len(counts.totals))

    # Only this one thread uses the tokenizer: it must not be called by two at once.
    with ThreadPoolExecutor(1) as pool:
        under_way: tuple[list[Messages], Future[list[RowTokens | Refused]]] | None = None
        while batch := list(islice(left, BATCH)):
            following = (batch, pool.submit(tokenizer.count_rendered, tokenizer.render(batch)))
            if under_way is not None:
                add(under_way[0], under_way[1].result())
            under_way = following
        if under_way is not None:
            add(under_way[0], under_way[1].result())


def sample_rows(path: Path, count: int) -> tuple[list[Messages], int]:
    """About `count` rows from evenly spread places of the file, and how many rows it has, estimated by their size.

    They come so mixed that each beginning of the list is spread too. One that can't be used is left out: the reading
    of all rows names it.
    """
    size = path.stat().st_size
    lines: dict[int, bytes] = {}
    with path.open("rb") as file:
        for step in range(count):
            file.seek(size * step // count)
            if file.tell():
                file.readline()
            place = file.tell()
            if place not in lines and (line := file.readline()).strip():
                lines[place] = line
    ordered = [lines[place] for place in sorted(lines)]
    mixed = [line for step in range(_STRIDE) for line in ordered[step::_STRIDE]]
    rows = []
    for line in mixed:
        with suppress(JobFailure, UnicodeDecodeError):
            rows.append(parse_messages(path, 0, line.decode("utf-8")))
    return rows, round(size * len(lines) / max(1, sum(map(len, lines.values()))))


def digest_file(path: Path) -> tuple[str, int]:
    """What tells its content (BLAKE2b of 16 bytes, in hex), and its rows."""
    digest = hashlib.blake2b(digest_size=16)
    lines, last = 0, b""
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            lines += block.count(b"\n")
            last = block
    return digest.hexdigest(), lines + (not last.endswith(b"\n") if last else 0)

"""Measures files of conversations in tokens, for somebody who watches `progress.json`: an estimate first, then all."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .batch_tokens import BatchTokenizer
from .conversations import each_conversation
from .failures import explain
from .token_counts import SAMPLE, SAMPLE_STEPS, Counts, count_rows, digest_file, sample_rows

logger = logging.getLogger(__name__)

SMALL = 2 * SAMPLE
"""Rows: of fewer there is no estimate, for the whole comes as soon."""


@dataclass
class PartFile:
    """`output` is None until the content is known by its digest, which may stand in the output's name."""

    path: Path
    pattern: str
    size: int
    facts: Future[tuple[str, int]]

    def output(self, revision: str) -> Path:
        return Path(self.pattern.replace("{digest}", self.facts.result()[0]).replace("{revision}", revision))


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    folder = options.folder
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        _measure(folder, options.model_name_or_path, options.revision, options.part)
    except Exception as error:  # noqa: BLE001  (told to who watches, with its traceback where it has no words)
        failure = explain(error)
        fields = {name: getattr(failure, name) for name in ("code", "what", "why", "how_to_fix", "raw")}
        tell(folder, "failed", failure=fields)
        logger.error("FAILED (%s): %s\n%s", failure.code, failure, failure.raw)
        return failure.exit_status
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="measure_tokens.py", description="Counts tokens, and where the answers lie.")
    parser.add_argument("folder", type=Path, help="where progress.json and estimates are written")
    parser.add_argument("--model-name-or-path", required=True, help="a folder with a tokenizer, or a Hub id")
    parser.add_argument("--revision", help="the commit of a Hub model")
    parser.add_argument(
        "--part",
        nargs=2,
        action="append",
        required=True,
        metavar=("FILE", "OUTPUT"),
        help="a JSONL file of conversations and the .npz to write; {digest} in OUTPUT becomes the file's digest and "
        "{revision} the Hub model's commit; one that is there already is left as it is",
    )
    return parser.parse_args(arguments)


def tell(folder: Path, phase: str, **facts: Any) -> None:
    temporary = folder / f".progress.json.{os.getpid()}"
    temporary.write_text(json.dumps({"phase": phase, **facts}), encoding="utf-8")
    temporary.replace(folder / "progress.json")


def _measure(folder: Path, name: str, revision: str | None, pairs: Sequence[tuple[str, str]]) -> None:
    tell(folder, "loading", done=0.0)
    with ThreadPoolExecutor(1) as pool:
        parts = [
            PartFile(Path(file), output, Path(file).stat().st_size, pool.submit(digest_file, Path(file)))
            for file, output in pairs
        ]
        from .tokenizer_source import load_chat_tokenizer

        source = load_chat_tokenizer(name, revision)
        tokenizer = BatchTokenizer(source.chat)
        if not all(part.facts.done() and part.output(source.revision).exists() for part in parts):
            _estimate(folder, parts, tokenizer, source.context)
        total = sum(part.facts.result()[1] for part in parts)
    outputs, before, started = [], 0, time.monotonic()
    for part in parts:
        rows = part.facts.result()[1]
        output = part.output(source.revision)
        if not output.exists():
            conversations = (row.messages for row in each_conversation(part.path))
            counts = Counts()
            count_rows(conversations, tokenizer, counts, _teller(folder, before, total))
            counts.save(output, rows=len(counts.totals), context=source.context)
        before += rows
        outputs.append(str(output))
    seconds = time.monotonic() - started
    logger.info("%d rows in %.1f s; %d of them the slow way.", total, seconds, tokenizer.slow_rows)
    tell(folder, "done", done=1.0, outputs=outputs, rows=total, seconds=seconds, slow_rows=tokenizer.slow_rows)


def _estimate(folder: Path, parts: Sequence[PartFile], tokenizer: BatchTokenizer, context: int) -> None:
    """From some rows of each file, by its share of the bytes; written anew with each step of the sample."""
    size = sum(part.size for part in parts)
    samples = [sample_rows(part.path, max(1, SAMPLE * part.size // max(1, size))) for part in parts]
    if sum(rows for _sample, rows in samples) < SMALL:
        return
    every = [Counts() for _sample in samples]
    for share in SAMPLE_STEPS:
        for number, (sample, rows) in enumerate(samples):
            counted = len(every[number].totals)
            count_rows(sample[counted : round(len(sample) * share)], tokenizer, every[number])
            every[number].save(folder / f"sample-{number}.npz", rows=rows, context=context)
        tell(folder, "running", done=0.0, of=sum(rows for _sample, rows in samples))


def _teller(folder: Path, before: int, total: int) -> Callable[[int], None]:
    last = time.monotonic()

    def on_progress(rows: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            tell(folder, "running", done=(before + rows) / max(1, total), rows=before + rows, of=total)

    return on_progress

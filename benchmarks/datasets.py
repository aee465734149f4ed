"""A set of the shape of ultrachat_200k: the tutorial's way and ours alternately, the first look, pages, token counts.

`--rows` makes it smaller (200,000 rows are 1.4 GB), `--rounds` says how often each way is run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import made_conversations, process_tree
from benchmarks.process_tree import Taken

WEIGHTS = Path(__file__).parents[1] / "backend" / "local" / "base_model" / "weights"
PAGE_ROWS = 50
PAGES = 100
COUNTED_ROWS = 2_000


def main(arguments: list[str] | None = None) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks datasets")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments or [])
    with tempfile.TemporaryDirectory(prefix="phidesk-benchmark-") as place:
        source = Path(place) / "made.jsonl"
        made_conversations.write(source, chosen.rows)
        figures: dict[str, object] = {"rows": chosen.rows, "megabytes": round(source.stat().st_size / 1e6)}
        figures |= compare(source, chosen.rounds)
        figures |= look(source, Path(place) / "drafts")
        return figures | count_tokens(source, Path(place) / "tokens")


def compare(source: Path, rounds: int) -> dict[str, object]:
    """Both ways in turn, so that a change of the machine's load meets both."""
    taken: dict[str, list[Taken]] = {"tutorial": [], "ours": []}
    for _round in range(rounds):
        for way, found in taken.items():
            with tempfile.TemporaryDirectory(dir=source.parent) as folder:
                found.append(
                    process_tree.run([sys.executable, "-m", "benchmarks.datasets_ways", way, str(source), folder])
                )
    walls = {way: [one.wall_s for one in found] for way, found in taken.items()}
    least = {way: min(of_way) for way, of_way in walls.items()}
    median = {way: statistics.median(of_way) for way, of_way in walls.items()}
    return {
        "load_split_write": {way: [_rounded(asdict(one)) for one in found] for way, found in taken.items()},
        "ratio_of_least": round(least["tutorial"] / least["ours"], 2),
        "ratio_of_medians": round(median["tutorial"] / median["ours"], 2),
        "peak_mb": {way: round(max(one.peak_mb for one in found)) for way, found in taken.items()},
    }


def look(source: Path, folder: Path) -> dict[str, object]:
    """The first rows after opening, the exact count, then pages at random."""
    from backend.studio.drafts import Drafts

    drafts = Drafts(folder)
    started = time.perf_counter()
    draft = drafts.open([source])
    first = drafts.page(draft.id, 0, PAGE_ROWS)
    first_s = time.perf_counter() - started
    if len(first.rows) != PAGE_ROWS:
        raise RuntimeError("The first rows are not there.")
    done = drafts.wait(draft.id)
    counted_s = time.perf_counter() - started
    if done.phase != "ready":
        raise RuntimeError(str(done.failure))
    chance = random.Random(0)
    pages = []
    for _page in range(PAGES):
        began = time.perf_counter()
        drafts.page(draft.id, chance.randrange(done.report.good_rows), PAGE_ROWS)
        pages.append((time.perf_counter() - began) * 1e3)
    drafts.discard(draft.id)
    pages.sort()
    return {
        "first_50_rows_s": round(first_s, 3),
        "exact_count_s": round(counted_s, 1),
        "counted_rows": done.report.good_rows,
        "page_ms": {"p50": round(pages[PAGES // 2], 1), "p95": round(pages[PAGES * 95 // 100], 1)}
        | {"max": round(pages[-1], 1)},
    }


def count_tokens(source: Path, folder: Path) -> dict[str, object]:
    """All rows at once against one row after another (a sample of them), in this process; the second look is cached.

    With the tokenizer of the built-in model; others differ in speed, both ways alike.
    """
    import orjson
    from transformers import AutoTokenizer

    from training_job.tuning.batch_tokens import BatchTokenizer
    from training_job.tuning.chat_tokens import ChatTokenizer

    folder.mkdir()
    with source.open("rb") as file:
        rows = [orjson.loads(line)["messages"] for _row, line in zip(range(COUNTED_ROWS), file, strict=False)]
    tokenizer = ChatTokenizer(AutoTokenizer.from_pretrained(WEIGHTS))
    few = rows[: max(1, len(rows) // 10)]
    began = time.perf_counter()
    for messages in few:
        tokenizer.tokenize(messages)
    slow = len(few) / (time.perf_counter() - began)
    batch = BatchTokenizer(tokenizer)
    began = time.perf_counter()
    for start in range(0, len(rows), 256):
        batch.count(rows[start : start + 256])
    fast = len(rows) / (time.perf_counter() - began)
    speeds = {"at once": round(fast), "row by row": round(slow), "ratio": round(fast / slow, 1)}
    return {"tokens_rows_a_second": speeds, **_count_as_the_product_does(rows, folder)}


def _count_as_the_product_does(rows: list[object], folder: Path) -> dict[str, object]:
    """In its own process, start included; then the same content again."""
    import orjson

    from backend.studio import tokens
    from backend.studio.examination import Part

    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"messages": messages}) + b"\n" for messages in rows))
    parts = [Part("rows", path)]
    began = time.perf_counter()
    while (found := tokens.measure(parts, str(WEIGHTS), folder / "cache")).phase in ("waiting", "running"):
        time.sleep(0.1)
    first = time.perf_counter() - began
    if found.phase != "done":
        raise RuntimeError(str(found))
    began = time.perf_counter()
    tokens.measure(parts, str(WEIGHTS), folder / "cache")
    return {
        "tokens_of_the_sample_s": {"first": round(first, 1), "again": round(time.perf_counter() - began, 3)},
        "tokens_sample_rows": len(rows),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in figures.items()}

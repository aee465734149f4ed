"""Load, split, write JSONL: as tutorials do it, and as the product does. Each in a process of its own, to be measured:
`python -m benchmarks.datasets_ways tutorial|ours <file> <folder>`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

SHARE = 0.1


def tutorial(source: Path, folder: Path) -> None:
    os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
    from datasets import load_dataset

    parts = load_dataset("json", data_files=str(source), split="train").train_test_split(test_size=SHARE, seed=0)
    for name in ("train", "test"):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for record in parts[name]:
                json.dump(record, file)
                file.write("\n")


def ours(source: Path, folder: Path) -> None:
    """What `phidesk data split` does, near-duplicates left aside, as the tutorial does."""
    from backend.domain_datasets import SplitChoice
    from backend.studio.copy_making import make_working_copy
    from backend.studio.records import SourceFile
    from backend.studio.saving import RowSet, save_split

    copy = make_working_copy([SourceFile(source, source.name)], folder / "copy")
    rows = RowSet("rows", copy.path, copy.origins())
    save_split(folder, [rows], "split", "file", SplitChoice(SHARE, keep_similar_together=False))


if __name__ == "__main__":
    {"tutorial": tutorial, "ours": ours}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))

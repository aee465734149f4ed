"""Runs the matrix of faults and prints it as a table in Markdown, with a legend and counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.azure_faults.actions import ACTIONS
from tests.azure_faults.case import NOT_KNOWN
from tests.azure_faults.troubles import TROUBLES

MARKS = {"heals": "h", "told": "T", NOT_KNOWN: "?"}
WORDS = {
    "h": "heals by itself, and is done",
    "T": "told in words: what, and why or how to fix; repeated, it is done",
    "?": "done, and what could not be had is shown as not known",
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "cells.jsonl"
        command = [sys.executable, "-m", "pytest", str(Path(__file__).parent), "-q", "-p", "no:cacheprovider"]
        command += ["-n", "auto", *sys.argv[1:]]
        ended = subprocess.run(
            command, check=False, env=os.environ | {"PHIDESK_FAULT_TABLE": str(lines)}, stdout=sys.stderr
        )
        cells = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    print(table({(cell["action"], cell["column"]): MARKS[cell["outcome"]] for cell in cells}))
    return ended.returncode


def table(marks: dict[tuple[str, str], str]) -> str:
    columns: dict[str, str] = {}
    for trouble in TROUBLES.values():
        columns.setdefault(trouble.column, trouble.help)
    counts = Counter(marks.values())
    lines = [f"{len(marks)} cells: " + "; ".join(f"**{mark}** {WORDS[mark]} ({counts[mark]})" for mark in WORDS) + "."]
    lines += ["Empty: can't happen there, or tells nothing new.", ""]
    lines += [" · ".join(f"`{column}` {words}" for column, words in columns.items()) + ".", ""]
    lines += [f"| | {' | '.join(columns)} |", "|---" + "|:-:" * len(columns) + "|"]
    for action in ACTIONS:
        row = [marks.get((action.name, column), "") for column in columns]
        lines.append(f"| {action.name} | {' | '.join(row)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

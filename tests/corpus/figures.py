"""What reading the corpus took: each file's outcome, and a table of the worst."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.corpus import cases_by_group
from tests.corpus.reading import Outcome

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 280


@dataclass(frozen=True)
class Figures:
    """Outcomes by the case's name; some are missing where the reading process ended, with its `last_words`."""

    outcomes: Mapping[str, Outcome]
    last_words: str

    def as_table(self) -> str:
        """Markdown."""
        lines = ["| files | of them | slowest | most memory |", "|---|---|---|---|"]
        groups = {title: [case.name for case in cases] for title, cases in cases_by_group().items()}
        for title, names in (groups | {"**all**": list(self.outcomes)}).items():
            of_them = [self.outcomes[name] for name in names if name in self.outcomes]
            if of_them:
                slowest = max(of_them, key=lambda one: one.seconds)
                largest = max(of_them, key=lambda one: one.peak_mb)
                lines.append(
                    f"| {title} | {len(of_them)} | {slowest.seconds:.1f} s ({slowest.name}) "
                    f"| {largest.peak_mb} MB ({largest.name}) |"
                )
        return "\n".join(lines)


def measure(folder: Path) -> Figures:
    """Makes the files in one process and reads them in another. Raises CalledProcessError where they can't be made."""
    made = folder / "made"
    subprocess.run([sys.executable, "-m", "tests.corpus.making", str(made)], cwd=ROOT, check=True, timeout=MOST_SECONDS)
    with (folder / "outcomes").open("wb") as out, (folder / "words").open("wb") as words:
        subprocess.run(
            [sys.executable, "-m", "tests.corpus.reading", str(made), str(folder / "drafts")],
            cwd=ROOT,
            stdout=out,
            stderr=words,
            timeout=MOST_SECONDS,
            check=False,
        )
    found = [Outcome(**json.loads(line)) for line in (folder / "outcomes").read_text(encoding="utf-8").splitlines()]
    return Figures({one.name: one for one in found}, (folder / "words").read_text(encoding="utf-8", errors="replace"))

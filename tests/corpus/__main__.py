"""`python -m tests.corpus`: reads the whole corpus and prints the table of figures for docs/benchmarks.md."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.corpus.figures import measure

with tempfile.TemporaryDirectory() as folder:
    found = measure(Path(folder))
    print(found.as_table())
    print(f"\nReading all took {sum(one.seconds for one in found.outcomes.values()):.0f} s.")
    print(found.last_words)

"""Reads the files of the corpus in this process, as the product reads what is added, and says what came of each.

`python -m tests.corpus.reading <folder of making> <folder for drafts>` prints one JSON object a file: what was found,
seconds, and the most memory that it took, with the processes that it started. A file that takes longer than
`HANG_SECONDS` ends it with a traceback.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from backend.domain_datasets import Draft
from backend.studio.drafts import Drafts
from tests.corpus.making import Made, made_in

HANG_SECONDS = 120
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """`said` are the words of each problem: its title, what it does, what to do, and what is wrong in the line."""

    name: str
    phase: str
    good: int
    first: str
    problems: list[tuple[str, int]]
    files: list[str]
    said: list[list[str]]
    seconds: float
    peak_mb: int
    bytes: int


def read_file(made: Made, drafts: Drafts) -> Outcome:
    source = made.path if made.is_path else (made.file_name, made.path.read_bytes())
    started = time.monotonic()
    with _peak_memory() as peak:
        draft = drafts.open([source])
        if draft.phase == "reading":
            draft = drafts.wait(draft.id, HANG_SECONDS)
        page = drafts.page(draft.id, 0, 1)
    seconds = time.monotonic() - started
    rows = [(one.code, found) for one in draft.report.findings for found in one.rows]
    outcome = Outcome(
        name=made.name,
        phase=draft.phase,
        good=draft.report.good_rows,
        first=page.rows[0][1].messages[0].content[:100] if page.rows else "",
        problems=[(code, found.line) for code, found in rows],
        files=sorted({found.file for _code, found in rows}),
        said=_said(draft),
        seconds=round(seconds, 3),
        peak_mb=peak[0] // MEGABYTE,
        bytes=draft.total_bytes,
    )
    drafts.discard(draft.id)
    return outcome


def _said(draft: Draft) -> list[list[str]]:
    return [
        [one.title, one.effect, one.advice or one.fix or one.skip, found.detail]
        for one in draft.report.findings
        for found in one.rows[:3]
    ]


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """The most bytes that this process, and each that it started, has had: their sum, so never too little."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    children: dict[int, int] = {}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.05):
            with suppress(psutil.Error):
                for child in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error, OSError):
                        children[child.pid] = max(children.get(child.pid, 0), _peak_of(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    found = [0]
    try:
        yield found
    finally:
        is_over.set()
        watcher.join()
        found[0] = _peak_of(psutil.Process().pid) + sum(children.values())


def _peak_of(pid: int) -> int:
    """Bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main(folder: Path, place: Path, wanted: list[str]) -> None:
    drafts = Drafts(place)
    for made in made_in(folder):
        if not wanted or made.name in wanted:
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            print(json.dumps(asdict(read_file(made, drafts))), flush=True)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

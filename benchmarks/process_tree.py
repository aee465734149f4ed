"""What a command and all the processes that it starts take: wall seconds, CPU seconds, most memory at one time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Taken:
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str], every: float = 0.05) -> Taken:
    """Raises RuntimeError where it ends badly. Memory is resident, pages that processes share counted in each."""
    started = time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT)
    peak = 0
    cpu: dict[int, float] = {}
    while process.poll() is None:
        size = 0
        with suppress(psutil.Error):
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    size += one.memory_info().rss
                    times = one.cpu_times()
                    cpu[one.pid] = times.user + times.system
        peak = max(peak, size)
        time.sleep(every)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}.")
    return Taken(time.perf_counter() - started, sum(cpu.values()), peak / 1e6)

"""Processes that outlive this one, known by pid and start time: a pid alone is reused."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

START_TIME_TOLERANCE = 1.5
"""Seconds. psutil derives the start from the boot time, which a clock correction may shift by a second."""


@dataclass(frozen=True)
class ProcessId:
    """`started` is seconds since the epoch, as psutil says."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """A process that is gone already gets start 0, which matches none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return cls(pid, 0.0)

    @classmethod
    def here(cls) -> ProcessId:
        return cls.of(os.getpid())

    @classmethod
    def from_json(cls, values: Mapping[str, object] | None) -> ProcessId | None:
        try:
            return cls(int(str(values["pid"])), float(str(values["started"]))) if values else None
        except (KeyError, ValueError):
            return None

    def to_json(self) -> dict[str, float]:
        return {"pid": self.pid, "started": self.started}

    def is_alive(self) -> bool:
        """A zombie is dead: its parent has just not asked yet."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= START_TIME_TOLERANCE
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Signal it (or the group it leads) if it is still the same process; gone already is fine."""
        if not self.is_alive():
            return
        try:
            (os.killpg if group else os.kill)(self.pid, number)
        except ProcessLookupError:
            return

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def end(self, grace: float) -> None:
        """Ask its group to end, and kill what is left after `grace` seconds."""
        self.send(signal.SIGTERM, group=True)
        if not self.wait(grace):
            self.send(signal.SIGKILL, group=True)
            self.wait(5)


def python_environment() -> dict[str, str]:
    """This process's, in which our package is found from any folder."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(path for path in paths if path), "PYTHONUNBUFFERED": "1"}


def start_detached(command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> ProcessId:
    """Start it in a session of its own with output to a file, so that neither our end nor a closed terminal ends it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
    started = ProcessId.of(process.pid)
    # It is meant to outlive this object; without this, Python warns that it still runs.
    process.returncode = 0
    return started

"""The real app in a process of its own, on a free port, with a workspace folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent.parent
READY = re.compile(r"(http://127\.0\.0\.1:(\d+))/\?token=([\w-]+)")


class AppProcess:
    """`with AppProcess(home) as app:` starts it and waits for the link it prints. `kill` and `start` again at will."""

    def __init__(self, home: Path, *, port: int = 0, command: list[str] | None = None, **environment: str) -> None:
        self.home = home
        self.port = port
        self.url = ""
        self.token = ""
        self.output = ""
        self._command = command or [sys.executable, "-m", "streamlit_app"]
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> AppProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def link(self) -> str:
        """The link the app printed, launch token included."""
        return f"{self.url}/?token={self.token}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, timeout: float = 60) -> None:
        """Start it (again on the same port), and return when it is ready."""
        environment = os.environ | {"PHIDESK_HOME": str(self.home)} | self._environment
        self._process = subprocess.Popen(
            [*self._command, "--no-open", "--port", str(self.port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        is_ready = threading.Event()
        threading.Thread(target=self._read, args=(self._process, is_ready), daemon=True).start()
        deadline = time.monotonic() + timeout
        while not is_ready.wait(0.1):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"The app did not start:\n{self.output}")
        match = READY.search(self.output)
        if match is None:
            raise AssertionError(f"No link in:\n{self.output}")
        self.url, self.port, self.token = match[1], int(match[2]), match[3]

    def _read(self, process: subprocess.Popen[str], is_ready: threading.Event) -> None:
        self.output = ""
        assert process.stdout is not None
        for line in process.stdout:
            self.output += line
            if READY.search(line):
                is_ready.set()

    def kill(self) -> None:
        """As a crash would: no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)

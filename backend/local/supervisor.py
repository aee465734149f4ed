"""`python -m backend.local.supervisor RUN_FOLDER`: waits its turn, runs the trainer, and writes down how it ended.

It owns the trainer's process group and outlives the app. Few imports: it starts in tens of milliseconds.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from backend.local.files import read_json, write_json
from backend.local.mlflow_store import EXPERIMENT
from backend.local.processes import ProcessId
from backend.local.run_folder import RunFolder
from backend.settings import QUIET_ENVIRONMENT

POLL = 0.1


class Supervisor:
    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.folder = run.attempt_folder
        self.log = run.log.open("ab")
        self.is_asked_to_end = False

    def supervise(self) -> None:
        here = ProcessId.here().to_json()
        # Two submissions of one spec may start two of us; the kernel lets one through.
        own = os.open(self.folder / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if (self.folder / "exit.json").exists() or (self.folder / "trainer.json").exists():
            return
        signal.signal(signal.SIGTERM, self._end)
        write_json(self.folder / "supervisor.json", here | {"at": time.time()})
        turn = self._wait_for_turn()
        if turn is None:
            self._write_exit(None)
            return
        write_json(self.folder / "supervisor.json", here | {"at": time.time(), "turn_at": time.time()})
        try:
            self._prepare()
            self._write_exit(self._run_trainer(turn))
        except (OSError, subprocess.SubprocessError) as error:
            self._say(f"The trainer could not be started: {error}")
            failure = {
                "code": "not_started",
                "what": "The training could not be started.",
                "why": str(error),
                "how_to_fix": "Check that the disk has room and that the folder can be written.",
            }
            write_json(self.run.output / "error.json", failure)
            self._write_exit(1)

    def _end(self, *_arguments: object) -> None:
        self.is_asked_to_end = True

    def _is_to_stop(self) -> bool:
        return self.is_asked_to_end or self.run.is_cancel_requested()

    def _wait_for_turn(self) -> int | None:
        """The descriptor that holds the one training lock, or None when the run was stopped in the queue.

        A thread waits in the kernel, where waiters are served in order, while this one looks for the request to stop.
        """
        descriptor = os.open(self.run.path.parent / ".training.lock", os.O_RDWR | os.O_CREAT, 0o600)
        got_turn = threading.Event()

        def wait() -> None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            got_turn.set()

        threading.Thread(target=wait, daemon=True).start()
        while not got_turn.wait(POLL):
            if self._is_to_stop():
                return None
        return None if self._is_to_stop() else descriptor

    def _prepare(self) -> None:
        """An earlier attempt's last words are not this one's. MLflow's database is made before two race to make it."""
        self.run.output.mkdir(exist_ok=True)
        for name in ("error.json", "result.json"):
            old = self.run.output / name
            if old.exists():
                old.replace(self.folder / f"earlier-{name}")
        command = [sys.executable, "-m", "backend.local.mlflow_store", str(self._home)]
        subprocess.run(command, stdout=self.log, stderr=self.log, env=self._environment(), check=True)

    @property
    def _home(self) -> Path:
        return self.run.path.parent.parent

    def _run_trainer(self, turn: int) -> int | None:
        """Its exit status, minus the number of the signal that ended it."""
        values = read_json(self.folder / "command.json") or {}
        if self._is_to_stop():
            return None
        # The trainer inherits the lock's descriptor: were we killed, the turn would still be taken while it lives.
        trainer = subprocess.Popen(
            values["command"],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            cwd=self.run.path,
            env=self._environment(),
            start_new_session=True,
            pass_fds=(turn,),
        )
        write_json(self.folder / "trainer.json", ProcessId.of(trainer.pid).to_json() | {"at": time.time()})
        stop_at: float | None = None
        while True:
            try:
                return trainer.wait(POLL)
            except subprocess.TimeoutExpired:
                if stop_at is None and self._is_to_stop():
                    stop_at = time.monotonic() + float(values["grace"])
                    self._signal(trainer.pid, signal.SIGTERM)
                elif stop_at is not None and time.monotonic() > stop_at:
                    self._signal(trainer.pid, signal.SIGKILL)

    @staticmethod
    def _signal(group: int, number: signal.Signals) -> None:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return

    def _environment(self) -> dict[str, str]:
        own = {
            "OMP_WAIT_POLICY": "PASSIVE",  # 8 to 9 times faster beside other busy processes
            "MLFLOW_TRACKING_URI": f"sqlite:///{self._home / 'mlflow.db'}",
            "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
            "MLFLOW_RUN_NAME": self.run.path.name,
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
        }
        return dict(os.environ) | QUIET_ENVIRONMENT | own

    def _write_exit(self, status: int | None) -> None:
        # A SIGTERM that nobody of us asked for (the computer shuts down) is a failure, which can be resumed.
        was_stopped = self.run.is_cancel_requested()
        self._say(f"The run was stopped (status {status})." if was_stopped else f"The trainer ended: status {status}.")
        write_json(self.folder / "exit.json", {"status": status, "was_stopped": was_stopped, "at": time.time()})

    def _say(self, text: str) -> None:
        self.log.write(f"[supervisor] {text}\n".encode())
        self.log.flush()


def main() -> None:
    Supervisor(RunFolder(Path(sys.argv[1]).resolve())).supervise()


if __name__ == "__main__":
    main()

"""Every measurement goes through `MetricsLog`: a line of `metrics.jsonl` always, MLflow when it is there."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any, Protocol

from .files import write_text

PHASE_SECONDS = 0.5
HEARTBEAT_SECONDS = 2.0


class Tracker(Protocol):
    def metrics(self, values: dict[str, float], step: int) -> None: ...

    def progress(self, record: dict[str, Any]) -> None:
        """Every line of the file: how far the run is."""


class MetricsLog:
    """Appends to `folder/metrics.jsonl`. Of several processes only the first one `is_main`; the others are mute."""

    def __init__(self, folder: Path, *, is_main: bool = True) -> None:
        self.path = folder / "metrics.jsonl"
        self.is_main = is_main
        self.tracker: Tracker | None = None
        self._file: Any = None
        self._phase = ""
        self._written_at = 0.0

    def keep_until(self, step: int) -> None:
        """A run that goes on from `step` measures later steps again: drop what the lost attempt said about them."""
        if not (self.is_main and self.path.exists()):
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the torn last line of a killed process
            if isinstance(record, dict) and (record.get("kind") == "phase" or record.get("step", 0) <= step):
                kept.append(line)
        write_text(self.path, "".join(f"{line}\n" for line in kept))

    def base_eval(self) -> dict[str, float] | None:
        """The evaluation at step 0 of an earlier attempt."""
        if not self.path.exists():
            return None
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            if '"eval"' in line:
                record = json.loads(line)
                if record["kind"] == "eval" and record["step"] == 0:
                    return {"loss": record["loss"], "perplexity": record["perplexity"]}
        return None

    def phase(self, name: str, done: float | None = None) -> None:
        """Often called: writes at most two lines a second for one phase."""
        is_news = name != self._phase or done == 1.0 or time.time() - self._written_at >= PHASE_SECONDS
        if is_news:
            self._phase = name
            self._write("phase", {"phase": name} | ({} if done is None else {"done": round(done, 4)}))

    def train(self, step: int, total_steps: int, epoch: float, values: dict[str, float]) -> None:
        self._write("train", {"step": step, "total_steps": total_steps, "epoch": epoch} | values)
        self._track({f"train_{name}": value for name, value in values.items()}, step)

    def eval(self, step: int, total_steps: int, epoch: float, values: dict[str, float]) -> None:
        self._write("eval", {"step": step, "total_steps": total_steps, "epoch": epoch} | values)
        self._track({f"eval_{name}": value for name, value in values.items()}, step)

    def heartbeat(self, step: int, total_steps: int) -> None:
        """Often called: writes only when nothing else was written lately."""
        if time.time() - self._written_at >= HEARTBEAT_SECONDS:
            self._write("heartbeat", {"step": step, "total_steps": total_steps})

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _track(self, values: dict[str, float], step: int) -> None:
        if self.tracker is not None:
            self.tracker.metrics({name: value for name, value in values.items() if math.isfinite(value)}, step)

    def _write(self, kind: str, values: dict[str, Any]) -> None:
        self._written_at = time.time()
        if not self.is_main:
            return
        if self._file is None:
            self._file = self.path.open("a", encoding="utf-8")
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        record = {"time": round(self._written_at, 3), "kind": kind} | finite
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if self.tracker is not None:
            self.tracker.progress(record)


def perplexity(loss: float) -> float:
    """exp(loss); capped where a float would overflow, since JSON knows no infinity."""
    return math.exp(min(loss, 700.0))

"""The folder of one run: where each file is, and what they say. Reading never writes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.domain import Failure, JobKind, JobSpec, Machine, MetricPoint
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.local.files import read_json, write_json
from backend.local.job_state import Facts
from backend.local.processes import ProcessId

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
METRICS_TAIL = 64 * 1024
OUTPUT_LIMIT = 64 * 1024 * 1024
OUTPUT_FILES = frozenset({"evaluation.json", "result.json", "error.json", "metrics.jsonl"})


def check_run_id(run_id: str) -> str:
    """A run id names a folder: it is nothing else than letters, digits, dot, hyphen and underscore."""
    if not RUN_ID.fullmatch(run_id):
        raise BadInput(
            _("{id} is no run id.").format(id=repr(run_id)),
            why=_("An id has 1 to 80 letters, digits, dots, hyphens and underscores, the first no sign."),
            code="bad_run_id",
        )
    return run_id


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def spec_file(self) -> Path:
        return self.path / "spec.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def model(self) -> Path:
        """The plain Hugging Face folder that the training job leaves inside its MLflow model."""
        return self.output / "model" / "model"

    @property
    def cancel_file(self) -> Path:
        return self.path / "cancel"

    @property
    def registered_file(self) -> Path:
        return self.path / "registered.json"

    @property
    def attempt(self) -> int:
        """The newest attempt's number, 0 before the first."""
        numbers = [int(name[8:]) for name in _names(self.path) if name.startswith("attempt-") and name[8:].isdigit()]
        return max(numbers, default=0)

    @property
    def attempt_folder(self) -> Path:
        return self.path / f"attempt-{self.attempt}"

    def read_spec(self) -> tuple[JobSpec, datetime]:
        """And when it was submitted. Raises NotFound."""
        values = read_json(self.spec_file)
        if values is None:
            raise NotFound(_("No such run: {id}.").format(id=self.path.name), code="no_such_run")
        submitted = datetime.fromtimestamp(float(values.pop("submitted_at", 0.0)), UTC)
        machine = Machine(**values.pop("machine", {}))
        return JobSpec(**{**values, "kind": JobKind(values["kind"]), "machine": machine}), submitted

    def write_spec(self, spec: JobSpec) -> None:
        values = dataclasses.asdict(spec) | {"arguments": dict(spec.arguments), "submitted_at": time.time()}
        write_json(self.spec_file, values)

    def request_cancel(self) -> None:
        """Of the newest attempt: a resumed run is not stopped by an old request."""
        if not self.is_cancel_requested():
            write_json(self.cancel_file, {"attempt": self.attempt, "at": time.time()})

    def is_cancel_requested(self) -> bool:
        return (read_json(self.cancel_file) or {}).get("attempt") == self.attempt

    def look(self) -> Look:
        return Look(self)

    def metrics(self) -> list[MetricPoint]:
        """All train and eval points, in order; other lines, and a torn last one, are passed over."""
        try:
            with (self.output / "metrics.jsonl").open("rb") as file:
                return [_point(record) for record in _records(file) if record["kind"] in ("train", "eval")]
        except FileNotFoundError:
            return []

    def read_output(self, name: str) -> bytes:
        """Raises BadInput for a name that no training job writes, NotFound."""
        if name not in OUTPUT_FILES:
            raise BadInput(_("{name} is no output file of a run.").format(name=repr(name)), code="bad_output_name")
        file = self.output / name
        try:
            with file.open("rb") as opened:
                return opened.read(OUTPUT_LIMIT)
        except FileNotFoundError:
            raise NotFound(
                _("The run {id} has no {name}.").format(id=self.path.name, name=name), code="no_such_output"
            ) from None


class Look:
    """One look at a run: what its files and processes say now, each read at most once."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.attempt = run.attempt
        self.folder = run.path / f"attempt-{self.attempt}"
        self.now = time.time()

    @cached_property
    def supervisor(self) -> dict[str, Any] | None:
        return read_json(self.folder / "supervisor.json")

    @cached_property
    def trainer(self) -> dict[str, Any] | None:
        return read_json(self.folder / "trainer.json")

    @cached_property
    def exit(self) -> dict[str, Any] | None:
        return read_json(self.folder / "exit.json")

    @cached_property
    def result(self) -> dict[str, Any]:
        return read_json(self.run.output / "result.json") or {}

    @cached_property
    def recent(self) -> list[dict[str, Any]]:
        """The newest records of this attempt."""
        started = (self.trainer or {}).get("at")
        if started is None:
            return []
        try:
            with (self.run.output / "metrics.jsonl").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - METRICS_TAIL))
                return [record for record in _records(file) if record["time"] >= started]
        except FileNotFoundError:
            return []

    @cached_property
    def phase(self) -> dict[str, Any]:
        return next((record for record in reversed(self.recent) if record["kind"] == "phase"), {})

    @cached_property
    def facts(self) -> Facts:
        # The processes first, the files after: what ends in between has then left its files.
        supervisor, trainer = self._is_alive(self.supervisor), self._is_alive(self.trainer)
        if trainer is None and supervisor is not True:
            # It may have begun and ended between the two looks.
            self.__dict__.pop("trainer", None)
            trainer = self._is_alive(self.trainer)
        ended = self.exit or {}
        begun = float((self.trainer or {}).get("at") or self.now)
        phase = str(self.phase.get("phase", ""))
        if not phase and any(record["kind"] == "train" for record in self.recent):
            phase = "training"
        return Facts(
            age=self.now - self._submitted_at(),
            supervisor=supervisor,
            trainer=trainer,
            has_turn="turn_at" in (self.supervisor or {}),
            cancel_requested=self.run.is_cancel_requested(),
            has_exit=self.exit is not None,
            exit_status=ended.get("status"),
            was_stopped=bool(ended.get("was_stopped")),
            has_result=bool(self.result),
            error=self._error() if self.trainer else None,
            phase=phase,
            silence=self.now - max([begun, *(record["time"] for record in self.recent[-1:])]),
        )

    def _submitted_at(self) -> float:
        try:
            return self.folder.stat().st_mtime
        except FileNotFoundError:
            return self.now

    @staticmethod
    def _is_alive(values: Mapping[str, Any] | None) -> bool | None:
        process = ProcessId.from_json(values)
        return None if process is None else process.is_alive()

    def _error(self) -> Failure | None:
        values = read_json(self.run.output / "error.json")
        if values is None:
            return None
        return Failure.of_facts(values)


def all_runs(runs: Path) -> list[RunFolder]:
    """In no order; drafts and what is being deleted are left out."""
    return [RunFolder(runs / name) for name in _names(runs) if not name.startswith(".")]


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder)]
    except FileNotFoundError:
        return []


def _records(lines: Iterator[bytes] | Any) -> Iterator[dict[str, Any]]:
    """The lines that are whole records: the last may be half written, and a tail begins in the middle of one."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "kind" in record and isinstance(record.get("time"), int | float):
            yield record


def _point(record: Mapping[str, Any]) -> MetricPoint:
    values = {
        name: float(value)
        for name, value in record.items()
        if name not in ("time", "kind", "step", "total_steps") and isinstance(value, int | float)
    }
    return MetricPoint(float(record["time"]), str(record["kind"]), int(record.get("step", 0)), values)

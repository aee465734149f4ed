"""Runs on this computer: each a folder and a supervisor process. Nothing is remembered, all is read from there."""

from __future__ import annotations

import contextlib
import errno
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.domain import Job, JobKind, JobSpec, JobState, LogChunk, MetricPoint
from backend.domain_setup import CodeFile
from backend.errors import Conflict, NoRoom, NotFound
from backend.i18n import _
from backend.local.base_models import BaseModels
from backend.local.files import read_json, write_json
from backend.local.job_state import derive_state, explain_failure
from backend.local.processes import ProcessId, python_environment, start_detached
from backend.local.run_folder import Look, RunFolder, all_runs, check_run_id
from backend.local.training_command import LEAST_ROOM, SCRIPTS, disk_needed, training_command
from backend.log_chunks import read_log
from backend.new_folder import new_folder

STOP_GRACE = 30.0
"""Seconds that a trainer has to save a checkpoint after it was asked to stop."""
ENOUGH_STEPS = 10
"""Steps that must be seen before their speed says anything about the rest."""


class LocalJobs:
    def __init__(
        self, runs: Path, bases: BaseModels, *, scripts: Path = SCRIPTS, stop_grace: float = STOP_GRACE
    ) -> None:
        self.runs = runs
        self.bases = bases
        self.scripts = scripts
        self.stop_grace = stop_grace

    def submit(self, spec: JobSpec) -> Job:
        run = RunFolder(self.runs / check_run_id(spec.id))
        if not run.spec_file.exists():
            self._create(run, spec)
        if read_json(run.path / "attempt-1" / "supervisor.json") is None:
            # New, or whoever submitted it died before this line. A second supervisor steps back by itself.
            self._start_supervisor(run)
        return self.get(spec.id)

    def _create(self, run: RunFolder, spec: JobSpec) -> None:
        """The whole folder appears at once; who comes second with the same id finds the first one's."""
        command = training_command(spec, run, self.scripts, self.bases)
        self.runs.mkdir(parents=True, exist_ok=True)
        self._check_room(spec)
        draft = RunFolder(Path(tempfile.mkdtemp(prefix=f".new-{spec.id}-", dir=self.runs)))
        try:
            (draft.path / "attempt-1").mkdir()
            write_json(draft.path / "attempt-1" / "command.json", {"command": command, "grace": self.stop_grace})
            draft.output.mkdir()
            draft.log.touch()
            draft.write_spec(spec)
            draft.path.rename(run.path)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise self._no_room(0) from error
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            shutil.rmtree(draft.path, ignore_errors=True)

    def _check_room(self, spec: JobSpec) -> None:
        needed = disk_needed(spec, self.bases)
        if shutil.disk_usage(self.runs).free < needed:
            raise self._no_room(needed)

    def _no_room(self, needed: int) -> NoRoom:
        free = shutil.disk_usage(self.runs).free
        return NoRoom(
            _("There is not enough disk space for this run."),
            why=_("It needs about {needed:.1f} GB in {folder}, and {free:.1f} GB are free.").format(
                needed=max(needed, LEAST_ROOM) / 1e9, free=free / 1e9, folder=self.runs
            ),
            how_to_fix=_("Delete old runs or other files, or choose a smaller base model."),
            code="no_disk",
        )

    def _start_supervisor(self, run: RunFolder) -> None:
        command = [sys.executable, "-m", "backend.local.supervisor", str(run.path.resolve())]
        start_detached(command, run.log, python_environment(), run.path)

    def list(self, *, kind: JobKind | None = None, limit: int = 50, offset: int = 0) -> Sequence[Job]:
        found = []
        for run in all_runs(self.runs):
            with contextlib.suppress(NotFound):  # deleted while we looked
                spec, submitted = run.read_spec()
                if kind is None or spec.kind == kind:
                    found.append((submitted, spec.id, run))
        found.sort(key=lambda item: item[:2], reverse=True)
        jobs = []
        for _submitted, _id, run in found[offset : offset + limit]:
            with contextlib.suppress(NotFound):
                jobs.append(self._read(run))
        return jobs

    def get(self, job_id: str) -> Job:
        return self._read(self._run(job_id))

    def _run(self, job_id: str) -> RunFolder:
        run = RunFolder(self.runs / check_run_id(job_id))
        if not run.spec_file.exists():
            raise NotFound(
                _("No such run: {id}.").format(id=job_id), how_to_fix=_("See the list of runs."), code="no_such_run"
            )
        return run

    def _read(self, run: RunFolder) -> Job:
        spec, submitted = run.read_spec()
        look = run.look()
        facts = look.facts
        state, detail = derive_state(facts)
        step, total, seconds_left = _progress(look.recent) if not state.is_final else _last_step(look.recent)
        return Job(
            spec=spec,
            state=state,
            detail=detail,
            created_at=submitted,
            started_at=_time(look.trainer),
            ended_at=(_time(look.exit) or _heartbeat(look)) if state.is_final else None,
            step=step,
            total_steps=total,
            seconds_left=seconds_left if state == JobState.RUNNING else None,
            phase=facts.phase,
            phase_done=look.phase.get("done"),
            heartbeat_at=_heartbeat(look),
            failure=explain_failure(facts) if state == JobState.FAILED else None,
            result=look.result if state == JobState.COMPLETED else {},
            can_resume=state in (JobState.FAILED, JobState.CANCELED, JobState.UNKNOWN),
            attempt=max(1, look.attempt),
        )

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        return read_log(self._run(job_id).log, since)

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        return self._run(job_id).metrics()

    def output(self, job_id: str, name: str) -> bytes:
        return self._run(job_id).read_output(name)

    def cancel(self, job_id: str) -> None:
        try:
            run = self._run(job_id)
        except NotFound:
            return
        look = run.look()
        if derive_state(look.facts)[0].is_final:
            return
        run.request_cancel()
        trainer = ProcessId.from_json(look.trainer)
        if trainer and not look.facts.supervisor:
            # Nobody else is left to carry the request out; asking again after the grace is the second step.
            asked = float((read_json(run.cancel_file) or {}).get("at", time.time()))
            is_late = time.time() - asked > self.stop_grace
            trainer.send(signal.SIGKILL if is_late else signal.SIGTERM, group=True)

    def resume(self, job_id: str) -> Job:
        run = self._run(job_id)
        look = run.look()
        state, _detail = derive_state(look.facts)
        if state == JobState.COMPLETED:
            raise Conflict(_("The run {id} is complete.").format(id=job_id), code="job_completed")
        if not (state.is_final or state == JobState.UNKNOWN):
            raise Conflict(
                _("The run {id} is still going on.").format(id=job_id),
                how_to_fix=_("Wait for its end, or stop it first."),
                code="job_is_running",
            )
        spec, _submitted = run.read_spec()
        self._check_room(spec)
        draft = Path(tempfile.mkdtemp(prefix=".attempt-", dir=run.path))
        command = training_command(spec, run, self.scripts, self.bases)
        write_json(draft / "command.json", {"command": command, "grace": self.stop_grace})
        try:
            draft.rename(run.path / f"attempt-{look.attempt + 1}")
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise Conflict(
                _("The run {id} was resumed by somebody else just now.").format(id=job_id), code="job_is_running"
            ) from None
        self._start_supervisor(run)
        return self.get(job_id)

    def download(self, job_id: str, folder: Path) -> Path:
        run = self._run(job_id)
        if not self._read(run).state.is_final:
            raise Conflict(
                _("The run {id} is still going on.").format(id=job_id),
                how_to_fix=_("Wait until it has ended, or stop it."),
                code="job_is_running",
            )
        made = folder / f"phidesk-{job_id}"
        with new_folder(made) as draft:
            shutil.copytree(run.output, draft, ignore=shutil.ignore_patterns("checkpoints"), dirs_exist_ok=True)
        return made

    def as_code(self, spec: JobSpec) -> Sequence[CodeFile]:
        return ()

    def delete(self, job_id: str) -> None:
        try:
            run = self._run(job_id)
        except NotFound:
            return
        state, _detail = derive_state(run.look().facts)
        if not (state.is_final or state == JobState.UNKNOWN):
            raise Conflict(
                _("The run {id} is still going on.").format(id=job_id),
                how_to_fix=_("Stop it first."),
                code="job_is_running",
            )
        models = (read_json(run.registered_file) or {}).get("models", [])
        if models:
            raise Conflict(
                _("The run {id} can't be deleted.").format(id=job_id),
                why=_("The registered model {models} lives in its folder.").format(models=", ".join(models)),
                code="job_has_model",
            )
        grave = self.runs / f".deleted-{run.path.name}-{time.time_ns()}"
        try:
            run.path.rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)


def _time(values: dict[str, Any] | None) -> datetime | None:
    return datetime.fromtimestamp(values["at"], UTC) if values and "at" in values else None


def _heartbeat(look: Look) -> datetime | None:
    return datetime.fromtimestamp(look.recent[-1]["time"], UTC) if look.recent else None


def _steps(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if record.get("total_steps") and "step" in record]


def _last_step(records: list[dict[str, Any]]) -> tuple[int, int, float | None]:
    steps = _steps(records)
    return (int(steps[-1]["step"]), int(steps[-1]["total_steps"]), None) if steps else (0, 0, None)


def _progress(records: list[dict[str, Any]]) -> tuple[int, int, float | None]:
    """The step, of how many, and the seconds left at the speed so far (None while too few steps were seen)."""
    steps = _steps(records)
    step, total, nothing = _last_step(records)
    moving = [record for record in steps if record["kind"] in ("train", "heartbeat") and record["step"] > 0]
    if not moving or moving[-1]["step"] - moving[0]["step"] < ENOUGH_STEPS:
        return step, total, nothing
    speed = (moving[-1]["time"] - moving[0]["time"]) / (moving[-1]["step"] - moving[0]["step"])
    return step, total, max(0.0, speed * (total - step))

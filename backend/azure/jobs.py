"""Runs on Azure ML. State is asked from Azure; an unfinished operation bridges the time until the job exists there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from backend.azure.blob_store import BlobStore
from backend.azure.command_job import model_source
from backend.azure.config import write_private
from backend.azure.connection import Connection
from backend.azure.environments import TRAINING_JOB
from backend.azure.errors import in_words
from backend.azure.job_code import job_files
from backend.azure.job_facts import OUTPUT_LIMIT, JobFacts
from backend.azure.job_logs import JobLogs
from backend.azure.job_metrics import Tracking, join_attempts, points_of, read_lines
from backend.azure.job_outputs import download_outputs
from backend.azure.job_record import (
    AZURE_NAME,
    JOBS_VERSION,
    Record,
    attempt_name,
    check_run_id,
    output_folder,
    spec_from_json,
    spec_to_json,
)
from backend.azure.job_submission import CANCELED, STEPS, Submission
from backend.azure.local_paths import LocalPaths
from backend.azure.operations import Operations
from backend.azure.tags import MARK
from backend.domain import Job, JobKind, JobSpec, JobState, LogChunk, MetricPoint
from backend.domain_setup import CodeFile, Operation, OperationState
from backend.errors import BadInput, Conflict, NotFound
from backend.i18n import _

KIND = "submit"
OUTPUT_FILES = frozenset({"evaluation.json", "result.json", "error.json", "metrics.jsonl"})
SHOWN_TYPES = frozenset({"Command", "FineTuning", "Pipeline"})
LOOKS_AT_ONCE = 8
RESUMABLE = (JobState.FAILED, JobState.CANCELED)


class AzureJobs:
    def __init__(self, connection: Connection, operations: Operations, *, scripts: Path = TRAINING_JOB) -> None:
        self.connection = connection
        self.operations = operations
        self.blobs = BlobStore(connection)
        self.tracking = Tracking(connection)
        self.job_logs = JobLogs(connection)
        self.facts = JobFacts(connection, self.blobs, self.tracking, self.job_logs)
        self.paths = LocalPaths(connection.folder / "runs")
        self.submission = Submission(
            connection, self.blobs, scripts, self.paths, self._is_cancel_wanted, self._cancel_at_azure
        )
        operations.handler(KIND, self.submission)

    def submit(self, spec: JobSpec) -> Job:
        check_run_id(spec.id)
        for model in (spec.base_model, spec.tuned_model) if spec.kind == JobKind.EVALUATE else (spec.base_model,):
            model_source(model)
        self.connection.workspace_path()
        self.connection.credential()  # SignedOut and NotChosen are said now, not later by the operation
        if self.operations.find(KIND, spec.id) is None:
            self.paths.keep(spec)
            self._start_attempt(spec, 1, datetime.now(UTC))
        return self.get(spec.id)

    def _start_attempt(self, spec: JobSpec, attempt: int, submitted_at: datetime) -> None:
        arguments = {"spec": spec_to_json(spec), "attempt": attempt, "submitted_at": submitted_at.isoformat()}
        title = _("Starting the run {name}").format(name=spec.name)
        self.operations.start(KIND, spec.id, title, arguments, STEPS)

    def list(self, *, kind: JobKind | None = None, limit: int = 50, offset: int = 0) -> Sequence[Job]:
        runs: dict[str, Record | Job] = {}
        for job in self._jobs_of_operations():
            runs[job.id] = job
        wanted = offset + limit + len(runs)
        count = 0
        for record in self._records(only_ours=kind == JobKind.EVALUATE):  # which nobody else has
            if kind is not None and record.spec.kind != kind:
                continue
            before = runs.get(record.spec.id)
            if before is None or _attempt(before) <= record.attempt:
                count += before is None
                runs[record.spec.id] = record
            if count > wanted:
                break
        mine = [run for run in runs.values() if kind is None or run.spec.kind == kind]
        mine.sort(key=lambda run: (_submitted_at(run), run.spec.id), reverse=True)
        page = mine[offset : offset + limit]
        with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
            return list(pool.map(lambda run: run if isinstance(run, Job) else self.facts.job(run), page))

    def _records(self, *, only_ours: bool) -> Iterator[Record]:
        """Newest first, page by page, without what was put away."""
        path = f"{self.connection.workspace_path()}/jobs?listViewType=ActiveOnly"
        path += f"&tag={MARK}" if only_ours else ""
        while path:
            with in_words(_("Listing the runs")):
                page = self.connection.arm("GET", path, JOBS_VERSION)
            for resource in page.get("value") or []:
                facts = resource.get("properties") or {}
                if facts.get("jobType") in SHOWN_TYPES and not facts.get("isArchived"):
                    yield self.submission.read(resource)
            following = urlsplit(str(page.get("nextLink") or ""))
            query = [(name, value) for name, value in parse_qsl(following.query) if name.lower() != "api-version"]
            path = f"{following.path}?{urlencode(query)}" if following.path else ""

    def _jobs_of_operations(self) -> Iterator[Job]:
        """Runs that are on their way, or did not get there."""
        seen = set()
        for operation, arguments in self.operations.not_done(KIND):
            job = self._job_of_operation(operation, arguments)
            if job.id not in seen:
                seen.add(job.id)
                yield job

    def _job_of_operation(self, operation: Operation, arguments: Mapping[str, Any]) -> Job:
        spec = spec_from_json(arguments["spec"])
        is_wanted = not self._is_cancel_wanted(spec.id)
        state, failure = (JobState.PREPARING if is_wanted else JobState.CANCELING), None
        if operation.state == OperationState.FAILED:
            failure = operation.failure
            state = JobState.CANCELED if failure and failure.code == CANCELED else JobState.FAILED
        return Job(
            spec=spec,
            state=state,
            detail=operation.detail if not state.is_final else "",
            created_at=datetime.fromisoformat(arguments["submitted_at"]),
            ended_at=operation.ended_at,
            failure=failure if state == JobState.FAILED else None,
            can_resume=state in RESUMABLE,
            attempt=int(arguments["attempt"]),
        )

    def get(self, job_id: str) -> Job:
        found = self._find(job_id)
        return found if isinstance(found, Job) else self.facts.job(found[-1])

    def _find(self, job_id: str) -> Job | Sequence[Record]:
        """The attempts at Azure, or what an operation knows of one that is not there. Raises NotFound."""
        operation = self.operations.find(KIND, job_id)
        if operation and operation.state != OperationState.DONE:
            job = self._job_of_operation(operation, self.operations.arguments(operation.id))
            if self.submission.find(attempt_name(job_id, job.attempt)) is None:
                return job
        attempts = self._attempts(job_id)
        if not attempts:
            raise NotFound(
                _("No such run: {id}.").format(id=job_id), how_to_fix=_("See the list of runs."), code="no_such_run"
            )
        return attempts

    def _attempts(self, job_id: str) -> Sequence[Record]:
        """An attempt follows only one that ended early, so the first one that did not is the last."""
        found: list[Record] = []
        while AZURE_NAME.fullmatch(job_id) and (not found or (found[-1].is_ours and found[-1].state in RESUMABLE)):
            record = self.submission.find(attempt_name(job_id, len(found) + 1))
            if record is None or record.spec.id != job_id:
                break
            found.append(record)
        return found

    def last_attempt(self, job_id: str) -> Record:
        """Raises NotFound for a run that is not at Azure."""
        attempts = self._attempts(job_id)
        if not attempts:
            raise NotFound(_("No such run: {id}.").format(id=job_id), code="no_such_run")
        return attempts[-1]

    def _ended_or_raise(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job.state.is_final:
            return job
        raise Conflict(
            _("The run {id} is still going on.").format(id=job_id),
            how_to_fix=_("Wait for its end, or stop it first."),
            code="job_is_running",
        )

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        found = self._find(job_id)
        attempts = self._attempts(job_id) if isinstance(found, Job) else found
        return self.job_logs.read([record.name for record in attempts], since)

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        """While it runs MLflow's, which come at once; after its end the run's own file, which has all."""
        found = self._find(job_id)
        attempts = self._attempts(job_id) if isinstance(found, Job) else found
        if not attempts:
            return []
        last = attempts[-1]
        own = [] if last.is_catalogue or not last.is_ours else self._own_points(job_id)
        if own and last.state.is_final:
            return own
        return join_attempts(self.tracking.points(record.name) for record in attempts) or own

    def _own_points(self, job_id: str) -> Sequence[MetricPoint]:
        content = self.blobs.read(f"{output_folder(job_id)}/metrics.jsonl", OUTPUT_LIMIT)
        return points_of(read_lines(content[0])) if content else []

    def output(self, job_id: str, name: str) -> bytes:
        if name not in OUTPUT_FILES:
            raise BadInput(_("{name} is no output file of a run.").format(name=repr(name)), code="bad_output_name")
        self._find(job_id)
        found = self.blobs.read(f"{output_folder(job_id)}/{name}", OUTPUT_LIMIT)
        if found is None:
            raise NotFound(_("The run {id} has no {name}.").format(id=job_id, name=name), code="no_such_output")
        return found[0]

    def cancel(self, job_id: str) -> None:
        try:
            found = self._find(job_id)
        except NotFound:
            return
        if not isinstance(found, Job):
            self._cancel_at_azure(found[-1].name)
        elif not found.state.is_final:
            # The operation finds this before or after it sends the job, and stops it either way.
            write_private(self._cancel_file(job_id), {"at": datetime.now(UTC).isoformat()})

    def _cancel_file(self, job_id: str) -> Path:
        return self.connection.folder / "canceled" / f"{check_run_id(job_id)}.json"

    def _is_cancel_wanted(self, job_id: str) -> bool:
        return self._cancel_file(job_id).exists()

    def _cancel_at_azure(self, name: str) -> None:
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        record = self.submission.find(name)
        if record is None or record.state.is_final:
            return
        with in_words(_("Stopping the run {id}").format(id=name)):
            try:
                self.connection.arm("POST", f"{self.connection.workspace_path()}/jobs/{name}/cancel", JOBS_VERSION)
            except ResourceNotFoundError:
                return
            except HttpResponseError:
                after = self.submission.find(name)
                if after is None or after.state.is_final:
                    return  # it ended in between
                raise

    def resume(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job.state == JobState.COMPLETED:
            raise Conflict(_("The run {id} is complete.").format(id=job_id), code="job_completed")
        if job.state not in RESUMABLE:
            self._ended_or_raise(job_id)
            raise Conflict(_("The run {id} can't be resumed.").format(id=job_id), code="job_is_running")
        if not job.can_resume:
            raise Conflict(
                _("The run {id} was not begun with Phi Desk.").format(id=job_id),
                how_to_fix=_("Start it again where it was begun."),
                code="foreign_job",
            )
        self._cancel_file(job_id).unlink(missing_ok=True)
        operation = self.operations.find(KIND, job_id)
        if operation and operation.state == OperationState.FAILED and isinstance(self._find(job_id), Job):
            self.operations.retry(operation.id)
        else:
            self._start_attempt(job.spec, job.attempt + 1, job.created_at)
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Azure keeps the record of a job for good: it is put away there, and its files are deleted."""
        try:
            self._ended_or_raise(job_id)
        except NotFound:
            return
        self._refuse_if_registered(job_id)
        attempts = self._attempts(job_id)
        for record in reversed(attempts):
            with in_words(_("Deleting the run {id}").format(id=job_id)):
                self.connection.ml().jobs.archive(record.name)
            self.facts.forget(record.name)
        if not attempts or attempts[0].is_ours:
            self.blobs.delete(output_folder(job_id))
            self._cancel_file(job_id).unlink(missing_ok=True)
            self.paths.forget(job_id)
        while operation := self.operations.find(KIND, job_id):
            self.operations.dismiss(operation.id)

    def _refuse_if_registered(self, job_id: str) -> None:
        from backend.azure.models import models_of_job

        models = models_of_job(self.connection, job_id)
        if models:
            raise Conflict(
                _("The run {id} can't be deleted.").format(id=job_id),
                why=_("The registered model {models} lives in its folder.").format(models=", ".join(models)),
                code="job_has_model",
            )

    def download(self, job_id: str, folder: Path) -> Path:
        self._ended_or_raise(job_id)
        return download_outputs(self.connection, self.blobs, job_id, self._attempts(job_id), folder)

    def as_code(self, spec: JobSpec) -> Sequence[CodeFile]:
        return job_files(self.connection, spec)


def _attempt(run: Record | Job) -> int:
    return run.attempt


def _submitted_at(run: Record | Job) -> datetime:
    return run.created_at if isinstance(run, Job) else run.submitted_at

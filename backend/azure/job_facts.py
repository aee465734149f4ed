"""A job of Azure as the desk's `Job`: what the service, its MLflow and the run's own files say, put together."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Mapping
from typing import Any

from backend.azure.blob_store import BlobStore
from backend.azure.connection import Connection
from backend.azure.errors import SignedOut
from backend.azure.job_errors import explain_service_error
from backend.azure.job_logs import JobLogs
from backend.azure.job_metrics import (
    Progress,
    TrackedRun,
    Tracking,
    progress_of_lines,
    progress_of_tag,
    read_lines,
)
from backend.azure.job_record import Record, output_folder
from backend.azure.times import moment
from backend.domain import Failure, Job, JobState
from backend.errors import PhiDeskError

log = logging.getLogger("phidesk.azure")

OUTPUT_LIMIT = 64 * 1024 * 1024
METRICS_TAIL = 64 * 1024
MOST_KEPT = 2000
BEFORE_RUNNING = frozenset({JobState.QUEUED, JobState.PREPARING})


class JobFacts:
    """Final jobs are looked into once; they do not change any more."""

    def __init__(self, connection: Connection, blobs: BlobStore, tracking: Tracking, logs: JobLogs) -> None:
        self.connection = connection
        self.blobs = blobs
        self.tracking = tracking
        self.logs = logs
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], Job] = {}

    def job(self, record: Record) -> Job:
        key = (f"{self.connection.workspace_path()}/{record.name}", record.word)
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        try:
            job = self._look(record)
        except SignedOut:
            raise
        except PhiDeskError as error:
            # A closed storage account or a tracking server that is away hides the numbers, not the run.
            log.warning("run %s: only the service's own facts are known: %s", record.name, error)
            failure = error.failure() if record.state == JobState.FAILED else None
            return dataclasses.replace(self.plain(record), failure=failure)
        if record.state.is_final:
            with self._lock:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = job
        return job

    def forget(self, name: str) -> None:
        with self._lock:
            self._kept = {key: job for key, job in self._kept.items() if not key[0].endswith(f"/{name}")}

    def plain(self, record: Record) -> Job:
        """What the service alone says."""
        return Job(
            spec=record.spec,
            state=record.state,
            detail=record.word,
            created_at=record.submitted_at,
            can_resume=record.is_ours and record.state in (JobState.FAILED, JobState.CANCELED),
            attempt=record.attempt,
            link=record.link,
        )

    def _look(self, record: Record) -> Job:
        job = self.plain(record)
        if record.state in BEFORE_RUNNING:
            return job
        run = self.tracking.run(record.name)
        progress = (progress_of_tag(run) if run else None) or self._progress_of_file(record) or Progress()
        is_final = record.state.is_final
        return dataclasses.replace(
            job,
            started_at=(run.started_at if run else None) or record.created_at,
            ended_at=self._ended_at(record, run) if is_final else None,
            step=progress.step,
            total_steps=progress.total_steps,
            seconds_left=progress.seconds_left if record.state == JobState.RUNNING else None,
            phase=progress.phase,
            phase_done=progress.phase_done,
            heartbeat_at=progress.heartbeat_at,
            failure=self._failure(record) if record.state == JobState.FAILED else None,
            result=self._result(record, run) if record.state == JobState.COMPLETED else {},
        )

    def _ended_at(self, record: Record, run: TrackedRun | None) -> Any:
        if run and run.ended_at:
            return run.ended_at
        return moment(self.logs.details(record.name).get("endTimeUtc")) or record.created_at

    def _progress_of_file(self, record: Record) -> Progress | None:
        if not record.is_ours or record.is_catalogue:
            return None
        content = self.blobs.tail(f"{output_folder(record.spec.id)}/metrics.jsonl", METRICS_TAIL)
        began = record.created_at.timestamp()
        return progress_of_lines([line for line in read_lines(content or b"") if line["time"] >= began])

    def _result(self, record: Record, run: TrackedRun | None) -> Mapping[str, Any]:
        if record.is_ours and not record.is_catalogue:
            return self._file(record, "result.json") or {}
        return {name: value for name, (value, _step) in (run.latest if run else {}).items()}

    def _failure(self, record: Record) -> Failure:
        """The training job's own words, unless they are an earlier attempt's; else the service's."""
        if record.is_ours and not record.is_catalogue:
            values = self._file(record, "error.json")
            if values is not None:
                return Failure.of_facts(values)
        return explain_service_error(self.logs.details(record.name))

    def _file(self, record: Record, name: str) -> dict[str, Any] | None:
        found = self.blobs.read(f"{output_folder(record.spec.id)}/{name}", OUTPUT_LIMIT)
        # Storage tells whole seconds.
        if found is None or found[1].timestamp() < int(record.created_at.timestamp()):
            return None
        try:
            values = json.loads(found[0])
        except ValueError:
            return None
        return values if isinstance(values, dict) else None

"""The one interface between the services and a place that trains and serves: this computer, or Azure ML.

A target never raises its vendor's errors (HOUSE 16), never blocks in `submit`, `create` or `deploy`,
and treats cancelling or deleting what is already gone as success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from backend.domain import (
    BaseModel,
    Check,
    Endpoint,
    Feature,
    Job,
    JobKind,
    JobSpec,
    LogChunk,
    MetricPoint,
    Model,
)


class Jobs(Protocol):
    def submit(self, spec: JobSpec) -> Job:
        """Start it and return at once. A second call with the same `spec.id` returns the first one's job."""

    def list(self, *, kind: JobKind | None = None, limit: int = 50, offset: int = 0) -> Sequence[Job]:
        """Newest first."""

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        """From byte `since`; None means the last 64 KiB. A log not there yet is an empty chunk."""

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        """All points so far, in order."""

    def output(self, job_id: str, name: str) -> bytes:
        """A small file of the job's output folder, such as `evaluation.json`. Raises NotFound when it is absent."""

    def cancel(self, job_id: str) -> None: ...

    def resume(self, job_id: str) -> Job:
        """Go on from the last checkpoint of a job that ended early. Raises Conflict while it runs."""

    def delete(self, job_id: str) -> None:
        """Remove a final job and its files. Raises Conflict while it runs."""


class Models(Protocol):
    def register(self, job_id: str, name: str) -> Model:
        """Registering one job twice under one name returns the first version. Raises Conflict unless it completed."""

    def list(self) -> Sequence[Model]:
        """Newest first."""

    def get(self, ref: str) -> Model:
        """`name:version`, or `name` for its newest version. Raises NotFound."""

    def base_models(self) -> Sequence[BaseModel]:
        """What can be tuned here, the recommended first, each with whether it fits."""


class Endpoints(Protocol):
    def create(self, name: str) -> Endpoint:
        """Idempotent. Raises BadInput for a name that is not 3 to 32 of a-z, 0-9 and hyphen."""

    def deploy(self, endpoint: str, model: str, deployment: str = "main") -> Endpoint:
        """Returns at once; `get` tells when it is RUNNING. `model` is a registry ref or a base model's id.

        Deploying another model to a running endpoint keeps the old one answering until the new one does.
        """

    def set_traffic(self, endpoint: str, percent: Mapping[str, int]) -> Endpoint: ...

    def list(self) -> Sequence[Endpoint]: ...

    def get(self, name: str) -> Endpoint:
        """Raises NotFound."""

    def start(self, name: str) -> Endpoint: ...

    def stop(self, name: str) -> Endpoint: ...

    def logs(self, name: str, since: int | None = None) -> LogChunk: ...

    def key(self, name: str) -> str:
        """The secret that a caller sends as `Authorization: Bearer`. Never log or store it."""

    def delete(self, name: str) -> None: ...


class Target(Protocol):
    name: str
    title: str
    unsupported: Mapping[Feature, str]
    jobs: Jobs
    models: Models
    endpoints: Endpoints

    def check(self) -> Sequence[Check]:
        """Every precondition, met or not."""

"""A real, small target in memory: no processes, no sleeping. Jobs and endpoints move on when they are told to.

`tests/contract` holds it to the same promises as the target of this computer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend.domain import (
    BUILT_IN_MODEL,
    DEFAULT_HOSTING,
    BaseModel,
    Deployment,
    Endpoint,
    EndpointState,
    Failure,
    Feature,
    Hosting,
    Job,
    JobKind,
    JobSpec,
    JobState,
    LogChunk,
    MetricPoint,
    Model,
)
from backend.domain_setup import Check, CodeFile
from backend.errors import BadInput, Conflict, NotFound, Unavailable
from backend.target import Costs, DataAssets, Flows, Machines, Setup

FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RESULT = {
    "base_eval_loss": 2.0,
    "tuned_eval_loss": 0.5,
    "base_perplexity": 7.4,
    "tuned_perplexity": 1.6,
    "trained_tokens": 1234,
    "steps": 30,
    "parameters": 1000,
    "device": "fake",
}


class Clock:
    """Every look at it is a second later, so that order in time is order of calls."""

    def __init__(self) -> None:
        self.moment = FIRST_MOMENT

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@dataclass
class FakeRun:
    job: Job
    log: bytes = b""
    points: list[MetricPoint] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


class FakeJobs:
    """`advance`, `complete`, `fail` and `end_cancel` are what the world would do; the rest is the protocol."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.runs: dict[str, FakeRun] = {}
        self.registered: set[str] = set()

    def submit(self, spec: JobSpec) -> Job:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", spec.id):
            raise BadInput(f"{spec.id!r} is no run id.", code="bad_run_id")
        if spec.id not in self.runs:
            job = Job(spec, JobState.QUEUED, "", self.clock.now(), total_steps=30)
            self.runs[spec.id] = FakeRun(job, b"submitted\n")
        return self.get(spec.id)

    def _run(self, job_id: str) -> FakeRun:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", job_id):
            raise BadInput(f"{job_id!r} is no run id.", code="bad_run_id")
        if job_id not in self.runs:
            raise NotFound(f"No such run: {job_id}.", code="no_such_run")
        return self.runs[job_id]

    def advance(self, job_id: str, steps: int = 1, **values: float) -> Job:
        """Train that many steps on."""
        run = self._run(job_id)
        assert not run.job.state.is_final
        for _step in range(steps):
            now, step = self.clock.now(), run.job.step + 1
            run.points.append(MetricPoint(now.timestamp(), "train", step, {"loss": 1 / step, **values}))
            run.log += f"step {step}\n".encode()
            left = float(run.job.total_steps - step) if step >= 10 else None
            state = run.job.state if run.job.state == JobState.CANCELING else JobState.RUNNING
            run.job = replace(
                run.job, state=state, step=step, seconds_left=left, phase="training", heartbeat_at=now,
                started_at=run.job.started_at or now,
            )  # fmt: skip
        return run.job

    def complete(self, job_id: str, result: Mapping[str, object] | None = None, **files: bytes) -> Job:
        run = self._run(job_id)
        self.advance(job_id, run.job.total_steps - run.job.step)
        run.points.append(MetricPoint(self.clock.now().timestamp(), "eval", run.job.step, {"loss": 0.5}))
        run.files |= {"result.json": json.dumps(RESULT).encode(), **files}
        run.job = replace(
            run.job, state=JobState.COMPLETED, seconds_left=None, ended_at=self.clock.now(), result=result or RESULT
        )
        return run.job

    def fail(self, job_id: str, failure: Failure | None = None) -> Job:
        run = self._run(job_id)
        failure = failure or Failure("no_memory", "It failed.", "Because.", "Smaller.", "trace")
        run.job = replace(
            run.job, state=JobState.FAILED, seconds_left=None, ended_at=self.clock.now(), failure=failure,
            can_resume=True,
        )  # fmt: skip
        return run.job

    def end_cancel(self, job_id: str) -> Job:
        run = self._run(job_id)
        assert run.job.state == JobState.CANCELING
        run.job = replace(run.job, state=JobState.CANCELED, ended_at=self.clock.now(), can_resume=True)
        return run.job

    def list(self, *, kind: JobKind | None = None, limit: int = 50, offset: int = 0) -> Sequence[Job]:
        jobs = [run.job for run in self.runs.values() if kind is None or run.job.spec.kind == kind]
        return sorted(jobs, key=lambda job: job.created_at, reverse=True)[offset : offset + limit]

    def get(self, job_id: str) -> Job:
        return self._run(job_id).job

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        log = self._run(job_id).log
        start = max(0, len(log) - 64 * 1024) if since is None else min(since, len(log))
        return LogChunk(log[start:].decode(), start, len(log))

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        return list(self._run(job_id).points)

    def output(self, job_id: str, name: str) -> bytes:
        files = self._run(job_id).files
        if name not in files:
            raise NotFound(f"The run {job_id} has no {name}.", code="no_such_output")
        return files[name]

    def cancel(self, job_id: str) -> None:
        run = self.runs.get(job_id)
        if run and not run.job.state.is_final:
            run.job = replace(run.job, state=JobState.CANCELING)

    def resume(self, job_id: str) -> Job:
        run = self._run(job_id)
        if not run.job.can_resume:
            raise Conflict(f"The run {job_id} is still going on or complete.", code="job_is_running")
        run.job = replace(
            run.job, state=JobState.QUEUED, failure=None, can_resume=False, ended_at=None, started_at=None,
            attempt=run.job.attempt + 1,
        )  # fmt: skip
        return run.job

    def delete(self, job_id: str) -> None:
        run = self.runs.get(job_id)
        if run is None:
            return
        if not run.job.state.is_final:
            raise Conflict(f"The run {job_id} is still going on.", code="job_is_running")
        if job_id in self.registered:
            raise Conflict(f"The run {job_id} holds a registered model.", code="job_has_model")
        del self.runs[job_id]

    def download(self, job_id: str, folder: Path) -> Path:
        run = self._run(job_id)
        made = folder / f"phidesk-{job_id}"
        if not run.job.state.is_final or made.exists():
            raise Conflict(f"The run {job_id} is still going on, or {made} is there already.", code="no_download")
        made.mkdir(parents=True)
        for name, content in run.files.items():
            (made / name).write_bytes(content)
        return made

    def as_code(self, spec: JobSpec) -> Sequence[CodeFile]:
        return ()


class FakeModels:
    def __init__(self, clock: Clock, jobs: FakeJobs) -> None:
        self.clock = clock
        self.jobs = jobs
        self.models: list[Model] = []

    def register(self, job_id: str, name: str) -> Model:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise BadInput(f"{name!r} can't be a model's name.", code="bad_model_name")
        job = self.jobs.get(job_id)
        if job.state != JobState.COMPLETED:
            raise Conflict(f"The run {job_id} has no model to register.", code="job_not_completed")
        same = [model for model in self.models if model.name == name]
        for model in same:
            if model.job_id == job_id:
                return model
        metrics = {key: float(value) for key, value in job.result.items() if isinstance(value, int | float)}
        model = Model(
            name, len(same) + 1, job_id, job.spec.base_model, f"/fake/{job_id}/model", self.clock.now(),
            job.spec.dataset_sha256, metrics,
        )  # fmt: skip
        self.models.append(model)
        self.jobs.registered.add(job_id)
        return model

    def list(self) -> Sequence[Model]:
        return sorted(self.models, key=lambda model: model.created_at, reverse=True)

    def get(self, ref: str) -> Model:
        for model in self.list():
            if ref in (model.ref, model.name):
                return model
        raise NotFound(f"No such model: {ref}.", code="no_such_model")

    def base_models(self) -> Sequence[BaseModel]:
        built_in = BaseModel(BUILT_IN_MODEL, "Built-in tiny Phi-3", "MIT", 3_600_000, 0, True, True, "It fits.")
        large = BaseModel(
            "microsoft/Phi-3-mini-4k-instruct", "Phi-3 mini 4k instruct", "MIT", 3_820_000_000, 7_640_000_000,
            False, False, "Even LoRA needs about 10.3 GB.",
        )  # fmt: skip
        return [built_in, large]


class FakeEndpoints:
    """`make_ready` and `make_fail` are what the server would do."""

    def __init__(self, clock: Clock, models: FakeModels) -> None:
        self.clock = clock
        self.models = models
        self.endpoints: dict[str, Endpoint] = {}
        self.loading: dict[str, Deployment] = {}
        self.keys: dict[str, int] = {}

    def _get(self, name: str) -> Endpoint:
        if not re.fullmatch(r"[a-z0-9-]{3,32}", name):
            raise BadInput(f"{name!r} can't be an endpoint's name.", code="bad_endpoint_name")
        if name not in self.endpoints:
            raise NotFound(f"No such endpoint: {name}.", code="no_such_endpoint")
        return self.endpoints[name]

    def _put(self, endpoint: Endpoint, state: EndpointState, failure: Failure | None = None) -> Endpoint:
        parts = tuple(replace(part, state=state) for part in endpoint.deployments)
        self.endpoints[endpoint.name] = replace(endpoint, state=state, deployments=parts, failure=failure)
        return self.endpoints[endpoint.name]

    def make_ready(self, name: str) -> Endpoint:
        endpoint = self._get(name)
        if name in self.loading:
            endpoint = replace(endpoint, deployments=(self.loading.pop(name),))
        return self._put(endpoint, EndpointState.RUNNING)

    def make_fail(self, name: str, failure: Failure | None = None) -> Endpoint:
        failure = failure or Failure("killed", "The model server ended.", "It left no word.", "Start it again.")
        return self._put(self._get(name), EndpointState.FAILED, failure)

    def create(self, name: str) -> Endpoint:
        try:
            return self._get(name)
        except NotFound:
            endpoint = Endpoint(
                name, EndpointState.STOPPED, "No model is deployed yet.", "", "openai", (), self.clock.now()
            )
            self.endpoints[name] = endpoint
            return endpoint

    def check(self, model: str, hosting: Hosting = DEFAULT_HOSTING) -> None:
        self._ref(model)

    def deploy(self, endpoint: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING) -> Endpoint:
        current = self._get(endpoint)
        model = self._ref(model)
        new = Deployment(deployment or "main", model, 100, EndpointState.CREATING)
        if current.state == EndpointState.RUNNING:
            if current.model != model:
                self.loading[endpoint] = new
            return current
        url = current.url or f"http://127.0.0.1:{20000 + len(self.endpoints)}"
        return self._put(replace(current, url=url, deployments=(new,), detail=""), EndpointState.CREATING)

    def _ref(self, model: str) -> str:
        return model if "/" in model else self.models.get(model).ref

    def set_traffic(self, endpoint: str, percent: Mapping[str, int]) -> Endpoint:
        current = self._get(endpoint)
        if dict(percent) != {part.name: 100 for part in current.deployments}:
            raise BadInput("Traffic can't be split here.", code="no_traffic_split")
        return current

    def test(self, endpoint: str, deployment: str, question: str) -> str:
        found = next((part for part in self._get(endpoint).deployments if part.name == deployment), None)
        if found is None or found.state != EndpointState.RUNNING:
            raise Unavailable(f"{deployment} does not answer.", why="It is not on.", code="endpoint_not_running")
        return f"{found.model} answers: {question}"

    def remove_deployment(self, endpoint: str, deployment: str) -> Endpoint:
        current = self._get(endpoint)
        parts = [part for part in current.deployments if part.name == deployment]
        if any(part.traffic_percent for part in parts):
            raise Conflict(f"{deployment} has traffic.", code="deployment_has_traffic")
        rest = tuple(part for part in current.deployments if part not in parts)
        self.endpoints[endpoint] = replace(current, deployments=rest)
        return self.endpoints[endpoint]

    def set_expiry(self, endpoint: str, expires_at: datetime | None) -> Endpoint:
        if expires_at is not None:
            raise BadInput("An endpoint here has no end.", code="no_expiry")
        return self._get(endpoint)

    def list(self) -> Sequence[Endpoint]:
        return sorted(self.endpoints.values(), key=lambda endpoint: endpoint.created_at, reverse=True)

    def get(self, name: str) -> Endpoint:
        return self._get(name)

    def start(self, name: str) -> Endpoint:
        endpoint = self._get(name)
        if not endpoint.deployments:
            raise Conflict(f"The endpoint {name} has no model yet.", code="nothing_deployed")
        if endpoint.state in (EndpointState.STOPPED, EndpointState.FAILED):
            return self._put(endpoint, EndpointState.CREATING)
        return endpoint

    def stop(self, name: str) -> Endpoint:
        self.loading.pop(name, None)
        return self._put(self._get(name), EndpointState.STOPPED)

    def logs(self, name: str, since: int | None = None) -> LogChunk:
        text = f"Loading {self._get(name).model}.\n"
        start = min(since or 0, len(text))
        return LogChunk(text[start:], start, len(text))

    def key(self, name: str) -> str:
        return f"fake-key-of-{self._get(name).name}-{self.keys.get(name, 1)}"

    def renew_key(self, name: str) -> None:
        self.keys[self._get(name).name] = self.keys.get(name, 1) + 1

    def as_code(self, endpoint: str, model: str, hosting: Hosting) -> Sequence[CodeFile]:
        return ()

    def delete(self, name: str) -> None:
        self.endpoints.pop(name, None)
        self.loading.pop(name, None)


class FakeTarget:
    name = "fake"
    title = "Fake"

    def __init__(self) -> None:
        clock = Clock()
        self.clock = clock
        self.unsupported: dict[Feature, str] = {
            Feature.TRAFFIC_SPLIT: "One model answers everything here.",
            Feature.DATA_ASSETS: "No data is kept here.",
        }
        self.setup: Setup | None = None
        self.machines: Machines | None = None
        self.costs: Costs | None = None
        self.flows: Flows | None = None
        self.data_assets: DataAssets | None = None
        self.jobs = FakeJobs(clock)
        self.models = FakeModels(clock, self.jobs)
        self.endpoints = FakeEndpoints(clock, self.models)

    def check(self) -> Sequence[Check]:
        return [Check("Python", True, "Python 3.11"), Check("GPU", False, "No GPU found.", is_warning=True)]

"""All targets behind one set of handles, so that the same tests hold them to the same promises."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from backend.domain import EndpointState, Job, JobKind, JobSpec, JobState
from backend.local.jobs import LocalJobs
from backend.local.mlflow_store import ensure_store
from backend.local.target import LocalTarget
from backend.settings import Settings
from backend.target import Target
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.fixtures import *  # noqa: F403
from tests.contract.azure_harness import AzureHarness, connected_target
from tests.contract.waiting import STAND_IN, wait_until
from tests.fakes import FakeTarget
from tests.tiny_model import make_tiny_model


@dataclass
class FakeHarness:
    """What a test asks of the world beside the protocol: here, the fake is simply told."""

    target: FakeTarget = field(default_factory=FakeTarget)
    deployable: str = "fake/model"
    another: str = "fake/another"
    address: str = "http://127.0.0.1:"
    contract: str = "openai"

    def spec(self, job_id: str, *, kind: JobKind = JobKind.FINE_TUNE, **arguments: Any) -> JobSpec:
        return JobSpec(
            job_id, f"run {job_id}", kind, "fake/base", "d1", "greetings", "t.jsonl", "e.jsonl", "abc", arguments,
            tuned_model="fake/model",
        )  # fmt: skip

    def until_halfway(self, job_id: str) -> Job:
        return self.target.jobs.advance(job_id, 15)

    def until_completed(self, job_id: str) -> Job:
        return self.target.jobs.complete(job_id)

    def until_failed(self, job_id: str) -> Job:
        return self.target.jobs.fail(job_id)

    def until_canceled(self, job_id: str) -> Job:
        return self.target.jobs.end_cancel(job_id)

    def until_answering(self, name: str, model: str) -> None:
        self.target.endpoints.make_ready(name)

    def until_stopped(self, name: str) -> None:
        assert self.target.endpoints.get(name).state == EndpointState.STOPPED

    def until_deleted(self, name: str) -> None:
        assert name not in [endpoint.name for endpoint in self.target.endpoints.list()]


@dataclass
class LocalHarness:
    """The target of this computer with real processes; the trainer is a stand-in that waits halfway."""

    target: LocalTarget
    base: Path
    deployable: str
    another: str
    address: str = "http://127.0.0.1:"
    contract: str = "openai"

    def spec(self, job_id: str, *, kind: JobKind = JobKind.FINE_TUNE, **arguments: Any) -> JobSpec:
        values = {"wait_at": 15} | arguments
        return JobSpec(
            job_id, f"run {job_id}", kind, str(self.base), "d1", "greetings", "t.jsonl", "e.jsonl", "abc", values,
            tuned_model=str(self.base),
        )  # fmt: skip

    def _until(self, job_id: str, state: JobState) -> Job:
        def reached() -> bool:
            job = self.target.jobs.get(job_id)
            assert job.state == state or not job.state.is_final, (job, self.target.jobs.logs(job_id).text)
            return job.state == state

        wait_until(reached, f"{job_id} is {state.value}")
        return self.target.jobs.get(job_id)

    def folder(self, job_id: str) -> Path:
        return self.target.jobs.runs / job_id

    def go(self, job_id: str) -> None:
        (self.folder(job_id) / "output" / "go").touch()

    def until_halfway(self, job_id: str) -> Job:
        wait_until(lambda: self.target.jobs.get(job_id).step >= 15, f"{job_id} is halfway")
        return self.target.jobs.get(job_id)

    def until_completed(self, job_id: str) -> Job:
        self.go(job_id)
        return self._until(job_id, JobState.COMPLETED)

    def until_failed(self, job_id: str) -> Job:
        return self._until(job_id, JobState.FAILED)

    def until_canceled(self, job_id: str) -> Job:
        return self._until(job_id, JobState.CANCELED)

    def until_answering(self, name: str, model: str) -> None:
        def answers() -> bool:
            endpoint = self.target.endpoints.get(name)
            assert endpoint.state != EndpointState.FAILED, endpoint.failure
            return endpoint.state == EndpointState.RUNNING and endpoint.model == model

        wait_until(answers, f"{name} answers with {model}", 120)

    def until_stopped(self, name: str) -> None:
        assert self.target.endpoints.get(name).state == EndpointState.STOPPED

    def until_deleted(self, name: str) -> None:
        assert name not in [endpoint.name for endpoint in self.target.endpoints.list()]


@pytest.fixture(autouse=True)
def _no_real_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keyring is touched by a test."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making the store takes seconds; it is made once and copied."""
    home = tmp_path_factory.mktemp("mlflow")
    ensure_store(home)
    return home


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return make_tiny_model(folder / "one"), make_tiny_model(folder / "two", seed=1)


@pytest.fixture
def local(tmp_path: Path, mlflow_template: Path, tiny_models: tuple[Path, Path]) -> Iterator[LocalHarness]:
    home = tmp_path / "home"
    shutil.copytree(mlflow_template, home)
    target = LocalTarget(Settings(home=home))
    target.jobs = LocalJobs(home / "runs", target.bases, scripts=STAND_IN, stop_grace=1.0)
    one, two = map(str, tiny_models)
    yield LocalHarness(target, tiny_models[0], one, two)
    for job in target.jobs.list(limit=1000):
        target.jobs.cancel(job.id)
    for endpoint in target.endpoints.list():
        target.endpoints.delete(endpoint.name)
    for job in target.jobs.list(limit=1000):
        wait_until(lambda job=job: target.jobs.get(job.id).state.is_final, f"{job.id} ended after the test")


@pytest.fixture
def azure(
    emulator: Emulator, azure_environment: dict[str, str], tiny_models: tuple[Path, Path], tmp_path: Path
) -> Iterator[AzureHarness]:
    files = (tmp_path / "train.jsonl", tmp_path / "eval.jsonl")
    for file in files:
        turns = [{"role": "user", "content": file.stem}, {"role": "assistant", "content": "Yes."}]
        file.write_text(json.dumps({"messages": turns}) + "\n")
    harness = AzureHarness(connected_target(tmp_path / "home"), emulator, tiny_models[0], files, tiny_models)
    yield harness
    harness.close()


Harness = FakeHarness | LocalHarness | AzureHarness


@pytest.fixture(params=["fake", "local", "azure"])
def harness(request: pytest.FixtureRequest) -> Harness:
    return FakeHarness() if request.param == "fake" else request.getfixturevalue(request.param)


@pytest.fixture
def target(harness: Harness) -> Target:
    return harness.target


__all__ = ["STAND_IN", "AzureHarness", "FakeHarness", "Harness", "LocalHarness", "replace", "wait_until"]

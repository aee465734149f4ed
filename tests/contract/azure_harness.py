"""Azure ML under the tests of the contract: the real SDKs over sockets, jobs and servers that really run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from backend.azure.config import AzureConfig
from backend.azure.jobs import AzureJobs
from backend.azure.target import AzureTarget
from backend.domain import EndpointState, Job, JobKind, JobSpec, JobState, Machine
from backend.domain_setup import SignInState
from backend.settings import Settings
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import GROUP, REGION, SUBSCRIPTION, WORKSPACE, WORKSPACE_ID
from tests.contract.waiting import STAND_IN, wait_until

READY = AzureConfig(subscription=SUBSCRIPTION, resource_group=GROUP, workspace=WORKSPACE, region=REGION)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
OVER = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELED)


@dataclass
class AzureHarness:
    """The trainer is a stand-in that waits halfway, as on this computer."""

    target: AzureTarget
    emulator: Emulator
    base: Path
    files: tuple[Path, Path]
    models: tuple[Path, Path]
    address: str = "https://"
    contract: str = "mlflow"

    @cached_property
    def deployable(self) -> str:
        return register_tiny_model(self.target, "tiny-one", self.models[0], self.files[0].parent)

    @cached_property
    def another(self) -> str:
        return register_tiny_model(self.target, "tiny-two", self.models[1], self.files[0].parent)

    def spec(self, job_id: str, *, kind: JobKind = JobKind.FINE_TUNE, **arguments: Any) -> JobSpec:
        values = {"wait_at": 15} | arguments
        train, held = map(str, self.files)
        return JobSpec(
            job_id, f"run {job_id}", kind, str(self.base), "d1", "greetings", train, held, "abc", values,
            tuned_model=str(self.base), machine=Machine(size="Standard_E16s_v3"),
        )  # fmt: skip

    def _folder(self, job_id: str) -> Path | None:
        """Of the newest attempt, on the machine that runs it."""
        runs = self.emulator.world.jobs.runs
        start = f"{WORKSPACE_ID}/jobs/{job_id}".lower()
        attempts = sorted(path for path in runs if path == start or path.startswith(f"{start}-a"))
        folder = runs[attempts[-1]].output_folder("output") if attempts else None
        return folder if folder is not None and folder.is_dir() else None

    def _until(self, job_id: str, state: JobState) -> Job:
        def reached() -> Job | None:
            job = self.target.jobs.get(job_id)
            assert job.state == state or not job.state.is_final, (job, self.target.jobs.logs(job_id).text)
            return job if job.state == state else None

        found: Job = wait_until(reached, f"{job_id} is {state.value}", 120)
        return found

    def until_halfway(self, job_id: str) -> Job:
        def is_there() -> Job | None:
            job = self.target.jobs.get(job_id)
            return job if job.step >= 15 and job.state == JobState.RUNNING else None

        found: Job = wait_until(is_there, f"{job_id} is halfway", 120)
        return found

    def until_completed(self, job_id: str) -> Job:
        def is_told() -> bool:
            folder = self._folder(job_id)
            if folder is not None:
                (folder / "go").touch()
            return folder is not None or self.target.jobs.get(job_id).state in OVER

        wait_until(is_told, f"{job_id} can be told to go on", 120)
        return self._until(job_id, JobState.COMPLETED)

    def until_failed(self, job_id: str) -> Job:
        return self._until(job_id, JobState.FAILED)

    def until_canceled(self, job_id: str) -> Job:
        return self._until(job_id, JobState.CANCELED)

    def until_answering(self, name: str, model: str) -> None:
        def answers() -> bool:
            endpoint = self.target.endpoints.get(name)
            assert endpoint.state != EndpointState.FAILED, endpoint.failure
            is_idle = not self.target.operations.at_work
            return is_idle and endpoint.state == EndpointState.RUNNING and endpoint.model == model

        wait_until(answers, f"{name} answers with {model}", 120)

    def until_stopped(self, name: str) -> None:
        def is_stopped() -> bool:
            is_idle = not self.target.operations.at_work
            return is_idle and self.target.endpoints.get(name).state == EndpointState.STOPPED

        wait_until(is_stopped, f"{name} is stopped", 60)

    def until_deleted(self, name: str) -> None:
        wait_until(lambda: name not in [one.name for one in self.target.endpoints.list()], f"{name} is gone", 60)

    def close(self) -> None:
        self.emulator.faults.clear()
        for operation in self.target.operations.list():
            self.target.operations.dismiss(operation.id)
        wait_until(lambda: not self.target.operations.at_work, "the operations' threads ended")


def connected_target(home: Path) -> AzureTarget:
    """Signed in by the environment's service principal, with the furnished workspace; the stand-in trains."""
    target = AzureTarget(Settings(home=home, azure_timeout_seconds=20))
    assert target.setup is not None
    target.setup.sign_in("environment")
    wait_until(lambda: target.setup.sign_in_state().state is not SignInState.PENDING, "signing in ended")
    target.connection.save(READY)
    target.jobs.submission.scripts = STAND_IN
    assert isinstance(target.jobs, AzureJobs)
    return target


def register_tiny_model(target: AzureTarget, name: str, tiny: Path, folder: Path) -> str:
    """As a portal's user would bring it: an MLflow folder, weights and tokenizer apart. Returns its ref."""
    from azure.ai.ml.entities import Model

    laid_out = folder / name
    shutil.copytree(tiny, laid_out / "model")
    (laid_out / "components" / "tokenizer").mkdir(parents=True)
    for part in TOKENIZER:
        if (laid_out / "model" / part).exists():
            shutil.move(laid_out / "model" / part, laid_out / "components" / "tokenizer" / part)
    flavours = {"transformers": {"model_binary": "model", "task": "llm/v1/chat"}}
    (laid_out / "MLmodel").write_text(yaml.safe_dump({"flavors": flavours, "mlflow_version": "3.15.0"}))
    model = Model(name=name, version="1", type="mlflow_model", path=str(laid_out))
    target.connection.ml().models.create_or_update(model)
    return f"{name}:1"

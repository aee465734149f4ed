"""From the checks to an answer on a real Azure ML workspace, through the same target that the pages use."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.azure.config import AzureConfig
from backend.azure.target import AzureTarget
from backend.domain import BUILT_IN_MODEL, EndpointState, Hosting, JobKind, JobSpec, JobState, Machine
from backend.domain_setup import SignInState
from backend.settings import Settings
from backend.training import new_job_id
from tests.contract.waiting import wait_until

NEEDED = ("SUBSCRIPTION", "RESOURCE_GROUP", "WORKSPACE", "SIGN_IN")
GIVEN = {name: os.environ.get(f"PHIDESK_LIVE_{name}", "") for name in (*NEEDED, "TRAINING_SIZE", "SERVING_SIZE")}
HOUR = 3600.0

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(3 * 3600),
    pytest.mark.skipif(not all(GIVEN[name] for name in NEEDED), reason="PHIDESK_LIVE_* names no workspace"),
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> AzureTarget:
    target = AzureTarget(Settings(home=tmp_path_factory.mktemp("live")))
    assert target.setup is not None
    target.setup.sign_in(GIVEN["SIGN_IN"])
    wait_until(lambda: target.setup.sign_in_state().state is not SignInState.PENDING, "signing in ended", 120)
    state = target.setup.sign_in_state()
    assert state.state is SignInState.SIGNED_IN, state.failure
    target.connection.save(AzureConfig(subscription=GIVEN["SUBSCRIPTION"]))
    target.setup.choose("resource_group", GIVEN["RESOURCE_GROUP"])
    target.setup.choose("workspace", GIVEN["WORKSPACE"])
    return target


@pytest.fixture
def endpoint(target: AzureTarget) -> Iterator[str]:
    name = f"phidesk-live-{secrets.token_hex(3)}"
    yield name
    target.endpoints.delete(name)
    wait_until(lambda: name not in [one.name for one in target.endpoints.list()], f"{name} is gone", HOUR)


def test_every_check_is_made_and_says_what_it_found(target: AzureTarget) -> None:
    checks = target.check()
    assert {"signed_in", "providers", "workspace", "quota_training"} <= {check.id for check in checks}
    for check in checks:
        assert check.what
        assert check.is_ok or check.why or check.how_to_fix, check
    assert next(check for check in checks if check.id == "workspace").is_ok


def test_a_model_is_trained_registered_served_and_asked(target: AzureTarget, endpoint: str, tmp_path: Path) -> None:
    spec = small_run(tmp_path)
    target.jobs.submit(spec)
    wait_until(lambda: target.jobs.get(spec.id).state.is_final, "the run ended", HOUR)
    job = target.jobs.get(spec.id)
    assert job.state is JobState.COMPLETED, (job.failure, target.jobs.logs(spec.id).text[-4000:])
    assert job.result["trained_tokens"] > 0
    assert {"train", "eval"} <= {point.kind for point in target.jobs.metrics(spec.id)}
    assert target.jobs.logs(spec.id, 0).text
    model = target.models.register(spec.id, "phidesk-live")
    target.endpoints.create(endpoint)
    target.endpoints.deploy(endpoint, model.ref, hosting=Hosting(size=GIVEN["SERVING_SIZE"]))

    def answers() -> bool:
        found = target.endpoints.get(endpoint)
        assert found.state is not EndpointState.FAILED, (found.failure, target.endpoints.logs(endpoint).text[-4000:])
        return found.state is EndpointState.RUNNING and not target.operations.at_work

    wait_until(answers, "the endpoint answers", HOUR)
    (deployment,) = target.endpoints.get(endpoint).deployments
    assert target.endpoints.test(endpoint, deployment.name, "Where is berth 3?")
    assert endpoint in [line.name for line in target.costs.lines()] or target.costs.inventory()


def small_run(folder: Path) -> JobSpec:
    files = []
    for part, count in (("train", 32), ("eval", 8)):
        turns = [
            [{"role": "user", "content": f"Where is berth {n}?"}, {"role": "assistant", "content": f"At pier {n}."}]
            for n in range(count)
        ]
        file = folder / f"{part}.jsonl"
        file.write_text("".join(json.dumps({"messages": each}) + "\n" for each in turns))
        files.append(str(file))
    return JobSpec(
        id=new_job_id(),
        name="Live test",
        kind=JobKind.FINE_TUNE,
        base_model=BUILT_IN_MODEL,
        dataset_id="live",
        dataset_name="Live test",
        train_path=files[0],
        eval_path=files[1],
        dataset_sha256="",
        arguments={"max_steps": 20, "logging_steps": 1, "per_device_train_batch_size": 8, "learning_rate": 5e-4},
        machine=Machine(size=GIVEN["TRAINING_SIZE"] or "Standard_E4s_v3"),
    )

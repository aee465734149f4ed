"""The emulator's core, by the real SDK over real sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import AmlCompute, Data, Environment, Model, Workspace
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.identity import ClientSecretCredential, DeviceCodeCredential

from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import (
    CLIENT_ID,
    CLIENT_SECRET,
    GROUP,
    SECOND_SUBSCRIPTION,
    SUBSCRIPTION,
    TENANT,
    WORKSPACE,
)
from tests.contract.conftest import wait_until

SCRIPT = """
import argparse, pathlib, time
import mlflow
parser = argparse.ArgumentParser()
for name in ("data", "rate", "output"):
    parser.add_argument("--" + name)
given = parser.parse_args()
rows = pathlib.Path(given.data).read_text().splitlines()
print("rows", len(rows), "rate", given.rate, flush=True)
for step in range(3):
    mlflow.log_metric("loss", 3.0 - step, step=step)
model = pathlib.Path(given.output)
(model.parent / "folder" / "note.txt").write_text("kept")
(model / "MLmodel").write_text("flavors: {python_function: {loader_module: nothing}}")
(model / "weights.bin").write_bytes(b"weights")
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/notes.txt").write_text("done")
print("the end", flush=True)
"""
WAITING = "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def client(emulator: Emulator, azure_environment: dict[str, str]) -> MLClient:
    return MLClient(ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET), SUBSCRIPTION, GROUP, WORKSPACE)


@pytest.fixture
def ready(client: MLClient, tmp_path: Path) -> Callable[[str, str], Any]:
    """A cluster and an environment; answers a maker of command jobs of one script."""
    client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_E4s_v3", max_instances=2)).result()
    environment = client.environments.create_or_update(Environment(name="plain", version="1", image="ubuntu"))

    def make(name: str, script: str, **more: Any) -> Any:
        code = tmp_path / f"code-{name}"
        code.mkdir()
        (code / "main.py").write_text(script)
        settings = {"command": "python main.py", "environment": environment, "compute": "cpu"} | more
        return command(name=name, code=str(code), experiment_name="tests", **settings)

    return make


@pytest.fixture
def tracked(client: MLClient) -> Iterator[None]:
    """MLflow's own setting for the whole process is the workspace's address, and is nobody's afterwards."""
    import mlflow

    mlflow.set_tracking_uri(client.workspaces.get(WORKSPACE).mlflow_tracking_uri)
    yield
    mlflow.set_tracking_uri(None)


def until_final(client: MLClient, name: str) -> Any:
    return wait_until(
        lambda: (job := client.jobs.get(name)).status in ("Completed", "Failed", "Canceled") and job,
        f"{name} is over",
    )


def log_of(client: MLClient, name: str, folder: Path) -> str:
    client.jobs.download(name, download_path=folder, all=False)
    return next(folder.rglob("std_log.txt")).read_text()


def test_the_workspace_that_stands_there_is_found(client: MLClient) -> None:
    workspace = client.workspaces.get(WORKSPACE)
    assert (workspace.name, workspace.location) == (WORKSPACE, "eastus")
    assert workspace.mlflow_tracking_uri.startswith("azureml://eastus.api.azureml.ms/mlflow/v2.0/subscriptions/")
    assert [one.name for one in client.workspaces.list()] == [WORKSPACE]
    with pytest.raises(ResourceNotFoundError):
        client.workspaces.get("another")


def test_a_workspace_is_made_with_all_that_belongs_to_it(
    empty_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in empty_emulator.environment.items():
        monkeypatch.setenv(name, value)
    from azure.mgmt.resource.resources import ResourceManagementClient

    credential = ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET)
    ResourceManagementClient(credential, SUBSCRIPTION).resource_groups.create_or_update(GROUP, {"location": "eastus"})
    client = MLClient(credential, SUBSCRIPTION, GROUP, "new")
    made = client.workspaces.begin_create(Workspace(name="new", location="eastus")).result()
    assert made.storage_account.split("/")[-2] == "storageAccounts"
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    data = client.data.create_or_update(Data(name="rows", version="1", path=str(file), type="uri_file"))
    assert data.version == "1", "its storage really holds files"


def test_a_cluster_is_made_changed_and_removed(client: MLClient) -> None:
    cluster = AmlCompute(name="gpu", size="Standard_NC24ads_A100_v4", max_instances=1, idle_time_before_scale_down=120)
    made = client.compute.begin_create_or_update(cluster).result()
    assert (made.size, made.max_instances, made.provisioning_state) == ("Standard_NC24ads_A100_v4", 1, "Succeeded")
    client.compute.begin_delete("gpu").result()
    with pytest.raises(ResourceNotFoundError):
        client.compute.get("gpu")


def test_a_cluster_beyond_the_quota_ends_in_words(client: MLClient) -> None:
    cluster = AmlCompute(name="gpu", size="Standard_NC24ads_A100_v4", max_instances=2)
    with pytest.raises(HttpResponseError, match="Maximum allowed: 24, Current in use: 0, Additional requested: 48"):
        client.compute.begin_create_or_update(cluster).result()
    assert client.compute.get("gpu").provisioning_state == "Failed"


def test_a_file_becomes_a_data_asset_and_its_version_stays_as_it_is(client: MLClient, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    made = client.data.create_or_update(Data(name="rows", version="1", path=str(file), type="uri_file"))
    assert made.path.endswith("rows.jsonl")
    assert client.data.get("rows", label="latest").version == "1"
    file.write_text("{}\n{}\n")
    with pytest.raises(Exception, match=r"already exists|can not be changed"):
        client.data.create_or_update(Data(name="rows", version="1", path=str(file), type="uri_file"))


@pytest.mark.usefixtures("tracked")
def test_a_job_really_runs_and_leaves_log_metrics_outputs_and_a_model(
    client: MLClient, ready: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n{}\n{}\n")
    job = ready(
        "job1",
        SCRIPT,
        command="python main.py --data ${{inputs.rows}} --rate ${{inputs.rate}} --output ${{outputs.model}}",
        inputs={"rows": Input(type="uri_file", path=str(rows)), "rate": 0.5},
        outputs={"model": Output(type="mlflow_model"), "folder": Output(type="uri_folder")},
    )
    started = client.jobs.create_or_update(job)
    assert started.status in ("NotStarted", "Queued", "Preparing")
    client.jobs.stream("job1")
    assert "rows 3 rate 0.5" in capsys.readouterr().out
    assert until_final(client, "job1").status == "Completed"
    assert [one.name for one in client.jobs.list()] == ["job1"]

    import mlflow
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    history = mlflow.MlflowClient().get_metric_history("job1", "loss")
    assert [(one.step, one.value) for one in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    run = mlflow.get_run("job1")
    assert run.info.status == "FINISHED"
    # MlflowClient().list_artifacts asks MLflow 3's /logged-models, which Azure does not have.
    found = get_artifact_repository(run.info.artifact_uri).list_artifacts(None)
    assert {one.path for one in found} == {"outputs", "user_logs"}

    model = client.models.create_or_update(
        Model(name="tuned", type="mlflow_model", path="azureml://jobs/job1/outputs/model")
    )
    assert (model.version, list(model.flavors)) == ("1", ["python_function"])
    with pytest.raises(TypeError):  # azure-ai-ml 1.33.0 can not ask where an output that is a model lies
        client.jobs.download("job1", download_path=tmp_path, output_name="model")
    client.jobs.download("job1", download_path=tmp_path / "named", output_name="folder")
    assert next((tmp_path / "named").rglob("note.txt")).read_text() == "kept"
    client.models.download("tuned", "1", download_path=tmp_path / "downloaded")
    assert next((tmp_path / "downloaded").rglob("weights.bin")).read_bytes() == b"weights"
    with pytest.raises(HttpResponseError, match="NoMatchingArtifactsFoundFromJob"):
        client.models.create_or_update(Model(name="tuned", type="mlflow_model", path="azureml://jobs/job1/outputs/no"))


def test_a_job_whose_script_fails_says_so(client: MLClient, ready: Callable[..., Any], tmp_path: Path) -> None:
    client.jobs.create_or_update(ready("bad", "print('before')\nraise SystemExit('no luck')"))
    assert until_final(client, "bad").status == "Failed"
    assert "no luck" in log_of(client, "bad", tmp_path / "log")
    with pytest.raises(Exception, match="no luck"):
        client.jobs.stream("bad")


def test_a_running_job_is_canceled_with_its_processes(
    client: MLClient, ready: Callable[..., Any], emulator: Emulator
) -> None:
    emulator.world.jobs.hold("Queued")
    client.jobs.create_or_update(ready("long", WAITING))
    wait_until(lambda: client.jobs.get("long").status == "Queued", "it waits for a machine")
    emulator.world.jobs.release()
    run = next(iter(emulator.world.jobs.runs.values()))
    wait_until(lambda: client.jobs.get("long").status == "Running" and run._processes, "it runs")
    client.jobs.begin_cancel("long").result()
    assert until_final(client, "long").status == "Canceled"
    assert run._processes[0].poll() is not None


def test_two_processes_of_a_distributed_job_know_each_other(
    client: MLClient, ready: Callable[..., Any], emulator: Emulator
) -> None:
    script = "import os\nprint(os.environ['RANK'], 'of', os.environ['WORLD_SIZE'], os.environ['MASTER_ADDR'])"
    job = ready("two", script, distribution={"type": "pytorch", "process_count_per_instance": 1}, instance_count=2)
    client.jobs.create_or_update(job)
    assert until_final(client, "two").status == "Completed"
    run = next(iter(emulator.world.jobs.runs.values()))
    assert run.logs == ["user_logs/std_log_process_0.txt", "user_logs/std_log_process_1.txt"]


def test_the_service_may_fail_a_job_and_an_image_may_not_be_built(
    client: MLClient, ready: Callable[..., Any], emulator: Emulator
) -> None:
    emulator.faults.add("image_build")
    client.jobs.create_or_update(ready("unbuilt", "print(1)"))
    assert until_final(client, "unbuilt").status == "Failed"
    with pytest.raises(Exception, match="Image build failed"):
        client.jobs.stream("unbuilt")


def test_a_throttled_request_is_tried_again(client: MLClient, emulator: Emulator) -> None:
    emulator.faults.add(429, "/workspaces/phi-ws$", retry_after=0.01)
    assert client.workspaces.get(WORKSPACE).name == WORKSPACE
    assert [one.status for one in emulator.asked("GET", "/workspaces/phi-ws$")] == [429, 200]


def test_a_refusal_names_the_action_and_the_scope(client: MLClient, emulator: Emulator) -> None:
    emulator.faults.add(403, "/workspaces/phi-ws$")
    with pytest.raises(HttpResponseError, match="MachineLearningServices/workspaces/read") as refused:
        client.workspaces.get(WORKSPACE)
    assert refused.value.status_code == 403


def test_connections_are_dropped_and_hang_on_demand(client: MLClient, emulator: Emulator) -> None:
    emulator.faults.add("drop", "/workspaces/phi-ws$", times=20)
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        client.workspaces._operation.get(GROUP, WORKSPACE, retry_total=1, retry_backoff_factor=0)
    emulator.faults.clear()
    emulator.faults.add("hang", "/workspaces/phi-ws$", times=20)
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        client.workspaces._operation.get(GROUP, WORKSPACE, retry_total=0, read_timeout=0.3)
    emulator.faults.clear()
    assert client.workspaces.get(WORKSPACE).name == WORKSPACE


def test_an_expired_token_is_refused(client: MLClient, emulator: Emulator) -> None:
    client.workspaces.get(WORKSPACE)
    emulator.world.login.expire_tokens()
    with pytest.raises(HttpResponseError, match="expiry") as refused:
        client.workspaces.get(WORKSPACE)
    assert refused.value.status_code == 401


def test_a_person_signs_in_with_a_code(emulator: Emulator, azure_environment: dict[str, str]) -> None:
    shown: list[str] = []
    credential = DeviceCodeCredential(prompt_callback=lambda where, code, until: shown.append(code))
    signing_in = threading.Thread(target=credential.authenticate, daemon=True)
    signing_in.start()
    wait_until(lambda: shown, "the code is shown")
    assert emulator.world.login.pending_device_codes() == shown
    emulator.world.login.approve_device(shown[0])
    signing_in.join(20)
    token = credential.get_token("https://management.azure.com/.default")
    assert emulator.world.login.access[token.token] > emulator.world.now()


def test_what_is_not_emulated_is_a_stray(emulator: Emulator, azure_environment: dict[str, str]) -> None:
    import requests

    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://example.com/", timeout=5)
    assert emulator.strays == ["CONNECT example.com"]
    emulator.strays.clear()


def test_requests_are_recorded_without_secrets(client: MLClient, emulator: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    client.data.create_or_update(Data(name="rows", version="1", path=str(file), type="uri_file"))
    recorded = json.dumps([vars(one) for one in emulator.requests])
    assert "Bearer" not in recorded and CLIENT_SECRET not in recorded
    assert {one.query["sig"] for one in emulator.asked(host=".*blob.*")} == {"..."}


def test_the_second_subscription_is_there(emulator: Emulator, azure_environment: dict[str, str]) -> None:
    from azure.ai.ml import MLClient as Client

    other = Client(ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET), SECOND_SUBSCRIPTION, GROUP, WORKSPACE)
    with pytest.raises(ResourceNotFoundError):
        other.workspaces.get(WORKSPACE)

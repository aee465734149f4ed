"""Both routes really train: the product's script as a command job, and a model of the catalogue by fine-tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import AmlCompute, Data, Environment, Model
from azure.ai.ml.finetuning import FineTuningTaskType, create_finetuning_job
from azure.identity import ClientSecretCredential

from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import CLIENT_ID, CLIENT_SECRET, GROUP, SUBSCRIPTION, TENANT, WORKSPACE
from tests.contract.conftest import wait_until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def client(emulator: Emulator, azure_environment: dict[str, str]) -> MLClient:
    return MLClient(ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET), SUBSCRIPTION, GROUP, WORKSPACE)


@pytest.fixture
def rows(client: MLClient, tmp_path: Path) -> str:
    file = tmp_path / "rows.jsonl"
    row = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day to you."}]}
    file.write_text(f"{json.dumps(row)}\n" * 8)
    client.data.create_or_update(Data(name="rows", version="1", path=str(file), type="uri_file"))
    return "azureml:rows:1"


def until_final(client: MLClient, name: str, emulator: Emulator) -> Any:
    job = wait_until(
        lambda: (job := client.jobs.get(name)).status in ("Completed", "Failed", "Canceled") and job,
        f"{name} is over",
        240,
    )
    assert job.status == "Completed", next(iter(emulator.world.jobs.runs.values())).error["error"]["message"]
    return job


def test_our_own_script_trains_as_a_command_job(client: MLClient, rows: str, emulator: Emulator) -> None:
    client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_E4s_v3")).result()
    job = command(
        name="own",
        code=str(ROOT / "training_job"),
        command="python fine_tune.py --train-file ${{inputs.rows}} --eval-file ${{inputs.rows}} --model-name-or-path "
        "${{inputs.base}} --output-dir ${{outputs.output}} --max-steps=2 --learning-rate=0.0005",
        inputs={
            "rows": Input(type="uri_file", path=rows),
            "base": Input(
                type="mlflow_model", path="azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
            ),
        },
        outputs={"output": Output(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/runs/own/")},
        environment=client.environments.create_or_update(Environment(name="plain", version="1", image="ubuntu")),
        compute="cpu",
    )
    client.jobs.create_or_update(job)
    until_final(client, "own", emulator)
    model = client.models.create_or_update(
        Model(name="tuned", type="mlflow_model", path="azureml://jobs/own/outputs/output/paths/model")
    )
    assert "transformers" in model.flavors
    assert emulator.asked("POST", "runs/log-batch"), "the script told the workspace's MLflow"


def test_a_model_of_the_catalogue_is_fine_tuned_and_registered(
    client: MLClient, rows: str, emulator: Emulator, tmp_path: Path
) -> None:
    job = create_finetuning_job(
        name="catalogue",
        model="azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1",
        task=FineTuningTaskType.CHAT_COMPLETION,
        training_data=rows,
        validation_data=rows,
        output_model_name_prefix="phi-mine",
        hyperparameters={"max_steps": "2", "per_device_train_batch_size": "2", "learning_rate": "0.0005"},
        instance_types=["Standard_NC24ads_A100_v4"],
    )
    client.jobs.create_or_update(job)
    done = until_final(client, "catalogue", emulator)
    assert done.type == "finetuning"
    assert "transformers" in client.models.get("phi-mine", label="latest").flavors
    model = client.models.create_or_update(
        Model(name="again", type="mlflow_model", path="azureml://jobs/catalogue/outputs/registered_model")
    )
    assert "transformers" in model.flavors

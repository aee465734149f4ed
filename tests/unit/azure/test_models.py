"""Versions in the workspace's registry: what counts as a model, which number comes next, what serving it needs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from backend.azure.connection import Connection
from backend.azure.jobs import AzureJobs
from backend.azure.models import AzureModels, read_model, with_package
from backend.azure.operations import Operations
from backend.errors import BadInput, NotFound

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/workspaces/w/models/harbour/versions/3"


def version(**facts: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "name": "3",
        "systemData": {"createdAt": "2026-11-21T07:00:00Z"},
        "properties": {"modelType": "mlflow_model", "tags": {"phidesk-job": "run-1"}} | facts,
    }


def test_a_version_is_read_from_its_tags() -> None:
    model = read_model(version(properties={"phidesk-metrics": '{"tuned_eval_loss": 0.5}'}))
    assert model is not None
    assert (model.ref, model.job_id, model.path, model.metrics) == (
        "harbour:3", "run-1", "azureml:harbour:3", {"tuned_eval_loss": 0.5},
    )  # fmt: skip


def test_what_is_no_model_of_a_number_is_passed_over() -> None:
    assert read_model(version(isArchived=True)) is None
    assert read_model(version(modelType="custom_model")) is None
    assert read_model({**version(), "name": "latest-and-greatest"}) is None
    damaged = read_model(version(properties={"phidesk-metrics": "{"}))
    assert damaged is not None and damaged.metrics == {}


@pytest.mark.parametrize(
    "conda",
    [
        "dependencies:\n- python=3.11\n- pip:\n  - mlflow==3.1\n",
        "dependencies:\n- python=3.11\n",
        "dependencies:\n- pip:\n",
        "",
    ],
)
def test_the_package_that_azures_container_wants_is_added_once(conda: str) -> None:
    values = yaml.safe_load(with_package(conda))
    pips = [entry["pip"] for entry in values["dependencies"] if isinstance(entry, dict)]
    assert len(pips) == 1 and pips[0][-1] == "azureml-ai-monitoring"
    assert ("mlflow==3.1" in pips[0]) == ("mlflow" in conda)


def test_a_bad_name_is_refused_and_a_missing_model_not_found(connection: Connection, operations: Operations) -> None:
    models = AzureModels(connection, AzureJobs(connection, operations))
    for bad in ("a/b:c", "", "x" * 65, "-x"):
        with pytest.raises(BadInput):
            models.register("run-1", bad)
    for missing in ("never-was:1", "never-was", "a/b"):
        with pytest.raises(NotFound):
            models.get(missing)
    assert models.list() == []

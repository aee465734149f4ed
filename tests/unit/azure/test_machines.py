"""What a person may choose to compute on, over the emulated cloud."""

from __future__ import annotations

import pytest

from backend.azure.connection import Connection
from backend.azure.jobs import AzureJobs
from backend.azure.machines import AzureMachines
from backend.azure.models import AzureModels
from backend.azure.operations import Operations
from backend.domain_setup import Option, Purpose
from tests.azure_emulator.world import World
from tests.unit.azure.test_costs import put_cluster

GPU_CLUSTER = "Standard_NC24ads_A100_v4"


@pytest.fixture
def machines(connection: Connection, operations: Operations) -> AzureMachines:
    return AzureMachines(connection, AzureModels(connection, AzureJobs(connection, operations)))


def test_clusters_that_are_there_can_be_chosen(machines: AzureMachines, world: World) -> None:
    assert machines.clusters() == []
    put_cluster(world, "team-gpus", GPU_CLUSTER, nodes=0, busy=0, tags={})
    assert machines.clusters() == [Option("team-gpus", "team-gpus", f"{GPU_CLUSTER}, at most 4 machines")]


def test_sizes_are_listed_for_both_purposes(machines: AzureMachines) -> None:
    assert machines.sizes(Purpose.TRAINING)[0].name == GPU_CLUSTER
    assert machines.sizes(Purpose.SERVING)[0].name == "Standard_E4s_v3"


@pytest.mark.parametrize(
    ("model", "ways"),
    [
        ("not-registered:1", ["mlflow", "vllm"]),
        ("microsoft/Phi-4-mini-instruct", ["vllm"]),
        ("phidesk/tiny-phi3", []),
        ("/models/mine", []),
        ("azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1", ["mlflow"]),
    ],
)
def test_the_ways_to_serve_follow_from_what_the_model_is(machines: AzureMachines, model: str, ways: list[str]) -> None:
    assert [way.id for way in machines.ways_to_serve(model)] == ways

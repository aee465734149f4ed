"""The chat flow on Azure: its connection, its files, and the flow as an endpoint of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from backend.azure.connections import VERSION, connection_name
from backend.azure.endpoints import AzureEndpoints
from backend.azure.flow_folder import FLOW_MODEL, flow_version
from backend.azure.flows import AzureFlows
from backend.azure.operations import Operations
from backend.domain import EndpointState
from backend.domain_setup import Operation, OperationState
from backend.errors import Conflict, NotFound
from tests.azure_emulator.emulator import Emulator
from tests.unit.azure.test_endpoints import PHI, answering, endpoints, secrets_of, until

Ended = Callable[[Operation], Operation]

__all__ = ["endpoints"]


@pytest.fixture
def flows(endpoints: AzureEndpoints, operations: Operations) -> AzureFlows:
    return AzureFlows(endpoints.connection, operations, endpoints)


def test_a_connection_holds_address_and_key_as_secrets_and_is_not_shared(
    flows: AzureFlows, endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    running = answering(endpoints)
    assert flows.connect("phi") == "phi"
    assert flows.connect("phi") == "phi"
    path = f"{endpoints.calls.workspace}/connections/phi"
    shown = endpoints.connection.arm("GET", path, VERSION)["properties"]
    assert (shown["category"], shown["authType"], shown["isSharedToAll"]) == ("CustomKeys", "CustomKeys", False)
    assert shown["metadata"]["contract"] == "foundry"
    assert endpoints.key("phi") not in str(shown)
    assert secrets_of(endpoints.connection, "phi") == {"endpoint": running.url, "key": endpoints.key("phi")}


def test_a_connection_of_somebody_else_is_not_overwritten(flows: AzureFlows, endpoints: AzureEndpoints) -> None:
    answering(endpoints)
    body = {
        "properties": {
            "category": "CustomKeys",
            "authType": "CustomKeys",
            "target": "-",
            "credentials": {"keys": {"key": "theirs"}},
        }
    }
    endpoints.connection.arm("PUT", f"{endpoints.calls.workspace}/connections/phi", VERSION, body)
    with pytest.raises(Conflict, match="another connection"):
        flows.connect("phi")
    assert secrets_of(endpoints.connection, "phi") == {"key": "theirs"}
    assert flows.publications() == []


def test_an_endpoint_without_a_model_can_not_be_connected(flows: AzureFlows, endpoints: AzureEndpoints) -> None:
    endpoints.create("phi")
    with pytest.raises(Conflict, match="Nothing is deployed"):
        flows.connect("phi")
    with pytest.raises(NotFound):
        flows.publish("never-was")


def test_an_endpoint_that_only_has_the_flows_name_is_left_alone(
    flows: AzureFlows, endpoints: AzureEndpoints, emulator: Emulator, ended: Ended
) -> None:
    answering(endpoints)
    endpoints.create("phi-flow")
    failed = ended(flows.publish("phi", deploy=True))
    assert failed.failure is not None
    assert failed.failure.code == "name_taken"
    assert endpoints.calls.deployments("phi-flow") == []


def test_prompt_flow_itself_reads_the_connection_and_the_flow_chats_with_it(
    flows: AzureFlows, endpoints: AzureEndpoints
) -> None:
    """Prompt flow's own reader of workspace connections, with our sign-in, as its container on Azure does it."""
    from promptflow.core import Flow
    from promptflow.core._connection_provider._workspace_connection_provider import WorkspaceConnectionProvider

    from backend.azure.flow_folder import FLOW_FOLDER
    from backend.flow_runner import CONNECTION_NAME

    answering(endpoints)
    flows.connect("phi")
    parts = endpoints.calls.workspace.split("/")
    read = WorkspaceConnectionProvider._build_connection_dict(
        "phi", parts[2], parts[4], parts[-1], endpoints.connection.credential()
    )
    flow = Flow.load(FLOW_FOLDER)
    answer = flow.invoke({"input_data": "Who founded Microsoft?"}, connections={CONNECTION_NAME: read})
    assert "".join(answer.output["answer"]) == "blue heard: Who founded Microsoft?"


def test_publishing_uploads_the_flow_once_and_says_how_long_it_lasts(
    flows: AzureFlows, endpoints: AzureEndpoints, emulator: Emulator, ended: Ended
) -> None:
    answering(endpoints)
    for _again in range(2):
        assert ended(flows.publish("phi")).state is OperationState.DONE
    model = emulator.world.get(f"{endpoints.calls.workspace}/models/{FLOW_MODEL}/versions/{flow_version()}")
    assert model is not None
    assert model["properties"]["modelType"] == "custom_model"
    (published,) = flows.publications()
    assert (published.name, published.endpoint) == (connection_name("phi"), "")
    assert "2027-04-20" in published.detail
    assert FLOW_MODEL in published.link
    uploads = [one for one in emulator.requests if one.method == "PUT" and f"/{FLOW_MODEL}/" in one.path]
    assert len(uploads) == 1


def test_a_deployed_flow_is_an_endpoint_of_its_own_that_may_read_the_connection(
    flows: AzureFlows, endpoints: AzureEndpoints, emulator: Emulator, ended: Ended
) -> None:
    answering(endpoints)
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=8)
    endpoints.set_expiry("phi", soon)
    assert ended(flows.publish("phi", deploy=True)).state is OperationState.DONE
    running = until(endpoints, "phi-flow", EndpointState.RUNNING)
    assert (running.contract, running.model) == ("flow", "phi")
    assert running.expires_at == soon
    kept = emulator.world.get(endpoints.calls.path("phi-flow"))
    assert kept is not None
    assert kept["properties"]["properties"]["enforce_access_to_default_secret_stores"] == "enabled"
    assert kept["identity"]["type"] == "SystemAssigned"
    assert flows.publications()[0].endpoint == "phi-flow"
    ended(flows.publish("phi", deploy=True))
    until(endpoints, "phi-flow", EndpointState.RUNNING)
    made = [one for one in emulator.requests if one.method == "PUT" and "/phi-flow/deployments/" in one.path]
    assert len(made) == 1
    with pytest.raises(Conflict, match="published flow itself"):
        flows.publish("phi-flow")
    assert endpoints.get("phi").model == PHI

"""A body that Microsoft's published models refuse is caught, whoever wrote it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.schemas import check
from tests.azure_emulator.wire import Reply, Request
from tests.azure_emulator.world import SUBSCRIPTION, WORKSPACE_ID, World

DEPLOYMENT = {
    "location": "eastus",
    "sku": {"name": "Default", "capacity": 1},
    "properties": {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_E4s_v3",
        "model": "azureml:phi:1",
        "scaleSettings": {"scaleType": "Default"},
        "requestSettings": {"requestTimeout": "PT180S", "maxConcurrentRequestsPerInstance": 3},
    },
}
QUOTA = (
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/eastus"
    "/providers/Microsoft.Quota/quotas/standardESv3Family"
)
LIMIT = {
    "properties": {"limit": {"limitObjectType": "LimitValue", "value": 8}, "name": {"value": "standardESv3Family"}}
}


def put(path: str, version: str, body: Any, answer: Any) -> list[str]:
    target = f"{path}?api-version={version}"
    request = Request("PUT", "management.azure.com", target, {}, json.dumps(body).encode())
    return [text.partition("] ")[2] for text in check(request, Reply(201, answer))]


def put_deployment(changes: dict[str, Any]) -> list[str]:
    body = DEPLOYMENT | {"properties": DEPLOYMENT["properties"] | changes}  # type: ignore[operator]
    path = f"{WORKSPACE_ID}/onlineEndpoints/phi/deployments/blue"
    return put(path, "2023-04-01-preview", body, DEPLOYMENT)


def test_a_right_body_is_accepted() -> None:
    assert put_deployment({}) == []
    assert put(QUOTA, "2025-09-01", LIMIT, LIMIT) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "blue"}, "request.properties.colour: not in the published model"),
        ({"endpointComputeType": "Mangaed"}, "request.properties.endpointComputeType: 'Mangaed' is none of"),
        ({"appInsightsEnabled": "yes"}, "request.properties.appInsightsEnabled: 'yes' is no bool"),
        ({"egressPublicNetworkAccess": "On"}, "request.properties.egressPublicNetworkAccess: 'On' is none of"),
        ({"environmentVariables": {"A": 1}}, "request.properties.environmentVariables.A: 1 is no text"),
        ({"scaleSettings": {}}, "request.properties.scaleSettings.scaleType: None is none of"),
        (
            {"livenessProbe": {"failureThreshold": 1.5}},
            "request.properties.livenessProbe.failureThreshold: 1.5 is no int",
        ),
    ],
)
def test_a_wrong_body_of_a_deployment_is_caught(changes: dict[str, Any], complaint: str) -> None:
    found = put_deployment(changes)
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_a_missing_location_is_caught_in_the_request_and_in_the_reply() -> None:
    path = f"{WORKSPACE_ID}/onlineEndpoints/phi"
    body = {"properties": {"authMode": "Key"}}
    assert put(path, "2022-02-01-preview", body, body) == ["request.location: required", "reply.location: required"]


@pytest.mark.parametrize(
    ("limit", "complaint"),
    [
        ({"limitObjectType": "LimitValue", "value": "8"}, ".value: '8' is no int"),
        ({"limitObjectType": "LimitValue"}, ".value: required"),
        ({"limitObjectType": "LimitValue", "value": 8, "limitType": "Own"}, ".limitType: 'Own' is none of"),
        ({"limitObjectType": "LimitValue", "value": 8, "unit": "cores"}, ".unit: not in the published model"),
    ],
)
def test_models_of_the_newest_generator_are_read_too(limit: dict[str, Any], complaint: str) -> None:
    body = {"properties": LIMIT["properties"] | {"limit": limit}}
    found = put(QUOTA, "2025-09-01", body, LIMIT)
    assert [text.startswith(f"request.properties.limit{complaint}") for text in found] == [True]


def test_an_error_without_code_and_message_is_caught() -> None:
    request = Request("GET", "management.azure.com", f"{WORKSPACE_ID}?api-version=2024-10-01-preview", {})
    assert check(request, Reply(404, {"error": {"code": "NotFound", "message": "No."}})) == []
    assert len(check(request, Reply(404, {"detail": "no"}))) == 1


def test_a_wrong_body_over_the_wire_is_held_against_the_test(emulator: Emulator, world: World) -> None:
    token = world.login.issue("https://management.azure.com")
    answer = requests.put(
        f"https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups/other?api-version=2025-04-01",
        json={"location": "eastus", "colour": "blue"},
        headers={"Authorization": f"Bearer {token}"},
        proxies={"https": emulator.environment["HTTPS_PROXY"]},
        verify=emulator.environment["REQUESTS_CA_BUNDLE"],
        timeout=20,
    )
    assert answer.status_code in (200, 201)
    assert any("request.colour: not in the published model" in text for text in emulator.schema_errors)
    emulator.schema_errors.clear()

"""Managed online endpoints: names, keys and traffic."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.model_servers import ModelServer
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, not_found, routes
from tests.azure_emulator.world import TENANT, World

ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
ENDPOINT_PATH = r"(?P<endpoint>.*/workspaces/[^/]+/onlineEndpoints/[^/]+)"


@dataclass
class Serving:
    """`servers` by the deployment's lower-case path. What is deployed while `echo` is on answers without any model."""

    echo: bool = False
    echoing: set[str] = field(default_factory=set)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    """Of deployments that a test planned to fail, by the lower-case path."""
    servers: dict[str, ModelServer] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)


def serving(world: World) -> Serving:
    kept: Serving = world.extra.setdefault("serving", Serving())
    return kept


def _new_keys() -> dict[str, str]:
    return {"primaryKey": secrets.token_urlsafe(24), "secondaryKey": secrets.token_urlsafe(24)}


def is_busy(world: World, endpoint: str) -> bool:
    """Whether something of the endpoint is changing; Azure takes no second change then."""
    world.settle()
    changing = ("Creating", "Updating", "Deleting", "Scaling")
    key = endpoint.lower()
    return any(
        (kept.get("properties") or {}).get("provisioningState") in changing
        for path, kept in world.arm.items()
        if path == key or path.startswith(key + "/deployments/")
    )


def conflict(endpoint: str) -> Reply:
    name = endpoint.rpartition("/")[2]
    message = f"Conflict: another operation is in progress on the endpoint '{name}'. Please wait until it is completed."
    return error(409, "Conflict", message)


# Endpoints.


def _put_endpoint(put: arm.Put) -> dict[str, Any] | Reply:
    world, path = put.world, put.path
    if not NAME.fullmatch(path.name):
        message = (
            f"The endpoint name '{path.name}' is invalid. It must be 3 to 32 characters, begin with a letter, consist "
            "of letters, digits and '-', and end with a letter or digit."
        )
        return error(400, "InferencingClientCallFailed", message)
    if put.old and is_busy(world, path.id):
        return conflict(path.id)
    taken = next((key for key in world.arm if key.endswith(f"/onlineendpoints/{path.name.lower()}")), None)
    if taken and taken != path.id.lower():
        return error(400, "EndpointNameNotAvailable", f"There already exists an endpoint with the name '{path.name}'.")
    traffic = (put.body.get("properties") or {}).get("traffic") or {}
    refused = _refused_traffic(world, path.id, traffic)
    if refused is not None:
        return refused
    host = f"https://{path.name}.{arm.region_of(world, path)}.inference.ml.azure.com"
    kept = arm.resource(
        put,
        {
            "scoringUri": f"{host}/score",
            "swaggerUri": f"{host}/swagger.json",
            "publicNetworkAccess": put.body["properties"].get("publicNetworkAccess") or "Enabled",
            "mirrorTraffic": put.body["properties"].get("mirrorTraffic") or {},
            "traffic": traffic,
            "properties": {"azureml.onlineendpointid": path.id.lower()}
            | (put.body["properties"].get("properties") or {}),
        },
        kind="Managed",
    )
    kept["identity"] = _identity(world, put.body.get("identity"))
    keys = kept["properties"].pop("keys", None)
    serving(world).keys.setdefault(path.id.lower(), keys or _new_keys())
    return kept


def _refused_traffic(world: World, endpoint: str, traffic: dict[str, int]) -> Reply | None:
    there = {kept["name"]: kept for kept in arm.children(world, f"{endpoint}/deployments")}
    missing = [name for name in traffic if name not in there]
    if missing:
        return error(400, "BadRequest", f"The deployment '{missing[0]}' in the traffic rules does not exist.")
    failed = [name for name, share in traffic.items() if share and _state(there[name]) != "Succeeded"]
    if failed:
        message = f"The deployment '{failed[0]}' is in state {_state(there[failed[0]])} and can't take traffic."
        return error(400, "BadRequest", message)
    if traffic and sum(traffic.values()) not in (0, 100):
        return error(400, "BadRequest", f"The traffic percentages must sum to 0 or 100, not {sum(traffic.values())}.")
    return None


def _state(kept: dict[str, Any]) -> str:
    return str(kept["properties"].get("provisioningState"))


def _identity(world: World, asked: dict[str, Any] | None) -> dict[str, Any]:
    """With the ids of its principals, as ARM shows them."""
    if not asked or not asked.get("userAssignedIdentities"):
        return {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": TENANT}
    shown = {}
    for path in asked["userAssignedIdentities"]:
        kept = world.get(path)
        facts = kept["properties"] if kept else {}
        shown[path] = {name: facts[name] for name in ("principalId", "clientId") if name in facts}
    return {"type": "UserAssigned", "userAssignedIdentities": shown}


def _forget_endpoint(world: World, gone: dict[str, Any]) -> None:
    serving(world).keys.pop(gone["id"].lower(), None)


arm.register(ENDPOINTS, arm.ArmType(put=_put_endpoint, operation="mfeOperationsStatus", deleted=_forget_endpoint))


@routes.on(MANAGEMENT, "DELETE", ENDPOINT_PATH)
def delete_endpoint(request: Request, world: World, endpoint: str) -> Reply:
    path = arm.parse(request.path)
    assert path is not None
    return conflict(endpoint) if is_busy(world, endpoint) else arm.delete_resource(world, request, path)


@routes.on(MANAGEMENT, "POST", ENDPOINT_PATH + "/listKeys")
def list_keys(request: Request, world: World, endpoint: str) -> Reply:
    kept = world.get(endpoint)
    if kept is None:
        return not_found(request)
    if kept["properties"].get("authMode") != "Key":
        return error(400, "BadRequest", "The endpoint does not use key authentication.")
    return Reply(200, serving(world).keys[endpoint.lower()])


@routes.on(MANAGEMENT, "POST", ENDPOINT_PATH + "/regenerateKeys")
def regenerate_keys(request: Request, world: World, endpoint: str) -> Reply:
    if world.get(endpoint) is None:
        return not_found(request)
    which = "primaryKey" if request.json["keyType"] == "Primary" else "secondaryKey"
    # The SDK sends the key that it has just read along, and gets a new one all the same.
    given = request.json.get("keyValue")
    new = given if given and given != serving(world).keys[endpoint.lower()][which] else secrets.token_urlsafe(24)
    path = arm.parse(endpoint)
    assert path is not None
    operation = world.begin(
        arm.operation_path(world, path, "mfeOperationsStatus"),
        lambda: serving(world).keys[endpoint.lower()].update({which: new}),
        seconds=arm.seconds_for(world, request),
    )
    return Reply(202, None, arm.operation_headers(request, operation))


@routes.on(MANAGEMENT, "POST", ENDPOINT_PATH + "/token")
def get_token(request: Request, world: World, endpoint: str) -> Reply:
    kept = world.get(endpoint)
    if kept is None:
        return not_found(request)
    now = int(world.now())
    token = {"accessToken": world.login.issue("https://ml.azure.com"), "tokenType": "Bearer"}
    return Reply(200, token | {"expiryTimeUtc": now + 3600, "refreshAfterTimeUtc": now + 3000})

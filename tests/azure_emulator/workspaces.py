"""Subscriptions, resource groups, workspaces with what belongs to them, hubs and projects; ARM template deployments."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.defaults import keep
from tests.azure_emulator.resources import has_tag
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, routes
from tests.azure_emulator.world import SUBSCRIPTIONS, TENANT, World

MACHINE_LEARNING = "Microsoft.MachineLearningServices"
REGIONS = {"eastus": "East US", "westeurope": "West Europe", "swedencentral": "Sweden Central", "westus3": "West US 3"}


def create(
    world: World,
    group: str,
    name: str,
    region: str,
    given: dict[str, Any],
    parts: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A workspace on exactly the `parts`, or else with storage account, key vault, insights and registry of its own."""
    path = f"{group}/providers/{MACHINE_LEARNING}/workspaces/{name}"
    tail = hashlib.sha256(path.lower().encode()).hexdigest()[:8]
    short = "".join(letter for letter in name.lower() if letter.isalnum())[:10]
    guid = str(uuid.uuid5(uuid.NAMESPACE_URL, path.lower()))
    kinds = {
        "storageAccount": ("Microsoft.Storage/storageAccounts", f"{short}st{tail}"),
        "keyVault": ("Microsoft.KeyVault/vaults", f"{short}kv{tail}"),
        "applicationInsights": ("Microsoft.Insights/components", f"{short}ai{tail}"),
        "containerRegistry": ("Microsoft.ContainerRegistry/registries", f"{short}cr{tail}"),
    }
    if parts is None:
        parts = {part: f"{group}/providers/{kind}/{default}" for part, (kind, default) in kinds.items()}
        for part, (kind, _) in kinds.items():
            keep(world, parts[part], kind, location=region, provisioningState="Succeeded")
    properties = {
        "friendlyName": given.get("friendlyName") or name,
        "description": given.get("description") or "",
        "workspaceId": guid,
        "discoveryUrl": f"https://{region}.api.azureml.ms/discovery",
        "mlFlowTrackingUri": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{path}",
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        "hbiWorkspace": False,
        "tenantId": TENANT,
        **parts,
    }
    kept = keep(world, path, f"{MACHINE_LEARNING}/workspaces", location=region, **properties)
    kept |= {
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "tags": given.get("tags") or {},
        "identity": {
            "type": "SystemAssigned",
            "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, guid)),
            "tenantId": TENANT,
        },
        "systemData": {},
    }
    return kept


@routes.on(MANAGEMENT, "GET", r"/subscriptions")
def subscriptions(request: Request, world: World) -> Reply:
    return Reply(200, {"value": [_subscription(world, key) for key in SUBSCRIPTIONS]})


@routes.on(MANAGEMENT, "GET", r"/tenants")
def tenants(request: Request, world: World) -> Reply:
    known: dict[str, str] = world.extra.get("tenants", {TENANT: "Contoso"})
    value = [
        {
            "id": f"/tenants/{key}",
            "tenantId": key,
            "displayName": name,
            "defaultDomain": f"{name.lower()}.example",
            "tenantCategory": "Home",
        }
        for key, name in known.items()
    ]
    return Reply(200, {"value": value})


@routes.on(MANAGEMENT, "GET", r"/subscriptions/(?P<subscription>[^/]+)")
def subscription(request: Request, world: World, subscription: str) -> Reply:
    if subscription not in SUBSCRIPTIONS:
        return error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
    return Reply(200, _subscription(world, subscription))


@routes.on(MANAGEMENT, "GET", r"/subscriptions/(?P<subscription>[^/]+)/locations")
def locations(request: Request, world: World, subscription: str) -> Reply:
    base = f"/subscriptions/{subscription}/locations"
    value = [
        {"id": f"{base}/{name}", "name": name, "displayName": shown, "regionalDisplayName": shown}
        for name, shown in REGIONS.items()
    ]
    return Reply(200, {"value": value})


def _subscription(world: World, key: str) -> dict[str, Any]:
    """Tests put what is different into `world.extra["subscriptions"][key]`."""
    return {
        "id": f"/subscriptions/{key}",
        "subscriptionId": key,
        "tenantId": TENANT,
        "displayName": SUBSCRIPTIONS[key],
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01"},
        **world.extra.get("subscriptions", {}).get(key, {}),
    }


@routes.on(MANAGEMENT, "GET", r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups")
def groups(request: Request, world: World, subscription: str) -> Reply:
    found = arm.children(world, f"/subscriptions/{subscription}/resourceGroups")
    return Reply(200, {"value": [kept for kept in found if has_tag(kept, request.query.get("$filter", ""))]})


@routes.on(
    MANAGEMENT, "GET", r"/subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.MachineLearningServices/workspaces"
)
def all_workspaces(request: Request, world: World, subscription: str) -> Reply:
    prefix = f"/subscriptions/{subscription}/".lower()
    found = [
        kept
        for key, kept in world.arm.items()
        if key.startswith(prefix) and kept["type"].lower() == f"{MACHINE_LEARNING}/workspaces".lower()
    ]
    return Reply(200, {"value": found})


def _put_group(put: arm.Put) -> dict[str, Any]:
    if not put.body.get("location"):
        put.body["location"] = (put.old or {}).get("location", "")
    kept = arm.resource(put)
    kept.pop("systemData")
    return kept


arm.register(
    "Microsoft.Resources/resourceGroups",
    arm.ArmType(put=_put_group),
)
arm.register(f"{MACHINE_LEARNING}/workspaces", arm.ArmType(operation="workspaceOperationsStatus"))
for _kind in (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Insights/components",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.ContainerRegistry/registries",
):
    arm.register(_kind, arm.ArmType(operation="operationsStatus"))

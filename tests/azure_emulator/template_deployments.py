"""Microsoft.Resources/deployments: executes the one template that azure-ai-ml sends, for workspaces, hubs, projects."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.azure_emulator import arm, workspaces
from tests.azure_emulator.defaults import keep
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, not_found, routes
from tests.azure_emulator.world import OPERATION_SECONDS, World, utc

DEPLOYMENTS = r"(?P<group>/subscriptions/[^/]+/resourceGroups/[^/]+)/providers/Microsoft\.Resources/deployments"
KINDS = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "logAnalytics": "Microsoft.OperationalInsights/workspaces",
    "applicationInsights": "Microsoft.Insights/components",
    "containerRegistry": "Microsoft.ContainerRegistry/registries",
}


@dataclass
class Row:
    """One thing that a deployment makes."""

    kind: str
    name: str
    path: str
    state: str = "Running"


@dataclass
class Deployment:
    path: str
    name: str
    state: str = "Running"
    timestamp: str = ""
    error: dict[str, Any] | None = None
    rows: list[Row] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "provisioningState": self.state,
            "correlationId": str(uuid.uuid5(uuid.NAMESPACE_URL, self.path)),
            "timestamp": self.timestamp,
            "duration": "PT1M",
            "mode": "Incremental",
            "providers": [],
            "dependencies": [],
        }
        if self.error:
            properties["error"] = self.error
        kind = "Microsoft.Resources/deployments"
        return {"id": self.path, "name": self.name, "type": kind, "properties": properties}

    def operations(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{self.path}/operations/{number}",
                "operationId": str(number),
                "properties": {
                    "provisioningOperation": "Create",
                    "provisioningState": row.state,
                    "timestamp": self.timestamp,
                    "duration": "PT10S",
                    "statusCode": "Created" if row.state == "Succeeded" else "Accepted",
                    "targetResource": {"id": row.path, "resourceType": row.kind, "resourceName": row.name},
                    **({"statusMessage": {"error": self.error}} if row.state == "Failed" and self.error else {}),
                },
            }
            for number, row in enumerate(self.rows)
        ]


def all_of(world: World) -> dict[str, Deployment]:
    found: dict[str, Deployment] = world.extra.setdefault("template_deployments", {})
    return found


@routes.on(MANAGEMENT, "PUT", DEPLOYMENTS + r"/(?P<name>[^/]+)")
def put_deployment(request: Request, world: World, group: str, name: str) -> Reply:
    found = world.get(group)
    if found is None:
        missing = group.rpartition("/")[2]
        return error(404, "ResourceGroupNotFound", f"Resource group '{missing}' could not be found.")
    group = found["id"]  # the SDK writes "resourcegroups", ids have "resourceGroups"
    given = {key: one["value"] for key, one in request.json["properties"]["parameters"].items() if "value" in one}
    deployment = Deployment(request.path, name, timestamp=utc(world.now()))
    parts: dict[str, str] = {}
    for part, kind in KINDS.items():
        path = f"{_group_of(given, part, group)}/providers/{kind}/{given.get(part + 'Name')}"
        option = given.get(f"{part}Option") or given.get("applicationInsightsOption" if part == "logAnalytics" else "")
        is_project = str(given.get("kind")).lower() == "project"
        if option in (None, "none") or (is_project and option == "new"):
            continue
        if part != "logAnalytics":
            parts[part] = path
        if option == "new":
            deployment.rows.append(Row(kind, path.rpartition("/")[2], path))
    home = f"{group}/providers/{workspaces.MACHINE_LEARNING}/workspaces/{given['workspaceName']}"
    deployment.rows.append(Row(f"{workspaces.MACHINE_LEARNING}/workspaces", given["workspaceName"], home))
    failed = world.faults.take("deployment_failed", request)
    if failed:
        deployment.error = {
            "code": "DeploymentFailed",
            "message": "At least one resource deployment operation failed.",
            "details": [
                {"code": failed.code or "VaultNameNotValid", "message": failed.message or "The name is taken."}
            ],
        }
    all_of(world)[request.path.lower()] = deployment
    total = max(arm.seconds_for(world, request), OPERATION_SECONDS)

    def make(row: Row, is_last: bool) -> None:
        if is_last and deployment.error:
            row.state, deployment.state = "Failed", "Failed"
            return
        if is_last:
            _make_workspace(world, group, given, parts)
            deployment.state = "Succeeded"
        else:
            keep(world, row.path, row.kind, location=given["location"], provisioningState="Succeeded")["tags"] = dict(
                given.get("tagValues") or {}
            )
        row.state = "Succeeded"

    for number, row in enumerate(deployment.rows):
        is_last = number + 1 == len(deployment.rows)
        operation = world.begin(
            f"{request.path}/operationStatuses",
            lambda row=row, is_last=is_last: make(row, is_last),  # type: ignore[misc]
            error=deployment.error if is_last else None,
            seconds=total * (number + 1) / len(deployment.rows),
        )
    url = f"https://{request.host}{operation.path}?api-version={request.api_version}"
    return Reply(201, deployment.body(), {"Azure-AsyncOperation": url} | arm.RETRY_SOON)


def _group_of(given: dict[str, Any], part: str, group: str) -> str:
    name = given.get(f"{part}ResourceGroupName")
    return f"{group.rpartition('/')[0]}/{name}" if name and name != "ignoredButCantBeEmpty" else group


def _make_workspace(world: World, group: str, given: dict[str, Any], parts: dict[str, str]) -> None:
    kind = str(given.get("kind") or "default").capitalize()
    about = {key: given.get(key) for key in ("friendlyName", "description")} | {"tags": given.get("tagValues")}
    made = workspaces.create(world, group, given["workspaceName"], given["location"], about, parts)
    made["kind"] = kind
    made["properties"]["provisioningState"] = "Succeeded"
    if kind == "Project":
        hub = world.get(given["workspace_hub"])
        assert hub is not None, given["workspace_hub"]
        made["properties"] |= {
            "hubResourceId": hub["id"],
            **{part: hub["properties"][part] for part in KINDS if part in hub["properties"]},
        }
        hub["properties"].setdefault("associatedWorkspaces", []).append(made["id"])


@routes.on(MANAGEMENT, "GET", DEPLOYMENTS + "/?")
def list_deployments(request: Request, world: World, group: str) -> Reply:
    world.settle()
    if world.get(group) is None:
        return not_found(request)
    prefix = request.path.lower().rstrip("/") + "/"
    return Reply(200, {"value": [one.body() for key, one in all_of(world).items() if key.startswith(prefix)]})


@routes.on(MANAGEMENT, "GET", DEPLOYMENTS + r"/(?P<name>[^/]+)")
def get_deployment(request: Request, world: World, group: str, name: str) -> Reply:
    world.settle()
    found = all_of(world).get(request.path.lower())
    return Reply(200, found.body()) if found else not_found(request)


@routes.on(
    MANAGEMENT, "GET", r"(?P<group>/subscriptions/[^/]+/resourceGroups/[^/]+)/deployments/(?P<name>[^/]+)/operations"
)
@routes.on(MANAGEMENT, "GET", DEPLOYMENTS + r"/(?P<name>[^/]+)/operations")
def list_operations(request: Request, world: World, group: str, name: str) -> Reply:
    """Also at the short address by which azure-ai-ml asks."""
    world.settle()
    found = all_of(world).get(f"{group}/providers/Microsoft.Resources/deployments/{name}".lower())
    return Reply(200, {"value": found.operations()}) if found else not_found(request)

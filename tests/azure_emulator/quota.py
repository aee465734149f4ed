"""Cores by family: Machine Learning's usages, and the provider Microsoft.Quota by which more are asked for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from tests.azure_emulator.arm import RETRY_SOON, operation_headers, seconds_for
from tests.azure_emulator.machines import MACHINES, Machine
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, routes
from tests.azure_emulator.world import SECOND_SUBSCRIPTION, World

LOCATION = (
    r"/subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.MachineLearningServices"
    r"/locations/(?P<location>[^/]+)"
)
QUOTA = LOCATION + r"/providers/Microsoft\.Quota"
REGIONS = frozenset({"eastus", "westeurope", "swedencentral"})
WORDS = {
    "standardNCADSA100v4Family": "Standard NCADSA100v4 Family Cluster Dedicated vCPUs",
    "standardNCADSH100v5Family": "Standard NCADSH100v5 Family Cluster Dedicated vCPUs",
    "standardNDASv4_A100Family": "Standard NDASv4_A100 Family Cluster Dedicated vCPUs",
    "standardNVADSA10v5Family": "Standard NVADSA10v5 Family Cluster Dedicated vCPUs",
    "standardNCASv3_T4Family": "Standard NCASv3_T4 Family Cluster Dedicated vCPUs",
    "standardNCSv3Family": "Standard NCSv3 Family Cluster Dedicated vCPUs",
    "standardESv3Family": "Standard ESv3 Family Cluster Dedicated vCPUs",
    "standardDSv2Family": "Standard DSv2 Family Cluster Dedicated vCPUs",
    "standardDSv3Family": "Standard DSv3 Family Cluster Dedicated vCPUs",
    "standardFSv2Family": "Standard FSv2 Family Cluster Dedicated vCPUs",
}
PAY_AS_YOU_GO = {"standardNCADSA100v4Family": 24, "standardESv3Family": 100, "standardDSv2Family": 100}
PAY_AS_YOU_GO |= {"standardDSv3Family": 100, "standardFSv2Family": 100}
UPGRADE_RESERVE = 1.2
"""Azure keeps a fifth more machines than a deployment has, for upgrades."""
WITHOUT_RESERVE = ("standardNCADSA100v4Family", "standardNCADSH100v5Family", "standardNDASv4_A100Family")
"""Column "Skip 20% Reservation" of Microsoft's list of endpoint sizes."""
BENEFIT = {"standardESv3Family": 20, "standardDSv2Family": 10, "standardDSv3Family": 10}


@dataclass
class Cores:
    """Limits and use of one subscription in one region. What no table names has limit 0."""

    limits: dict[str, int]
    used: dict[str, int] = field(default_factory=dict)
    low_priority_limit: int = 0
    most_granted: int = 96
    """A request for more than this is refused, as Azure does when the region is short of them."""

    def free(self, family: str) -> int:
        return self.limits.get(family, 0) - self.used.get(family, 0)


def cores(world: World, subscription: str, location: str) -> Cores:
    """What tests change: `cores(world, SUBSCRIPTION, REGION).limits["standardNCADSA100v4Family"] = 0`."""
    table: dict[tuple[str, str], Cores] = world.extra.setdefault("quota", {})
    key = (subscription.lower(), location.lower())
    limits = BENEFIT if subscription == SECOND_SUBSCRIPTION else PAY_AS_YOU_GO
    return table.setdefault(key, Cores(dict(limits)))


def reserved_cores(machine: Machine, instances: int) -> int:
    """As documented: ceil(1.2 x instances) x cores."""
    kept = instances if machine.family in WITHOUT_RESERVE else math.ceil(round(instances * UPGRADE_RESERVE, 6))
    return kept * machine.cores


def served_cores(world: World, subscription: str, family: str, *, without: str = "") -> int:
    """Held by all deployments of the subscription, the reserve for upgrades included."""
    total = 0
    for key, kept in list(world.arm.items()):
        is_deployment = re.search(r"/onlineendpoints/[^/]+/deployments/[^/]+$", key)
        if is_deployment and key.startswith(f"/subscriptions/{subscription.lower()}/") and key != without.lower():
            machine = MACHINES[kept["properties"]["instanceType"].lower()]
            if machine.family == family:
                total += reserved_cores(machine, kept["sku"]["capacity"])
    return total


@routes.on(MANAGEMENT, "GET", LOCATION + "/usages")
def list_usages(request: Request, world: World, subscription: str, location: str) -> Reply:
    """The dedicated and the low-priority row of a family have the same name; only `type` tells them apart."""
    table = cores(world, subscription, location)
    total = sum(table.used.get(family, 0) + served_cores(world, subscription, family) for family in WORDS)
    value = [
        _usage(request, "totalCores", "TotalDedicatedCores", "Total Cluster Dedicated Regional vCPUs",
               total, max(100, sum(table.limits.values()))),
        _usage(request, "totalCores", "TotalLowPriorityCores", "Total Cluster LowPriority Regional vCPUs",
               0, table.low_priority_limit),
    ]  # fmt: skip
    for family, words in WORDS.items():
        used = table.used.get(family, 0) + served_cores(world, subscription, family)
        limit = table.limits.get(family, 0)
        value.append(_usage(request, "vmFamily/dedicatedCores", family, words, used, limit))
        # -1: only the regional total limits low priority.
        low = words.replace("Dedicated", "LowPriority")
        value.append(_usage(request, "vmFamily/lowPriorityCores", family, low, 0, -1))
    return Reply(200, {"value": value})


@routes.on(MANAGEMENT, "GET", LOCATION + "/vmSizes")
def list_sizes(request: Request, world: World, subscription: str, location: str) -> Reply:
    return Reply(200, {"value": [_size(machine) for machine in MACHINES.values()]})


def _size(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "family": machine.family,
        "vCPUs": machine.cores,
        "gpus": machine.gpus,
        "osVhdSizeMB": 1047552,
        "maxResourceVolumeMB": machine.disk_gib * 1024,
        "memoryGB": float(machine.memory_gib),
        "lowPriorityCapable": "H100" not in machine.name,
        "premiumIO": True,
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
    }


def _usage(request: Request, kind: str, name: str, words: str, used: int, limit: int) -> dict[str, Any]:
    return {
        "id": f"{request.path}/{kind}/{name}",
        "type": f"Microsoft.MachineLearningServices/{kind}/usages",
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": words},
    }


def _name(family: str) -> dict[str, str]:
    return {"value": family, "localizedValue": WORDS.get(family, family)}


def _limit(request: Request, table: Cores, family: str) -> dict[str, Any]:
    scope = request.path.partition("/providers/Microsoft.Quota")[0]
    return {
        "id": f"{scope}/providers/Microsoft.Quota/quotas/{family}",
        "name": family,
        "type": "Microsoft.Quota/quotas",
        "properties": {
            "limit": {
                "limitObjectType": "LimitValue",
                "limitType": "Independent",
                "value": table.limits.get(family, 0),
            },
            "unit": "Count",
            "name": _name(family),
            "resourceType": "dedicated",
            "isQuotaApplicable": True,
            "properties": {},
        },
    }


def _used(request: Request, table: Cores, family: str) -> dict[str, Any]:
    scope = request.path.partition("/providers/Microsoft.Quota")[0]
    return {
        "id": f"{scope}/providers/Microsoft.Quota/usages/{family}",
        "name": family,
        "type": "Microsoft.Quota/usages",
        "properties": {
            "usages": {"value": table.used.get(family, 0)},
            "unit": "Count",
            "name": _name(family),
            "resourceType": "dedicated",
            "isQuotaApplicable": True,
            "properties": {},
        },
    }


@routes.on(MANAGEMENT, "GET", QUOTA + "/(?P<kind>quotas|usages)")
def list_limits(request: Request, world: World, subscription: str, location: str, kind: str) -> Reply:
    table = cores(world, subscription, location)
    shape = _limit if kind.lower() == "quotas" else _used
    return Reply(200, {"value": [shape(request, table, family) for family in WORDS]})


@routes.on(MANAGEMENT, "GET", QUOTA + "/(?P<kind>quotas|usages)/(?P<family>[^/]+)")
def get_limit(request: Request, world: World, subscription: str, location: str, kind: str, family: str) -> Reply:
    if family not in WORDS:
        return error(404, "ResourceNotFound", f"The resource '{family}' is not known.")
    table = cores(world, subscription, location)
    return Reply(200, (_limit if kind.lower() == "quotas" else _used)(request, table, family))


@routes.on(MANAGEMENT, "PUT|PATCH", QUOTA + "/quotas/(?P<family>[^/]+)")
def ask_for_more(request: Request, world: World, subscription: str, location: str, family: str) -> Reply:
    """Granted when the operation ends; refused there when it is more than the region has."""
    if family not in WORDS:
        return error(400, "InvalidResourceName", f"The resource name '{family}' is not valid.")
    table = cores(world, subscription, location)
    wanted = int(request.json["properties"]["limit"]["value"])
    if wanted <= table.limits.get(family, 0):
        message = f"The requested limit {wanted} must be more than the current limit {table.limits.get(family, 0)}."
        return error(400, "InvalidQuotaRequest", message)
    refusal = None
    if wanted > table.most_granted:
        refusal = {
            "code": "ContactSupport",
            "message": "Request failed. Your request could not be granted automatically: "
            "file a support request to get the quota that you need.",
        }

    def grant() -> None:
        if refusal is None:
            table.limits[family] = wanted

    scope = request.path.partition("/providers/Microsoft.Quota")[0]
    operation = world.begin(
        f"{scope}/providers/Microsoft.Quota/operationStatuses",
        grant,
        error=refusal,
        seconds=seconds_for(world, request),
    )
    world.extra.setdefault("quota_requests", {})[operation.id.lower()] = (request, operation, family, wanted)
    headers = operation_headers(request, operation)
    headers["Location"] = headers["Azure-AsyncOperation"]
    return Reply(202, _request_details(request, operation, family, wanted), headers)


def _request_details(request: Request, operation: Any, family: str, wanted: int) -> dict[str, Any]:
    """A quota request as its own resource shows it."""
    scope = request.path.partition("/providers/Microsoft.Quota")[0]
    state = {"InProgress": "InProgress", "Succeeded": "Succeeded", "Failed": "Failed"}[operation.status]
    properties: dict[str, Any] = {
        "provisioningState": state,
        "message": (operation.error or {}).get("message", "Request in progress.")
        if operation.done
        else "Request submitted.",
        "requestSubmitTime": operation.body()["startTime"],
        "value": [
            {
                "resourceType": "dedicated",
                "unit": "Count",
                "provisioningState": state,
                "subRequestId": operation.id,
                "name": _name(family),
                "limit": {"limitObjectType": "LimitValue", "value": wanted},
            }
        ],
    }
    if operation.done and operation.error:
        properties["error"] = operation.error
    name = operation.id
    kind = "Microsoft.Quota/quotaRequests"
    return {"id": f"{scope}/providers/{kind}/{name}", "name": name, "type": kind, "properties": properties}


@routes.on(MANAGEMENT, "GET", QUOTA + "/quotaRequests(/(?P<id>[^/]+))?")
def quota_requests(request: Request, world: World, subscription: str, location: str, id: str | None) -> Reply:
    world.settle()
    known: dict[str, tuple[Request, Any, str, int]] = world.extra.get("quota_requests", {})
    scope = request.path.partition("/providers/Microsoft.Quota")[0].lower()
    mine = [_request_details(*entry) for entry in known.values() if entry[0].path.lower().startswith(scope)]
    if id is None:
        return Reply(200, {"value": mine})
    found = next((entry for entry in mine if entry["name"].lower() == id.lower()), None)
    return Reply(200, found, RETRY_SOON) if found else error(404, "NotFound", f"No request '{id}'.")

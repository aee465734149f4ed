"""Lists of resources across types, as Azure Resource Manager keeps them: of a subscription or a group, by tag."""

from __future__ import annotations

import re
from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, routes
from tests.azure_emulator.world import World, utc

UNTRACKED = re.compile(
    r"microsoft\.machinelearningservices/workspaces/(?!onlineendpoints)|microsoft\.resources/|microsoft\.authorization/"
    r"|microsoft\.quota/"
)
"""Only tracked resources are listed: an endpoint is one, a cluster, a job or a connection is not."""
_TAG = re.compile(r"\s*tagName eq '([^']*)'(?:\s+and\s+tagValue eq '([^']*)')?\s*", re.I)


_TYPES = re.compile(r"\s*resourceType eq '[^']*'(?:\s+or\s+resourceType eq '[^']*')*\s*", re.I)


def has_tag(kept: dict[str, Any], wish: str) -> bool:
    """A filter by tag or by types; another one is not spoken here and must not be taken for "all"."""
    if not wish:
        return True
    if _TYPES.fullmatch(wish):
        return kept["type"].lower() in (kind.lower() for kind in re.findall(r"'([^']*)'", wish))
    match = _TAG.fullmatch(wish)
    assert match, f"a filter that is not emulated: {wish}"
    value = (kept.get("tags") or {}).get(match[1])
    return value is not None and match[2] in (None, value)


@routes.on(MANAGEMENT, "GET", r"(?P<scope>/subscriptions/[^/]+(/resourceGroups/[^/]+)?)/resources")
def list_resources(request: Request, world: World, scope: str) -> Reply:
    world.settle()
    with world.lock:
        found = [kept for key, kept in world.arm.items() if key.startswith(scope.lower() + "/")]
    value = [
        _shown(kept, "createdtime" in request.query.get("$expand", "").lower())
        for kept in found
        if not UNTRACKED.match(kept["type"].lower()) and has_tag(kept, request.query.get("$filter", ""))
    ]
    return Reply(200, {"value": value})


def _shown(kept: dict[str, Any], with_times: bool) -> dict[str, Any]:
    names = ("id", "name", "type", "location", "tags", "kind", "sku")
    row = {name: kept[name] for name in names if kept.get(name) is not None}
    if with_times:
        row["createdTime"] = (kept.get("systemData") or {}).get("createdAt") or utc(0)
    return row


@routes.on(MANAGEMENT, "DELETE", r"(?P<group>(?P<base>/subscriptions/[^/]+)/resourceGroups/[^/]+)")
def delete_group(request: Request, world: World, group: str, base: str) -> Reply:
    """With everything in it, by an operation that says only 202 until it is over."""
    key = group.lower()
    if world.get(key) is None:
        return error(404, "ResourceGroupNotFound", f"Resource group '{key.rpartition('/')[2]}' could not be found.")

    def finish() -> None:
        for below in [one for one in world.arm if one == key or one.startswith(key + "/")]:
            gone = world.arm.pop(below)
            path = arm.parse(below)
            behaviour = arm.TYPES.get(path.type) if path else None
            if behaviour and behaviour.deleted:
                behaviour.deleted(world, gone)

    operation = world.begin(f"{base}/operationsStatus", finish)
    location = f"https://{request.host}{base}/operationResults/{operation.id}?api-version={request.api_version}"
    return Reply(202, None, {"Location": location} | arm.RETRY_SOON)

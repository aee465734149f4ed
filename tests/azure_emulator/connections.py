"""Connections of a workspace or project: the secrets come back by `listsecrets` alone."""

from __future__ import annotations

import copy
import re
from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, not_found, routes
from tests.azure_emulator.world import World

CONNECTIONS = "Microsoft.MachineLearningServices/workspaces/connections"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}")


def _put(put: arm.Put) -> dict[str, Any] | Reply:
    if not NAME.fullmatch(put.path.name):
        message = f"The connection name '{put.path.name}' must match ^[a-zA-Z0-9][a-zA-Z0-9_-]{{2,32}}$."
        return error(400, "ValidationError", message)
    facts = put.body.get("properties") or {}
    # Shared to all unless somebody says no.
    kept = arm.resource(put, {"isSharedToAll": facts.get("isSharedToAll", True), "group": "AzureAI"})
    kept["properties"].setdefault("metadata", {})
    return kept


def _shown(request: Request, seen: dict[str, Any]) -> dict[str, Any]:
    """Credentials are not shown; a set of keys keeps its names."""
    facts = seen["properties"]
    facts.pop("provisioningState", None)
    if facts.get("authType") == "CustomKeys":
        facts["credentials"] = {"keys": dict.fromkeys((facts.get("credentials") or {}).get("keys") or {})}
    else:
        facts["credentials"] = None
    return seen


arm.register(CONNECTIONS, arm.ArmType(put=_put, created=200, shown=_shown))


@routes.on(MANAGEMENT, "POST", r"(?P<path>.*/workspaces/[^/]+/connections/[^/]+)/listsecrets")
def list_secrets(request: Request, world: World, path: str) -> Reply:
    kept = world.get(path)
    if kept is None:
        return not_found(request)
    whole = copy.deepcopy(kept)
    whole["properties"].pop("provisioningState", None)
    return Reply(200, whole)

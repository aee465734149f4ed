"""Azure Monitor's rules for scaling. No package of Microsoft's here has their model: the few rules are these."""

from __future__ import annotations

from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.wire import Reply, Request, error


def _put(put: arm.Put) -> dict[str, Any] | Reply:
    facts = put.body.get("properties") or {}
    target = facts.get("targetResourceUri") or ""
    if put.world.get(target) is None:
        return error(400, "InvalidAutoscaleSettings", f"The target resource '{target}' does not exist.")
    for profile in facts.get("profiles") or [{}]:
        capacity = profile.get("capacity") or {}
        words = [capacity.get(name) for name in ("minimum", "default", "maximum")]
        if not all(isinstance(word, str) and word.isdigit() for word in words):
            return error(400, "InvalidAutoscaleSettings", "A capacity's three numbers must be texts.")
        if not int(words[0]) <= int(words[1]) <= int(words[2]):  # type: ignore[arg-type]
            return error(400, "InvalidAutoscaleSettings", "The capacity must be minimum <= default <= maximum.")
    kept = arm.resource(put)
    kept.pop("systemData")
    return kept


def _shown(request: Request, seen: dict[str, Any]) -> dict[str, Any]:
    seen["properties"].pop("provisioningState", None)
    return seen


arm.register("Microsoft.Insights/autoscalesettings", arm.ArmType(put=_put, shown=_shown))

"""What stands in the cloud at the beginning: one tenant, two subscriptions, a group with a furnished workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.azure_emulator.world import GROUP, REGION, SUBSCRIPTION, WORKSPACE

if TYPE_CHECKING:
    from tests.azure_emulator.world import World


def furnish(world: World) -> None:
    from tests.azure_emulator import workspaces

    if world.empty:
        return
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    keep(world, group, "Microsoft.Resources/resourceGroups", location=REGION, provisioningState="Succeeded")
    workspaces.create(world, group, WORKSPACE, REGION, {})


def keep(world: World, path: str, kind: str, *, location: str = "", **properties: Any) -> dict[str, Any]:
    """Put a finished resource there without anybody having asked."""
    kept: dict[str, Any] = {"id": path, "name": path.rsplit("/", 1)[-1], "type": kind, "properties": properties}
    if location:
        kept["location"] = location
    world.arm[path.lower()] = kept
    return kept

"""Resource providers of a subscription: registered or not, and the registration that takes a moment."""

from __future__ import annotations

from typing import Any

from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, routes
from tests.azure_emulator.world import World

FREE = ("Microsoft.Authorization", "Microsoft.Resources", "Microsoft.Quota")
"""Some are always there. Microsoft.Quota is not, but new subscriptions have it by the portal's own doing."""
NAMESPACES = {
    "Microsoft.MachineLearningServices": ("workspaces", "registries", "locations/usages"),
    "Microsoft.Storage": ("storageAccounts",),
    "Microsoft.KeyVault": ("vaults",),
    "Microsoft.ContainerRegistry": ("registries",),
    "Microsoft.Insights": ("components", "autoscalesettings"),
    "Microsoft.OperationalInsights": ("workspaces",),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities",),
    "Microsoft.CognitiveServices": ("accounts",),
    "Microsoft.Compute": ("virtualMachines",),
    "Microsoft.Network": ("virtualNetworks",),
    "Microsoft.PolicyInsights": ("policyEvents",),
    "Microsoft.Cdn": ("profiles",),
    "Microsoft.Quota": ("usages", "quotas", "quotaRequests"),
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions"),
    "Microsoft.Resources": ("deployments", "resourceGroups"),
}
REGISTRATION_SECONDS = 0.2
PROVIDERS = r"/subscriptions/(?P<subscription>[^/]+)/providers"


def states(world: World, subscription: str) -> dict[str, str]:
    """Namespace to state. Tests set `states(world, SUBSCRIPTION)["Microsoft.Quota"] = "NotRegistered"`."""
    table: dict[str, dict[str, str]] = world.extra.setdefault("providers", {})
    default = {name: "NotRegistered" if world.empty and name not in FREE else "Registered" for name in NAMESPACES}
    return table.setdefault(subscription.lower(), default)


def _shape(subscription: str, name: str, state: str) -> dict[str, Any]:
    kinds = [
        {"resourceType": kind, "locations": ["East US", "West Europe", "Sweden Central"], "apiVersions": ["2025-12-01"]}
        for kind in NAMESPACES[name]
    ]
    return {
        "id": f"/subscriptions/{subscription}/providers/{name}",
        "namespace": name,
        "registrationPolicy": "RegistrationFree" if name in FREE[:2] else "RegistrationRequired",
        "registrationState": state,
        "resourceTypes": kinds,
    }


@routes.on(MANAGEMENT, "GET", PROVIDERS)
def list_providers(request: Request, world: World, subscription: str) -> Reply:
    world.settle()
    found = states(world, subscription)
    return Reply(200, {"value": [_shape(subscription, name, state) for name, state in found.items()]})


@routes.on(MANAGEMENT, "GET", PROVIDERS + r"/(?P<name>[^/]+)")
def get_provider(request: Request, world: World, subscription: str, name: str) -> Reply:
    world.settle()
    known = _known(name)
    if known is None:
        return error(404, "InvalidResourceNamespace", f"The resource namespace '{name}' is invalid.")
    return Reply(200, _shape(subscription, known, states(world, subscription)[known]))


@routes.on(MANAGEMENT, "POST", PROVIDERS + r"/(?P<name>[^/]+)/(?P<action>register|unregister)")
def register_provider(request: Request, world: World, subscription: str, name: str, action: str) -> Reply:
    known = _known(name)
    if known is None:
        return error(404, "InvalidResourceNamespace", f"The resource namespace '{name}' is invalid.")
    table = states(world, subscription)
    is_on = action.lower() == "register"
    if table[known] != ("Registered" if is_on else "NotRegistered"):
        table[known] = "Registering" if is_on else "Unregistering"
        world.begin(
            f"{request.path}/operations",
            lambda: table.update({known: "Registered" if is_on else "NotRegistered"}),
            seconds=REGISTRATION_SECONDS,
        )
    return Reply(200, _shape(subscription, known, table[known]))


def _known(name: str) -> str | None:
    return next((known for known in NAMESPACES if known.lower() == name.lower()), None)

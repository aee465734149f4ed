"""Resource providers: a subscription must know a service before anything of it can be made there."""

from __future__ import annotations

import time
from collections.abc import Iterable

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.errors import Unavailable
from backend.i18n import _

NEEDED = (
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.ContainerRegistry",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.Compute",
    "Microsoft.PolicyInsights",
    "Microsoft.Cdn",
    "Microsoft.Quota",
)
"""What a workspace, its online endpoints and requests for quota need."""
LONGEST_SECONDS = 180.0
POLL_SECONDS = 1.0


def missing_providers(connection: Connection, subscription: str) -> dict[str, str]:
    """Needed ones that are not registered, with Azure's word for their state."""
    from azure.mgmt.resource.resources import ResourceManagementClient

    with in_words(_("Looking up the resource providers")):
        client = connection.management(ResourceManagementClient, subscription)
        states = {(one.namespace or "").lower(): one.registration_state or "" for one in client.providers.list()}
    found = {name: states.get(name.lower(), "NotRegistered") for name in NEEDED}
    return {name: state for name, state in found.items() if state != "Registered"}


def register(connection: Connection, subscription: str, names: Iterable[str]) -> None:
    """Registers them and waits until all are. Registering what is registered changes nothing."""
    from azure.mgmt.resource.resources import ResourceManagementClient

    names = list(names)
    with in_words(_("Registering resource providers")):
        client = connection.management(ResourceManagementClient, subscription)
        for name in names:
            client.providers.register(name)
    deadline = time.monotonic() + LONGEST_SECONDS
    while left := [name for name in missing_providers(connection, subscription) if name in names]:
        if time.monotonic() > deadline:
            raise Unavailable(
                _("Azure is still registering {names}.").format(names=", ".join(left)),
                why=_("It takes some minutes at times."),
                how_to_fix=_("Wait a little, then check again."),
                code="registering",
            )
        time.sleep(POLL_SECONDS)

"""What the signed-in account may do itself: every action that the app needs, against what its roles allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.i18n import _

_ML = "Microsoft.MachineLearningServices/workspaces"
GIVE_ROLES = "Microsoft.Authorization/roleAssignments/write"
NEEDED = (
    f"{_ML}/read",
    f"{_ML}/computes/write",
    f"{_ML}/jobs/write",
    f"{_ML}/data/versions/write",
    f"{_ML}/environments/versions/write",
    f"{_ML}/codes/versions/write",
    f"{_ML}/models/versions/write",
    f"{_ML}/datastores/listsecrets/action",
    f"{_ML}/onlineEndpoints/write",
    f"{_ML}/onlineEndpoints/deployments/write",
    f"{_ML}/onlineEndpoints/listKeys/action",
    f"{_ML}/connections/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
)
"""On the resource group: everything from the cluster to the chat. Giving roles is asked apart (`GIVE_ROLES`)."""


@dataclass(frozen=True)
class Permission:
    """One role's worth of patterns, as Microsoft.Authorization/permissions lists them."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...]

    def allows(self, action: str) -> bool:
        return _matches(action, self.actions) and not _matches(action, self.not_actions)


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def list_permissions(connection: Connection) -> tuple[Permission, ...]:
    """Of the account, on the chosen resource group."""
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient

    connection.group_path()  # raises NotChosen
    with in_words(_("Looking up your rights")):
        client = connection.management(AuthorizationManagementClient, connection.subscription())
        return tuple(
            Permission(tuple(one.actions or ()), tuple(one.not_actions or ()))
            for one in client.permissions.list_for_resource_group(connection.config.resource_group)
        )


def lacking(permissions: Sequence[Permission], actions: Iterable[str]) -> list[str]:
    """Those that no role allows."""
    return [action for action in actions if not any(one.allows(action) for one in permissions)]

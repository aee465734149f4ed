"""The user-assigned managed identity that endpoints and clusters act as."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.i18n import _

DEFAULT_NAME = "phidesk-identity"


@dataclass(frozen=True)
class Identity:
    """`id` is its full ARM id, `principal` what roles are given to."""

    id: str
    name: str
    principal: str
    client: str
    region: str


def identity_path(connection: Connection) -> str:
    """ARM path of the chosen one, or empty."""
    name = connection.config.identity
    if not name:
        return ""
    return f"{connection.group_path()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"


def find_identity(connection: Connection) -> Identity | None:
    """The chosen one, or None when none is chosen or it is not there."""
    name = connection.config.identity
    return get_identity(connection, name) if name else None


def get_identity(connection: Connection, name: str) -> Identity | None:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.mgmt.msi.v2024_11_30 import ManagedServiceIdentityClient

    connection.group_path()  # raises NotChosen
    with in_words(_("Looking up the identity {name}").format(name=name)):
        client = connection.management(ManagedServiceIdentityClient, connection.subscription())
        try:
            return _identity(client.user_assigned_identities.get(connection.config.resource_group, name))
        except ResourceNotFoundError:
            return None


def ensure_identity(connection: Connection, region: str) -> Identity:
    """The chosen one; made (and chosen) when it is not there."""
    from azure.mgmt.msi.v2024_11_30 import ManagedServiceIdentityClient
    from azure.mgmt.msi.v2024_11_30.models import Identity as Wanted

    name = connection.config.identity or DEFAULT_NAME
    found = get_identity(connection, name)
    if found is None:
        with in_words(_("Making the identity {name}").format(name=name)):
            client = connection.management(ManagedServiceIdentityClient, connection.subscription())
            found = _identity(
                client.user_assigned_identities.create_or_update(
                    connection.config.resource_group, name, Wanted(location=region, tags=connection.marked("identity"))
                )
            )
    if connection.config.identity != name:
        connection.save(replace(connection.config, identity=name))
    return found


def _identity(found: Any) -> Identity:
    return Identity(found.id, found.name, found.principal_id or "", found.client_id or "", found.location or "")

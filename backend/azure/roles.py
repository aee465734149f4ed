"""The three roles of the identity: is each given, giving it (again is no second), and the command for who may."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.errors import Unavailable
from backend.i18n import _

SETTLE_SECONDS = 120.0
"""Azure's directory and its roles agree only after a while."""
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Role:
    """`id` is the same in every tenant. `also` are roles that include it."""

    name: str
    id: str
    also: tuple[str, ...] = ()


OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = Role("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c", (OWNER,))
BLOB_READER = Role(
    "Storage Blob Data Reader",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    ("ba92f5b4-2d11-453d-a403-e96b0029c9fe", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),  # ... Contributor, Owner
)
ACR_PULL = Role(
    "AcrPull",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    ("8311e382-0749-4cb8-b61a-304f252e45ec",),  # AcrPush
)


@dataclass(frozen=True)
class Assignment:
    scope: str
    role_id: str


def list_assignments(connection: Connection, scope: str, principal: str) -> tuple[Assignment, ...]:
    """The principal's roles at, above and below the scope."""
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient

    with in_words(_("Looking up role assignments")):
        client = connection.management(AuthorizationManagementClient, connection.subscription())
        found = client.role_assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'")
        return tuple(
            Assignment(one.scope or "", (one.role_definition_id or "").rpartition("/")[2].lower()) for one in found
        )


def is_given(assignments: Iterable[Assignment], role: Role, scope: str) -> bool:
    """At the scope itself or anywhere above it."""
    wanted = {role.id, *role.also}
    below = scope.lower().rstrip("/") + "/"
    return any(one.role_id in wanted and below.startswith(one.scope.lower().rstrip("/") + "/") for one in assignments)


def give_role(connection: Connection, role: Role, scope: str, principal: str) -> None:
    """Gives it and waits until Azure shows it. The name follows from what is given, so twice is once."""
    from azure.core.exceptions import HttpResponseError
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient
    from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

    subscription = connection.subscription()
    definition = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role.id}"
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}|{role.id}|{principal}".lower()))
    # Without the type Azure refuses a principal that its directory has not yet everywhere.
    wish = RoleAssignmentCreateParameters(
        role_definition_id=definition, principal_id=principal, principal_type="ServicePrincipal"
    )
    deadline = time.monotonic() + SETTLE_SECONDS
    with in_words(_("Giving the role {role}").format(role=role.name)):
        client = connection.management(AuthorizationManagementClient, subscription)
        while True:
            try:
                client.role_assignments.create(scope, name, wish)
                break
            except HttpResponseError as error:
                code = error.error.code if error.error else ""
                if code == "RoleAssignmentExists":
                    break
                is_passing = code == "PrincipalNotFound" or error.status_code == 409
                if not is_passing or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
    while not is_given(list_assignments(connection, scope, principal), role, scope):
        if time.monotonic() > deadline:
            raise Unavailable(
                _("The role {role} is given, but Azure does not show it yet.").format(role=role.name),
                why=_("New roles take some minutes to reach all of Azure."),
                how_to_fix=_("Wait a little, then check again."),
                code="role_not_seen",
            )
        time.sleep(POLL_SECONDS)


def remove_roles(connection: Connection, principal: str) -> None:
    """All that it has in the subscription: of a principal that goes they would stay behind, naming nobody."""
    from azure.core.exceptions import ResourceNotFoundError
    from azure.mgmt.authorization.v2022_04_01 import AuthorizationManagementClient

    scope = f"/subscriptions/{connection.subscription()}"
    with in_words(_("Taking the roles back")):
        client = connection.management(AuthorizationManagementClient, connection.subscription())
        for one in list(client.role_assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'")):
            with contextlib.suppress(ResourceNotFoundError):
                client.role_assignments.delete(one.scope or scope, one.name or "")


def command_for(role: Role, scope: str, principal: str) -> str:
    """For somebody who may give roles."""
    return (
        f"az role assignment create --assignee-object-id {principal} --assignee-principal-type ServicePrincipal "
        f'--role "{role.name}" --scope "{scope}"'
    )

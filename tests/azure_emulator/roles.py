"""Azure's built-in roles that the product meets, with their real ids and permissions; who holds which, and where.

What a caller may do follows from that, as in Azure: `refusal` answers 403 where no role of theirs allows it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.azure_emulator.wire import Reply, Request, error
from tests.azure_emulator.world import SUBSCRIPTIONS, USER, USER_ID, World

_ML = "Microsoft.MachineLearningServices/workspaces"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"


@dataclass(frozen=True)
class Role:
    id: str
    name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def permission(self) -> dict[str, list[str]]:
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": [],
        }

    def allows(self, action: str) -> bool:
        return _is_among(action, self.actions) and not _is_among(action, self.not_actions)


def _is_among(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


ROLES = (
    Role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", ("*",)),
    Role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    Role("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", ("*/read",)),
    Role(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    Role(
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        (
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ),
    ),
    Role(
        "f6c7c914-8db3-469d-8ca1-694a8f32e121",
        "AzureML Data Scientist",
        (f"{_ML}/*/read", f"{_ML}/*/action", f"{_ML}/*/delete", f"{_ML}/*/write"),
        (
            f"{_ML}/delete",
            f"{_ML}/write",
            f"{_ML}/computes/*/write",
            f"{_ML}/computes/*/delete",
            f"{_ML}/computes/listKeys/action",
            f"{_ML}/listKeys/action",
        ),
    ),
    Role(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        (f"{_BLOBS}/containers/read", f"{_BLOBS}/generateUserDelegationKey/action"),
        data_actions=(f"{_BLOBS}/containers/blobs/read",),
    ),
    Role(
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "Storage Blob Data Contributor",
        (
            f"{_BLOBS}/containers/delete",
            f"{_BLOBS}/containers/read",
            f"{_BLOBS}/containers/write",
            f"{_BLOBS}/generateUserDelegationKey/action",
        ),
        data_actions=tuple(f"{_BLOBS}/containers/blobs/{verb}" for verb in ("delete", "read", "write")),
    ),
    Role("7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull", ("Microsoft.ContainerRegistry/registries/pull/read",)),
    Role(
        "0e5f05e5-9ab9-446b-b98d-1e2157c94125",
        "Quota Request Operator",
        (
            "Microsoft.Quota/quotas/write",
            "Microsoft.Quota/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ),
    ),
)


@dataclass(frozen=True)
class Assignment:
    name: str
    scope: str
    principal: str
    role: Role
    principal_type: str
    at: float
    """When it was made; it counts and is seen `Access.lag` seconds later."""


@dataclass
class Access:
    """`lag`: Azure's directory and its role assignments agree only after a while."""

    assignments: dict[str, Assignment] = field(default_factory=dict)
    """By lower-case scope + "/" + name."""
    principals: dict[str, float] = field(default_factory=dict)
    """Object ids in the directory, and when each came to be."""
    lag: float = 0.1


def access(world: World) -> Access:
    """At the beginning the one user owns every subscription."""
    with world.lock:  # two first requests at once: neither may see it half made
        if "access" not in world.extra:
            world.extra["access"] = Access(principals={USER_ID: 0.0})
            for subscription in SUBSCRIPTIONS:
                grant(world, USER_ID, "Owner", f"/subscriptions/{subscription}", principal_type="User")
        kept: Access = world.extra["access"]
    return kept


def role_named(name: str) -> Role:
    return next(role for role in ROLES if name.lower() in (role.name.lower(), role.id))


def grant(world: World, principal: str, role: str, scope: str, principal_type: str = "ServicePrincipal") -> Assignment:
    """For tests: it counts at once."""
    table = access(world)
    made = Assignment(str(uuid.uuid4()), scope, principal, role_named(role), principal_type, at=0.0)
    table.assignments[f"{scope}/{made.name}".lower()] = made
    table.principals.setdefault(principal, 0.0)
    return made


def revoke(world: World, principal: str, role: str = "", scope: str = "") -> None:
    """For tests: take the principal's roles away; all, or those of this name or exactly at this scope."""
    table = access(world)
    for key, one in list(table.assignments.items()):
        is_meant = role in ("", one.role.name) and scope.lower() in ("", one.scope.lower())
        if one.principal == principal and is_meant:
            del table.assignments[key]


def is_within(path: str, scope: str) -> bool:
    path, scope = path.lower().rstrip("/"), scope.lower().rstrip("/")
    return path == scope or path.startswith(scope + "/") or scope == ""


def roles_of(world: World, principal: str, path: str) -> list[Role]:
    """Those that count here: given at this path or above it, and long enough ago."""
    table = access(world)
    return [
        one.role
        for one in table.assignments.values()
        if one.principal == principal and is_within(path, one.scope) and one.at + table.lag <= world.now()
    ]


def may(world: World, principal: str, action: str, path: str) -> bool:
    return any(role.allows(action) for role in roles_of(world, principal, path))


def action_of(request: Request) -> tuple[str, str] | None:
    """The action that a request on management.azure.com needs, and its scope. None: everybody who signed in may.

    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/listKeys/action", for example.
    """
    path = request.path.rstrip("/")
    verb = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(request.method, "")
    group = re.fullmatch(r"(/subscriptions/[^/]+)(/resourceGroups(?:/[^/]+)?)?", path, re.I)
    if group:
        kind = "Microsoft.Resources/subscriptions" + ("/resourceGroups" if group[2] else "")
        is_open = verb == "read" and path.count("/") < 4  # lists show what one may see
        return None if is_open else (f"{kind}/{verb}", path)
    head, marker, tail = path.rpartition("/providers/")
    parts = tail.split("/")
    is_status = re.search(r"/(locations|operation\w*|deployments/[^/]+/operation\w*)(/|$)", path, re.I)
    if not marker or len(parts) < 2 or (is_status and not re.search("quotas/", path, re.I)):
        return None
    if request.method == "POST":
        types = [parts[0], *parts[1:-1:2], parts[-1]] if len(parts) > 2 else parts
        scope = path.rpartition("/")[0]
        return "/".join(types) + "/action", scope
    is_list = len(parts) % 2 == 0
    if parts[0].lower() == "microsoft.authorization" and verb == "read":
        return None
    return "/".join([parts[0], *parts[1::2]]) + f"/{verb}", head if is_list and len(parts) == 2 else path


def refusal(request: Request, world: World) -> Reply | None:
    """403 when no role of the caller allows this request."""
    needed = action_of(request)
    if needed is None:
        return None
    action, scope = needed
    if may(world, USER_ID, action, scope):
        return None
    return error(
        403,
        "AuthorizationFailed",
        f"The client '{USER}' with object id '{USER_ID}' does not have authorization to perform action '{action}' over "
        f"scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
    )


def definition(role: Role, subscription: str) -> dict[str, Any]:
    """As Microsoft.Authorization/roleDefinitions shows it."""
    kind = "Microsoft.Authorization/roleDefinitions"
    base = f"/subscriptions/{subscription}" if subscription else ""
    return {
        "id": f"{base}/providers/{kind}/{role.id}",
        "name": role.id,
        "type": kind,
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": f"The built-in role {role.name}.",
            "assignableScopes": ["/"],
            "permissions": [role.permission()],
            "createdOn": "2015-02-02T21:55:09.8806423Z",
            "updatedOn": "2023-07-10T15:10:53.8947736Z",
            "createdBy": None,
            "updatedBy": None,
        },
    }

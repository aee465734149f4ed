"""Managed identities, role definitions and assignments, and what the caller may do at a scope."""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.azure_emulator import arm, roles
from tests.azure_emulator.roles import ROLES, Assignment, access, definition
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, routes
from tests.azure_emulator.world import TENANT, USER_ID, World, utc

IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
AUTHORIZATION = r"(?P<scope>.*)/providers/Microsoft\.Authorization"


def _put_identity(put: arm.Put) -> dict[str, Any]:
    old = (put.old or {}).get("properties", {})
    identity = {
        "tenantId": TENANT,
        "principalId": old.get("principalId") or str(uuid.uuid4()),
        "clientId": old.get("clientId") or str(uuid.uuid4()),
    }
    access(put.world).principals.setdefault(identity["principalId"], put.world.now())
    return arm.resource(put, identity)


def _shown_identity(request: Request, seen: dict[str, Any]) -> dict[str, Any]:
    seen["properties"].pop("provisioningState", None)
    return seen


def _forget_identity(world: World, gone: dict[str, Any]) -> None:
    """Its role assignments stay behind, as in Azure: assigned to an identity that is not found."""
    access(world).principals.pop(gone["properties"]["principalId"], None)


arm.register(IDENTITIES, arm.ArmType(put=_put_identity, shown=_shown_identity, deleted=_forget_identity))


@routes.on(
    MANAGEMENT,
    "GET",
    r"/subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.ManagedIdentity/userAssignedIdentities",
)
def all_identities(request: Request, world: World, subscription: str) -> Reply:
    prefix = f"/subscriptions/{subscription}/".lower()
    found = [kept for key, kept in world.arm.items() if key.startswith(prefix) and kept["type"] == IDENTITIES]
    return Reply(200, {"value": [_shown_identity(request, dict(kept)) for kept in found]})


@routes.on(MANAGEMENT, "GET", AUTHORIZATION + "/permissions")
def permissions(request: Request, world: World, scope: str) -> Reply:
    return Reply(200, {"value": [role.permission() for role in roles.roles_of(world, USER_ID, scope)]})


@routes.on(MANAGEMENT, "GET", AUTHORIZATION + "/roleDefinitions")
def role_definitions(request: Request, world: World, scope: str) -> Reply:
    named = re.search(r"roleName eq '([^']*)'", request.query.get("$filter", ""), re.I)
    found = [role for role in ROLES if not named or role.name.lower() == named[1].lower()]
    return Reply(200, {"value": [definition(role, _subscription(scope)) for role in found]})


@routes.on(MANAGEMENT, "GET", AUTHORIZATION + "/roleDefinitions/(?P<name>[^/]+)")
def role_definition(request: Request, world: World, scope: str, name: str) -> Reply:
    role = next((role for role in ROLES if role.id == name.lower()), None)
    if role is None:
        return error(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{name}' does not exist."
        )
    return Reply(200, definition(role, _subscription(scope)))


@routes.on(MANAGEMENT, "GET", AUTHORIZATION + "/roleAssignments")
def role_assignments(request: Request, world: World, scope: str) -> Reply:
    """At, above and below the scope; a filter narrows that."""
    table, wish = access(world), request.query.get("$filter", "")
    principal = re.search(r"(?:principalId eq |assignedTo\()'([^']*)'", wish, re.I)
    is_upward = "atscope()" in wish.lower()
    found = [
        one
        for one in table.assignments.values()
        if (roles.is_within(scope, one.scope) or (not is_upward and roles.is_within(one.scope, scope)))
        and (not principal or one.principal.lower() == principal[1].lower())
        and one.at + table.lag <= world.now()
    ]
    return Reply(200, {"value": [_shown(one) for one in found]})


@routes.on(MANAGEMENT, "GET", AUTHORIZATION + "/roleAssignments/(?P<name>[^/]+)")
def role_assignment(request: Request, world: World, scope: str, name: str) -> Reply:
    one = access(world).assignments.get(f"{scope}/{name}".lower())
    if one is None:
        return error(404, "RoleAssignmentNotFound", f"The role assignment '{name}' is not found.")
    return Reply(200, _shown(one))


@routes.on(MANAGEMENT, "PUT", AUTHORIZATION + "/roleAssignments/(?P<name>[^/]+)")
def assign_role(request: Request, world: World, scope: str, name: str) -> Reply:
    asked = request.json["properties"]
    wanted = asked["roleDefinitionId"].rpartition("/")[2].lower()
    role = next((role for role in ROLES if role.id == wanted), None)
    if role is None:
        return error(
            400, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{wanted}' does not exist."
        )
    principal = asked["principalId"]
    with world.lock:
        table = access(world)
        existing = next((one for one in table.assignments.values() if _is_same(one, scope, principal, role)), None)
        if existing is not None:
            message = f"The role assignment already exists. The ID of the existing role assignment is {existing.name}."
            return error(409, "RoleAssignmentExists", message)
        if f"{scope}/{name}".lower() in table.assignments:
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            return error(409, "RoleAssignmentUpdateNotPermitted", message)
        kind = asked.get("principalType")
        born = table.principals.get(principal)
        is_known = born is not None and born + table.lag <= world.now()
        actual = "User" if principal == USER_ID else "ServicePrincipal"
        if is_known and kind not in (None, actual):
            # The SDK's model says "User" where its caller says nothing.
            message = (
                f"The PrincipalId '{principal.replace('-', '')}' has type '{actual}', which is different from "
                f"specified PrinciaplType '{kind}'."
            )
            return error(400, "UnmatchedPrincipalType", message)
        # A caller who says that it is a service principal need not wait until the directory has it everywhere.
        is_waiting = born is None or (not is_known and kind != "ServicePrincipal")
        if is_waiting:
            message = (
                f"Principal {principal.replace('-', '')} does not exist in the directory {TENANT}. Check that you have "
                "the correct principal ID. If you are creating this principal and then immediately assigning a role, "
                "this error might be related to a replication delay. In this case, set the role assignment "
                "principalType property to a value, such as ServicePrincipal, User, or Group."
            )
            return error(400, "PrincipalNotFound", message)
        made = Assignment(name, scope, principal, role, actual, world.now())
        table.assignments[f"{scope}/{name}".lower()] = made
    return Reply(201, _shown(made))


@routes.on(MANAGEMENT, "DELETE", AUTHORIZATION + "/roleAssignments/(?P<name>[^/]+)")
def remove_role(request: Request, world: World, scope: str, name: str) -> Reply:
    gone = access(world).assignments.pop(f"{scope}/{name}".lower(), None)
    return Reply(200, _shown(gone)) if gone else Reply(204)


def _is_same(one: Assignment, scope: str, principal: str, role: roles.Role) -> bool:
    return (one.scope.lower(), one.principal, one.role) == (scope.lower(), principal, role)


def _subscription(scope: str) -> str:
    match = re.match(r"/subscriptions/([^/]+)", scope, re.I)
    return match[1] if match else ""


def _shown(one: Assignment) -> dict[str, Any]:
    kind = "Microsoft.Authorization/roleAssignments"
    made = utc(one.at)
    return {
        "id": f"{one.scope}/providers/{kind}/{one.name}",
        "name": one.name,
        "type": kind,
        "properties": {
            "roleDefinitionId": definition(one.role, _subscription(one.scope))["id"],
            "principalId": one.principal,
            "principalType": one.principal_type,
            "scope": one.scope,
            "condition": None,
            "conditionVersion": None,
            "createdOn": made,
            "updatedOn": made,
            "createdBy": USER_ID,
            "updatedBy": USER_ID,
            "delegatedManagedIdentityResourceId": None,
            "description": None,
        },
    }

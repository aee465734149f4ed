"""Checks of who may do what: the subscription, its providers, the person's rights, the identity and its three roles."""

from __future__ import annotations

from backend.azure.check_facts import Facts
from backend.azure.identity import DEFAULT_NAME, ensure_identity
from backend.azure.providers import register
from backend.azure.rights import GIVE_ROLES, NEEDED, lacking
from backend.azure.roles import ACR_PULL, BLOB_READER, CONTRIBUTOR, Role, command_for, give_role, is_given
from backend.azure.roles_needed import role_for
from backend.domain_setup import Check
from backend.i18n import _

PORTAL = "https://portal.azure.com/#resource"
MAKE_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/write"


def check_signed_in(facts: Facts) -> Check:
    facts.connection.credential()
    who = facts.connection.account.state()
    return Check(_("Signed in"), True, _("As {account}").format(account=who.account or "?"))


def check_subscription(facts: Facts) -> Check:
    found = facts.subscription()
    return Check(
        _("Subscription"),
        found.state in ("Enabled", "Warned", "PastDue"),
        _("{name}: {state}").format(name=found.name or found.id, state=found.state),
        why=_("Azure runs nothing in a subscription that is disabled."),
        how_to_fix=_("Enable it in the Azure portal, or choose another."),
        link=f"{PORTAL}/subscriptions/{found.id}",
    )


def check_providers(facts: Facts) -> Check:
    missing = facts.missing_providers()
    subscription = facts.subscription()
    name = _("Resource providers")
    if not missing:
        return Check(name, True, _("All services that are needed are registered."))
    short = ", ".join(one.removeprefix("Microsoft.") for one in missing)
    return Check(
        name,
        False,
        _("Not registered: {names}").format(names=short),
        why=_("A subscription must know a service before anything of it can be made there."),
        how_to_fix=_("Let Phi Desk register them. It costs nothing."),
        fix=lambda: register(facts.connection, subscription.id, missing),
        changes=(
            _("Register these services for the subscription {subscription}: {names}").format(
                subscription=subscription.name, names=short
            ),
        ),
        ask_admin=_(
            "Please register these resource providers for the subscription {subscription} ({id}): {names}."
        ).format(subscription=subscription.name, id=subscription.id, names=", ".join(missing)),
        link=f"{PORTAL}/subscriptions/{subscription.id}/resourceproviders",
    )


def check_rights(facts: Facts) -> Check:
    missing = lacking(facts.permissions(), NEEDED)
    name = _("Your rights")
    if not missing:
        return Check(
            name, True, _("You may do all that Phi Desk does in {group}.").format(group=facts.config.resource_group)
        )
    roles = list(dict.fromkeys(role_for(action) for action in missing))
    role = "Contributor" if len(roles) > 1 else roles[0]
    return Check(
        name,
        False,
        _("You lack: {actions}").format(actions=", ".join(missing)),
        why=_("Without them a step fails after minutes of waiting."),
        how_to_fix=_("Send the sentence below to an administrator, then check again."),
        ask_admin=ask_for_role(facts, role),
        link=f"{PORTAL}{facts.connection.group_path()}/users",
    )


def check_may_give_roles(facts: Facts) -> Check:
    name = _("Your right to give roles")
    if not lacking(facts.permissions(), [GIVE_ROLES]):
        return Check(name, True, _("You may give the identity its roles."))
    return Check(
        name,
        False,
        _("You may not give roles."),
        why=_("It is only needed while one of the identity's roles below is missing."),
        how_to_fix=_("Send an administrator the command at each missing role, or the sentence below."),
        is_warning=True,
        ask_admin=ask_for_role(facts, role_for(GIVE_ROLES)),
    )


def ask_for_role(facts: Facts, role: str) -> str:
    """To send to an administrator as it is."""
    account = facts.connection.account.state().account
    return _(
        "Please give {account} the role {role} on the resource group {group} of the subscription {name}: "
        'az role assignment create --assignee "{account}" --role "{role}" --scope "{scope}"'
    ).format(
        account=account,
        role=role,
        group=facts.config.resource_group,
        name=facts.subscription().name or facts.config.subscription,
        scope=facts.connection.group_path(),
    )


def check_identity(facts: Facts) -> Check:
    found = facts.identity()
    title = _("Managed identity")
    if found is not None:
        return Check(title, True, _("{name} is there.").format(name=found.name), link=f"{PORTAL}{found.id}")
    name = facts.config.identity or DEFAULT_NAME
    may = not lacking(facts.permissions(), [MAKE_IDENTITY])
    region = facts.region()
    return Check(
        title,
        False,
        _("The identity {name} does not exist.").format(name=name)
        if facts.config.identity
        else _("No user-assigned managed identity is chosen."),
        why=_("Endpoints act as this identity when they fetch the model and the image."),
        how_to_fix=_("Let Phi Desk make it.") if may else _("Send the sentence below to an administrator."),
        fix=(lambda: _make_identity(facts, region)) if may else None,
        changes=(_make_identity_words(facts, name),) if may else (),
        ask_admin=""
        if may
        else _(
            "Please make a user-assigned managed identity: "
            "az identity create --name {name} --resource-group {group} --location {region}"
        ).format(name=name, group=facts.config.resource_group, region=region),
    )


def _make_identity(facts: Facts, region: str) -> None:
    ensure_identity(facts.connection, region)


def _make_identity_words(facts: Facts, name: str) -> str:
    return _("Make the managed identity {name} in {group}").format(name=name, group=facts.config.resource_group)


def check_contributor(facts: Facts) -> Check:
    return _check_role(facts, CONTRIBUTOR, facts.connection.group_path(), _("the resource group"))


def check_blob_reader(facts: Facts) -> Check:
    scope = facts.workspace().storage_account
    return _check_role(facts, BLOB_READER, scope, _("the workspace's storage account"))


def check_acr_pull(facts: Facts) -> Check:
    scope = facts.workspace().container_registry
    if scope:
        return _check_role(facts, ACR_PULL, scope, _("the workspace's container registry"))
    return Check(
        _role_title(ACR_PULL),
        True,
        _("There is no container registry yet. The role is checked when there is one."),
    )


def _role_title(role: Role) -> str:
    return _("Role {role}").format(role=role.name)


def _check_role(facts: Facts, role: Role, scope: str, where: str) -> Check:
    identity = facts.identity()
    title = _role_title(role)
    name = identity.name if identity else facts.config.identity or DEFAULT_NAME
    if identity and is_given(facts.assignments(scope, identity.principal), role, scope):
        return Check(title, True, _("{name} has it on {where}.").format(name=name, where=where))
    region = facts.region()
    may = not lacking(facts.permissions(), [GIVE_ROLES])
    ask_admin = ""
    if not may and identity:
        ask_admin = command_for(role, scope, identity.principal)
    elif not may:
        ask_admin = _("When the identity {name} exists, check again to get the command for this role.").format(
            name=name
        )
    return Check(
        title,
        False,
        _("{name} lacks it on {where}.").format(name=name, where=where),
        why=_("A deployment without it fails after minutes, when the model or the image is fetched."),
        how_to_fix=_("Let Phi Desk give it.") if may else _("Send the command below to an administrator."),
        fix=(lambda: _give(facts, role, scope, region)) if may else None,
        changes=(
            _("Give {name} the role {role} on {where} ({scope})").format(
                name=name, role=role.name, where=where, scope=scope.rsplit("/", 1)[-1]
            ),
        )
        if may
        else (),
        ask_admin=ask_admin,
        link=f"{PORTAL}{scope}/users",
    )


def _give(facts: Facts, role: Role, scope: str, region: str) -> None:
    """Makes the identity first when it is not there, so that each fix works alone and in any order."""
    identity = ensure_identity(facts.connection, region)
    give_role(facts.connection, role, scope, identity.principal)

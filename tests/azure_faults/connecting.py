"""Signing in, choosing, creating, and the fixes of the checks."""

from __future__ import annotations

from dataclasses import replace

from backend.azure.identity import find_identity
from backend.domain_setup import Purpose, SignInState
from tests.azure_emulator import providers, quota, roles
from tests.azure_emulator.world import REGION, SUBSCRIPTION
from tests.azure_faults.case import NOT_KNOWN, READY, Action, Case, Said, once
from tests.azure_faults.troubles import ASKING, EVERY, MAKING, READING
from tests.contract.waiting import wait_until

LOGIN = r"login\.microsoftonline\.com"
A100 = "standardNCADSA100v4Family"
ACCESS_POLICY = "Microsoft.PolicyInsights"


def signed_out(case: Case) -> None:
    case.setup.sign_out()


def sign_in(case: Case) -> None:
    case.sign_in()


def sign_in_by_code(case: Case) -> None:
    case.setup.sign_in("device_code")
    wait_until(
        lambda: case.setup.sign_in_state().code or case.setup.sign_in_state().state is not SignInState.PENDING,
        "a code is shown",
    )
    shown = case.setup.sign_in_state()
    if shown.code:
        case.emulator.world.login.approve_device(shown.code)
        wait_until(lambda: case.setup.sign_in_state().state is not SignInState.PENDING, "signing in ended")
    ended = case.setup.sign_in_state()
    if ended.failure:
        raise Said.of(ended.failure)
    assert ended.state is SignInState.SIGNED_IN


def is_signed_in(case: Case) -> None:
    assert case.target.connection.workspace().name == READY.workspace


def choose(case: Case) -> None:
    case.setup.listings.forget()  # type: ignore[attr-defined]
    for choice in case.setup.choices():
        if choice.failure:
            raise Said.of(choice.failure)


def check(case: Case) -> None:
    """A check that can't be made is red and says so; the others are made."""
    checks = case.target.check()
    if [one.id for one in checks] == ["signed_in"]:
        raise Said.of_check(checks[0])
    assert len(checks) > 12, "one failing call must not hide the other checks"
    for one in checks:
        if not one.is_ok and one.id == "providers":
            raise Said.of_check(one)


def sizes(case: Case) -> None:
    assert case.machines.sizes(Purpose.TRAINING)


def prices(case: Case) -> str | None:
    """The sizes are shown, whatever becomes of their prices."""
    found = case.machines.sizes(Purpose.TRAINING)
    assert len(found) > 3
    return None if any(one.price for one in found) else NOT_KNOWN


def create_group(case: Case) -> None:
    case.until_ended(case.setup.create("resource_group", {"name": "new-rg", "region": REGION}))


def no_workspace(case: Case) -> None:
    case.target.connection.save(replace(READY, workspace=""))


def create_workspace(case: Case) -> None:
    case.until_ended(case.setup.create("workspace", {"name": "new-ws", "region": REGION}))


def one_workspace(case: Case) -> None:
    """With one of each thing that it stands on, beside those of the workspace that was there."""
    once("/workspaces/new-ws")(case)
    for kind in ("storageaccounts", "vaults"):
        assert len(case.made(rf"/{kind}/[^/]+")) == 2, case.made(rf"/{kind}/[^/]+")


def unregistered(case: Case) -> None:
    providers.states(case.emulator.world, SUBSCRIPTION)[ACCESS_POLICY] = "NotRegistered"


def is_registered(case: Case) -> None:
    assert providers.states(case.emulator.world, SUBSCRIPTION)[ACCESS_POLICY] == "Registered"


def one_role(case: Case) -> None:
    identity = find_identity(case.target.connection)
    assert identity is not None
    given = roles.access(case.emulator.world).assignments.values()
    assert [one.role.name for one in given if one.principal == identity.principal] == ["Contributor"]


def no_cores(case: Case) -> None:
    quota.cores(case.emulator.world, SUBSCRIPTION, REGION).limits[A100] = 0


def ask_for_cores(case: Case) -> None:
    """Azure has the request then; whether it is worked on or granted already, the check no longer offers to ask."""
    checks = {one.id: one for one in case.target.check()}
    found = checks.get("quota_training") or checks["signed_in"]
    if found.fix:
        found.fix()
    elif "works on the request" not in found.what and not found.is_ok:
        raise Said.of_check(found)


def one_request(case: Case) -> None:
    assert len(case.emulator.world.extra["quota_requests"]) == 1


ACTIONS = (
    Action("sign in as a service principal", sign_in, "POST", "/token$", ASKING, signed_out, is_signed_in, LOGIN),
    Action(
        "sign in by a code: get the code",
        sign_in_by_code,
        "POST",
        "/devicecode$",
        ("503", "drop", "hang"),
        signed_out,
        is_signed_in,
        LOGIN,
    ),
    Action(
        "sign in by a code: get the token",
        sign_in_by_code,
        "POST",
        "/token$",
        ("503", "drop", "hang"),
        signed_out,
        is_signed_in,
        LOGIN,
    ),
    Action("see what can be chosen", choose, "GET", "/resourcegroups$", READING, is_standing=True),
    Action("see the checks", check, "GET", "/subscriptions/[^/]+/providers$", READING, is_standing=True),
    Action("see the sizes", sizes, "GET", "/vmSizes$", READING, is_standing=True),
    Action(
        "see the prices",
        prices,
        "GET",
        "",
        ("403", "429 that stays", "503", "drop"),
        host=r"prices\.azure\.com",
        is_standing=True,
    ),
    Action("create a resource group", create_group, "PUT", "/new-rg$", EVERY, left=once("/resourcegroups/new-rg")),
    Action(
        "create a workspace",
        create_workspace,
        "PUT",
        "Microsoft.Resources/deployments/",
        (*EVERY, "slow", "deployment fails"),
        no_workspace,
        one_workspace,
    ),
    Action(
        "fix: register a provider",
        lambda case: case.press_fix("providers"),
        "POST",
        "/register$",
        MAKING,
        unregistered,
        is_registered,
    ),
    Action(
        "fix: create the identity",
        lambda case: case.press_fix("identity"),
        "PUT",
        "/userAssignedIdentities/",
        MAKING,
        left=once("/userassignedidentities/[^/]+"),
    ),
    Action(
        "fix: give a role",
        lambda case: case.press_fix("role_contributor"),
        "PUT",
        "/roleAssignments/",
        MAKING,
        lambda case: case.press_fix("identity"),
        one_role,
    ),
    Action("fix: ask for GPU cores", ask_for_cores, "PUT", f"/quotas/{A100}", MAKING, no_cores, one_request),
)

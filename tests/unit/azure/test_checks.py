"""The Azure doctor over the emulated cloud: each check is red for its reason, and green after its fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from backend.azure.checks import AzureChecks
from backend.azure.connection import Connection
from backend.azure.identity import DEFAULT_NAME, find_identity
from backend.azure.roles import CONTRIBUTOR, give_role
from backend.domain_setup import Check
from tests.azure_emulator import providers
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.quota import cores
from tests.azure_emulator.roles import access, grant, revoke
from tests.azure_emulator.world import (
    GROUP,
    REGION,
    SECOND_SUBSCRIPTION,
    SUBSCRIPTION,
    USER_ID,
    WORKSPACE,
    WORKSPACE_ID,
    World,
)
from tests.contract.conftest import wait_until

A100 = "standardNCADSA100v4Family"
GROUP_SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
ROLE_CHECKS = ("role_contributor", "role_storage", "role_registry")


@pytest.fixture
def checks(connection: Connection) -> AzureChecks:
    return AzureChecks(connection)


def look(checks: AzureChecks) -> Mapping[str, Check]:
    return {check.id: check for check in checks.check()}


def fix(checks: AzureChecks, id: str) -> Check:
    """Press Fix at a red check; how it looks afterwards."""
    red = look(checks)[id]
    assert not red.is_ok and red.fix is not None and red.changes, red
    red.fix()
    return look(checks)[id]


def red(checks: AzureChecks) -> set[str]:
    return {id for id, check in look(checks).items() if not check.is_ok and not check.is_warning}


def only_role(world: World, role: str) -> None:
    """The signed-in user has this role on the group, and may read the subscription."""
    revoke(world, USER_ID)
    grant(world, USER_ID, "Reader", f"/subscriptions/{SUBSCRIPTION}", principal_type="User")
    grant(world, USER_ID, role, GROUP_SCOPE, principal_type="User")


def test_a_furnished_workspace_lacks_only_the_identity_and_its_roles(checks: AzureChecks) -> None:
    found = look(checks)
    assert red(checks) == {"identity", *ROLE_CHECKS}
    assert list(found)[:4] == ["signed_in", "subscription", "providers", "rights"]
    assert all(check.what for check in found.values())
    assert all(check.why and check.how_to_fix for check in found.values() if not check.is_ok), found


def test_every_fix_in_order_leaves_nothing_red(checks: AzureChecks) -> None:
    for check in checks.check():
        if not check.is_ok and not check.is_warning and check.fix:
            check.fix()
    assert red(checks) == set()


def test_fixes_pressed_twice_create_nothing_twice(checks: AzureChecks, connection: Connection, world: World) -> None:
    before = [check for check in checks.check() if check.id in ("identity", *ROLE_CHECKS)]
    for check in [*before, *before]:
        assert check.fix is not None
        check.fix()
    identity = find_identity(connection)
    assert identity is not None and identity.name == DEFAULT_NAME
    given = [one.role.name for one in access(world).assignments.values() if one.principal == identity.principal]
    assert sorted(given) == ["AcrPull", "Contributor", "Storage Blob Data Reader"]
    assert len([key for key in world.arm if "/userassignedidentities/" in key]) == 1


@pytest.mark.parametrize("fault", ["drop", "drop_reply", 429, 503])
@pytest.mark.parametrize("path", ["/userAssignedIdentities/", "/roleAssignments/"])
def test_a_fix_outlives_a_bad_moment_and_makes_nothing_twice(
    checks: AzureChecks, connection: Connection, emulator: Emulator, fault: str | int, path: str
) -> None:
    emulator.faults.add(fault, path=path, method="PUT")
    assert fix(checks, "role_contributor").is_ok
    identity = find_identity(connection)
    assert identity is not None
    table = access(emulator.world).assignments.values()
    assert [one.role.name for one in table if one.principal == identity.principal] == ["Contributor"]
    assert len([key for key in emulator.world.arm if "/userassignedidentities/" in key]) == 1


def test_a_role_that_somebody_else_gave_counts(checks: AzureChecks, connection: Connection, world: World) -> None:
    fix(checks, "identity")
    identity = find_identity(connection)
    assert identity is not None
    grant(world, identity.principal, "Owner", f"/subscriptions/{SUBSCRIPTION}")
    assert look(checks)["role_contributor"].is_ok
    give_role(connection, CONTRIBUTOR, GROUP_SCOPE, identity.principal)  # and giving it under another name is no error
    assert not look(checks)["role_storage"].is_ok


def test_a_role_is_given_to_an_identity_that_the_directory_shows_late(checks: AzureChecks, world: World) -> None:
    access(world).lag = 1.0
    assert fix(checks, "role_storage").is_ok


@pytest.mark.parametrize("missing", ROLE_CHECKS)
def test_each_role_of_the_identity_is_missed_by_its_own_check(
    checks: AzureChecks, connection: Connection, world: World, missing: str
) -> None:
    for id in ROLE_CHECKS:
        if id != missing:
            assert fix(checks, id).is_ok
    assert red(checks) == {missing}
    assert fix(checks, missing).is_ok


def test_who_may_not_give_roles_gets_the_command_for_an_administrator(
    checks: AzureChecks, connection: Connection, world: World
) -> None:
    only_role(world, "Contributor")
    assert fix(checks, "identity").is_ok
    identity = find_identity(connection)
    assert identity is not None
    found = look(checks)
    assert found["rights"].is_ok
    assert found["give_roles"].is_warning and "Role Based Access Control Administrator" in found["give_roles"].ask_admin
    for id, role, scope in (
        ("role_contributor", "Contributor", GROUP_SCOPE),
        ("role_storage", "Storage Blob Data Reader", connection.workspace().storage_account),
        ("role_registry", "AcrPull", connection.workspace().container_registry),
    ):
        assert found[id].fix is None and not found[id].changes
        assert found[id].ask_admin == (
            f"az role assignment create --assignee-object-id {identity.principal} "
            f'--assignee-principal-type ServicePrincipal --role "{role}" --scope "{scope}"'
        )


@pytest.mark.parametrize(
    ("role", "lacked", "asked"),
    [
        ("Reader", "Microsoft.MachineLearningServices/workspaces/jobs/write", "Contributor"),
        ("AzureML Data Scientist", "Microsoft.ManagedIdentity/userAssignedIdentities/write", "Contributor"),
    ],
)
def test_a_missing_right_is_named_with_the_sentence_for_an_administrator(
    checks: AzureChecks, connection: Connection, world: World, role: str, lacked: str, asked: str
) -> None:
    only_role(world, role)
    rights = look(checks)["rights"]
    assert not rights.is_ok and lacked in rights.what and rights.fix is None
    account = connection.account.state().account
    for part in (account, f"the role {asked}", GROUP, "Contoso pay-as-you-go", f'--scope "{GROUP_SCOPE}"'):
        assert part in rights.ask_admin
    identity = look(checks)["identity"]
    assert identity.fix is None and f"az identity create --name {DEFAULT_NAME}" in identity.ask_admin


def test_missing_providers_are_registered_by_the_fix(checks: AzureChecks, world: World) -> None:
    table = providers.states(world, SUBSCRIPTION)
    table["Microsoft.Quota"] = table["Microsoft.Cdn"] = "NotRegistered"
    found = look(checks)["providers"]
    assert found.what == "Not registered: Cdn, Quota" and "Cdn, Quota" in found.changes[0]
    assert fix(checks, "providers").is_ok
    assert table["Microsoft.Quota"] == "Registered"


def test_a_workspace_that_is_gone_hides_no_other_check(checks: AzureChecks, connection: Connection) -> None:
    connection.save(replace(connection.config, workspace="gone"))
    found = look(checks)
    assert not found["workspace"].is_ok and not found["workspace"].is_warning
    assert found["tracking"].what == found["compute"].what == "Waits for the check Workspace."
    assert found["signed_in"].is_ok and found["subscription"].is_ok and found["rights"].is_ok
    assert found["quota_training"].is_ok


def test_one_service_that_is_down_hides_no_other_check(checks: AzureChecks, emulator: Emulator) -> None:
    emulator.faults.add(500, path="/permissions", times=-1)
    found = look(checks)
    assert not found["rights"].is_ok and found["rights"].why and found["rights"].how_to_fix
    assert found["providers"].is_ok and found["workspace"].is_ok and found["quota_training"].is_ok


def test_a_service_that_hangs_ends_as_a_red_check(checks: AzureChecks, emulator: Emulator) -> None:
    emulator.faults.add("hang", path="/permissions$", times=-1)
    found = look(checks)
    assert not found["rights"].is_ok and found["providers"].is_ok


def test_before_anything_is_chosen_the_checks_wait_for_the_choice(checks: AzureChecks, connection: Connection) -> None:
    connection.save(type(connection.config)())
    found = look(checks)
    assert found["signed_in"].is_ok
    assert found["subscription"].is_warning and "Choose" in found["subscription"].how_to_fix


def test_signed_out_only_the_sign_in_is_asked_for(checks: AzureChecks, connection: Connection) -> None:
    connection.account.forget()
    found = checks.check()
    assert [(check.id, check.is_ok) for check in found] == [("signed_in", False)]
    assert "Sign in" in found[0].how_to_fix


def test_a_disabled_subscription_is_red(checks: AzureChecks, world: World) -> None:
    world.extra["subscriptions"] = {SUBSCRIPTION: {"state": "Disabled"}}
    found = look(checks)["subscription"]
    assert not found.is_ok and "Disabled" in found.what


def test_what_may_not_be_looked_at_is_a_warning_with_the_sentence_for_an_administrator(
    checks: AzureChecks, emulator: Emulator
) -> None:
    emulator.faults.add(403, path="/usages$", times=-1)
    found = look(checks)
    assert found["quota_training"].is_warning and "the role Reader" in found["quota_training"].ask_admin
    assert (
        found["quota_serving"].is_warning and found["quota_serving"].what == "Waits for the check Cores for training."
    )


def test_who_may_not_ask_for_quota_gets_the_text_for_who_may(checks: AzureChecks, emulator: Emulator) -> None:
    cores(emulator.world, SUBSCRIPTION, REGION).limits[A100] = 0
    emulator.faults.add(403, path="/quotaRequests$", times=-1)
    found = look(checks)["quota_training"]
    assert found.fix is None and "the limit is 0" in found.why and "from 0 to 24 vCPUs" in found.ask_admin


def test_without_cores_for_training_the_fix_asks_azure_for_them(checks: AzureChecks, world: World) -> None:
    cores(world, SUBSCRIPTION, REGION).limits[A100] = 0
    found = look(checks)["quota_training"]
    assert found.what == "Standard_NC24ads_A100_v4: 0 of 0 cores used"
    assert found.why.startswith("It needs 24 cores; the limit is 0, 0 are used.")
    assert "Meanwhile the built-in model trains without a GPU: on Train, choose Standard_E16s_v3." in found.why
    assert found.changes == (f"Ask Azure to raise the limit of {A100} in {REGION} from 0 to 24 cores",)
    assert found.fix is not None
    found.fix()
    wait_until(lambda: look(checks)["quota_training"].is_ok, "the cores were granted")
    assert cores(world, SUBSCRIPTION, REGION).limits[A100] == 24


def test_cores_in_use_count_as_used(checks: AzureChecks, world: World) -> None:
    cores(world, SUBSCRIPTION, REGION).used[A100] = 24
    found = look(checks)["quota_training"]
    assert found.what == "Standard_NC24ads_A100_v4: 24 of 24 cores used" and "from 24 to 48 cores" in found.changes[0]


def test_a_quota_request_under_way_is_not_sent_twice(checks: AzureChecks, emulator: Emulator) -> None:
    cores(emulator.world, SUBSCRIPTION, REGION).limits[A100] = 0
    emulator.faults.add("slow", path=f"/quotas/{A100}")
    red_one = look(checks)["quota_training"]
    assert red_one.fix is not None
    red_one.fix()
    pending = look(checks)["quota_training"]
    assert not pending.is_ok and pending.fix is None and "works on the request for 24 cores" in pending.what
    red_one.fix()
    assert len(emulator.asked("PUT", f"/quotas/{A100}")) == 1


def test_a_refused_quota_request_leads_to_the_portal_with_the_text(checks: AzureChecks, world: World) -> None:
    table = cores(world, SUBSCRIPTION, REGION)
    table.limits[A100], table.most_granted = 0, 0
    found = look(checks)["quota_training"]
    assert found.fix is not None
    found.fix()
    refused = wait_until(
        lambda: next((one for one in checks.check() if one.id == "quota_training" and "refused" in one.what), None),
        "the request was refused",
    )
    assert refused.fix is None and "support request" in refused.why
    assert refused.link.startswith("https://portal.azure.com/#view/Microsoft_Azure_Capacity/")
    for part in (A100, REGION, "from 0 to 24 vCPUs"):
        assert part in refused.how_to_fix


def test_a_subscription_with_free_credit_is_led_to_the_cpu_route(checks: AzureChecks, world: World) -> None:
    policies = {"quotaId": "AzureForStudents_2018-01-01", "spendingLimit": "On"}
    world.extra["subscriptions"] = {SUBSCRIPTION: {"subscriptionPolicies": policies}}
    cores(world, SUBSCRIPTION, REGION).limits[A100] = 0
    found = look(checks)["quota_training"]
    assert found.fix is None and "free credit" in found.why
    assert "Standard_E16s_v3" in found.how_to_fix and "pay-as-you-go" in found.how_to_fix


def test_endpoints_need_one_machine_more_in_reserve(checks: AzureChecks, world: World) -> None:
    table = cores(world, SUBSCRIPTION, REGION)
    table.limits["standardESv3Family"] = 7
    found = look(checks)["quota_serving"]
    assert "It needs 8 cores; the limit is 7" in found.why and "reserve" in found.why
    table.limits["standardESv3Family"] = 8
    assert look(checks)["quota_serving"].is_ok


def test_a_series_that_is_being_retired_gets_no_request_but_a_successor(checks: AzureChecks, world: World) -> None:
    cores(world, SUBSCRIPTION, REGION).limits["standardESv3Family"] = 0
    found = look(checks)["quota_serving"]
    assert found.fix is None and "2029-11-15" in found.why and "Standard_E4s_v5" in found.how_to_fix


def test_the_retired_size_of_the_tutorials_is_named_with_its_date(checks: AzureChecks, connection: Connection) -> None:
    connection.save(replace(connection.config, training_size="Standard_NC6s_v3"))
    found = look(checks)["quota_training"]
    assert not found.is_ok and "2025-09-30" in found.why and "Standard_NC24ads_A100_v4" in found.how_to_fix


def test_low_priority_cores_are_one_pool_and_only_a_warning(checks: AzureChecks, world: World) -> None:
    assert look(checks)["quota_low_priority"].is_warning
    cores(world, SUBSCRIPTION, REGION).low_priority_limit = 24
    assert look(checks)["quota_low_priority"].is_ok


def test_a_workspace_without_a_registry_gets_one_at_the_first_build(checks: AzureChecks, world: World) -> None:
    workspace: dict[str, Any] = world.arm[WORKSPACE_ID.lower()]
    workspace["properties"]["containerRegistry"] = None
    found = look(checks)
    assert found["registry"].is_ok and "first image" in found["registry"].what
    assert found["role_registry"].is_ok


def test_a_region_of_a_benefit_subscription_has_its_own_quota(checks: AzureChecks, connection: Connection) -> None:
    connection.save(replace(connection.config, subscription=SECOND_SUBSCRIPTION, workspace=WORKSPACE))
    assert not look(checks)["quota_training"].is_ok

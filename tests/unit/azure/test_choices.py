"""The dependent choices, in a furnished cloud and in an empty one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.azure.checks import AzureChecks
from backend.azure.config import AzureConfig, ConfigFile
from backend.azure.connection import Connection
from backend.azure.operations import Operations
from backend.azure.setup import AzureSetup
from backend.domain_setup import Choice
from backend.errors import BadInput
from backend.settings import Settings
from tests.azure_emulator.defaults import keep
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import (
    GROUP,
    REGION,
    SECOND_SUBSCRIPTION,
    SUBSCRIPTION,
    SUBSCRIPTIONS,
    TENANT,
    WORKSPACE,
)
from tests.unit.azure.conftest import READY, sign_in

OTHER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other-rg"


@pytest.fixture
def setup(fresh_connection: Connection, operations: Operations) -> AzureSetup:
    return AzureSetup(fresh_connection, operations, AzureChecks(fresh_connection))


@pytest.fixture
def signed_in(setup: AzureSetup) -> AzureSetup:
    sign_in(setup.connection)
    return setup


@pytest.fixture
def empty_setup(
    empty_emulator: Emulator, settings: Settings, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> AzureSetup:
    for name, value in empty_emulator.environment.items():
        monkeypatch.setenv(name, value)
    connection = Connection(settings)
    sign_in(connection)
    return AzureSetup(connection, operations, AzureChecks(connection))


def choice(setup: AzureSetup, name: str) -> Choice:
    return next(one for one in setup.choices() if one.id == name)


def ids(one: Choice) -> list[str]:
    return [option.id for option in one.options]


def test_before_signing_in_every_choice_says_so(setup: AzureSetup, emulator: Emulator) -> None:
    choices = setup.choices()
    assert [one.id for one in choices] == ["subscription", "resource_group", "workspace", "identity", "hub", "project"]
    assert all(one.waits_for == "Sign in first." and not one.options for one in choices)
    assert not emulator.asked()


def test_each_choice_waits_for_the_one_before(signed_in: AzureSetup) -> None:
    assert ids(choice(signed_in, "subscription")) == [SECOND_SUBSCRIPTION, SUBSCRIPTION]
    assert "subscription" in choice(signed_in, "resource_group").waits_for
    signed_in.choose("subscription", SUBSCRIPTION)
    assert ids(choice(signed_in, "resource_group")) == [GROUP]
    assert "resource group" in choice(signed_in, "workspace").waits_for
    signed_in.choose("resource_group", GROUP)
    assert ids(choice(signed_in, "workspace")) == [WORKSPACE]
    signed_in.choose("workspace", WORKSPACE)
    assert choice(signed_in, "workspace").chosen == WORKSPACE
    assert signed_in.connection.config == READY
    assert signed_in.connection.workspace().name == WORKSPACE


def test_one_tenant_is_no_choice(signed_in: AzureSetup) -> None:
    assert "tenant" not in [one.id for one in signed_in.choices()]


def test_a_choice_forgets_what_hung_on_the_one_before(signed_in: AzureSetup) -> None:
    signed_in.connection.save(replace(READY, identity="i", hub="h", project="p", training_size="Standard_E16s_v3"))
    signed_in.choose("subscription", SUBSCRIPTION)
    assert signed_in.connection.config.workspace == WORKSPACE, "the same again forgets nothing"
    signed_in.choose("subscription", SECOND_SUBSCRIPTION)
    assert signed_in.connection.config == AzureConfig(
        subscription=SECOND_SUBSCRIPTION, training_size="Standard_E16s_v3"
    )


def test_what_is_not_there_can_not_be_chosen(signed_in: AzureSetup) -> None:
    signed_in.choose("subscription", SUBSCRIPTION)
    with pytest.raises(BadInput, match=GROUP):
        signed_in.choose("resource_group", "nothing")
    with pytest.raises(BadInput, match="first"):
        signed_in.choose("workspace", WORKSPACE)
    with pytest.raises(BadInput):
        signed_in.choose("colour", "red")


def test_an_optional_choice_can_be_undone(signed_in: AzureSetup, emulator: Emulator) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.ManagedIdentity"
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    keep(emulator.world, f"{path}/userAssignedIdentities/mine", kind, location=REGION)
    signed_in.connection.save(READY)
    assert choice(signed_in, "identity").is_optional
    signed_in.choose("identity", "mine")
    assert choice(signed_in, "identity").chosen == "mine"
    signed_in.choose("identity", "")
    assert signed_in.connection.config.identity == ""


def test_what_was_deleted_elsewhere_is_said(signed_in: AzureSetup) -> None:
    signed_in.connection.save(replace(READY, workspace="gone"))
    gone = choice(signed_in, "workspace")
    assert gone.chosen == ""
    assert gone.failure is not None
    assert "gone is no longer there" in gone.failure.what
    assert ids(gone) == [WORKSPACE]


def test_one_list_that_fails_hides_no_other(signed_in: AzureSetup, emulator: Emulator) -> None:
    signed_in.connection.save(READY)
    emulator.faults.add("403", "userAssignedIdentities$")
    failed = choice(signed_in, "identity")
    assert failed.failure is not None
    assert failed.failure.code == "forbidden"
    assert choice(signed_in, "workspace").chosen == WORKSPACE


def test_a_page_may_ask_often(signed_in: AzureSetup, emulator: Emulator) -> None:
    signed_in.connection.save(READY)
    signed_in.choices()
    asked = len(emulator.requests)
    signed_in.choices()
    assert len(emulator.requests) == asked


def test_hubs_and_projects_are_no_workspaces(signed_in: AzureSetup, emulator: Emulator) -> None:
    base = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces"
    )
    kind = "Microsoft.MachineLearningServices/workspaces"
    keep(emulator.world, f"{base}/h1", kind, location=REGION)["kind"] = "Hub"
    keep(emulator.world, f"{base}/h2", kind, location=REGION)["kind"] = "Hub"
    keep(emulator.world, f"{base}/p1", kind, location=REGION, hubResourceId=f"{base}/h1")["kind"] = "Project"
    signed_in.connection.save(READY)
    assert ids(choice(signed_in, "workspace")) == [WORKSPACE]
    assert ids(choice(signed_in, "hub")) == ["h1", "h2"]
    assert "hub" in choice(signed_in, "project").waits_for
    signed_in.choose("hub", "h1")
    assert ids(choice(signed_in, "project")) == ["p1"]
    signed_in.choose("project", "p1")
    signed_in.choose("hub", "h2")
    assert signed_in.connection.config.project == ""
    assert ids(choice(signed_in, "project")) == []


def test_an_empty_cloud_offers_to_create(empty_setup: AzureSetup) -> None:
    empty_setup.choose("subscription", SUBSCRIPTION)
    group = choice(empty_setup, "resource_group")
    assert group.options == ()
    name, region = group.form
    assert (name.name, region.name, region.default) == ("name", "region", "eastus")
    # West US 3 is a region of the subscription, but Azure Machine Learning is not offered there
    assert [option.id for option in region.options] == ["eastus", "swedencentral", "westeurope"]


def test_a_workspace_may_stand_on_what_is_there(signed_in: AzureSetup, emulator: Emulator) -> None:
    for kind, name in (
        ("Microsoft.Storage/storageAccounts", "otherstore"),
        ("Microsoft.KeyVault/vaults", "othervault"),
        ("Microsoft.Insights/components", "otherinsights"),
        ("Microsoft.ContainerRegistry/registries", "otherregistry"),
    ):
        keep(emulator.world, f"{OTHER}/providers/{kind}/{name}", kind, location="westeurope")
    signed_in.connection.save(READY)
    form = {field.name: field for field in choice(signed_in, "workspace").form}
    assert list(form) == [
        "name",
        "region",
        "storage_account",
        "key_vault",
        "application_insights",
        "container_registry",
    ]
    assert form["region"].default == REGION
    stores = form["storage_account"].options
    assert stores[0].id == ""
    assert "otherstore" in [option.title for option in stores]
    assert next(option for option in stores if option.title == "otherstore").note == "other-rg, westeurope"
    assert "otherstore" not in [option.title for option in form["key_vault"].options]


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("resource_group", {"name": ""}, "Name: an empty text"),
        ("resource_group", {"name": "ends."}, "no point at the end"),
        ("resource_group", {"name": "ünder"}, "no name that Azure takes"),
        ("resource_group", {"name": GROUP.upper()}, "is taken already"),
        ("resource_group", {"name": "fine", "region": "moon"}, "Region: moon"),
        ("resource_group", {"name": "fine", "colour": "red"}, "colour: there is no such field"),
        ("workspace", {"name": "ab"}, "Take 3 to 33"),
        ("workspace", {"name": "a b c"}, "Take 3 to 33"),
        ("workspace", {"name": WORKSPACE}, "is taken already"),
        ("workspace", {"name": "fine", "storage_account": "/subscriptions/x"}, "Storage account: /subscriptions/x"),
        ("hub", {"name": WORKSPACE}, "is taken already"),
        ("identity", {"name": "fine"}, "Nothing of that kind"),
    ],
)
def test_a_bad_form_names_the_field_and_asks_nothing_of_azure(
    signed_in: AzureSetup, emulator: Emulator, kind: str, values: dict[str, str], words: str
) -> None:
    signed_in.connection.save(READY)
    with pytest.raises(BadInput) as caught:
        signed_in.create(kind, values)
    assert words in str(caught.value)
    assert not emulator.asked("PUT|POST", host="management.*")
    assert not signed_in.operations()


def test_several_tenants_are_a_choice(signed_in: AzureSetup, emulator: Emulator) -> None:
    other = "33333333-3333-3333-3333-333333333333"
    emulator.world.extra["tenants"] = {TENANT: "Contoso", other: "Fabrikam"}
    found = choice(signed_in, "tenant")
    assert ids(found) == [TENANT, other]
    assert found.chosen == TENANT
    signed_in.connection.save(READY)
    signed_in.choose("tenant", other)
    assert signed_in.connection.config == AzureConfig(tenant=other)
    signed_in.sign_out()
    assert signed_in.connection.config.tenant == ""


def test_an_account_without_a_subscription_is_told_what_to_do(
    signed_in: AzureSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in list(SUBSCRIPTIONS):
        monkeypatch.delitem(SUBSCRIPTIONS, known)
    signed_in.connection.save(AzureConfig())
    signed_in.listings.forget()
    failure = choice(signed_in, "subscription").failure
    assert failure is not None
    assert failure.code == "no_subscription"
    assert "another account" in failure.how_to_fix


def test_a_damaged_config_is_like_none(settings: Settings) -> None:
    file = ConfigFile(settings.home / "azure" / "config.json")
    assert file.read() == AzureConfig()
    file.write(READY)
    assert file.read() == READY
    file.path.write_text('{"workspace": "w", "subscription": 7, "unknown": "x"}', encoding="utf-8")
    assert file.read() == AzureConfig(workspace="w")
    file.path.write_text("{", encoding="utf-8")
    assert file.read() == AzureConfig()

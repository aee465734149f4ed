"""What is created and chosen, killed in the middle and found again, mended all at once, and repeated from a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.azure import tags
from backend.azure.checks import AzureChecks
from backend.azure.config import AzureConfig
from backend.azure.connection import Connection
from backend.azure.operations import Operations
from backend.azure.setup import AzureSetup
from backend.domain_setup import Check, Operation, OperationState, SignInState
from backend.errors import BadInput, NotFound
from backend.settings import Settings
from tests.azure_emulator.defaults import keep
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import GROUP, REGION, SUBSCRIPTION, TENANT, WORKSPACE
from tests.contract.conftest import wait_until
from tests.unit.azure.conftest import READY, sign_in

Ended = Callable[[Operation], Operation]
BASE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
DEPLOYMENT = r"Microsoft.Resources/deployments/new-ws-\d+$"


@pytest.fixture
def setup(connection: Connection, operations: Operations) -> AzureSetup:
    return AzureSetup(connection, operations, AzureChecks(connection))


@pytest.fixture
def empty_setup(
    empty_emulator: Emulator, settings: Settings, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> AzureSetup:
    for name, value in empty_emulator.environment.items():
        monkeypatch.setenv(name, value)
    connection = Connection(settings)
    sign_in(connection)
    return AzureSetup(connection, operations, AzureChecks(connection))


def resources(emulator: Emulator, kind: str) -> list[dict[str, Any]]:
    return [one for one in emulator.world.arm.values() if one["type"].lower() == kind.lower()]


def stores(emulator: Emulator) -> list[dict[str, Any]]:
    return resources(emulator, "Microsoft.Storage/storageAccounts")


def workspaces(emulator: Emulator, name: str) -> list[dict[str, Any]]:
    return [one for one in resources(emulator, "Microsoft.MachineLearningServices/workspaces") if one["name"] == name]


def succeeded(operation: Operation) -> Operation:
    assert operation.state == OperationState.DONE, operation.failure
    return operation


def test_from_nothing_to_a_workspace(empty_setup: AzureSetup, empty_emulator: Emulator, ended: Ended) -> None:
    empty_setup.choose("subscription", SUBSCRIPTION)
    made = empty_setup.create("resource_group", {"name": "new-rg", "region": "westeurope"})
    succeeded(ended(made))
    assert empty_setup.connection.config.resource_group == "new-rg"
    made = empty_setup.create("workspace", {"name": "new-ws"})
    assert (made.kind, made.steps) == ("create_workspace", 3)
    succeeded(ended(made))
    config = empty_setup.connection.config
    assert (config.workspace, config.region) == ("new-ws", "westeurope")
    facts = empty_setup.connection.workspace()
    assert facts.region == "westeurope"
    assert facts.container_registry == "", "Azure makes it when the first image is built"
    tagged = [one for one in empty_emulator.world.arm.values() if (one.get("tags") or {}).get(tags.MARK)]
    assert {one["type"] for one in tagged} == {
        "Microsoft.Resources/resourceGroups",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.Insights/components",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.MachineLearningServices/workspaces",
    }


def test_progress_is_told_while_azure_works(setup: AzureSetup, emulator: Emulator, ended: Ended) -> None:
    emulator.faults.add("slow", DEPLOYMENT, seconds=1000)
    made = setup.create("workspace", {"name": "new-ws"})
    wait_until(lambda: setup._operations.get(made.id).step == 1, "the deployment began")
    emulator.world.advance(500)
    wait_until(lambda: "2 of 5 made" in setup._operations.get(made.id).detail, "two are made")
    assert "now:" in setup._operations.get(made.id).detail
    assert setup.connection.config.workspace == WORKSPACE, "it is chosen when it is there"
    emulator.world.advance(1000)
    succeeded(ended(made))
    assert setup.connection.config.workspace == "new-ws"


def test_a_workspace_on_what_is_there(setup: AzureSetup, emulator: Emulator, ended: Ended) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other-rg/providers"
    parts = {
        "storage_account": ("Microsoft.Storage/storageAccounts", "otherstore"),
        "key_vault": ("Microsoft.KeyVault/vaults", "othervault"),
        "application_insights": ("Microsoft.Insights/components", "otherinsights"),
        "container_registry": ("Microsoft.ContainerRegistry/registries", "otherregistry"),
    }
    given = {}
    for field, (kind, name) in parts.items():
        given[field] = keep(emulator.world, f"{path}/{kind}/{name}", kind, location=REGION)["id"]
    before = len(emulator.world.arm)
    succeeded(ended(setup.create("workspace", {"name": "new-ws", **given})))
    facts = setup.connection.workspace()
    assert (facts.storage_account, facts.key_vault) == (given["storage_account"], given["key_vault"])
    assert (facts.insights, facts.container_registry) == (
        given["application_insights"],
        given["container_registry"],
    )
    assert len(emulator.world.arm) == before + 1


def test_a_hub_and_its_project(setup: AzureSetup, emulator: Emulator, ended: Ended) -> None:
    succeeded(ended(setup.create("hub", {"name": "new-hub"})))
    assert setup.connection.config.hub == "new-hub"
    succeeded(ended(setup.create("project", {"name": "new-project"})))
    assert setup.connection.config.project == "new-project"
    (project,) = workspaces(emulator, "new-project")
    (hub,) = workspaces(emulator, "new-hub")
    assert project["properties"]["hubResourceId"] == hub["id"]
    assert (project["location"], project["kind"], hub["kind"]) == (REGION, "Project", "Hub")
    assert project["tags"][tags.KIND] == "project"
    assert setup.connection.config.workspace == WORKSPACE


def test_a_second_click_makes_no_second_workspace(setup: AzureSetup, emulator: Emulator, ended: Ended) -> None:
    first = setup.create("workspace", {"name": "new-ws"})
    assert setup.create("workspace", {"name": "new-ws"}).id == first.id
    succeeded(ended(first))
    assert len({one.path for one in emulator.asked("PUT", DEPLOYMENT)}) == 1


CHILD = """
import sys
from pathlib import Path
from backend.azure.checks import AzureChecks
from backend.azure.connection import Connection
from backend.azure.operations import Operations
from backend.azure.setup import AzureSetup
from backend.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
connection = Connection(settings)
setup = AzureSetup(connection, Operations(settings.database), AzureChecks(connection))
setup.create("workspace", {"name": "new-ws"})
"""


def start_child(settings: Settings) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(settings.home)], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )


@pytest.mark.parametrize("ends_meanwhile", [False, True], ids=["still at work", "ended meanwhile"])
def test_a_killed_creation_finds_its_deployment_again(
    setup: AzureSetup, emulator: Emulator, ended: Ended, settings: Settings, ends_meanwhile: bool
) -> None:
    emulator.faults.add("slow", DEPLOYMENT, seconds=1000)
    child = start_child(settings)
    wait_until(lambda: emulator.asked("PUT", DEPLOYMENT), "the deployment began")
    child.send_signal(signal.SIGKILL)
    child.wait()
    if ends_meanwhile:
        emulator.world.advance(1200)
    (left,) = setup.operations()
    assert left.state == OperationState.RUNNING
    setup._operations.resume_all()
    if not ends_meanwhile:
        wait_until(lambda: setup._operations.get(left.id).step == 1, "the deployment is found")
        emulator.world.advance(1200)
    succeeded(ended(left))
    assert setup.connection.config.workspace == "new-ws"
    assert len({one.path for one in emulator.asked("PUT", DEPLOYMENT)}) == 1
    assert len(stores(emulator)) == 2


def test_a_creation_killed_before_azure_heard_of_it_begins_anew(
    setup: AzureSetup, emulator: Emulator, ended: Ended, settings: Settings
) -> None:
    emulator.faults.add("hang", DEPLOYMENT, method="PUT")
    child = start_child(settings)
    wait_until(lambda: not any(fault.times for fault in emulator.faults.plan), "the request hangs")
    child.kill()
    child.wait()
    (left,) = setup.operations()
    setup._operations.resume_all()
    succeeded(ended(left))
    assert len(workspaces(emulator, "new-ws")) == 1
    assert len(stores(emulator)) == 2


def test_a_failed_creation_is_told_and_a_retry_uses_what_it_left(
    setup: AzureSetup, emulator: Emulator, ended: Ended
) -> None:
    emulator.faults.add("deployment_failed", DEPLOYMENT, code="RequestDisallowed", message="No more than ten here.")
    failed = ended(setup.create("workspace", {"name": "new-ws"}))
    assert failed.state == OperationState.FAILED
    assert failed.failure is not None
    assert failed.failure.what == "Making the workspace new-ws failed."
    assert "No more than ten here." in failed.failure.why
    assert len(stores(emulator)) == 2, "the deployment got as far as the storage account"
    assert setup.connection.config.workspace == WORKSPACE
    succeeded(ended(setup.retry(failed.id)))
    assert setup.connection.config.workspace == "new-ws"
    assert len(stores(emulator)) == 2
    assert len(resources(emulator, "Microsoft.KeyVault/vaults")) == 2


def test_a_refused_creation_names_the_role(setup: AzureSetup, emulator: Emulator, ended: Ended) -> None:
    emulator.faults.add("403", DEPLOYMENT, method="PUT")
    failed = ended(setup.create("workspace", {"name": "new-ws"}))
    assert failed.failure is not None
    assert failed.failure.code == "forbidden"
    assert "the role Contributor on" in failed.failure.how_to_fix


@pytest.mark.parametrize("fault", ["429", "503", "drop", "drop_reply"])
def test_a_passing_fault_does_not_stop_a_creation(
    setup: AzureSetup, emulator: Emulator, ended: Ended, fault: str
) -> None:
    emulator.faults.add(fault, DEPLOYMENT, **({"retry_after": 0.01} if fault == "429" else {}))
    emulator.faults.add(fault, "/workspaces/new-ws$", **({"retry_after": 0.01} if fault == "429" else {}))
    operation = ended(setup.create("workspace", {"name": "new-ws"}))
    if operation.state == OperationState.FAILED:
        operation = ended(setup.retry(operation.id))
    succeeded(operation)
    assert len(workspaces(emulator, "new-ws")) == 1
    assert len(stores(emulator)) == 2


@pytest.mark.parametrize("fault", ["hang", "hang_reply"])
def test_a_hanging_creation_ends_in_words_or_finds_what_azure_began(
    setup: AzureSetup, emulator: Emulator, ended: Ended, fault: str
) -> None:
    emulator.faults.add(fault, DEPLOYMENT, method="PUT", times=-1)
    operation = ended(setup.create("workspace", {"name": "new-ws"}))
    if fault == "hang":
        assert operation.failure is not None
        assert operation.failure.code == "azure_timeout"
        assert workspaces(emulator, "new-ws") == []
    else:
        succeeded(operation)
        assert len(workspaces(emulator, "new-ws")) == 1
    emulator.faults.clear()
    # What was given up is still asking, and would ask the next test's cloud.
    wait_until(lambda: "phidesk-deployment" not in {one.name for one in threading.enumerate()}, "it asks no more")


def test_a_sign_in_that_ends_during_a_creation_is_followed_by_the_same_creation(
    setup: AzureSetup, emulator: Emulator, ended: Ended
) -> None:
    emulator.faults.add("slow", DEPLOYMENT, seconds=1000)
    made = setup.create("workspace", {"name": "new-ws"})
    wait_until(lambda: setup._operations.get(made.id).step == 1, "the deployment began")
    emulator.world.login.expire_tokens()
    wait_until(lambda: setup._operations.at_work == 0, "it waits for a sign-in")
    assert setup.operations()[0].state == OperationState.RUNNING
    assert setup.sign_in_state().state == SignInState.EXPIRED
    emulator.world.advance(1200)
    sign_in(setup.connection)
    succeeded(ended(made))
    assert len({one.path for one in emulator.asked("PUT", DEPLOYMENT)}) == 1


def test_asking_again_for_what_was_just_made_makes_nothing_and_says_so(
    setup: AzureSetup, emulator: Emulator, ended: Ended
) -> None:
    """As a person does who signed in again meanwhile: the creation went on by itself and is done."""
    made = setup.create("resource_group", {"name": "new-rg"})
    succeeded(ended(made))
    assert setup.create("resource_group", {"name": "new-rg"}).id == made.id
    assert len(emulator.asked("PUT", "/new-rg$")) == 1
    with pytest.raises(BadInput, match="is taken already"):
        setup.create("resource_group", {"name": "new-rg", "region": "westeurope"})


def test_dismissing_a_creation_lets_azure_go_on_but_chooses_nothing(setup: AzureSetup, emulator: Emulator) -> None:
    emulator.faults.add("slow", DEPLOYMENT, seconds=1000)
    made = setup.create("workspace", {"name": "new-ws"})
    wait_until(lambda: setup._operations.get(made.id).step == 1, "the deployment began")
    setup.dismiss(made.id)
    wait_until(lambda: setup._operations.at_work == 0, "it stopped")
    assert setup.operations() == []
    assert setup.connection.config.workspace == WORKSPACE


def test_a_choice_made_meanwhile_is_kept(setup: AzureSetup, emulator: Emulator, ended: Ended) -> None:
    emulator.faults.add("slow", DEPLOYMENT, seconds=1000)
    made = setup.create("workspace", {"name": "new-ws"})
    wait_until(lambda: setup._operations.get(made.id).step == 1, "the deployment began")
    setup.connection.save(AzureConfig(subscription=SUBSCRIPTION, resource_group="elsewhere"))
    emulator.world.advance(1200)
    succeeded(ended(made))
    assert setup.connection.config == AzureConfig(subscription=SUBSCRIPTION, resource_group="elsewhere")


class FixedChecks:
    """Checks that are mended by their fixes; the second one can only be mended after the first."""

    def __init__(self, *, forbidden: bool = False) -> None:
        self.mended: list[str] = []
        self.forbidden = forbidden

    def check(self) -> list[Check]:
        can_second = "first" in self.mended
        return [
            self._one("first", True),
            self._one("second", can_second),
            self._one("third", True),
            Check("no fix", False, "Red for good", id="fourth"),
        ]

    def _one(self, id: str, can: bool) -> Check:
        def fix() -> None:
            if self.forbidden and id == "first":
                raise NotFound("The first is not to be had.", how_to_fix="Ask Ada.")
            self.mended.append(id)

        is_ok = id in self.mended
        return Check(id, is_ok, id, fix=None if is_ok or not can else fix, id=id, changes=(f"makes {id}",))


def test_fix_all_mends_in_order_and_what_becomes_possible(
    connection: Connection, operations: Operations, ended: Ended
) -> None:
    checks = FixedChecks()
    setup = AzureSetup(connection, operations, checks)
    succeeded(ended(setup.fix_all()))
    assert checks.mended == ["first", "third", "second"]


def test_fix_all_goes_on_where_it_can_and_says_where_it_could_not(
    connection: Connection, operations: Operations, ended: Ended
) -> None:
    checks = FixedChecks(forbidden=True)
    setup = AzureSetup(connection, operations, checks)
    failed = ended(setup.fix_all())
    assert checks.mended == ["third"]
    assert failed.failure is not None
    assert failed.failure.what == "1 of 2 could not be mended."
    assert "The first is not to be had." in failed.failure.why
    assert failed.failure.how_to_fix == "Ask Ada."


def test_the_doctor_finds_identity_and_roles_after_fix_all(setup: AzureSetup, ended: Ended) -> None:
    roles = {"identity", "role_contributor", "role_storage", "role_registry"}
    assert not roles & {check.id for check in setup._checks.check() if check.is_ok}
    ended(setup.fix_all())
    assert roles <= {check.id for check in setup._checks.check() if check.is_ok}


def test_a_file_reproduces_the_set_up_in_an_empty_cloud(
    empty_setup: AzureSetup, empty_emulator: Emulator, ended: Ended
) -> None:
    wanted = AzureConfig(
        tenant=TENANT,
        subscription=SUBSCRIPTION,
        resource_group="new-rg",
        workspace="new-ws",
        region="swedencentral",
        identity="new-identity",
        hub="new-hub",
        project="new-project",
        training_size="Standard_E16s_v3",
    )
    empty_setup.connection.save(wanted)
    text = empty_setup.export()
    empty_setup.connection.save(AzureConfig())
    succeeded(ended(empty_setup.apply(text)))
    assert empty_setup.connection.config == wanted
    assert empty_setup.export() == text
    assert {one.id: one.chosen for one in empty_setup.choices() if one.failure is None} == {
        "tenant": TENANT,
        "subscription": SUBSCRIPTION,
        "resource_group": "new-rg",
        "workspace": "new-ws",
        "identity": "new-identity",
        "hub": "new-hub",
        "project": "new-project",
    }
    puts = len(empty_emulator.asked("PUT"))
    succeeded(ended(empty_setup.apply(text)))
    assert len(empty_emulator.asked("PUT")) == puts, "applied again, it makes nothing"


def test_an_export_holds_no_secret(setup: AzureSetup, emulator: Emulator) -> None:
    setup.connection.workspace()
    text = setup.export()
    assert "workspace: phi-ws" in text
    assert f"tenant: {TENANT}" in text
    for secret in (*emulator.world.login.access, os.environ["AZURE_CLIENT_SECRET"]):
        assert secret not in text


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("azure:\n  subscription: s\n  colour: red\n", 3, "colour", "no such field"),
        ("azure:\n  subscription: s\n  resource_group: g\n  workspace: a b\n", 4, "workspace", "Take 3 to 33"),
        ("azure:\n  subscription: 7\n", 2, "subscription", "must be a text"),
        ("azure:\n  resource_group: g\n", 2, "resource_group", "needs subscription too"),
        ("azure:\n  subscription: s\n  resource_group: g\n  workspace: wsx\n", 4, "workspace", "needs region too"),
        ("other: 1\nazure:\n  subscription: s\n", 1, "other", "no such field"),
        ("azure: [1]\n", 1, "azure", "must begin with azure:"),
        ("", 1, "azure", "must begin with azure:"),
        ("azure:\n  a: b: c\n", 2, "", "mapping values are not allowed"),
        ("azure:\n  secret: !!python/object:os.system x\n", 2, "", "could not determine a constructor"),
    ],
)
def test_a_bad_file_names_line_and_field(setup: AzureSetup, text: str, line: int, field: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        setup.apply(text)
    assert f"Line {line}" in caught.value.what
    assert field in caught.value.what
    assert words in caught.value.why
    assert setup.operations() == []


def test_a_setup_that_is_signed_out_says_so(setup: AzureSetup) -> None:
    setup.connection.save(replace(READY, tenant=TENANT))
    setup.sign_out()
    assert setup.connection.config == READY
    with pytest.raises(Exception, match="signed in"):
        setup.apply(setup.export())

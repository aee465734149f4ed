"""The one door to Azure, by the real SDKs over real sockets: clients, facts, faults in words, signs in the log."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend.azure.checks import AzureChecks
from backend.azure.connection import Connection
from backend.azure.errors import Forbidden, NoQuota, NotChosen, SignedOut, explain, in_words, without_secrets
from backend.azure.operations import Operations
from backend.azure.setup import AzureSetup
from backend.domain_setup import SignInState
from backend.errors import BadInput, Conflict, NotFound, PhiDeskError, Unavailable
from backend.settings import Settings
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import GROUP, REGION, WORKSPACE, WORKSPACE_ID
from tests.unit.azure.conftest import READY, sign_in

GROUPS = "2021-04-01"


def test_the_ml_client_of_the_chosen_workspace_answers(connection: Connection) -> None:
    assert connection.ml().workspaces.get(WORKSPACE).location == REGION


def test_one_client_serves_until_the_sign_in_changes(connection: Connection) -> None:
    first = connection.ml()
    assert connection.ml() is first
    sign_in(connection)
    assert connection.ml() is not first


def test_an_app_that_starts_with_a_workspace_chosen_loads_the_sdk_before_a_page_needs_it(
    fresh_connection: Connection, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: queue.Queue[tuple[str, str]] = queue.Queue()
    monkeypatch.setattr(
        "backend.azure.connection.import_module", lambda name: loaded.put((name, threading.current_thread().name))
    )
    setup = AzureSetup(fresh_connection, operations, AzureChecks(fresh_connection))
    setup.resume()  # nothing is chosen: this person may never go to Azure
    assert loaded.empty()
    fresh_connection.save(READY)
    setup.resume()
    assert loaded.get(timeout=10) == ("azure.ai.ml", "phidesk-azure-sdk")


def test_the_workspace_is_asked_once_a_minute(connection: Connection, emulator: Emulator) -> None:
    facts = connection.workspace()
    assert connection.workspace() == facts
    assert facts.id == WORKSPACE_ID
    assert facts.data_plane == f"{REGION}.api.azureml.ms"
    assert facts.storage_account.startswith("/subscriptions/")
    assert len(emulator.asked("GET", f"workspaces/{WORKSPACE}$")) == 1
    connection.forget_workspace()
    connection.workspace()
    assert len(emulator.asked("GET", f"workspaces/{WORKSPACE}$")) == 2


def test_a_management_client_uses_our_sign_in_and_log(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    from azure.mgmt.msi import ManagedServiceIdentityClient

    client = connection.management(ManagedServiceIdentityClient, READY.subscription)
    with caplog.at_level(logging.INFO, "phidesk.azure"):
        assert list(client.user_assigned_identities.list_by_resource_group(GROUP)) == []
    assert "userAssignedIdentities: 200" in caplog.text
    assert "correlation" in caplog.text


def test_every_request_carries_the_id_that_the_log_has(
    connection: Connection, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "phidesk.azure"):
        connection.arm("GET", connection.group_path(), GROUPS)
    number = emulator.asked("GET", f"resourceGroups/{GROUP}$")[-1].headers["x-ms-client-request-id"]
    assert number in caplog.text


def test_no_token_and_no_query_are_in_the_log(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        connection.arm("GET", f"{connection.group_path()}?sig=hidden", GROUPS)
    assert "hidden" not in "".join(record.getMessage() for record in caplog.records if record.name == "phidesk.azure")
    assert "eyJ" not in caplog.text


def test_nothing_works_while_nobody_is_signed_in(fresh_connection: Connection) -> None:
    fresh_connection.save(READY)
    for ask in (fresh_connection.ml, fresh_connection.workspace, fresh_connection.credential):
        with pytest.raises(SignedOut) as caught:
            ask()
        assert caught.value.how_to_fix


def test_what_is_not_chosen_is_named(fresh_connection: Connection) -> None:
    sign_in(fresh_connection)
    with pytest.raises(NotChosen, match="subscription"):
        fresh_connection.workspace()
    fresh_connection.save(replace(READY, workspace=""))
    with pytest.raises(NotChosen, match="workspace"):
        fresh_connection.ml()


def test_all_pages_of_a_list_are_read(connection: Connection, emulator: Emulator) -> None:
    for number in range(130):
        connection.arm(
            "PUT",
            f"{connection.group_path()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i{number}",
            "2023-01-31",
            {"location": REGION},
        )
    found = connection.arm_list(
        f"{connection.group_path()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities", "2023-01-31"
    )
    assert len(found) == 130


Ask = Callable[[Connection], Any]
ASKED: dict[str, Ask] = {
    "a raw call": lambda connection: connection.arm("GET", connection.workspace_path(), "2024-10-01-preview"),
    "the ml package": lambda connection: connection.ml().workspaces.get(WORKSPACE),
}
# fault, its details, our error, its code, words that must be there
FAULTS: list[tuple[str, dict[str, Any], type[PhiDeskError], str, str]] = [
    ("401", {}, SignedOut, "signed_out", "Sign in again"),
    ("403", {}, Forbidden, "forbidden", "Ask an administrator for the role Reader on /subscriptions/"),
    ("404", {}, NotFound, "not_found_on_azure", "was not found"),
    ("409", {}, Conflict, "azure_conflict", "Another operation is in progress"),
    ("429", {"times": -1, "retry_after": 0.01}, Unavailable, "too_many_requests", "Wait a minute"),
    ("500", {"times": -1}, Unavailable, "azure_down", "unexpected condition"),
    ("503", {"times": -1}, Unavailable, "azure_down", "unavailable"),
    ("drop", {"times": -1}, Unavailable, "connection_broke", "The connection to Azure broke"),
    ("hang", {"times": -1}, Unavailable, "azure_timeout", "did not answer in time"),
]


@pytest.mark.parametrize("asked", list(ASKED))
@pytest.mark.parametrize(("fault", "details", "error", "code", "words"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_is_told_in_words(
    connection: Connection,
    emulator: Emulator,
    asked: str,
    fault: str,
    details: dict[str, Any],
    error: type[PhiDeskError],
    code: str,
    words: str,
) -> None:
    emulator.faults.add(fault, f"workspaces/{WORKSPACE}$", **details)
    with pytest.raises(error) as caught, in_words("Looking at the workspace"):
        ASKED[asked](connection)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert caught.value.what == "Looking at the workspace failed."
    assert caught.value.how_to_fix


@pytest.mark.parametrize("fault", ["429", "503", "drop"])
def test_a_passing_fault_is_not_noticed(connection: Connection, emulator: Emulator, fault: str) -> None:
    emulator.faults.add(fault, f"workspaces/{WORKSPACE}$", **({"retry_after": 0.01} if fault == "429" else {}))
    assert ASKED["a raw call"](connection)["name"] == WORKSPACE


def test_a_post_that_broke_off_is_not_sent_again(connection: Connection, emulator: Emulator) -> None:
    emulator.faults.add("drop", "listKeys$", times=-1)
    with pytest.raises(Unavailable), in_words("Reading the keys"):
        connection.arm("POST", f"{connection.workspace_path()}/listKeys", "2024-10-01-preview")
    assert len(emulator.asked("POST", "listKeys$")) == 1


def test_a_401_ends_the_sign_in_until_the_next_one(connection: Connection, emulator: Emulator) -> None:
    emulator.world.login.expire_tokens()
    with pytest.raises(SignedOut), in_words("Looking at the workspace"):
        connection.workspace()
    assert connection.account.state().state == SignInState.EXPIRED
    with pytest.raises(SignedOut, match="sign in"):
        connection.ml()
    sign_in(connection)
    assert connection.workspace().name == WORKSPACE


def test_offline_is_told_in_words(connection: Connection, emulator: Emulator) -> None:
    emulator.stop()
    with pytest.raises(Unavailable) as caught, in_words("Looking at the workspace"):
        connection.workspace()
    assert caught.value.code == "offline"
    assert connection.account.state().state == SignInState.SIGNED_IN


@pytest.mark.parametrize(
    ("message", "role", "where"),
    [
        (
            "The client 'x' with object id 'y' does not have authorization to perform action"
            " 'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/1/resourceGroups/g' or the"
            " scope is invalid.",
            "Role Based Access Control Administrator",
            "/subscriptions/1/resourceGroups/g",
        ),
        (
            "The client has permission to perform action 'Microsoft.MachineLearningServices/workspaces/jobs/write'"
            " over scope '/a'.",
            "AzureML Data Scientist",
            "/a",
        ),
    ],
)
def test_the_missing_role_is_named(
    connection: Connection, emulator: Emulator, message: str, role: str, where: str
) -> None:
    emulator.faults.add("403", f"workspaces/{WORKSPACE}$", message=message)
    with pytest.raises(Forbidden) as caught:
        connection.workspace()
    assert f"the role {role} on {where}" in caught.value.how_to_fix
    assert caught.value.scope == where


def test_a_refused_quota_is_no_bad_input(connection: Connection, emulator: Emulator) -> None:
    emulator.faults.add("400", f"workspaces/{WORKSPACE}$", code="QuotaExceeded", message="Needs 24 cores, limit 0.")
    with pytest.raises(NoQuota) as caught:
        connection.workspace()
    assert "Needs 24 cores" in caught.value.why


def test_what_the_ml_package_refuses_by_itself_is_bad_input(connection: Connection) -> None:
    from azure.ai.ml.entities import Environment

    with pytest.raises(BadInput) as caught, in_words("Making the environment"):
        connection.ml().environments.create_or_update(Environment(name="image-less", version="1"))
    assert caught.value.why == "Docker image or Dockerfile is required for environments"


def test_a_lost_workspace_is_chosen_again_but_a_lost_model_is_not(connection: Connection) -> None:
    with pytest.raises(NotFound) as lost, in_words("Reading"):
        connection.ml().workspaces.get("nothing")
    assert "Choose again on Setup" in lost.value.how_to_fix
    with pytest.raises(NotFound) as gone, in_words("Reading"):
        connection.arm("GET", f"{connection.workspace_path()}/onlineEndpoints/nothing", "2023-04-01-preview")
    assert "Refresh the page" in gone.value.how_to_fix


def test_what_mlflow_meets_is_told_in_words(connection: Connection) -> None:
    from mlflow.exceptions import RestException

    with pytest.raises(NotFound, match="Reading the metrics failed"), in_words("Reading the metrics"):
        raise RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id 1 not found"})


def test_a_bug_of_ours_is_not_dressed_up() -> None:
    assert explain(ZeroDivisionError("x"), "Dividing") is None
    with pytest.raises(ZeroDivisionError), in_words("Dividing"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://a.blob.core.windows.net/c?sv=1&sig=AbC%3D&se=2", "AbC"),
        ("Authorization: Bearer abc.def-ghi_jkl", "abc.def"),
        ('{"primaryKey": "k3y", "name": "x"}', "k3y"),
        ("AccountName=a;AccountKey=zzz==;EndpointSuffix=x", "zzz"),
        ("token eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.sig failed", "eyJhdWQ"),
        ("client_secret=s3cret&scope=x", "s3cret"),
    ],
)
def test_secrets_are_struck_out(text: str, secret: str) -> None:
    assert secret not in without_secrets(text)


def test_making_a_connection_imports_no_vendor(settings: Settings) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from backend.settings import Settings; from backend.azure.connection import Connection;"
        "from backend.azure.operations import Operations; c = Connection(Settings()); c.account.state(); c.config;"
        "print([m for m in sys.modules if m.split('.')[0] in ('azure', 'msal', 'requests')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

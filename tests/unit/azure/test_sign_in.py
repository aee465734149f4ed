"""Each way to sign in, what is remembered and what is not, and a sign-in that ends in the middle of work."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.azure.connection import Connection
from backend.azure.errors import SignedOut
from backend.azure.operations import Operations
from backend.azure.sign_in_errors import sign_in_again
from backend.domain_setup import OperationState, SignIn, SignInState
from backend.errors import BadInput, Unavailable
from backend.settings import Settings
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.login import BROWSER_CODE
from tests.azure_emulator.world import CLIENT_ID, TENANT, USER, WORKSPACE
from tests.contract.conftest import wait_until
from tests.unit.azure.conftest import READY, sign_in


def ended(connection: Connection) -> SignIn:
    wait_until(lambda: connection.account.state().state != SignInState.PENDING, "signing in ended")
    return connection.account.state()


def shown_code(connection: Connection, besides: str = "") -> SignIn:
    def shown() -> bool:
        state = connection.account.state()
        return (state.code not in ("", besides)) or state.state == SignInState.FAILED

    wait_until(shown, "a code is shown")
    state = connection.account.state()
    assert state.state == SignInState.PENDING, state.failure
    return state


def sign_in_by_code(connection: Connection, emulator: Emulator) -> SignIn:
    connection.account.begin("device_code")
    emulator.world.login.approve_device(shown_code(connection).code)
    return ended(connection)


def why_not(connection: Connection, way: str) -> str:
    return next(one.why_not for one in connection.account.ways() if one.id == way)


def test_at_first_nobody_is_signed_in(fresh_connection: Connection) -> None:
    assert fresh_connection.account.state() == SignIn(SignInState.SIGNED_OUT)


def test_a_service_principal_of_the_environment_signs_in(fresh_connection: Connection) -> None:
    begun = fresh_connection.account.begin("environment")
    assert begun.state == SignInState.PENDING
    state = ended(fresh_connection)
    assert (state.state, state.way) == (SignInState.SIGNED_IN, "environment")
    assert (state.account, state.tenant) == (CLIENT_ID, TENANT)


def test_what_lacks_in_the_environment_is_named(fresh_connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    assert why_not(fresh_connection, "environment") == "Not set in the environment: AZURE_CLIENT_SECRET."
    with pytest.raises(BadInput, match="AZURE_CLIENT_SECRET"):
        fresh_connection.account.begin("environment")


def test_a_wrong_secret_is_told_without_the_secret(
    fresh_connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wr0ng-one")
    fresh_connection.account.begin("environment")
    state = ended(fresh_connection)
    assert state.state == SignInState.FAILED
    assert state.failure is not None
    assert "secret is wrong" in state.failure.why
    assert "wr0ng-one" not in f"{state.failure} {caplog.text}"


def test_a_code_is_shown_and_signs_in(fresh_connection: Connection, emulator: Emulator) -> None:
    fresh_connection.account.begin("device_code")
    shown = shown_code(fresh_connection)
    assert shown.url.startswith("https://")
    assert shown.code_expires_at is not None
    emulator.world.login.approve_device(shown.code)
    state = ended(fresh_connection)
    assert (state.state, state.way, state.account, state.tenant) == (
        SignInState.SIGNED_IN,
        "device_code",
        USER,
        TENANT,
    )
    fresh_connection.save(READY)
    assert fresh_connection.workspace().name == WORKSPACE
    assert fresh_connection.ml().workspaces.get(WORKSPACE).name == WORKSPACE


def test_a_declined_code_is_told_in_words(fresh_connection: Connection, emulator: Emulator) -> None:
    fresh_connection.account.begin("device_code")
    emulator.world.login.decline_device(shown_code(fresh_connection).code)
    state = ended(fresh_connection)
    assert state.state == SignInState.FAILED
    assert state.failure is not None
    assert "declined" in state.failure.why


def test_a_code_that_nobody_entered_is_told_in_words(fresh_connection: Connection, emulator: Emulator) -> None:
    fresh_connection.account.begin("device_code")
    shown_code(fresh_connection)
    emulator.world.advance(1000)
    state = ended(fresh_connection)
    assert state.failure is not None
    assert "not entered in time" in state.failure.why


def test_beginning_again_shows_a_new_code_and_the_old_one_counts_no_more(
    fresh_connection: Connection, emulator: Emulator
) -> None:
    fresh_connection.account.begin("device_code")
    first = shown_code(fresh_connection)
    fresh_connection.account.begin("device_code")
    second = shown_code(fresh_connection, besides=first.code)
    emulator.world.login.approve_device(first.code)
    polls = len(emulator.asked("POST", "/token$"))
    wait_until(lambda: len(emulator.asked("POST", "/token$")) > polls, "the second asked again")
    assert fresh_connection.account.state().state == SignInState.PENDING
    emulator.world.login.approve_device(second.code)
    assert ended(fresh_connection).state == SignInState.SIGNED_IN


def test_a_failed_attempt_leaves_the_earlier_sign_in(connection: Connection, emulator: Emulator) -> None:
    connection.account.begin("device_code")
    emulator.world.login.decline_device(shown_code(connection).code)
    state = ended(connection)
    assert (state.state, state.way) == (SignInState.SIGNED_IN, "environment")
    assert state.failure is not None


def test_the_environment_is_remembered_over_a_restart(connection: Connection, settings: Settings) -> None:
    again = Connection(settings)
    assert again.account.state() == connection.account.state()
    assert again.workspace().name == WORKSPACE


def test_without_an_encrypted_store_a_person_signs_in_again_after_a_restart(
    fresh_connection: Connection, emulator: Emulator, settings: Settings
) -> None:
    before = sign_in_by_code(fresh_connection, emulator)
    again = Connection(settings)
    state = again.account.state()
    assert (state.state, state.account) == (SignInState.EXPIRED, before.account)
    assert state.failure is not None
    assert "no encrypted store" in state.failure.why
    with pytest.raises(SignedOut, match="encrypted store"):
        again.credential()
    assert sign_in_by_code(again, emulator).state == SignInState.SIGNED_IN


def test_no_secret_is_on_the_disk(fresh_connection: Connection, emulator: Emulator, settings: Settings) -> None:
    sign_in_by_code(fresh_connection, emulator)
    fresh_connection.save(READY)
    fresh_connection.workspace()
    login = emulator.world.login
    secrets = [*login.access, *login.refresh]
    assert len(secrets) >= 2
    for file in (path for path in settings.home.rglob("*") if path.is_file()):
        text = file.read_text(encoding="utf-8", errors="replace")
        assert not any(secret in text for secret in secrets), file
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_signing_out_forgets_everywhere(connection: Connection, settings: Settings) -> None:
    other = Connection(settings)
    assert other.workspace().name == WORKSPACE
    connection.account.forget()
    connection.account.forget()
    for each in (connection, other, Connection(settings)):
        assert each.account.state().state == SignInState.SIGNED_OUT
        with pytest.raises(SignedOut):
            each.workspace()


def test_signing_out_ends_an_attempt(fresh_connection: Connection, emulator: Emulator) -> None:
    fresh_connection.account.begin("device_code")
    code = shown_code(fresh_connection).code
    fresh_connection.account.forget()
    emulator.world.login.approve_device(code)
    assert fresh_connection.account.state().state == SignInState.SIGNED_OUT


def test_tokens_are_asked_once(connection: Connection, emulator: Emulator) -> None:
    before = len(emulator.asked("POST", "/token$"))
    connection.ml().workspaces.get(WORKSPACE)
    connection.workspace()
    assert len(emulator.asked("POST", "/token$")) - before <= 1


def test_an_expired_sign_in_keeps_the_work_which_goes_on_after_the_next(
    fresh_connection: Connection, emulator: Emulator, operations: Operations
) -> None:
    sign_in_by_code(fresh_connection, emulator)
    fresh_connection.save(READY)
    go = threading.Event()
    names: list[str] = []

    def work(arguments: object, report: object) -> None:
        assert go.wait(10)
        names.append(fresh_connection.ml().workspaces.get(WORKSPACE).name)

    operations.handler("look", work)
    fresh_connection.account.on_signed_in.append(operations.resume_all)
    begun = operations.start("look", "a", "Looking", {})
    emulator.world.login.expire_tokens(also_refresh=True)
    go.set()
    wait_until(lambda: operations.at_work == 0, "the work paused")
    assert operations.get(begun.id).state == OperationState.RUNNING
    state = fresh_connection.account.state()
    assert (state.state, state.account) == (SignInState.EXPIRED, USER)
    assert state.failure is not None
    assert sign_in_by_code(fresh_connection, emulator).state == SignInState.SIGNED_IN
    wait_until(lambda: operations.get(begun.id).state == OperationState.DONE, "the work went on")
    assert names == [WORKSPACE]


def test_a_revoked_sign_in_is_seen_when_its_token_is_renewed(fresh_connection: Connection, emulator: Emulator) -> None:
    sign_in_by_code(fresh_connection, emulator)
    emulator.world.login.expire_tokens(also_refresh=True)
    with pytest.raises(SignedOut, match="expired"):
        fresh_connection.credential().get_token("https://ml.azure.com/.default")
    assert fresh_connection.account.state().state == SignInState.EXPIRED


@pytest.mark.parametrize("fault", ["503", "drop", "hang"])
def test_a_sign_in_service_that_is_down_does_not_end_the_sign_in(
    fresh_connection: Connection, emulator: Emulator, fault: str
) -> None:
    sign_in_by_code(fresh_connection, emulator)
    emulator.faults.add(fault, "/token$", times=-1)
    with pytest.raises(Unavailable):
        fresh_connection.credential().get_token("https://ml.azure.com/.default")
    emulator.faults.clear()
    assert fresh_connection.account.state().state == SignInState.SIGNED_IN
    if fault != "503":  # MSAL asks no more for a minute after that
        assert fresh_connection.credential().get_token("https://ml.azure.com/.default").token


def test_signing_in_while_offline_is_told_in_words(fresh_connection: Connection, emulator: Emulator) -> None:
    emulator.stop()
    fresh_connection.account.begin("device_code")
    state = ended(fresh_connection)
    assert state.failure is not None
    assert state.failure.code == "offline"


def test_an_unknown_tenant_is_told_in_words(fresh_connection: Connection) -> None:
    from backend.azure.config import AzureConfig

    fresh_connection.save(AzureConfig(tenant="99999999-9999-9999-9999-999999999999"))
    fresh_connection.account.begin("device_code")
    state = ended(fresh_connection)
    assert state.failure is not None
    assert "no such tenant" in state.failure.why


def test_a_try_that_fails_after_a_refusal_says_why(connection: Connection, emulator: Emulator) -> None:
    connection.account.refuse(connection.account.sign_in_id, "It has ended.")
    assert connection.account.state().failure == sign_in_again("It has ended.").failure()
    connection.account.begin("device_code")
    emulator.world.login.decline_device(shown_code(connection).code)
    state = ended(connection)
    assert state.state == SignInState.EXPIRED
    assert state.failure is not None
    assert "declined" in state.failure.why


@pytest.fixture
def azure_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> Callable[[str], None]:
    """An `az` command that answers as the real one does; the argument is what it prints."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "dot-azure").mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "dot-azure"))

    def install(script: str) -> None:
        (folder / "az").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / "az").chmod(0o755)

    return install


def log_in_az(tmp_path: Path) -> None:
    profile = {"subscriptions": [{"id": READY.subscription, "user": {"name": USER}}]}
    # the CLI writes this file with a byte order mark
    (tmp_path / "dot-azure" / "azureProfile.json").write_text(json.dumps(profile), encoding="utf-8-sig")


def test_the_azure_cli_must_be_there_and_signed_in(
    fresh_connection: Connection, azure_cli: Callable[[str], None], tmp_path: Path
) -> None:
    assert "not installed" in why_not(fresh_connection, "cli")
    azure_cli("exit 1")
    assert "az login" in why_not(fresh_connection, "cli")
    log_in_az(tmp_path)
    assert why_not(fresh_connection, "cli") == ""


def test_the_login_of_the_azure_cli_signs_in(
    fresh_connection: Connection, azure_cli: Callable[[str], None], tmp_path: Path, emulator: Emulator
) -> None:
    log_in_az(tmp_path)
    token = emulator.world.login.issue("https://management.azure.com")
    azure_cli(f"""echo '{{"accessToken": "{token}", "expires_on": 4102444800, "tenant": "{TENANT}"}}'""")
    fresh_connection.account.begin("cli")
    state = ended(fresh_connection)
    assert (state.state, state.account, state.tenant) == (SignInState.SIGNED_IN, USER, TENANT)
    fresh_connection.save(READY)
    assert fresh_connection.workspace().name == WORKSPACE


def test_an_expired_azure_cli_is_told_in_words(
    fresh_connection: Connection, azure_cli: Callable[[str], None], tmp_path: Path
) -> None:
    log_in_az(tmp_path)
    azure_cli("""echo 'AADSTS70043: The refresh token has expired. Run: az login' >&2; exit 1""")
    fresh_connection.account.begin("cli")
    state = ended(fresh_connection)
    assert state.failure is not None
    assert "expired" in state.failure.why


def test_a_browser_needs_a_display_and_an_app_on_this_computer(
    fresh_connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "no display" in why_not(fresh_connection, "browser")
    monkeypatch.setenv("DISPLAY", ":0")
    assert why_not(fresh_connection, "browser") == ""
    assert "other computers" in why_not(Connection(Settings(home=tmp_path, host="0.0.0.0")), "browser")


BROWSER = """#!{python}
# What a person's browser does: shows Microsoft's page, and is sent back to the address in its query.
import os, sys, urllib.parse, urllib.request
if os.fork():
    os._exit(0)  # a browser gives the terminal back at once
asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(sys.argv[1]).query))
answer = {{"state": asked["state"], {answer}}}
urllib.request.urlopen(asked["redirect_uri"] + "/?" + urllib.parse.urlencode(answer)).read()
"""
ACCEPTS = f'"code": "{BROWSER_CODE}." + asked["nonce"]'
DECLINES = '"error": "access_denied", "error_description": "AADSTS65004: The user declined."'


@pytest.mark.parametrize("accepts", [True, False])
def test_a_browser_on_this_computer_signs_in(
    fresh_connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepts: bool
) -> None:
    browser = tmp_path.parent / "browser"  # Python's webbrowser looks for browsers once in a process
    browser.write_text(BROWSER.format(python=sys.executable, answer=ACCEPTS if accepts else DECLINES), encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", str(browser))
    fresh_connection.account.begin("browser")
    state = ended(fresh_connection)
    if accepts:
        assert (state.state, state.way, state.account) == (SignInState.SIGNED_IN, "browser", USER), state.failure
        fresh_connection.save(READY)
        assert fresh_connection.workspace().name == WORKSPACE
    else:
        assert state.failure is not None
        assert "declined" in state.failure.why


@pytest.fixture
def identity_endpoint(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The address that Azure's app hosts give their programs for tokens; the list is what was asked for."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            resource = parse_qs(urlsplit(self.path).query)["resource"][0]
            asked.append(resource)
            body = {"access_token": emulator.world.login.issue(resource, app=True), "expires_on": "4102444800"}
            data = json.dumps(body | {"resource": resource, "token_type": "Bearer"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    yield asked
    server.shutdown()
    server.server_close()


def test_a_managed_identity_signs_in(fresh_connection: Connection, identity_endpoint: list[str]) -> None:
    fresh_connection.account.begin("managed_identity")
    state = ended(fresh_connection)
    assert state.state == SignInState.SIGNED_IN, state.failure
    assert (state.account, state.tenant) == (CLIENT_ID, TENANT)
    assert identity_endpoint == ["https://management.azure.com"]
    fresh_connection.save(READY)
    assert fresh_connection.workspace().name == WORKSPACE


def test_a_managed_identity_needs_an_azure_machine(fresh_connection: Connection) -> None:
    assert "no Azure machine" in why_not(fresh_connection, "managed_identity")


def test_another_sign_in_takes_the_place_of_the_first(connection: Connection, emulator: Emulator) -> None:
    sign_in_by_code(connection, emulator)
    assert connection.account.state().account == USER
    connection.workspace()
    sign_in(connection)
    assert connection.account.state().account == CLIENT_ID

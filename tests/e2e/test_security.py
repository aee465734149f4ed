"""The real app refuses strangers: asked over the socket and by a real browser."""

from __future__ import annotations

import http.client
import stat
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.app_process import AppProcess
from tests.e2e.desk_page import DeskPage, desk_page

pytestmark = pytest.mark.browser

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "streamlit",
}


def ask(app: AppProcess, path: str = "/", method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse()


def cookie(app: AppProcess) -> str:
    header = ask(app, f"/?token={app.token}").getheader("set-cookie")
    assert header is not None
    return header.split(";")[0]


def test_without_the_link_nothing_is_served(app: AppProcess) -> None:
    for path in ("/", "/train", "/_stcore/health", "/_stcore/host-config", "/static/js/none.js"):
        answer = ask(app, path)
        assert answer.status == 403
        assert "unsafe-eval" not in (answer.getheader("content-security-policy") or "unsafe-eval")


def test_a_wrong_host_is_refused_even_with_the_cookie(app: AppProcess) -> None:
    assert ask(app, Cookie=cookie(app)).status == 200
    assert ask(app, Cookie=cookie(app), Host="evil.example").status == 403


def test_a_socket_opens_for_our_own_page_only(app: AppProcess) -> None:
    own = f"http://127.0.0.1:{app.port}"
    path = "/_stcore/stream"
    assert ask(app, path, Cookie=cookie(app), Origin=own, **UPGRADE).status == 101
    assert ask(app, path, Origin=own, **UPGRADE).status == 403
    for origin in ("http://evil.example", "http://localhost:9999", "null"):
        assert ask(app, path, Cookie=cookie(app), Origin=origin, **UPGRADE).status == 403
    assert ask(app, path, Cookie=cookie(app), Origin=own, Host=f"evil.example:{app.port}", **UPGRADE).status == 403


def test_the_token_is_gone_from_the_address_and_unreadable_for_scripts(desk: DeskPage) -> None:
    assert "token" not in desk.page.url
    assert "phidesk" not in desk.page.evaluate("document.cookie")
    [own] = [one for one in desk.page.context.cookies() if str(one.get("name", "")).startswith("phidesk")]
    assert own.get("httpOnly") is True
    assert own.get("sameSite") == "Strict"


def test_a_stranger_sees_a_friendly_page(browser: Browser, app: AppProcess) -> None:
    page = browser.new_page()
    page.goto(app.url)
    expect(page.get_by_role("heading", name="Open Phi Desk with its link.")).to_be_visible()
    page.close()


def test_scripts_from_text_cannot_run(desk: DeskPage) -> None:
    """The policy itself, whatever escaping does: neither eval nor an inline script works in the page."""
    tried = """() => new Promise(done => setTimeout(() => {
        try { new Function('return 1')(); done('ran') } catch (error) { done(error.name) }
    }))"""  # in a task of its own: what the test driver evaluates itself is exempt from the policy
    assert desk.page.evaluate(tried) == "EvalError"
    desk.page.evaluate("() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; "
                       "document.body.append(s) }")  # fmt: skip
    assert desk.page.evaluate("window.ran") is None


def test_an_upload_named_like_a_path_stays_inside_the_workspace(desk: DeskPage, home: Path) -> None:
    turns = '[{"role": "user", "content": "Question %s?"}, {"role": "assistant", "content": "Yes."}]'
    rows = "\n".join(f'{{"messages": {turns % number}}}' for number in range(10)).encode()
    desk.open("dataset")
    around = set(home.parent.iterdir())
    desk.page.locator("input[type=file]").first.set_input_files(
        {"name": "../../etc/passwd.jsonl", "mimeType": "application/jsonl", "buffer": rows}
    )
    expect(desk.page.get_by_text("10 examples can teach.")).to_be_visible(timeout=30_000)
    desk.screenshot("upload-checked")
    desk.page.locator(".st-key-save_dataset button").click()
    expect(desk.page.get_by_role("button", name="Train with it")).to_be_visible()
    assert set(home.parent.iterdir()) == around
    assert list(home.glob("datasets/*/train.jsonl"))
    desk.assert_is_sound()


def test_an_upload_over_the_limit_is_refused_with_the_limit(browser: Browser, tmp_path: Path) -> None:
    with AppProcess(tmp_path / "home", PHIDESK_MAX_UPLOAD_MB="1") as small, desk_page(browser, small) as desk:
        desk.open("dataset")
        desk.page.locator("input[type=file]").first.set_input_files(
            {"name": "large.jsonl", "mimeType": "application/jsonl", "buffer": b"x" * (2 * 1024 * 1024)}
        )
        expect(desk.page.get_by_text("1.0MB or smaller").or_(desk.page.get_by_text("1MB or smaller"))).to_be_visible()
        assert ask(small, "/_stcore/upload_file/a/b", "PUT", Cookie=cookie(small)).status == 403


def test_a_restart_keeps_open_tabs_signed_in(browser: Browser, tmp_path: Path) -> None:
    with AppProcess(tmp_path / "home") as app, desk_page(browser, app) as desk:
        old = app.token
        app.kill()
        app.start()
        assert app.token != old
        desk.open("setup")
        desk.assert_is_sound()


def test_the_workspace_folder_and_its_key_are_the_owners_alone(app: AppProcess, home: Path) -> None:
    assert stat.S_IMODE((home / "session.key").stat().st_mode) == 0o600


def test_the_log_holds_no_token(desk: DeskPage, app: AppProcess) -> None:
    desk.open("chat")
    ready, *rest = app.output.splitlines()
    assert app.token in ready
    assert not any(app.token in line for line in rest)

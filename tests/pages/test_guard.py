"""What stands before every request: token, cookie, Host, Origin, headers. Asked as a client would ask."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.file_util import get_static_dir

from backend.errors import Conflict
from streamlit_app.guard import Guard, cookie_secret, script_hashes
from streamlit_app.server import bind, configure_streamlit

TOKEN = "right-token"
OWN = "http://127.0.0.1:8501"
SOCKET = "ws://127.0.0.1:8501/_stcore/stream"
PAGE = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


def client(home: Path, *, token: str = TOKEN, base_url: str = OWN) -> TestClient:
    inner = Starlette(
        routes=[WebSocketRoute("/_stcore/stream", socket), Route("/{path:path}", hello, methods=["GET", "POST", "PUT"])]
    )
    guard = Guard(inner, port=8501, token=token, secret=cookie_secret(home), index_html=PAGE)
    return TestClient(guard, base_url=base_url, follow_redirects=False)


def signed_in(home: Path, *, base_url: str = OWN) -> TestClient:
    one = client(home, base_url=base_url)
    one.get(f"/?token={TOKEN}")
    return one


def test_without_a_cookie_every_path_is_refused_with_a_friendly_page(tmp_path: Path) -> None:
    for path in ("/", "/train", "/_stcore/health", "/static/js/index.js", "/_stcore/upload_file/a/b"):
        answer = client(tmp_path).get(path)
        assert answer.status_code == 403
        assert "Phi Desk is ready" in answer.text
        assert "inside" not in answer.text


def test_the_token_becomes_a_strict_http_only_cookie_and_leaves_the_address(tmp_path: Path) -> None:
    answer = client(tmp_path).get(f"/train?token={TOKEN}&job=a%26b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/train?job=a%26b"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert signed_in(tmp_path).get("/train").text == "inside"


def test_a_wrong_token_is_refused_and_says_that_the_link_is_old(tmp_path: Path) -> None:
    answer = client(tmp_path).get("/?token=wrong")
    assert answer.status_code == 403
    assert "out of date" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_cookie_stays_good_over_a_restart_and_an_old_link_then_still_opens(tmp_path: Path) -> None:
    before = signed_in(tmp_path)
    after = client(tmp_path, token="a-new-one")
    after.cookies = before.cookies
    assert after.get("/").text == "inside"
    assert after.get(f"/?token={TOKEN}").status_code == 303


def test_a_cookie_of_another_workspace_folder_is_refused(tmp_path: Path) -> None:
    other = client(tmp_path / "other")
    other.cookies = signed_in(tmp_path / "mine").cookies
    assert other.get("/").status_code == 403


def test_the_cookie_key_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    cookie_secret(tmp_path)
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600


def test_a_link_opened_from_another_site_is_answered_by_a_page_of_our_own(tmp_path: Path) -> None:
    """The strict cookie is not sent along a redirect that another site began."""
    answer = client(tmp_path).get(f"/?token={TOKEN}", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/%5Cevil.example"])
def test_the_redirect_never_leads_to_another_host(tmp_path: Path, path: str) -> None:
    answer = client(tmp_path).get(f"{OWN}{path}?token={TOKEN}")
    assert not re.match(r"[/\\]{2}|/\\|https?:", answer.headers.get("location", "/"))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8501", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8501.evil.example", "", "[::1]:8501"],
)
def test_another_host_name_is_refused_even_with_the_cookie(tmp_path: Path, host: str) -> None:
    answer = signed_in(tmp_path).get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "inside" not in answer.text


def test_localhost_is_as_good_as_the_address(tmp_path: Path) -> None:
    assert signed_in(tmp_path, base_url="http://localhost:8501").get("/").text == "inside"


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://localhost:9999", "https://127.0.0.1:8501"]
)
def test_a_change_asked_by_another_page_is_refused(tmp_path: Path, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    assert signed_in(tmp_path).put("/_stcore/upload_file/a/b", headers=headers).status_code == 403


def test_a_change_asked_by_our_own_page_passes(tmp_path: Path) -> None:
    assert signed_in(tmp_path).put("/_stcore/upload_file/a/b", headers={"origin": OWN}).text == "inside"


@pytest.mark.parametrize("origin", [None, "http://evil.example", "http://localhost:9999"])
def test_a_socket_from_another_page_is_refused_even_with_the_cookie(tmp_path: Path, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    with pytest.raises(WebSocketDisconnect), signed_in(tmp_path).websocket_connect(SOCKET, headers=headers):
        pass


def test_a_socket_without_the_cookie_is_refused(tmp_path: Path) -> None:
    headers = {"origin": OWN}
    with pytest.raises(WebSocketDisconnect), client(tmp_path).websocket_connect(SOCKET, headers=headers):
        pass


def test_a_socket_of_our_own_page_passes(tmp_path: Path) -> None:
    headers = {"origin": OWN}
    with signed_in(tmp_path).websocket_connect(SOCKET, headers=headers) as websocket:
        assert websocket.receive_text() == "inside"


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_every_answer_has_the_safe_headers(tmp_path: Path, is_signed_in: bool) -> None:
    answer = (signed_in if is_signed_in else client)(tmp_path).get("/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in scripts
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_the_policy_allows_the_inline_script_of_the_installed_streamlit() -> None:
    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", PAGE)
    assert inline, "Streamlit's page has no inline script any more: drop the hash"
    assert len(script_hashes(PAGE)) == len(inline)


def test_a_busy_port_is_refused_with_its_number_and_another_one_to_try() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Conflict) as caught:
            bind("127.0.0.1", port)
    assert str(port) in caught.value.what
    assert re.search(r"PORT=\d+ make run", caught.value.how_to_fix)


def test_the_safe_settings_win_over_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit import config

    monkeypatch.setenv("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "true")
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
    configure_streamlit(port=8599, max_upload_mb=7)
    try:
        assert config.get_option("browser.gatherUsageStats") is False
        assert config.get_option("server.address") == "127.0.0.1"
        assert config.get_option("server.maxUploadSize") == 7
        assert config.get_option("client.showErrorDetails") == "none"
        assert config.get_option("server.enableXsrfProtection") is True
    finally:
        config.get_config_options(force_reparse=True)

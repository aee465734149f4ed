"""What stands in front of every request: launch token and cookie, strict Host and Origin, and safe response headers.

The app is for one person on one computer. Other pages in the same browser, other computers and other users of this
computer get 403. The launch token is new at every start; the cookie it is swapped for outlives a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from backend.i18n import _

SAFE_METHODS = {"GET", "HEAD"}
TOKEN_PARAMETER = "token"  # noqa: S105  the name of a query parameter, not a secret

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def cookie_secret(home: Path) -> bytes:
    """The key behind the session cookie, in a file only its owner can read: open tabs survive a restart."""
    path = home / "session.key"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        write_for_owner(path, secrets.token_bytes(32))
    except FileExistsError:
        path.chmod(0o600)
    return path.read_bytes()


def write_for_owner(path: Path, content: bytes) -> None:
    """A new file that nobody else could read at any moment. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def script_hashes(index_html: str) -> list[str]:
    """CSP sources for the inline scripts of Streamlit's page, recomputed at every start: an upgrade changes them."""
    return [
        f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(index_html)
    ]


def content_security_policy(hashes: Iterable[str], hosts: Iterable[str]) -> str:
    sockets = " ".join(f"ws://{host}" for host in hosts)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {' '.join(hashes)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self'",
            f"connect-src 'self' {sockets}",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, port: int, token: str, secret: bytes, index_html: str) -> None:
        self._app = app
        self._token = token
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        # Cookies are shared by all ports of a host: the name keeps two Phi Desks apart.
        self._cookie_name = f"phidesk_{port}"
        self._cookie_value = hmac.new(secret, b"phidesk session cookie 1", hashlib.sha256).hexdigest()
        self._headers = {
            "Content-Security-Policy": content_security_policy(script_hashes(index_html), self._hosts),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await WebSocketClose(code=1008)(scope, receive, send)  # before accept: the client sees 403
            return
        target = refusal or self._app
        await target(scope, receive, self._with_headers(scope, send))

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer instead of the app's, or None to let the request through."""
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return _page(
                _("Phi Desk answers only on this computer."),
                _("Open it by its own address, http://{host}/.").format(host=self._hosts[0]),
            )
        needs_origin = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if needs_origin and headers.getlist("origin") != [f"http://{headers['host']}"]:
            return _page(_("This request came from another page."), _("Phi Desk takes requests only from itself."))
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            swapped = self._swap_token(scope, headers)
            if swapped is not None:
                return swapped
        if self._has_cookie(headers):
            return None
        return _page(
            _("Open Phi Desk with its link."),
            _(
                "For your safety it opens only with the link it prints when it starts. Look for the line "
                "“Phi Desk is ready” in the window where you started it, and open that link."
            ),
        )

    def _swap_token(self, scope: Scope, headers: Headers) -> Response | None:
        """A right token becomes a cookie and leaves the address bar; None when there is nothing to do."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == TOKEN_PARAMETER]
        if not given:
            return None
        is_right = hmac.compare_digest(given[-1].encode(), self._token.encode())
        if not is_right and not self._has_cookie(headers):
            return _page(
                _("This link is out of date."),
                _("Phi Desk makes a new link at every start. Use the newest line “Phi Desk is ready”."),
            )
        rest = urlencode([(name, value) for name, value in query if name != TOKEN_PARAMETER])
        # One leading slash only: "//host" would lead to another host.
        address = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")
        if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            response: Response = RedirectResponse(address, status_code=303)
        else:
            # A redirect that another site or a local file began would not carry the strict cookie; our own page does.
            response = HTMLResponse(f'<meta http-equiv="refresh" content="0; url={escape(address)}">')
        if is_right:
            response.set_cookie(self._cookie_name, self._cookie_value, httponly=True, samesite="strict", path="/")
        return response

    def _has_cookie(self, headers: Headers) -> bool:
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            return False
        morsel = cookies.get(self._cookie_name)
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._cookie_value.encode())

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return send_with_headers


def _page(title: str, text: str) -> HTMLResponse:
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Phi Desk</title>
<style>:root {{ color-scheme: light dark }}
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 16vh auto; padding: 0 1.5rem }}</style>
</head>
<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p></main></body></html>""",
        status_code=403,
    )

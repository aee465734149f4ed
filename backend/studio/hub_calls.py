"""One call to the Hugging Face Hub or to its dataset viewer: bounded in time and size, refused in words.

By `requests`, not by `huggingface_hub`: its search takes no timeout and sleeps through every Retry-After (2.4.0),
and loading it costs the app a second and 22 MB.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import Unavailable
from backend.i18n import _

HUB = "https://huggingface.co"
CONNECT_SECONDS = 5.0
MAX_REPLY_BYTES = 32 * 1024 * 1024


class Refusal(Exception):
    """What the other side answered in place of what was asked. `code` is its own (X-Error-Code)."""

    def __init__(self, status: int, code: str = "", message: str = "", retry_after: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class HubAddress:
    """Where the Hub and its viewer are, and with which token to ask them (none for open datasets)."""

    hub: str
    viewer: str
    token: str | None = field(default=None, repr=False)
    timeout_seconds: float = 15.0

    def ask(self, url: str, query: Mapping[str, Any]) -> Any:
        """The JSON that `url` answers. Raises Refusal, or Unavailable where nobody answers in time."""
        import requests

        if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
            raise Unavailable(
                _("Phi Desk may not speak to the Hugging Face Hub."),
                why=_("The environment variable HF_HUB_OFFLINE says so."),
                how_to_fix=_("Remove it and start again, or add a file instead."),
                code="hub_offline",
            )
        ends = time.monotonic() + self.timeout_seconds
        try:
            with requests.get(
                url,
                params=query,
                auth=self._sign,  # not left to ~/.netrc, which would replace a header
                timeout=(min(CONNECT_SECONDS, self.timeout_seconds), self.timeout_seconds),
                stream=True,
            ) as reply:
                content = b""
                for block in reply.iter_content(64 * 1024):
                    content += block
                    if time.monotonic() > ends:
                        raise requests.Timeout("the answer does not end")
                    if len(content) > MAX_REPLY_BYTES:
                        raise Refusal(413, "TooLarge", "the answer is too large")
        except requests.Timeout as error:
            raise Unavailable(
                _("The Hugging Face Hub does not answer."),
                why=_("It was given {seconds:g} seconds.").format(seconds=self.timeout_seconds),
                how_to_fix=_("Try again in a minute, or add a file instead."),
                code="hub_slow",
                raw=f"{type(error).__name__}: {error}",
            ) from error
        except requests.RequestException as error:
            raise unreachable(f"{type(error).__name__}: {error}") from error
        if reply.status_code >= 400:
            raise Refusal(
                reply.status_code,
                reply.headers.get("X-Error-Code", ""),
                reply.headers.get("X-Error-Message", "")[:300],
                reply.headers.get("Retry-After", ""),
            )
        return _json(content)

    def _sign(self, request: Any) -> Any:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def address(token: str | None, *, viewer: str = "", timeout_seconds: float = 15.0) -> HubAddress:
    """By HF_ENDPOINT like every client of the Hub; the viewer's host is the Hub's with a prefix unless given."""
    hub = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    return HubAddress(
        hub, viewer.rstrip("/") or hub.replace("://", "://datasets-server."), token or None, timeout_seconds
    )


def unreachable(raw: str) -> Unavailable:
    return Unavailable(
        _("The Hugging Face Hub can't be reached."),
        how_to_fix=_("Check the network (and HF_ENDPOINT, HTTPS_PROXY where you use them), or add a file instead."),
        code="hub_unreachable",
        raw=raw,
    )


def _json(content: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable(
            _("Something else than the Hugging Face Hub answered."),
            why=_("Its answer is not JSON; a network's sign-in page may be in between."),
            how_to_fix=_("Open huggingface.co in the browser, then try again."),
            code="hub_strange",
            raw=content[:300].decode(errors="replace"),
        ) from error

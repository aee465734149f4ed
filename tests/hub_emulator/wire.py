"""What travels: requests, replies, faults, and the table of routes. The first route that matches wins."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.hub_emulator.server import HubEmulator


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are lower case, `path` is unquoted."""

    method: str
    target: str  # as on the wire: path and query, quoted
    headers: dict[str, str]
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @cached_property
    def query(self) -> dict[str, str]:
        """The last value of each name."""
        return {name: values[-1] for name, values in self.all_of_query.items()}

    @cached_property
    def all_of_query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode())

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Reply:
    """`body`: a JSON value, or bytes as they are."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, str]:
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


def error(status: int, code: str, message: str, **headers: str) -> Reply:
    """As both the Hub and the viewer say it: in a header and in the body. Header names: `Retry_After="1"`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message, **named})


@dataclass
class Fault:
    """What goes wrong the next `times` times that a request's "METHOD /path" matches `on`.

    `reply` is sent instead; `hang` keeps the connection open without a word until the emulator ends; `drop_after`
    sends that many bytes of the real body, then closes the connection.
    """

    on: str
    reply: Reply | None = None
    hang: bool = False
    drop_after: int | None = None
    times: int = 1_000_000

    def takes(self, request: Request) -> bool:
        if self.times <= 0 or not re.search(self.on, f"{request.method} {request.path}"):
            return False
        self.times -= 1
        return True


Handler = Callable[..., Reply]


class Routes:
    """`@routes.on(method, path)`: whole-match regexes; the path's named groups become arguments."""

    def __init__(self) -> None:
        self._routes: list[tuple[re.Pattern[str], re.Pattern[str], Handler]] = []

    def on(self, method: str, path: str) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self._routes.append((re.compile(method), re.compile(path), handler))
            return handler

        return keep

    def answer(self, request: Request, hub: HubEmulator) -> Reply | None:
        """The reply of the first matching route; None when nothing here is spoken to."""
        for method, path, handler in self._routes:
            match = path.fullmatch(request.path)
            if match and method.fullmatch(request.method):
                return handler(request, hub, **match.groupdict())
        return None


routes = Routes()

"""What travels: requests, replies, and the table of routes that answers them. The first route that matches wins."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from tests.azure_emulator.world import World

MANAGEMENT = r"management\.azure\.com"


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names and the host are lower case, the path is unquoted, the query is a dict."""

    method: str
    host: str
    target: str  # as on the wire: path and query, quoted
    headers: dict[str, str]
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        return re.sub(r"/{2,}", "/", unquote(urlsplit(self.target).path))

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.target}"


@dataclass
class Reply:
    """`body`: a JSON value, bytes as they are, or an iterator of bytes that is sent chunk by chunk as it comes."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_stream(self) -> bool:
        return isinstance(self.body, Iterator)

    def encoded(self) -> tuple[bytes, str]:
        """The whole body and its content type; not for streams."""
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


def error(status: int, code: str, message: str, **headers: str) -> Reply:
    """An error in the shape of Azure Resource Manager. Header names: `Retry_After="1"`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"error": {"code": code, "message": message}}, named)


def not_found(request: Request) -> Reply:
    return error(404, "ResourceNotFound", f"The Resource '{request.path}' was not found.")


Handler = Callable[..., Reply]


@dataclass(frozen=True)
class Route:
    host: re.Pattern[str]
    method: re.Pattern[str]
    path: re.Pattern[str]
    handler: Handler
    anonymous: bool


class Routes:
    """`@routes.on(host, method, path)`: whole-match regexes, the path's case ignored, its named groups arguments."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def on(self, host: str, method: str, path: str, *, anonymous: bool = False) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            flags = re.IGNORECASE
            patterns = (re.compile(host, flags), re.compile(method, flags), re.compile(path, flags))
            self._routes.append(Route(*patterns, handler, anonymous))
            return handler

        return keep

    def find(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        for route in self._routes:
            if route.host.fullmatch(request.host) and route.method.fullmatch(request.method):
                match = route.path.fullmatch(request.path)
                if match:
                    return route, match.groupdict()
        return None

    def answer(self, request: Request, world: World) -> Reply | None:
        """The reply of the first matching route; None when nothing here is spoken to."""
        found = self.find(request)
        if found is None:
            return None
        route, groups = found
        if not route.anonymous:
            refusal = world.login.refusal(request)
            if refusal is not None:
                return refusal
        return route.handler(request, world, **groups)


routes = Routes()

"""The server: one address for the Hub, and the same with another path prefix for the dataset viewer.

    with HubEmulator() as hub:
        hub.add(Repo("owner/name", {"train.jsonl": b"..."}))
        hub.endpoint   # for HF_ENDPOINT
        hub.viewer     # the dataset viewer's address

Afterwards `hub.unknown` are the requests that nothing here answered: a test that has any must fail (`hub.close` and
the fixture in `fixtures` see to that). More routes: a module of handlers under `@routes.on`, imported below.
"""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.hub_emulator import hub_routes, uploads, viewer_routes
from tests.hub_emulator.repos import Repo
from tests.hub_emulator.wire import Fault, Reply, Request, error, routes

HANDLERS = (hub_routes, uploads, viewer_routes)
"""Named so that they are imported: each adds its routes."""


class HubEmulator:
    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, str] = {}  # old id -> id now
        self.tokens: dict[str, str] = {}  # token -> who has it; empty: every token is somebody's
        self.faults: list[Fault] = []
        self.asked: list[Request] = []
        self.unknown: list[str] = []
        self.ended = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def viewer(self) -> str:
        return f"{self.endpoint}/viewer"

    def add(self, repo: Repo) -> Repo:
        self.repos[repo.id] = repo
        return repo

    def fail(self, on: str, status: int, code: str = "UnexpectedError", times: int = 1_000_000, **headers: str) -> None:
        """Answer with an error where "METHOD /path" matches `on` (the viewer's paths begin with /viewer)."""
        self.faults.append(Fault(on, error(status, code, f"made to fail with {status}", **headers), times=times))

    def hang(self, on: str) -> None:
        self.faults.append(Fault(on, hang=True))

    def drop(self, on: str, after: int = 0, times: int = 1_000_000) -> None:
        """Close the connection after so many bytes of the body."""
        self.faults.append(Fault(on, drop_after=after, times=times))

    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    def forget(self) -> None:
        """As new, for the next test."""
        for kept in (self.repos, self.moved, self.tokens, self.faults, self.asked, self.unknown):
            kept.clear()

    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        self.asked.append(request)
        fault = next((fault for fault in self.faults if fault.takes(request)), None)
        if fault and fault.reply:
            return fault.reply, None
        reply = routes.answer(request, self)
        if reply is None:
            self.unknown.append(f"{request.method} {request.target}")
            reply = error(501, "NotEmulated", f"the emulator does not know {request.method} {request.path}")
        return reply, fault

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> HubEmulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self.require_all_known()

    def require_all_known(self) -> None:
        assert self.unknown == [], f"asked for what the emulator does not know: {self.unknown}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: HubEmulator) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the emulator."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _do(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        reply, fault = self.server.hub.answer(request)
        if fault and fault.hang:
            self.server.hub.ended.wait()
            self.close_connection = True
            return
        content, kind = reply.encoded()
        self.send_response(reply.status)
        for name, value in {"Content-Type": kind, **reply.headers}.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and fault.drop_after is not None:
            self.wfile.write(content[: fault.drop_after])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _do  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""

"""The CONNECT proxy: every TLS connection of the client ends here, with a certificate of a local authority.

Blob requests go on to Azurite; all else is answered by the emulator. What neither knows is refused and recorded.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import socketserver
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import certifi
import trustme

from tests.azure_emulator.wire import Reply, Request

if TYPE_CHECKING:
    from tests.azure_emulator.emulator import Emulator

CHUNK = 1 << 16
BLOB_HOST = re.compile(r"([a-z0-9]+)\.blob\.core\.windows\.net")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "proxy-connection"}


class Authority:
    """A certificate authority of this process: the file that clients trust, and a TLS context per host."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        with tempfile.NamedTemporaryFile("w", prefix="phidesk-emulator-ca-", suffix=".pem", delete=False) as file:
            file.write(Path(certifi.where()).read_text(encoding="utf-8"))
            file.write("\n" + self._authority.cert_pem.bytes().decode())
        self.bundle = Path(file.name)

    def context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def close(self) -> None:
        self.bundle.unlink(missing_ok=True)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, emulator: Emulator, port: int = 0) -> None:
        self.emulator = emulator
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Tunnel)

    def close_connections(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else fails the test that finds it in `crashes`."""
        import sys
        import traceback

        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError, OSError)):
            self.emulator.crashes.append(traceback.format_exc())


class Tunnel(socketserver.BaseRequestHandler):
    """One connection of the client: CONNECT, then TLS, then HTTP/1.1 until either side has enough."""

    def handle(self) -> None:
        emulator = cast(Server, self.server).emulator
        self.request.settimeout(600)
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.request.recv(4096)
            if not part:
                return
            head += part
        verb, authority = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")[:2]
        host = authority.rpartition(":")[0].lower()
        if verb != "CONNECT" or not authority.endswith(":443"):
            emulator.strays.append(f"{verb} {authority}")
            self.request.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if not emulator.serves(host):
            emulator.strays.append(f"CONNECT {host}")
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            secured = emulator.authority.context(host).wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        server = cast(Server, self.server)
        server.open.add(secured)
        try:
            Conversation(secured, host, server)
        finally:
            server.open.discard(secured)
            with contextlib.suppress(OSError):
                secured.close()


class Conversation(BaseHTTPRequestHandler):
    """The HTTP requests of one connection to one host."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __init__(self, connection: ssl.SSLSocket, host: str, server: Server) -> None:
        self.host = host
        self.emulator = server.emulator
        self.blobs: http.client.HTTPConnection | None = None
        super().__init__(connection, ("127.0.0.1", 0), server)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal: the emulator keeps its own record."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the client went away in the middle of its request")
        return body

    def _respond(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.host, self.path, headers, self._read_body())
        world = self.emulator.world
        fault = world.faults.take_wire(request)
        kind = fault.kind if fault else ""
        if kind in ("drop", "hang"):
            self._break_off(kind, request)
            return
        if fault and kind.isdigit():
            self._send(request, fault.reply(request))
            return
        if BLOB_HOST.fullmatch(self.host):
            self._forward(request, breaking=kind)
            return
        reply = self.emulator.answer(request)
        if kind:
            self._break_off(kind, request)
            return
        self._send(request, reply)

    def _break_off(self, kind: str, request: Request) -> None:
        self.emulator.record(request, 0)
        if kind.startswith("hang"):
            self.emulator.world.faults.released.wait(600)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, request: Request, reply: Reply) -> None:
        self.emulator.record(request, reply.status)
        self.send_response_only(reply.status)
        if reply.is_stream:
            self._send_stream(reply)
            return
        body, kind = reply.encoded()
        headers = {"Content-Type": kind} if kind else {}
        headers |= reply.headers | {"Content-Length": str(len(body)), "x-ms-request-id": request.headers.get(
            "x-ms-client-request-id", "00000000-0000-0000-0000-000000000000"
        )}  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if request.method != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _send_stream(self, reply: Reply) -> None:
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            for part in reply.body:
                if part:
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except (OSError, ssl.SSLError):
            self.close_connection = True
        finally:
            close = getattr(reply.body, "close", None)
            if close:
                close()

    def _forward(self, request: Request, breaking: str) -> None:
        """To Azurite, by the account that stands there for this one; signatures name that one already."""
        azurite = self.emulator.world.azurite
        if azurite is None:
            self.emulator.strays.append(f"{request.method} {request.host}: no Azurite here")
            self._send(request, Reply(501))
            return
        if self.blobs is None:
            self.blobs = http.client.HTTPConnection("127.0.0.1", azurite.port, timeout=600)
        account = request.host.partition(".")[0]
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP | {"host"}}
        headers["Host"] = f"{azurite.account_for(account)}.blob.core.windows.net"
        if request.body or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(request.body))
        self.blobs.request(request.method, request.target, request.body or None, headers)
        answer = self.blobs.getresponse()
        if breaking:
            answer.read()
            self._break_off(breaking, request)
            return
        self.emulator.record(request, answer.status)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if request.method == "HEAD":
            self.send_header("Content-Length", answer.getheader("Content-Length") or "0")
            self.end_headers()
            answer.read()
        else:
            body = answer.read()
            if answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        self.wfile.flush()

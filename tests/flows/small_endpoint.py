"""A real HTTP server that speaks the contracts of an endpoint, with the ways in which one can misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a-key-of-the-test"


@dataclass
class SmallEndpoint:
    """`behaviour`: well, whole, broken_off, error_event, endless, garbage, or an HTTP status to refuse with."""

    pieces: list[str] = field(default_factory=lambda: ["Bill ", "Gates ", "und Paul Allën 🙂."])
    behaviour: str | int = "well"
    bytes_at_once: int = 0
    key: str = KEY
    refusal: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    caller_left: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    endpoint: SmallEndpoint

    def do_POST(self) -> None:
        endpoint = self.endpoint
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        endpoint.bodies.append(body)
        endpoint.paths.append(self.path)
        if self.headers["authorization"] != f"Bearer {endpoint.key}":
            self._send(401, {"error": {"message": "no"}})
        elif isinstance(endpoint.behaviour, int):
            self._send(endpoint.behaviour, endpoint.refusal)
        elif endpoint.behaviour == "garbage":
            self._send(200, {"something": "else"})
        elif self.path == "/score":
            answers = {dict: {"output": endpoint.text}, list: [endpoint.text], str: {"answer": endpoint.text}}
            self._send(200, answers[type(body["input_data"])])
        elif body.get("stream") and endpoint.behaviour != "whole":
            self._stream()
        else:
            self._send(200, {"choices": [{"message": {"role": "assistant", "content": endpoint.text}}]})

    def _send(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in self.endpoint.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        endpoint = self.endpoint
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for number, piece in enumerate(self._pieces()):
                self._event({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
                if number == 1 and endpoint.behaviour == "error_event":
                    self._event({"error": {"message": "out of memory"}})
                    return
                if number == 1 and endpoint.behaviour == "broken_off":
                    self.close_connection = True
                    return
            self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")
        except OSError:
            endpoint.caller_left.set()
            self.close_connection = True

    def _pieces(self) -> Iterator[str]:
        yield from self.endpoint.pieces
        number = 0
        while self.endpoint.behaviour == "endless":
            number += 1
            yield f"{number} " * 1000

    def _event(self, event: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())

    def _chunk(self, content: bytes) -> None:
        size = self.endpoint.bytes_at_once or len(content) or 1
        for start in range(0, max(len(content), 1), size):
            part = content[start : start + size]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serve(endpoint: SmallEndpoint) -> Iterator[SmallEndpoint]:
    handler = type("Handler", (_Handler,), {"endpoint": endpoint})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()

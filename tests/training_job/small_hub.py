"""A Hugging Face Hub of one address: serves folders as models over HTTP, and knows one gated model."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class SmallHub(ThreadingHTTPServer):
    """`models` maps ids to folders. `asked` is every path that was requested."""

    def __init__(self, models: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = models
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: SmallHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if path.startswith("/api/models/gated/"):
            return self._fail(403, "GatedRepo")
        for name, folder in self.server.models.items():
            if path.startswith(f"/api/models/{name}"):
                return self._describe(name, folder, path)
            if path.startswith(f"/{name}/resolve/{COMMIT}/"):
                return self._send_file(folder / path.rsplit("/", 1)[1])
        return self._fail(404, "RepoNotFound")

    def _describe(self, name: str, folder: Path, path: str) -> None:
        files = sorted(file for file in folder.iterdir() if file.is_file())
        if "/revision/" in path and not path.endswith(("/revision/main", f"/revision/{COMMIT}")):
            return self._fail(404, "RevisionNotFound")
        if "/tree/" in path:
            tree = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _etag(file)} for file in files
            ]
            return self._send(json.dumps(tree).encode())
        siblings = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
        return self._send(json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode())

    def _send_file(self, file: Path) -> None:
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_etag(file)}"', "Accept-Ranges": "bytes"}
        self._send(file.read_bytes(), headers)

    def _send(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


def _etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()

"""The emulator as one object: start it, put `environment` into the process under test, look at what was asked."""

from __future__ import annotations

import re
import threading
import traceback
from dataclasses import dataclass, field
from typing import Any

from tests.azure_emulator import arm, schemas
from tests.azure_emulator.faults import Faults
from tests.azure_emulator.proxy import BLOB_HOST, Authority, Server
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, routes
from tests.azure_emulator.world import CLIENT_ID, CLIENT_SECRET, TENANT, World

# Each module puts its routes and its types of resources into the tables as it is imported.
from tests.azure_emulator import (  # isort: skip
    access,
    assets,
    autoscale,
    connections,
    data_plane,
    deployments,
    endpoints,
    inference,
    jobs,
    login,
    mlflow_tracking,
    prices,
    providers,
    quota,
    registry,
    template_deployments,
    workspaces,
)

__all__ = [
    "Emulator",
    "Recorded",
    "access",
    "assets",
    "autoscale",
    "connections",
    "data_plane",
    "deployments",
    "endpoints",
    "inference",
    "jobs",
    "login",
    "mlflow_tracking",
    "prices",
    "providers",
    "quota",
    "registry",
    "template_deployments",
    "workspaces",
]

HOSTS = re.compile(
    r"management\.azure\.com|login\.microsoftonline\.com|prices\.azure\.com"
    r"|[a-z0-9]+\.api\.azureml\.ms|[a-z0-9-]+\.[a-z0-9]+\.inference\.ml\.azure\.com"
)


@dataclass(frozen=True)
class Recorded:
    """A request as it came, without what is secret; status 0: the connection was broken off on purpose."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    status: int
    headers: dict[str, str]


SECRET_HEADERS = {"authorization", "x-azureml-token", "api-key", "cookie"}


@dataclass
class Emulator:
    world: World
    authority: Authority
    port: int = 0
    requests: list[Recorded] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    schema_errors: list[str] = field(default_factory=list)
    _server: Server | None = None

    @property
    def faults(self) -> Faults:
        return self.world.faults

    @property
    def environment(self) -> dict[str, str]:
        """What the process under test needs in its environment: the way here, whom to trust, who signs in."""
        proxy = f"http://127.0.0.1:{self.port}"
        bundle = str(self.authority.bundle)
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT_ID,
            "AZURE_CLIENT_SECRET": CLIENT_SECRET,
        }

    def start(self) -> Emulator:
        self._server = Server(self, self.port)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="azure-emulator"
        ).start()
        self.world.environment = self.environment
        return self

    def stop(self) -> None:
        self.world.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_connections()
            self._server = None

    def serves(self, host: str) -> bool:
        return bool(HOSTS.fullmatch(host) or BLOB_HOST.fullmatch(host))

    def record(self, request: Request, status: int) -> None:
        query = {key: "..." if key in ("sig", "code", "token") else value for key, value in request.query.items()}
        headers = {name: value for name, value in request.headers.items() if name not in SECRET_HEADERS}
        self.requests.append(Recorded(request.method, request.host, request.path, query, status, headers))

    def answer(self, request: Request) -> Reply:
        """The reply to a request; a crash of ours is a 500 that fails the test, not the client's puzzle."""
        try:
            reply = routes.answer(request, self.world)
            if reply is None and re.fullmatch(MANAGEMENT, request.host):
                reply = self.world.login.refusal(request) or arm.answer(request, self.world)
            if reply is not None:
                self.schema_errors += schemas.check(request, reply)
        except Exception:  # noqa: BLE001 - whatever it is, the test shall show it
            self.crashes.append(f"{request.method} {request.url}\n{traceback.format_exc()}")
            return Reply(500, {"error": {"code": "EmulatorCrashed", "message": traceback.format_exc()[-800:]}})
        if reply is None:
            self.strays.append(f"{request.method} {request.host}{request.path}")
            return Reply(501, {"error": {"code": "NotEmulated", "message": f"{request.method} {request.path}"}})
        return reply

    def asked(self, method: str = ".*", path: str = ".*", host: str = ".*") -> list[Recorded]:
        """The recorded requests that match (method and host whole, path anywhere)."""
        return [
            one
            for one in self.requests
            if re.fullmatch(method, one.method, re.I)
            and re.search(path, one.path, re.I)
            and re.fullmatch(host, one.host, re.I)
        ]

    def complaints(self) -> list[str]:
        """All that must fail a test: strangers called, our own crashes, bodies that Microsoft's schemas refuse."""
        return [
            *(f"stray: {one}" for one in self.strays),
            *(f"emulator crashed: {one}" for one in self.crashes),
            *(f"schema: {one}" for one in dict.fromkeys(self.schema_errors)),
        ]


def start_emulator(authority: Authority, *, port: int = 0, **world: Any) -> Emulator:
    return Emulator(World(**world), authority, port).start()

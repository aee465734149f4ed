"""Endpoints on this computer: each a folder and a model server process that outlives the app.

Another model is deployed by starting its server beside the old one, on the same port (SO_REUSEPORT): it listens once
its model is loaded, and then ends the old one itself. The URL and the key stay; callers find the one or the other.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from backend.domain import DEFAULT_HOSTING, Endpoint, EndpointState, Hosting, LogChunk
from backend.domain_setup import CodeFile
from backend.errors import BadInput, Conflict, NotFound, Unavailable
from backend.i18n import _
from backend.local.base_models import BaseModels
from backend.local.endpoint_folder import EndpointFolder, ServerFolder, check_endpoint_name
from backend.local.endpoint_keys import delete_key, make_key, read_key
from backend.local.files import file_lock, write_json
from backend.local.model_server import KEY_VARIABLE
from backend.local.processes import python_environment, start_detached
from backend.log_chunks import read_log
from backend.settings import QUIET_ENVIRONMENT

STOP_GRACE = 5.0
TEST_SECONDS = 120
KEPT_SERVERS = 3
"""Folders of former servers that are kept for their logs."""


class LocalEndpoints:
    def __init__(self, folder: Path, bases: BaseModels, name_of: Callable[[str], str]) -> None:
        """`name_of` gives the full ref of a model that may be named without its version."""
        self.folder = folder
        self.bases = bases
        self.name_of = name_of

    def _lock(self) -> contextlib.AbstractContextManager[int]:
        """Changes come one after the other, also from several processes."""
        return file_lock(self.folder / ".lock")

    def _existing(self, name: str) -> EndpointFolder:
        endpoint = EndpointFolder(self.folder / check_endpoint_name(name))
        endpoint.read()
        return endpoint

    def create(self, name: str) -> Endpoint:
        endpoint = EndpointFolder(self.folder / check_endpoint_name(name))
        with self._lock():
            endpoint.path.mkdir(parents=True, exist_ok=True)
            make_key(endpoint.path)
            if not endpoint.file.exists():
                write_json(endpoint.file, {"created_at": time.time(), "wanted": "stopped", "port": 0})
        return endpoint.look()

    def check(self, model: str, hosting: Hosting = DEFAULT_HOSTING) -> None:
        self.bases.resolve(self.name_of(model))

    def deploy(self, endpoint: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING) -> Endpoint:
        """`hosting` says nothing here: this computer is the only machine."""
        folder = self._existing(endpoint)
        name = self.name_of(model)
        path = self.bases.resolve(name)
        with self._lock():
            values = folder.read()
            servers = folder.servers()
            newest = servers[0] if servers else None
            is_same = newest is not None and newest.spec.get("model") == name and newest.is_alive
            if values["wanted"] == "stopped" or not is_same:
                if newest and newest.is_alive and not newest.is_ready:
                    _end(newest)  # superseded before it ever answered
                self._start_server(folder, values, name, path)
                write_json(
                    folder.file, self._remember(folder, values, wanted="running", deployment=deployment or "main")
                )
        return folder.look()

    def _remember(self, folder: EndpointFolder, values: dict[str, Any], **changes: str) -> dict[str, Any]:
        """With the port that the endpoint has now, to get it again."""
        port = next((server.port for server in folder.servers() if server.port), values.get("port", 0))
        return values | {"port": port} | changes

    def _start_server(self, folder: EndpointFolder, values: dict[str, Any], model: str, path: str) -> None:
        servers = folder.servers()
        for old in servers[KEPT_SERVERS:]:
            if not old.is_alive:
                shutil.rmtree(old.path, ignore_errors=True)
        answering = folder.answering() if values["wanted"] == "running" else None
        port = answering.port if answering else self._remember(folder, values)["port"]
        server = ServerFolder(folder.path / "servers" / str(servers[0].number + 1 if servers else 1))
        server.path.mkdir(parents=True)
        # Who was told of this endpoint under its former model's name is answered as before.
        names = {old.spec.get("model", "") for old in servers} | {model.partition(":")[0], folder.path.name}
        spec: dict[str, Any] = {"model": model, "path": path, "port": port, "other_names": sorted(names - {model, ""})}
        if answering and answering.process:
            spec["replaces"] = answering.process.to_json()
        write_json(server.path / "spec.json", spec)
        environment = python_environment() | QUIET_ENVIRONMENT
        environment |= {KEY_VARIABLE: read_key(folder.path), "OMP_WAIT_POLICY": "PASSIVE"}
        if Path(path).is_dir():
            environment["HF_HUB_OFFLINE"] = "1"
        command = [sys.executable, "-m", "backend.local.model_server", str(server.path.resolve())]
        process = start_detached(command, server.log, environment, server.path)
        write_json(server.path / "process.json", process.to_json())

    def set_traffic(self, endpoint: str, percent: Mapping[str, int]) -> Endpoint:
        folder = self._existing(endpoint)
        name = folder.read().get("deployment", "main")
        if dict(percent) != {name: 100}:
            raise BadInput(
                _("Traffic can't be split on this computer."),
                why=_("An endpoint here has one deployment ({name}), which takes it all.").format(name=name),
                how_to_fix=_("Create a second endpoint for the second model."),
                code="no_traffic_split",
            )
        return folder.look()

    def test(self, endpoint: str, deployment: str, question: str) -> str:
        found = self.get(endpoint)
        if found.state != EndpointState.RUNNING:
            raise Unavailable(
                _("The endpoint {name} is not running.").format(name=endpoint),
                how_to_fix=_("Start it."),
                code="endpoint_not_running",
            )
        body = {"model": found.model, "messages": [{"role": "user", "content": question}], "max_tokens": 128}
        headers = {"Authorization": f"Bearer {self.key(endpoint)}"}
        try:
            reply = requests.post(
                f"{found.url}/v1/chat/completions", json=body, headers=headers, timeout=(10, TEST_SECONDS)
            )
            reply.raise_for_status()
        except requests.RequestException as error:
            raise Unavailable(
                _("The endpoint {name} gave no answer.").format(name=endpoint),
                how_to_fix=_("See its log."),
                code="no_answer",
                raw=str(error),
            ) from error
        return str(reply.json()["choices"][0]["message"]["content"])

    def remove_deployment(self, endpoint: str, deployment: str) -> Endpoint:
        found = self.get(endpoint)
        if any(one.name == deployment for one in found.deployments):
            raise Conflict(
                _("{deployment} answers everything that {name} is asked.").format(deployment=deployment, name=endpoint),
                how_to_fix=_("Stop or delete the endpoint instead."),
                code="deployment_has_traffic",
            )
        return found

    def set_expiry(self, endpoint: str, expires_at: datetime | None) -> Endpoint:
        if expires_at is not None:
            raise BadInput(
                _("An endpoint on this computer costs nothing, so it has no end."),
                how_to_fix=_("Stop it when you no longer need it."),
                code="no_expiry",
            )
        return self.get(endpoint)

    def list(self) -> Sequence[Endpoint]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.is_dir() and not path.name.startswith("."):
                    with contextlib.suppress(NotFound):
                        found.append(EndpointFolder(path).look())
        return sorted(found, key=lambda endpoint: endpoint.created_at, reverse=True)

    def get(self, name: str) -> Endpoint:
        return self._existing(name).look()

    def start(self, name: str) -> Endpoint:
        folder = self._existing(name)
        with self._lock():
            values, servers = folder.read(), folder.servers()
            if not servers:
                raise Conflict(
                    _("The endpoint {name} has no model yet.").format(name=name),
                    how_to_fix=_("Deploy a model to it."),
                    code="nothing_deployed",
                )
            if values["wanted"] == "stopped" or not any(server.is_alive for server in servers):
                spec = servers[0].spec
                path = self.bases.resolve(spec["model"])
                self._start_server(folder, values, spec["model"], path)
                write_json(folder.file, self._remember(folder, values, wanted="running"))
        return folder.look()

    def stop(self, name: str) -> Endpoint:
        folder = self._existing(name)
        with self._lock():
            self._stop(folder)
        return folder.look()

    def _stop(self, folder: EndpointFolder) -> None:
        write_json(folder.file, self._remember(folder, folder.read(), wanted="stopped"))
        for server in folder.servers():
            _end(server)

    def logs(self, name: str, since: int | None = None) -> LogChunk:
        """Of the newest server."""
        servers = self._existing(name).servers()
        return read_log(servers[0].log, since) if servers else LogChunk("", 0, 0)

    def key(self, name: str) -> str:
        try:
            return read_key(self._existing(name).path)
        except FileNotFoundError:
            raise NotFound(
                _("The key of the endpoint {name} is gone.").format(name=name),
                why=_("It is neither in the keyring nor in the endpoint's folder."),
                how_to_fix=_("Delete the endpoint and create it again."),
                code="no_key",
            ) from None

    def renew_key(self, name: str) -> None:
        folder = self._existing(name)
        is_on = folder.read()["wanted"] == "running"
        with self._lock():
            if is_on:
                self._stop(folder)
            delete_key(folder.path)
            make_key(folder.path)
        if is_on:
            self.start(name)

    def as_code(self, endpoint: str, model: str, hosting: Hosting) -> Sequence[CodeFile]:
        return ()

    def delete(self, name: str) -> None:
        try:
            folder = self._existing(name)
        except NotFound:
            return
        with self._lock():
            if not folder.file.exists():
                return
            self._stop(folder)
            delete_key(folder.path)
            shutil.rmtree(folder.path, ignore_errors=True)


def _end(server: ServerFolder) -> None:
    process = server.process
    if process is not None:
        process.end(STOP_GRACE)

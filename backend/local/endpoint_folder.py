"""The folder of one endpoint and the servers in it: what its files, its processes and its /health say now."""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.domain import Deployment, Endpoint, EndpointState, Failure
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.local.files import read_json
from backend.local.processes import ProcessId

ENDPOINT_NAME = re.compile(r"[a-z0-9-]{3,32}")
LOG_LINES = 12
START_GRACE = 10.0


def check_endpoint_name(name: str) -> str:
    if not ENDPOINT_NAME.fullmatch(name):
        raise BadInput(
            _("{name} can't be an endpoint's name.").format(name=repr(name)),
            why=_("A name has 3 to 32 characters: a to z, 0 to 9 and hyphen."),
            code="bad_endpoint_name",
        )
    return name


@dataclass(frozen=True)
class ServerFolder:
    """One start of the model server: spec.json, process.json, server.json, ready.json, log.txt."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def spec(self) -> dict[str, Any]:
        return read_json(self.path / "spec.json") or {}

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def process(self) -> ProcessId | None:
        """The server's own word first: it is there even when whoever started it died at once."""
        for name in ("server.json", "process.json"):
            process = ProcessId.from_json(read_json(self.path / name))
            if process is not None:
                return process
        return None

    @property
    def port(self) -> int:
        return int((read_json(self.path / "server.json") or {}).get("port", 0))

    @property
    def is_alive(self) -> bool:
        process = self.process
        if process is None:
            # Somebody is just starting it, or died while doing so.
            return time.time() - self.path.stat().st_mtime < START_GRACE
        return process.is_alive()

    @property
    def is_ready(self) -> bool:
        return (self.path / "ready.json").exists()

    def last_lines(self) -> str:
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        lines = [line.rsplit("\r", 1)[-1] for line in text.splitlines()]
        return "\n".join([line for line in lines if line.strip()][-LOG_LINES:])


@dataclass(frozen=True)
class EndpointFolder:
    path: Path

    @property
    def file(self) -> Path:
        return self.path / "endpoint.json"

    def read(self) -> dict[str, Any]:
        values = read_json(self.file)
        if values is None:
            raise NotFound(
                _("No such endpoint: {name}.").format(name=self.path.name),
                how_to_fix=_("See the list of endpoints, or create it."),
                code="no_such_endpoint",
            )
        return values

    def servers(self) -> list[ServerFolder]:
        """The newest first."""
        try:
            folders = [entry for entry in (self.path / "servers").iterdir() if entry.name.isdigit()]
        except FileNotFoundError:
            return []
        return [ServerFolder(folder) for folder in sorted(folders, key=lambda folder: -int(folder.name))]

    def answering(self) -> ServerFolder | None:
        """The newest server that has begun to answer and still lives."""
        return next((server for server in self.servers() if server.is_ready and server.is_alive), None)

    def look(self) -> Endpoint:
        """Raises NotFound."""
        values = self.read()
        servers = self.servers()
        newest = servers[0] if servers else None
        answering = self.answering()
        state, detail, failure = _derive(values, newest, answering)
        shown = answering or newest
        deployments: tuple[Deployment, ...] = ()
        if shown:
            deployments = (Deployment(values.get("deployment", "main"), shown.spec.get("model", ""), 100, state),)
        port = (answering.port if answering else 0) or int(values.get("port", 0)) or (newest.port if newest else 0)
        return Endpoint(
            name=self.path.name,
            state=state,
            detail=detail,
            url=f"http://127.0.0.1:{port}" if port else "",
            contract="openai",
            deployments=deployments,
            created_at=datetime.fromtimestamp(float(values["created_at"]), UTC),
            failure=failure,
        )


def _derive(
    values: dict[str, Any], newest: ServerFolder | None, answering: ServerFolder | None
) -> tuple[EndpointState, str, Failure | None]:
    if newest is None:
        return EndpointState.STOPPED, _("No model is deployed yet."), None
    if values.get("wanted") == "stopped":
        if newest.is_alive:
            return EndpointState.UNKNOWN, _("Its server was told to stop and has not ended yet."), None
        return EndpointState.STOPPED, "", None
    model = newest.spec.get("model", "")
    if answering is None:
        if newest.is_alive:
            is_here = Path(newest.spec.get("path", "")).is_dir()
            words = _("Loading {model}.") if is_here else _("Downloading and loading {model}.")
            return EndpointState.CREATING, words.format(model=model), None
        return EndpointState.FAILED, _("Its server is gone."), explain_death(newest)
    health = ask_health(answering.port)
    if health is None:
        return EndpointState.UNKNOWN, _("Its server runs, but does not answer now."), None
    if answering.number == newest.number:
        return EndpointState.RUNNING, "", None
    old = answering.spec.get("model", "")
    if newest.is_alive:
        return EndpointState.RUNNING, _("{old} answers while {new} is loading.").format(old=old, new=model), None
    detail = _("{old} still answers: {new} could not be started.").format(old=old, new=model)
    return EndpointState.RUNNING, detail, explain_death(newest)


def ask_health(port: int) -> dict[str, Any] | None:
    """What /health says; None when nobody says anything within two seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        values = json.loads(response.read())
        return values if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


HUB_FAILURES = (
    (
        r"gated repo|401 Client Error|403 Client Error",
        "gated_model",
        _("The model may only be downloaded with permission."),
        _("Accept its terms on huggingface.co and set HF_TOKEN to a token of yours."),
    ),
    (
        r"Repository Not Found|404 Client Error|is not a valid model identifier|is not a local folder",
        "no_such_model",
        _("Hugging Face has no model of this name."),
        _("Check the name and deploy again."),
    ),
    (
        r"couldn't connect|Max retries|Name or service not known|ConnectError|ConnectionError|LocalEntryNotFound",
        "no_network",
        _("The model could not be downloaded: Hugging Face can't be reached."),
        _("Check the network, then start the endpoint again."),
    ),
)


def explain_death(server: ServerFolder) -> Failure:
    """From the last lines of its log: a server that was killed leaves no other word."""
    lines = server.last_lines()
    what = _("The model server of {model} ended.").format(model=server.spec.get("model", ""))
    start = _("Start the endpoint again.")
    if re.search(r"MemoryError|can't allocate memory|out of memory", lines, re.IGNORECASE):
        fix = _("Close other programs, stop other endpoints, or deploy a smaller model.")
        return Failure("out_of_memory", what, _("The memory was not enough."), fix, lines)
    if "Address already in use" in lines:
        return Failure("port_in_use", what, _("Another program has its port."), start, lines)
    if re.search(r"No space left on device", lines):
        return Failure("no_disk", what, _("The disk is full."), _("Delete old runs or other files."), lines)
    for pattern, code, why, fix in HUB_FAILURES:
        if re.search(pattern, lines, re.IGNORECASE):
            return Failure(code, what, why, fix, lines)
    if "Traceback" in lines or "Error" in lines or "engine died" in lines:
        why = _("Its last words: {line}").format(line=lines.splitlines()[-1])
        return Failure("crashed", what, why, _("The log tells more. ") + start, lines)
    why = _("It left no word: it was killed by the system or by somebody, or the computer was restarted.")
    return Failure("killed", what, why, start, lines)

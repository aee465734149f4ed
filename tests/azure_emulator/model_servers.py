"""What a deployment runs: the repo's own model server, a child process with the model's files from blob storage.

A container deployment really runs its start script; `vllm` on its path is a stand-in that starts the same server. A
registry's model, and one that a container would fetch from the Hub, is stood in for by the built-in base model.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.azure_emulator.world import World

ROOT = Path(__file__).parents[2]
BASE_MODEL = ROOT / "backend" / "local" / "base_model" / "weights"
START_SECONDS = 150.0
KEY_VARIABLE = "PHIDESK_ENDPOINT_KEY"

STAND_IN = """\
import json, os, sys
arguments = sys.argv[1:]
assert arguments[0] == "serve", arguments
model, options, name = arguments[1], {}, ""
for word in arguments[2:]:
    if word.startswith("--"):
        name = word
        options[name] = []
    else:
        options[name].append(word)
here = os.environ["EMULATOR_SERVER"]
names = options.get("--served-model-name") or [model]
from tests.azure_emulator.model_servers import prepare
prepare(here, names, model, *options.get("--tokenizer", []))
os.execv(sys.executable, [sys.executable, "-m", "backend.local.model_server", here])
"""


class NotServable(Exception):
    """The container can not come up; the message goes into its log."""


@dataclass
class ModelServer:
    """One deployment's container. `kind`: "mlflow" serves /score alone, "container" what vLLM serves, "flow" a flow."""

    folder: Path
    kind: str
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def here(self) -> Path:
        """The model server wants a folder two below an endpoint's."""
        return self.folder / "endpoint" / "servers" / "1"

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        # Prompt flow would take the key's variable for a value of the flow's connection.
        own = {} if self.kind == "flow" else {KEY_VARIABLE: self.key, "EMULATOR_SERVER": str(self.here)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_environment() | environment | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Raises NotServable when it ends before it answers, as a liveness probe would find."""
        deadline = time.monotonic() + START_SECONDS
        ready = self.here / "ready.json"
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                self.port = int(json.loads(ready.read_text())["port"])
                return
            if not self.is_alive():
                raise NotServable(f"the container ended: {self.last_words()}")
            time.sleep(0.05)
        raise NotServable(f"the liveness probe failed for {START_SECONDS:g} seconds")

    def last_words(self) -> str:
        return " ".join(self.log.read_text(errors="replace").splitlines()[-3:])[-400:] if self.log.exists() else ""

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Nothing of the test's own surroundings but what Python needs."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ
    }
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "OMP_WAIT_POLICY": "PASSIVE"}
    return kept | quiet | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def prepare(here: str | Path, names: list[str], model: str, tokenizer: str = "") -> None:
    """Write what the model server reads: one folder with weights and tokenizer, and its spec.json."""
    here = Path(here)
    whole = here / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    source = BASE_MODEL if not Path(model).is_dir() else Path(model)
    for folder in (Path(tokenizer) if tokenizer and Path(tokenizer).is_dir() else source, source):
        for file in folder.iterdir():
            link = whole / file.name
            if file.is_file() and not link.exists():
                link.symlink_to(file.resolve())
    spec = {"model": names[0], "path": str(whole), "port": 0, "other_names": names[1:]}
    (here / "spec.json").write_text(json.dumps(spec))


def start_mlflow(world: World, folder: Path, model: Path | None, names: list[str]) -> ModelServer:
    """Azure's no-code server: it wants an MLmodel file with the transformers flavor (None: a registry's model)."""
    server = ModelServer(folder, "mlflow")
    server.here.mkdir(parents=True)
    if model is None:
        weights, tokenizer = BASE_MODEL, BASE_MODEL
    else:
        if not (model / "MLmodel").exists():
            server.log.write_text(f"mlflow.exceptions.MlflowException: Could not find an 'MLmodel' file at {model}\n")
            raise NotServable("Could not find an 'MLmodel' configuration file in the model")
        weights, tokenizer = folder_with(model, "config.json"), folder_with(model, "tokenizer_config.json")
    prepare(server.here, names, str(weights), str(tokenizer))
    server.start([sys.executable, "-m", "backend.local.model_server", str(server.here)], world_environment(world))
    return server


def folder_with(model: Path, name: str) -> Path:
    found = sorted(model.rglob(name), key=lambda path: len(path.parts))
    if not found:
        raise NotServable(f"the model has no {name}")
    return found[0].parent


def world_environment(world: World) -> dict[str, str]:
    """What a test puts into every container, such as the environment of a slow computer."""
    return dict(world.extra.get("container_environment", {}))


def start_container(
    world: World, folder: Path, context: Path, dockerfile: str, model: Path | None, variables: dict[str, str]
) -> ModelServer:
    """Run the ENTRYPOINT of a Dockerfile whose COPY lines name files of `context`."""
    server = ModelServer(folder, "container")
    server.here.mkdir(parents=True)
    places, command = _read_dockerfile(context, dockerfile)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "stand_in.py").write_text(STAND_IN)
    program = programs / "vllm"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {programs / "stand_in.py"} "$@"\n')
    program.chmod(0o755)
    environment = dict(variables) | world_environment(world)
    environment["PATH"] = f"{programs}:{os.environ.get('PATH', '')}"
    if model is not None:
        environment["AZUREML_MODEL_DIR"] = str(model)
    server.start([places.get(word, word) for word in command], environment)
    return server


def _read_dockerfile(context: Path, dockerfile: str) -> tuple[dict[str, str], list[str]]:
    """Where each copied file lies here, and the command."""
    text = (context / dockerfile).read_text()
    copied = re.findall(r"^COPY\s+(\S+)\s+(\S+)\s*$", text, re.MULTILINE)
    missing = [source for source, _target in copied if not (context / source).exists()]
    if missing:
        raise NotServable(f"COPY failed: file not found in build context: {missing[0]}")
    entry = re.search(r"^ENTRYPOINT\s+(\[.*\])\s*$", text, re.MULTILINE)
    if entry is None:
        raise NotServable("the image has no ENTRYPOINT that the emulator can run")
    return {target: str(context / source) for source, target in copied}, json.loads(entry[1])


def shown_log(server: ModelServer | None, tail: int) -> str:
    if server is None or not server.log.exists():
        return ""
    text = server.log.read_text(errors="replace")
    own: Any = server.here / "log.txt"
    text += own.read_text(errors="replace") if own.exists() else ""
    return "\n".join(text.splitlines()[-tail:]) + "\n"

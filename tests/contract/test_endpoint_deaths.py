"""A model server that dies, can't load, or finds its port taken: what the endpoint says, and that others go on."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from backend.domain import EndpointState
from backend.local.endpoint_folder import EndpointFolder
from backend.local.processes import ProcessId
from tests.contract.conftest import LocalHarness, wait_until

pytestmark = pytest.mark.slow


def server_process(local: LocalHarness, name: str) -> ProcessId:
    process = EndpointFolder(local.target.endpoints.folder / name).servers()[0].process
    assert process is not None
    return process


def is_bound(one: socket.socket, port: int) -> bool:
    try:
        one.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def answer(local: LocalHarness, name: str) -> str:
    endpoints = local.target.endpoints
    headers = {"Authorization": f"Bearer {endpoints.key(name)}"}
    body = {"input_data": ["Hello"], "params": {"max_new_tokens": 4}}
    response = requests.post(f"{endpoints.get(name).url}/score", json=body, headers=headers, timeout=60)
    response.raise_for_status()
    return str(response.json()[0])


def test_a_killed_server_reads_failed_with_its_last_words_and_starts_again_elsewhere_if_need_be(
    local: LocalHarness,
) -> None:
    endpoints = local.target.endpoints
    endpoints.create("harbour")
    endpoints.deploy("harbour", local.deployable)
    local.until_answering("harbour", local.deployable)
    first = answer(local, "harbour")
    process = server_process(local, "harbour")
    # The key is in no argument, and only the owner can read the environment.
    assert endpoints.key("harbour") not in Path(f"/proc/{process.pid}/cmdline").read_text()
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not process.is_alive(), "the server is dead")
    failed = endpoints.get("harbour")
    assert failed.state == EndpointState.FAILED
    assert failed.failure is not None
    assert "killed" in failed.failure.why
    assert "Answering on" in failed.failure.raw
    # Meanwhile somebody else took its port.
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The port comes free when the last of the killed server's threads is gone, a moment after the first.
        wait_until(lambda: is_bound(other, urlsplit(failed.url).port or 0), "the killed server's port is free", 10)
        other.listen()
        endpoints.start("harbour")
        local.until_answering("harbour", local.deployable)
        assert endpoints.get("harbour").url != failed.url
        assert answer(local, "harbour") == first


def test_a_model_that_can_not_be_loaded_fails_and_leaves_the_old_one_answering(
    local: LocalHarness, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(local.base, broken)
    (broken / "model.safetensors").write_bytes(b"not a model")
    endpoints = local.target.endpoints
    endpoints.create("broken")
    endpoints.deploy("broken", str(broken))
    endpoints.create("harbour")
    endpoints.deploy("harbour", local.deployable)
    wait_until(lambda: endpoints.get("broken").state == EndpointState.FAILED, "the broken model failed", 120)
    failure = endpoints.get("broken").failure
    assert failure is not None
    assert failure.code == "crashed"
    assert "safetensor" in failure.raw.lower() or "header" in failure.raw.lower()

    local.until_answering("harbour", local.deployable)
    first = answer(local, "harbour")
    endpoints.deploy("harbour", str(broken))
    wait_until(lambda: endpoints.get("harbour").failure is not None, "the switch failed", 120)
    kept = endpoints.get("harbour")
    assert (kept.state, kept.model) == (EndpointState.RUNNING, local.deployable)
    assert "still answers" in kept.detail
    assert answer(local, "harbour") == first


DEPLOY = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from backend.local.target import LocalTarget
from backend.settings import Settings
endpoints = LocalTarget(Settings(home=Path({home!r}))).endpoints
endpoints.create("harbour")
endpoints.deploy("harbour", {model!r})
os.killpg(os.getpid(), signal.SIGKILL)
"""


def test_an_endpoint_outlives_the_process_that_made_it(local: LocalHarness) -> None:
    root = str(Path(__file__).parents[2])
    code = DEPLOY.format(root=root, home=str(local.target.home), model=local.deployable)
    died = subprocess.run([sys.executable, "-c", code], check=False, start_new_session=True)
    assert died.returncode == -signal.SIGKILL
    local.until_answering("harbour", local.deployable)
    assert answer(local, "harbour") is not None

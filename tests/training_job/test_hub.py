"""Models of the Hugging Face Hub: over real HTTP, against a Hub on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training_job.conftest import SCRIPTS, script_environment
from tests.training_job.small_hub import COMMIT, SmallHub


def find(cwd: Path, name: str, revision: str | None = None, **environment: str) -> dict[str, Any]:
    """What `find_model` finds or fails with, in a process of its own: the library reads its address when imported."""
    program = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from tuning.base_model import find_model\n"
        "from tuning.failures import JobFailure\n"
        "seen = []\n"
        "try:\n"
        f"    source = find_model({name!r}, {revision!r}, seen.append)\n"
        "    print(json.dumps({'folder': str(source.folder), 'revision': source.revision, 'seen': seen}))\n"
        "except JobFailure as failure:\n"
        "    print(json.dumps({'code': failure.code, 'what': failure.what, 'fix': failure.how_to_fix}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=script_environment(HF_HOME=str(cwd / "home"), **environment),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture
def hub(tmp_path: Path, tiny_model: Path) -> Iterator[SmallHub]:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"never opened")
    server = SmallHub({"owner/tiny": tiny_model, "owner/pickled": pickled})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_model_is_fetched_with_progress_and_its_commit_is_recorded(
    hub: SmallHub, tmp_path: Path, tiny_model: Path
) -> None:
    found = find(tmp_path, "owner/tiny", HF_ENDPOINT=hub.address)
    assert found.get("revision") == COMMIT, found
    assert (Path(found["folder"]) / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    assert found["seen"][0] == 0.0 and found["seen"][-1] == 1.0
    assert found["seen"] == sorted(found["seen"]) and len(found["seen"]) > 2
    # What is on disk is not fetched again, and serves when the Hub is away.
    hub.asked.clear()
    assert find(tmp_path, "owner/tiny", HF_ENDPOINT=hub.address)["revision"] == COMMIT
    assert not [path for path in hub.asked if "safetensors" in path]
    assert find(tmp_path, "owner/tiny", HF_ENDPOINT="http://127.0.0.1:9")["revision"] == COMMIT
    assert find(tmp_path, "owner/tiny", HF_HUB_OFFLINE="1")["revision"] == COMMIT


@pytest.mark.slow
def test_each_refusal_of_the_hub_has_its_code(hub: SmallHub, tmp_path: Path) -> None:
    def code(name: str, revision: str | None = None) -> str:
        return str(find(tmp_path, name, revision, HF_ENDPOINT=hub.address)["code"])

    assert code("owner/nothing") == "model_not_found"
    assert code("owner/tiny", "no-such-branch") == "model_not_found"
    assert code("owner/pickled") == "no_safetensors"
    gated = find(tmp_path, "gated/model", HF_ENDPOINT=hub.address)
    assert gated["code"] == "gated_model"
    assert "HF_TOKEN" in gated["fix"]
    assert not [path for path in hub.asked if path.endswith(".bin")]


def test_a_hub_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    assert find(tmp_path, "owner/model", HF_ENDPOINT="http://127.0.0.1:9")["code"] == "hub_unreachable"
    assert find(tmp_path, "owner/model", HF_HUB_OFFLINE="1")["code"] == "hub_unreachable"


@pytest.mark.slow
def test_the_hub_is_never_asked_about_a_folder(hub: SmallHub, tmp_path: Path, tiny_model: Path) -> None:
    assert find(tmp_path, str(tiny_model), HF_ENDPOINT=hub.address)["revision"].startswith("sha256:")
    assert find(tmp_path, "./owner/nothing", HF_ENDPOINT=hub.address)["code"] == "model_not_found"
    assert hub.asked == []

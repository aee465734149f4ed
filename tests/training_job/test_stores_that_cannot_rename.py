"""On Azure the output folder is a mounted blob container, which may refuse to rename: the run ends well anyhow."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training_job.conftest import SCRIPTS, read_lines, script_environment

pytestmark = pytest.mark.slow

REFUSING = f"""
import runpy, sys
place = sys.argv[1]
def refuse(event, details):
    if event == "os.rename" and place in str(details[1]):
        raise OSError({errno.ENOTSUP}, "this store can't rename", details[1])
sys.addaudithook(refuse)
sys.argv = sys.argv[1:]
sys.path.insert(0, {str(SCRIPTS)!r})
runpy.run_path({str(SCRIPTS / "fine_tune.py")!r}, run_name="__main__")
"""


def test_a_run_and_its_resumption_need_no_renaming(job_arguments: Callable[..., list[str]], tmp_path: Path) -> None:
    output = tmp_path / "mounted"

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", REFUSING, str(output), *job_arguments(output, *more)],
            env=script_environment(),
            capture_output=True,
            text=True,
            timeout=240,
        )

    done = run("--method=lora", "--num-train-epochs=4", "--save-steps=4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((output / "result.json").read_text())["steps"] == 12
    assert (output / "model" / "MLmodel").is_file()
    assert list((output / "model" / "model").glob("*.safetensors"))
    assert not list(output.glob("model.partial*")) and not list(output.glob(".*.tmp"))
    (output / "result.json").unlink()
    again = run("--method=lora", "--num-train-epochs=4", "--save-steps=4")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Resuming from checkpoint-12" in again.stdout
    assert [line["step"] for line in read_lines(output / "metrics.jsonl") if line["kind"] == "eval"][-1] == 12

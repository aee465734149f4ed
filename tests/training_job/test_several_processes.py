"""The same script by torchrun, as Azure ML starts it on several GPUs: one process speaks, all of them learn."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training_job.conftest import SCRIPTS, read_lines, script_environment, wait_until
from training_job.tuning.fine_tuning import main

pytestmark = pytest.mark.slow
Arguments = Callable[..., list[str]]


def start(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [*command, str(SCRIPTS / "fine_tune.py"), *arguments],
        cwd=folder,
        env=script_environment(
            OMP_NUM_THREADS="1",
            MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}",
            CUDA_VISIBLE_DEVICES="",  # two processes can't share one GPU
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.usefixtures("in_process")
def test_two_processes_make_one_run_that_goes_on_where_it_was_stopped(job_arguments: Arguments, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    output = tmp_path / "two"
    arguments = job_arguments(output, "--num-train-epochs=40", "--logging-steps=1")
    process = start(arguments, tmp_path)
    metrics = output / "metrics.jsonl"
    wait_until(lambda: metrics.exists() and '"step": 5,' in metrics.read_text(), 120, "the fifth step")
    process.send_signal(signal.SIGTERM)
    log, _nothing = process.communicate(timeout=120)
    assert process.returncode != 0
    (checkpoint,) = (output / "checkpoints").glob("checkpoint-*")
    seal = json.loads((checkpoint / "complete.json").read_text())
    assert 5 <= seal["step"] < 80, log
    assert not (output / "result.json").exists()

    process = start(arguments, tmp_path)
    log, _nothing = process.communicate(timeout=240)
    assert process.returncode == 0, log
    assert f"Resuming from {checkpoint.name}" in log
    assert log.count("Step 80 of 80") == 1
    result = json.loads((output / "result.json").read_text())
    assert result["tuned_eval_loss"] < 0.7 * result["base_eval_loss"]

    assert main(job_arguments(tmp_path / "one", "--max-steps=1")) == 0
    alone = json.loads((tmp_path / "one" / "result.json").read_text())
    assert result["base_eval_loss"] == pytest.approx(alone["base_eval_loss"], rel=1e-4)  # no row counted twice

    steps = [line["step"] for line in read_lines(metrics) if line["kind"] == "train"]
    assert steps == list(range(1, 81))  # 24 rows, two processes with batches of 8: 2 steps an epoch
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("phidesk")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train_loss")] == steps
    progress = json.loads(run.data.tags["phidesk.progress"])
    assert (progress["step"], progress["total_steps"], progress["phase"]) == (80, 80, "verifying")

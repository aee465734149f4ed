"""A run that is killed, stopped or torn goes on where it was; one that can't go on says why."""

from __future__ import annotations

import json
import logging
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training_job.conftest import read_lines, start_script, wait_until
from training_job.tuning.checkpoints import newest_complete_checkpoint, seal_checkpoint
from training_job.tuning.fine_tuning import STOPPED, main
from training_job.tuning.metrics import MetricsLog

Arguments = Callable[..., list[str]]
STEPS = 60
"""So many that a run is not over a moment after its first checkpoint."""


def sealed(output: Path) -> list[int]:
    seals = (output / "checkpoints").glob("checkpoint-*/complete.json")
    return sorted(int(path.parent.name.removeprefix("checkpoint-")) for path in seals)


def assert_complete(output: Path, steps: int) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((output / "result.json").read_text())
    assert result["steps"] == steps
    train = [line["step"] for line in read_lines(output / "metrics.jsonl") if line["kind"] == "train"]
    assert train == sorted(set(train)) and train[-1] == steps
    evals = [line["step"] for line in read_lines(output / "metrics.jsonl") if line["kind"] == "eval"]
    assert evals[0] == 0 and evals == sorted(set(evals))
    tokens = [line["tokens"] for line in read_lines(output / "metrics.jsonl") if line["kind"] == "train"]
    assert tokens == sorted(tokens) and result["trained_tokens"] == tokens[-1]
    assert (output / "model" / "MLmodel").exists()
    return result


@pytest.fixture
def long_run(job_arguments: Arguments, tmp_path: Path) -> list[str]:
    return job_arguments(tmp_path / "out", f"--max-steps={STEPS}", "--save-steps=5", "--eval-strategy=no")


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_killed_run_resumes_from_its_newest_whole_checkpoint(
    long_run: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    output = tmp_path / "out"
    process = start_script("fine_tune.py", long_run, tmp_path)
    try:
        wait_until(lambda: len(sealed(output)) > 0 or process.poll() is not None, 120, "a checkpoint")
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, "the run was over before it could be killed"
    assert not (output / "result.json").exists()
    newest = sealed(output)[-1]
    # What a kill in the middle of writing leaves: a later checkpoint that is cut short.
    torn = output / "checkpoints" / f"checkpoint-{STEPS - 1}"
    shutil.copytree(output / "checkpoints" / f"checkpoint-{newest}", torn)
    (torn / "optimizer.pt").write_bytes((torn / "optimizer.pt").read_bytes()[:100])

    assert main(long_run) == 0
    assert f"Resuming from checkpoint-{newest}." in caplog.text
    assert f"checkpoint-{STEPS - 1} is incomplete" in caplog.text
    assert_complete(output, STEPS)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_stopped_run_saves_ends_with_143_and_comes_out_as_if_never_stopped(
    long_run: list[str], job_arguments: Arguments, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    process = start_script("fine_tune.py", long_run, tmp_path)
    try:
        wait_until(lambda: len(sealed(output)) > 0 or process.poll() is not None, 120, "a checkpoint")
        process.send_signal(signal.SIGTERM)
        log, _nothing = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == STOPPED, log
    stopped_at = max(int(path.name.split("-")[1]) for path in (output / "checkpoints").glob("checkpoint-*"))
    assert sealed(output)[-1] == stopped_at < STEPS
    assert not (output / "result.json").exists() and not (output / "error.json").exists()

    assert main(long_run) == 0
    resumed = assert_complete(output, STEPS)
    whole = tmp_path / "whole"
    options = [option for option in long_run if not option.startswith("--output-dir")]
    assert main([*options, f"--output-dir={whole}"]) == 0
    assert assert_complete(whole, STEPS)["tuned_eval_loss"] == pytest.approx(resumed["tuned_eval_loss"], rel=1e-2)
    assert resumed["trained_tokens"] == assert_complete(whole, STEPS)["trained_tokens"]


def test_only_a_checkpoint_with_an_unbroken_seal_counts(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"x" * 100)
        if step != 20:
            seal_checkpoint(folder, {"step": step, "trained_tokens": 10 * step, "train_seconds": 1.0})
    (tmp_path / "checkpoint-15" / "model.safetensors").write_bytes(b"x" * 99)
    found = newest_complete_checkpoint(tmp_path)
    assert found is not None
    assert found[0].name == "checkpoint-10"
    assert found[1]["trained_tokens"] == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-5"]


def test_without_any_checkpoint_there_is_nothing_to_resume(tmp_path: Path) -> None:
    assert newest_complete_checkpoint(tmp_path / "nowhere") is None


def test_metrics_of_lost_steps_are_dropped_on_resuming(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.phase("training")
    log.eval(0, 100, 0.0, {"loss": 5.0, "perplexity": 148.4})
    for step in (5, 10, 15):
        log.train(step, 100, 0.1, {"loss": 4.0})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 2')  # killed while writing
    again = MetricsLog(tmp_path)
    again.keep_until(10)
    again.train(15, 100, 0.1, {"loss": float("nan")})
    again.close()
    lines = read_lines(tmp_path / "metrics.jsonl")
    assert [line.get("step") for line in lines] == [None, 0, 5, 10, 15]
    assert lines[-1]["loss"] is None  # JSON knows no NaN
    assert again.base_eval() == {"loss": 5.0, "perplexity": 148.4}

"""A job's spec as the command line of the training job's scripts, and the disk space that it needs."""

from __future__ import annotations

import sys
from pathlib import Path

from backend.domain import JobKind, JobSpec
from backend.local.base_models import BaseModels
from backend.local.run_folder import RunFolder

SCRIPTS = Path(__file__).parents[2] / "training_job"
LEAST_ROOM = 300_000_000
"""Bytes: logs, tokenized data and the MLflow model of even the smallest run."""


def training_command(spec: JobSpec, run: RunFolder, scripts: Path, bases: BaseModels) -> list[str]:
    """Raises BadInput or NotFound for a model or file that can't be used."""
    output = str(run.output.resolve())
    base = bases.resolve(spec.base_model)
    if spec.kind == JobKind.EVALUATE:
        files = ["--base-model", base, "--tuned-model", bases.resolve(spec.tuned_model), "--eval-file", spec.eval_path]
        command = [sys.executable, str(scripts / "evaluate.py"), *files, "--output-dir", output]
        if spec.base_revision:
            command += ["--base-revision", spec.base_revision]
    else:
        files = ["--train-file", spec.train_path, "--eval-file", spec.eval_path, "--model-name-or-path", base]
        command = [sys.executable, str(scripts / "fine_tune.py"), *files, "--output-dir", output]
        command += ["--recipe", spec.recipe]
        if spec.base_revision:
            command += ["--revision", spec.base_revision]
    for name, value in spec.arguments.items():
        command += _option(name, value)
    return command


def _option(name: str, value: str | int | float | bool | None) -> list[str]:
    """`--name=value`, so that a value that begins with a hyphen stays a value."""
    option = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}={value}"]


def disk_needed(spec: JobSpec, bases: BaseModels) -> int:
    """Bytes, roughly: download, two checkpoints (weights and Adam's moments, 12 bytes a parameter), the model."""
    if spec.kind == JobKind.EVALUATE:
        return LEAST_ROOM
    parameters, download = bases.size(spec.base_model)
    share = 0.03 if spec.arguments.get("method") == "lora" or spec.recipe == "lora" else 1.0
    return LEAST_ROOM + download + int(parameters * (2 * 12 * share + 4))

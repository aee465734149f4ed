"""A run with our own training script, as a command job in the words of `az ml job create`.

What is submitted and what a person is shown as code are made of this one document.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.azure.job_record import (
    EXPERIMENT,
    OUTPUT,
    attempt_name,
    job_properties,
    job_tags,
    output_uri,
)
from backend.domain import BUILT_IN_MODEL, JobKind, JobSpec
from backend.errors import BadInput
from backend.i18n import _
from backend.model_files import BUILT_IN_FOLDER
from backend.model_refs import HUB_ID, MODEL_REF

CATALOGUE_ID = re.compile(r"azureml://registries/[A-Za-z0-9_-]+/models/[A-Za-z0-9._-]+/versions/[A-Za-z0-9._-]+")
SCHEMA = "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json"


@dataclass(frozen=True)
class Parts:
    """What the job stands on, as references that Azure ML understands.

    `models` are the inputs for the base and the tuned model: an input's YAML, or a Hugging Face id as it is.
    """

    code: str
    environment: str
    cluster: str
    gpus: int
    train: str
    held: str
    base: Mapping[str, str] | str
    tuned: Mapping[str, str] | str = field(default_factory=dict)


def model_source(base: str) -> str:
    """`built_in`, `catalogue`, `registered`, `folder` or `hub`. Raises BadInput for what is none of them."""
    if base == BUILT_IN_MODEL:
        return "built_in"
    if CATALOGUE_ID.fullmatch(base):
        return "catalogue"
    if MODEL_REF.fullmatch(base):
        return "registered"
    if base and Path(base).expanduser().is_dir():
        return "folder"
    if HUB_ID.fullmatch(base):
        return "hub"
    raise BadInput(
        _("{id} is no base model.").format(id=repr(base)),
        why=_("It is neither a model of the catalogue or of the workspace, nor a folder here, nor a Hugging Face id."),
        how_to_fix=_("Write an id such as microsoft/Phi-3-mini-4k-instruct, or the path of a model's folder."),
        code="bad_base_model",
    )


def model_folder(base: str) -> Path:
    """Of a model on this computer."""
    return BUILT_IN_FOLDER if base == BUILT_IN_MODEL else Path(base).expanduser().resolve()


def model_input(
    base: str, type_of_registered: Callable[[str], str], address_of: Callable[[Path], str]
) -> Mapping[str, str] | str:
    """What a job is given: a Hub id as it is, else type and path. `address_of` says where a folder of here is to be
    found. Raises BadInput for what is no model.
    """
    source = model_source(base)
    if source == "hub":
        return base
    if source == "catalogue":
        return {"type": "mlflow_model", "path": base}
    if source == "registered":
        return {"type": type_of_registered(base), "path": f"azureml:{base}"}
    return {"type": "uri_folder", "path": address_of(model_folder(base))}


def command_yaml(spec: JobSpec, parts: Parts, submitted_at: datetime | None) -> dict[str, Any]:
    """Without a time (a document to be shown) it carries no marks of a run of this desk."""
    is_evaluation = spec.kind == JobKind.EVALUATE
    inputs: dict[str, Any] = {} if is_evaluation else {"train_file": _file(parts.train)}
    inputs["eval_file"] = _file(parts.held)
    for name, model in (("base_model", parts.base), ("tuned_model", parts.tuned)):
        if model and not isinstance(model, str):
            inputs[name] = {**model, "mode": "ro_mount"}
    values: dict[str, Any] = {
        "$schema": SCHEMA,
        "type": "command",
        "name": attempt_name(spec.id, 1),
        "display_name": spec.name,
        "experiment_name": EXPERIMENT,
        "code": parts.code,
        "command": _command(spec, parts),
        "environment": parts.environment,
        "compute": f"azureml:{parts.cluster}",
        "inputs": inputs,
        # One folder for all attempts: what was preempted, stopped or failed goes on from its checkpoints.
        "outputs": {OUTPUT: {"type": "uri_folder", "path": output_uri(spec.id), "mode": "rw_mount"}},
        "resources": {"instance_count": 1 if is_evaluation else spec.machine.nodes},
        "tags": job_tags(spec, 1),
    }
    if not is_evaluation and spec.machine.nodes * max(1, parts.gpus) > 1:
        values["distribution"] = {"type": "pytorch", "process_count_per_instance": max(1, parts.gpus)}
    if submitted_at is not None:
        values["properties"] = job_properties(spec, submitted_at)
    return values


def _file(reference: str) -> dict[str, str]:
    return {"type": "uri_file", "path": reference, "mode": "ro_mount"}


def _command(spec: JobSpec, parts: Parts) -> str:
    def model(name: str, value: Mapping[str, str] | str) -> str:
        return shlex.quote(value) if isinstance(value, str) else f"${{{{inputs.{name}}}}}"

    if spec.kind == JobKind.EVALUATE:
        words = ["python evaluate.py", "--base-model", model("base_model", parts.base)]
        words += ["--tuned-model", model("tuned_model", parts.tuned), "--eval-file ${{inputs.eval_file}}"]
        revision = "--base-revision"
    else:
        words = ["python fine_tune.py", "--train-file ${{inputs.train_file}}", "--eval-file ${{inputs.eval_file}}"]
        words += ["--model-name-or-path", model("base_model", parts.base), f"--recipe {shlex.quote(spec.recipe)}"]
        revision = "--revision"
    words.append("--output-dir ${{outputs.output}}")
    if spec.base_revision and isinstance(parts.base, str):
        words += [revision, shlex.quote(spec.base_revision)]
    words += [_option(name, value) for name, value in spec.arguments.items() if value is not None]
    return " ".join(words)


def _option(name: str, value: str | int | float | bool | None) -> str:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option}={shlex.quote(str(value))}"

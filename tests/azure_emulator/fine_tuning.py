"""The catalogue's fine-tuning: the small base model that comes with the product, tuned by the product's own script."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tests.azure_emulator import arm
from tests.azure_emulator.wire import Request
from tests.azure_emulator.world import World

SCRIPT = Path(__file__).parents[2] / "training_job" / "fine_tune.py"
# The names of the catalogue's recipe, and ours.
OPTIONS = {
    "num_train_epochs": "num-train-epochs",
    "max_steps": "max-steps",
    "learning_rate": "learning-rate",
    "per_device_train_batch_size": "per-device-train-batch-size",
    "per_device_eval_batch_size": "per-device-eval-batch-size",
    "gradient_accumulation_steps": "gradient-accumulation-steps",
    "weight_decay": "weight-decay",
    "lr_scheduler_type": "lr-scheduler-type",
    "max_seq_length": "max-length",
    "lora_r": "lora-r",
    "lora_alpha": "lora-alpha",
    "lora_dropout": "lora-dropout",
    "logging_steps": "logging-steps",
    "seed": "seed",
}


def command(world: World, details: dict[str, Any], data: dict[str, Path], output: Path) -> str:
    """`world.extra["fine_tuning_arguments"]`: more words for the command line, to keep a test short."""
    held = data.get("validationData", data["trainingData"])
    words = ["python", str(SCRIPT), "--train-file", str(data["trainingData"]), "--eval-file", str(held)]
    words += ["--model-name-or-path", str(data["model"]), "--output-dir", str(output), "--recipe", "quick"]
    given = details.get("hyperParameters") or {}
    words += [f"--{OPTIONS[name]}={value}" for name, value in given.items() if name in OPTIONS]
    if str(given.get("apply_lora", "")).lower() == "true":
        words.append("--method=lora")
    return shlex.join([*words, *world.extra.get("fine_tuning_arguments", [])])


def model_folder(output: Path) -> Path:
    """The MLflow model that the script saved."""
    return output / "model"


def register(
    world: World, workspace: dict[str, Any], kind: str, name: str, uri: str, given: dict[str, Any], job: str
) -> str:
    """The service registers a named output by itself; answers the version."""
    container = world.get(f"{workspace['id']}/{kind}/{name}")
    version = str((container or {}).get("properties", {}).get("nextVersion", "1"))
    path = arm.parse(f"{workspace['id']}/{kind}/{name}/versions/{version}")
    assert path is not None
    facts: dict[str, Any] = {"tags": {}, "properties": {}}
    if kind == "models":
        facts |= {"modelType": given["jobOutputType"], "modelUri": uri, "jobName": job}
    else:
        facts |= {"dataType": given["jobOutputType"], "dataUri": uri}
    request = Request("PUT", "management.azure.com", path.id, {})
    reply = arm.put_resource(world, request, path, {"properties": facts})
    if reply.status >= 300:
        raise RuntimeError(f"the output could not be registered: {reply.body}")
    return version

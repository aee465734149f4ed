"""A run with the service's own recipe: chat-completion fine-tuning of a model of the catalogue, as `az ml` words it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backend.azure.job_record import EXPERIMENT, attempt_name, job_properties, job_tags
from backend.domain import JobSpec

REGISTERED_MODEL = "registered_model"
"""Name of the output; the SDK gives it this one."""
HELPER_SIZE = "Standard_E4s_v3"
"""For the steps of the recipe that need no GPU, as in Microsoft's own example."""

# Our argument -> the recipe's (components of azureml-assets, training/finetune_acft_hf_nlp).
HYPERPARAMETERS: Mapping[str, str] = {
    "num_train_epochs": "num_train_epochs",
    "max_steps": "max_steps",
    "learning_rate": "learning_rate",
    "per_device_train_batch_size": "per_device_train_batch_size",
    "per_device_eval_batch_size": "per_device_eval_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "weight_decay": "weight_decay",
    "lr_scheduler_type": "lr_scheduler_type",
    "max_length": "max_seq_length",
    "lora_r": "lora_r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "logging_steps": "logging_steps",
    "seed": "seed",
}


def hyperparameters(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Those that the recipe has too, as text. What it has not, it decides by itself."""
    method = arguments.get("method")
    known = {
        theirs: _text(arguments[ours])
        for ours, theirs in HYPERPARAMETERS.items()
        if arguments.get(ours) is not None and (not ours.startswith("lora_") or method == "lora")
    }
    return known | ({"apply_lora": str(method == "lora").lower()} if method else {})


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".") if value < 1e15 else str(value)
    return str(value)


def output_model_name(spec: JobSpec) -> str:
    """The service registers the outcome under this name by itself."""
    return "phidesk-" + re.sub(r"[^A-Za-z0-9-]+", "-", spec.id)


def catalogue_yaml(
    spec: JobSpec, train: str, held: str, *, size: str, cluster: str, submitted_at: datetime | None
) -> dict[str, Any]:
    """With `cluster` (a reference or an ARM id) it computes there, else on machines of `size` lent by the service."""
    values: dict[str, Any] = {
        "type": "finetuning",
        "name": attempt_name(spec.id, 1),
        "display_name": spec.name,
        "experiment_name": EXPERIMENT,
        "task": "chat_completion",
        "model_provider": "custom",
        "model": {"type": "mlflow_model", "path": spec.base_model},
        "training_data": {"type": "uri_file", "path": train},
        "validation_data": {"type": "uri_file", "path": held},
        "hyperparameters": hyperparameters(spec.arguments),
        "outputs": {REGISTERED_MODEL: {"type": "mlflow_model", "name": output_model_name(spec)}},
        "tags": job_tags(spec, 1),
    }
    if cluster:
        values["compute"] = cluster
    else:
        values["resources"] = {"instance_types": [size, HELPER_SIZE]}
    if submitted_at is not None:
        values["properties"] = job_properties(spec, submitted_at)
    return values


def make_catalogue_job(values: Mapping[str, Any]) -> Any:
    """The SDK's job for such a document. `validation_data` must be there: without it the SDK raises a NameError."""
    from azure.ai.ml.finetuning import FineTuningTaskType, create_finetuning_job

    return create_finetuning_job(
        model=values["model"]["path"],
        task=FineTuningTaskType.CHAT_COMPLETION,
        training_data=values["training_data"]["path"],
        validation_data=values["validation_data"]["path"],
        output_model_name_prefix=values["outputs"][REGISTERED_MODEL]["name"],
        hyperparameters=values["hyperparameters"],
        compute=values.get("compute"),
        instance_types=values.get("resources", {}).get("instance_types"),
        name=values["name"],
        display_name=values["display_name"],
        experiment_name=values["experiment_name"],
        tags=values["tags"],
        properties=values.get("properties", {}),
    )

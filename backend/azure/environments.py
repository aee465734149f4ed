"""The software of a training job: an image and `training_job/conda.yml`, as an environment versioned by its content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.tags import marked
from backend.i18n import _

TRAINING_JOB = Path(__file__).parents[2] / "training_job"
CONDA = TRAINING_JOB / "conda.yml"
NAME = "phidesk-training"
GPU_IMAGE = "mcr.microsoft.com/azureml/curated/acft-hf-nlp-gpu:112"
CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20260715.v1"


def choose_image(image: str, *, has_gpu: bool) -> str:
    return image or (GPU_IMAGE if has_gpu else CPU_IMAGE)


def environment_version(image: str) -> str:
    return hashlib.sha256(f"{image}\n{CONDA.read_text(encoding='utf-8')}".encode()).hexdigest()[:12]


def environment_reference(image: str) -> str:
    return f"azureml:{NAME}:{environment_version(image)}"


def environment_yaml(image: str) -> dict[str, Any]:
    """For `az ml environment create`, beside a copy of conda.yml."""
    return {
        "$schema": "https://azuremlschemas.azureedge.net/latest/environment.schema.json",
        "name": NAME,
        "version": environment_version(image),
        "image": image,
        "conda_file": CONDA.name,
        "tags": marked("environment"),
    }


def ensure_environment(connection: Connection, image: str) -> str:
    """Its reference; created when this image and these packages were not used before."""
    from azure.ai.ml.entities import Environment
    from azure.core.exceptions import ResourceNotFoundError

    version = environment_version(image)
    ml = connection.ml()
    with in_words(_("Making the environment")):
        try:
            ml.environments.get(NAME, version=version)
        except ResourceNotFoundError:
            packages: Any = yaml.safe_load(CONDA.read_text(encoding="utf-8"))
            ml.environments.create_or_update(
                Environment(
                    name=NAME,
                    version=version,
                    image=image,
                    conda_file=packages,
                    tags=connection.marked("environment"),
                )
            )
    return environment_reference(image)

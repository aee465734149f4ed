"""A run as files for `az ml`: data assets, environment, cluster and the job, in the order in which they are created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from backend.azure.catalogue_job import catalogue_yaml
from backend.azure.command_job import Parts, command_yaml, model_input, model_source
from backend.azure.compute import cluster_name, gpus_of, size_of
from backend.azure.connection import Connection
from backend.azure.data_assets import asset_name, asset_version
from backend.azure.environments import CONDA, choose_image, environment_reference, environment_yaml
from backend.azure.identity import identity_path
from backend.azure.tags import marked
from backend.domain import JobKind, JobSpec
from backend.domain_setup import CodeFile
from backend.i18n import _

SCHEMAS = "https://azuremlschemas.azureedge.net/latest"


def job_files(connection: Connection, spec: JobSpec) -> Sequence[CodeFile]:
    """Paths are relative to one folder, which also holds the data, `training_job/` and a base model of one's own."""
    is_catalogue = spec.kind == JobKind.FINE_TUNE and model_source(spec.base_model) == "catalogue"
    size = size_of(connection, spec.machine)
    files: list[CodeFile] = []
    references = {}
    for part, path in (("train", spec.train_path), ("eval", spec.eval_path)):
        if part == "eval" or spec.kind == JobKind.FINE_TUNE:
            name, version = asset_name(spec.dataset_name, part), asset_version(Path(path), spec.dataset_sha256)
            references[part] = f"azureml:{name}:{version}"
            values = {
                "$schema": f"{SCHEMAS}/data.schema.json",
                "name": name,
                "version": version,
                "type": "uri_file",
                "path": f"./{Path(path).name}",
                "tags": marked("data"),
            }
            files.append(_file(f"data-{part}.yml", values, f"az ml data create --file data-{part}.yml"))
    train, held = references.get("train", ""), references["eval"]
    if not is_catalogue or spec.machine.cluster:
        files.append(_file("cluster.yml", _cluster(connection, spec, size), "az ml compute create --file cluster.yml"))
    cluster = cluster_name(connection, spec.machine)
    if is_catalogue:
        chosen = f"azureml:{cluster}" if spec.machine.cluster else ""
        job = catalogue_yaml(spec, train, held, size=size, cluster=chosen, submitted_at=None)
    else:
        gpus = gpus_of(connection, size)
        image = choose_image(spec.machine.image, has_gpu=gpus > 0)
        files.append(
            _file("environment.yml", environment_yaml(image), "az ml environment create --file environment.yml")
        )
        files.append(CodeFile(CONDA.name, "yaml", CONDA.read_text(encoding="utf-8"), _("The packages.")))
        parts = Parts(
            code="./training_job",
            environment=environment_reference(image),
            cluster=cluster,
            gpus=gpus,
            train=train,
            held=held,
            base=_model(spec.base_model),
            tuned=_model(spec.tuned_model) if spec.kind == JobKind.EVALUATE else {},
        )
        job = command_yaml(spec, parts, None)
    files.append(_file("job.yml", job, "az ml job create --file job.yml"))
    return files


def _cluster(connection: Connection, spec: JobSpec, size: str) -> dict[str, Any]:
    machine = spec.machine
    values: dict[str, Any] = {
        "$schema": f"{SCHEMAS}/amlCompute.schema.json",
        "type": "amlcompute",
        "name": cluster_name(connection, machine),
        "size": size,
        "tier": "low_priority" if machine.is_low_priority else "dedicated",
        "min_instances": 0,
        "max_instances": max(1, machine.nodes),
        "idle_time_before_scale_down": machine.idle_seconds,
        "tags": marked("cluster"),
    }
    identity = identity_path(connection)
    if identity:
        values["identity"] = {"type": "user_assigned", "user_assigned_identities": [{"resource_id": identity}]}
    return values


def _model(model: str) -> Mapping[str, str] | str:
    return model_input(model, lambda reference: "mlflow_model", lambda folder: f"./{folder.name}")


def _file(name: str, values: Mapping[str, Any], help_text: str) -> CodeFile:
    return CodeFile(
        name, "yaml", yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1000), help_text
    )

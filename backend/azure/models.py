"""The workspace's model registry: versions made from what runs left, and the base models that can be tuned here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import yaml

from backend.azure.blob_store import store_path
from backend.azure.catalogue import MODELS_VERSION, Catalogue, try_models, tuned_model_uri
from backend.azure.compute import size_of
from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.gpus import gpu_of
from backend.azure.job_record import OUTPUT
from backend.azure.jobs import AzureJobs
from backend.azure.local_paths import without_paths
from backend.azure.tags import MARK
from backend.azure.times import made_at
from backend.domain import BUILT_IN_MODEL, DEFAULT_MACHINE, BaseModel, Job, JobKind, JobState, Model
from backend.errors import Conflict
from backend.i18n import _
from backend.model_files import BUILT_IN_FOLDER, count_parameters
from backend.model_refs import check_model_name, find_model, nothing_to_register

JOB = f"{MARK}-job"
BASE = f"{MARK}-base"
REVISION = f"{MARK}-base-revision"
DATASET = f"{MARK}-dataset-sha256"
METRICS = f"{MARK}-metrics"
LONGEST_VALUE = 900
LOOKS_AT_ONCE = 8
TRIES = 3
MONITORING = "azureml-ai-monitoring"
"""Without it the container that serves an MLflow model without code stops at its start (azureml-examples#3902)."""

HUB_MODELS = (
    # id, title, licence, parameters and bytes of its safetensors files
    ("microsoft/Phi-4-mini-instruct", "Phi-4 mini instruct", "MIT", 3_840_000_000, 7_680_000_000),
    ("microsoft/Phi-3.5-mini-instruct", "Phi-3.5 mini instruct", "MIT", 3_820_000_000, 7_640_000_000),
    ("microsoft/Phi-3-mini-4k-instruct", "Phi-3 mini 4k instruct", "MIT", 3_820_000_000, 7_640_000_000),
)
LORA_BYTES, FULL_BYTES, ACTIVATION_BYTES = 2.3, 16, 1_500_000_000
"""Memory a parameter in LoRA and in full fine-tuning, and of a batch; as for this computer."""


class AzureModels:
    def __init__(self, connection: Connection, jobs: AzureJobs) -> None:
        self.connection = connection
        self.jobs = jobs
        self.catalogue = Catalogue(connection)

    def register(self, job_id: str, name: str) -> Model:
        check_model_name(name)
        job = self.jobs.get(job_id)
        if job.state != JobState.COMPLETED or job.spec.kind != JobKind.FINE_TUNE:
            raise nothing_to_register(job_id, job.state)
        record = self.jobs.last_attempt(job_id)
        path = self._catalogue_path(record.name) if record.is_catalogue else ""
        path = path or f"azureml://jobs/{record.name}/outputs/{OUTPUT}/paths/model"
        for attempt in range(TRIES):
            versions = self._versions(name)
            known = next((model for model in versions if model.job_id == job_id), None)
            if known:
                return known
            number = versions[0].version + 1 if versions else 1
            try:
                self._create(name, number, path, job)
            except Conflict:  # somebody else took the number just now
                if attempt == TRIES - 1:
                    raise
        return self.get(f"{name}:{number}")

    def _create(self, name: str, version: int, path: str, job: Job) -> None:
        from azure.ai.ml.entities import Model as AzureModel

        tags = self.connection.marked("model") | {JOB: job.id, BASE: without_paths(job.spec).base_model[:LONGEST_VALUE]}
        tags |= {DATASET: job.spec.dataset_sha256, REVISION: str(job.result.get("base_revision") or "")}
        with in_words(_("Registering the model {name}").format(name=name)):
            self.connection.ml().models.create_or_update(
                AzureModel(
                    name=name,
                    version=str(version),
                    type="mlflow_model",
                    path=path,
                    description=job.spec.name,
                    tags=tags,
                    properties={METRICS: _numbers(job)},
                )
            )

    def _catalogue_path(self, job_name: str) -> str:
        """Where the recipe put its model, which must name every package that Azure's own container wants."""
        uri = tuned_model_uri(self.connection, job_name)
        folder = store_path(uri)
        if folder:
            blobs = self.jobs.blobs
            for file, add in (("requirements.txt", with_line), ("conda.yaml", with_package)):
                content = blobs.read(f"{folder}/{file}", 1 << 20)
                if content is not None and MONITORING.encode() not in content[0]:
                    blobs.write(f"{folder}/{file}", add(content[0].decode()).encode())
        return uri

    def _path(self, name: str = "") -> str:
        versions = f"/{name}/versions" if name else ""
        return f"{self.connection.workspace_path()}/models{versions}"

    def _raw_versions(self, name: str) -> list[dict[str, Any]]:
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Listing the models")):
            try:
                return self.connection.arm_list(self._path(name), MODELS_VERSION)
            except ResourceNotFoundError:
                return []

    def _versions(self, name: str) -> list[Model]:
        """The newest first."""
        found = [model for raw in self._raw_versions(name) if (model := read_model(raw))]
        known = [replace(one, base_model=self.jobs.paths.base_model(one.job_id, one.base_model)) for one in found]
        return sorted(known, key=lambda model: -model.version)

    def list(self) -> Sequence[Model]:
        with in_words(_("Listing the models")):
            names = [str(one["name"]) for one in self.connection.arm_list(self._path(), MODELS_VERSION)]
        with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
            found = [model for versions in pool.map(self._versions, names) for model in versions]
        return sorted(found, key=lambda model: (model.created_at, model.version), reverse=True)

    def get(self, ref: str) -> Model:
        return find_model(ref, self._versions)

    def base_models(self) -> Sequence[BaseModel]:
        size = size_of(self.connection, DEFAULT_MACHINE)
        own = []
        for hub_id, title, licence, count, download in HUB_MODELS:
            fits, reason = fit(count, size)
            own.append(BaseModel(hub_id, title, licence, count, download, False, fits, reason))
        built_in = BaseModel(
            id=BUILT_IN_MODEL,
            title=_("Built-in tiny Phi-3"),
            licence="MIT",
            parameters=count_parameters(BUILT_IN_FOLDER),
            download_bytes=0,
            is_local=True,
            fits=True,
            fit_reason=_("Small enough for any machine; good to try the way."),
            source="built_in",
        )
        return [*own, *try_models(self.catalogue), built_in]


def models_of_job(connection: Connection, job_id: str) -> list[str]:
    """References of the registered models whose files are those of a run."""
    with in_words(_("Listing the models")):
        containers = connection.arm_list(f"{connection.workspace_path()}/models", MODELS_VERSION)
        found = []
        for container in containers:
            path = f"{connection.workspace_path()}/models/{container['name']}/versions"
            models = [read_model(raw) for raw in connection.arm_list(path, MODELS_VERSION)]
            found += [model.ref for model in models if model and model.job_id == job_id]
    return found


def read_model(resource: dict[str, Any]) -> Model | None:
    """A version as Azure shows it; None for one that is no MLflow model, put away, or has no number."""
    facts = resource.get("properties") or {}
    number = str(resource.get("name") or "")
    if facts.get("isArchived") or str(facts.get("modelType")) != "mlflow_model" or not number.isdigit():
        return None
    tags = facts.get("tags") or {}
    name = str(resource.get("id") or "").split("/models/")[-1].split("/")[0]
    try:
        metrics = json.loads((facts.get("properties") or {}).get(METRICS) or "{}")
    except ValueError:
        metrics = {}
    return Model(
        name=name,
        version=int(number),
        job_id=str(tags.get(JOB) or facts.get("jobName") or ""),
        base_model=str(tags.get(BASE) or ""),
        path=f"azureml:{name}:{number}",
        created_at=made_at(resource) or datetime.fromtimestamp(0, UTC),
        dataset_sha256=str(tags.get(DATASET) or ""),
        metrics=metrics,
    )


def _numbers(job: Job) -> str:
    """The result's numbers as JSON, as many as a property holds."""
    values = {
        name: value
        for name, value in job.result.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    while len(text := json.dumps(values, separators=(",", ":"))) > LONGEST_VALUE:
        values.popitem()
    return text


def with_line(requirements: str) -> str:
    return f"{requirements.rstrip()}\n{MONITORING}\n"


def with_package(conda: str) -> str:
    values: Any = yaml.safe_load(conda) or {}
    for entry in values.setdefault("dependencies", []):
        if isinstance(entry, dict) and "pip" in entry:
            entry["pip"] = [*(entry["pip"] or []), MONITORING]
            break
    else:
        values["dependencies"].append({"pip": [MONITORING]})
    return yaml.safe_dump(values, sort_keys=False)


def fit(parameters: int, size: str) -> tuple[bool, str]:
    """Whether it can be tuned on one machine of this size, and the reason in words."""
    full, lora = parameters * FULL_BYTES + ACTIVATION_BYTES, int(parameters * LORA_BYTES) + ACTIVATION_BYTES
    gpu = gpu_of(size)
    if gpu is None:
        return True, _("{size} has no GPU: LoRA needs about {lora:.0f} GB, and a training takes days.").format(
            size=size, lora=lora / 1e9
        )
    room = gpu.memory_gb * 1e9
    if full <= room:
        return True, _("Full training fits: about {full:.0f} GB; the {gpu} has {room:.0f} GB.").format(
            full=full / 1e9, gpu=gpu.name, room=gpu.memory_gb
        )
    if lora <= room:
        return True, _("LoRA fits (about {lora:.0f} GB), full training does not ({full:.0f} GB) on the {gpu}.").format(
            lora=lora / 1e9, full=full / 1e9, gpu=gpu.name
        )
    return False, _("Even LoRA needs about {lora:.0f} GB; the {gpu} has {room:.0f} GB.").format(
        lora=lora / 1e9, gpu=gpu.name, room=gpu.memory_gb
    )

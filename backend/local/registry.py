"""The model registry here: MLflow's, in SQLite. A version points into the folder of the run that made it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.domain import BaseModel, JobState, Model
from backend.local.base_models import known_base_models
from backend.local.files import file_lock, read_json, write_json
from backend.local.job_state import derive_state
from backend.local.mlflow_store import has_store, open_store
from backend.local.run_folder import RunFolder, check_run_id
from backend.model_refs import check_model_name, find_model, nothing_to_register

if TYPE_CHECKING:
    from mlflow import MlflowClient


class LocalModels:
    def __init__(self, home: Path, runs: Path) -> None:
        self.home = home
        self.runs = runs
        self._client: MlflowClient | None = None

    @property
    def client(self) -> MlflowClient:
        """Opened at the first use: importing MLflow takes seconds."""
        if self._client is None:
            self.home.mkdir(parents=True, exist_ok=True)
            self._client = open_store(self.home)
        return self._client

    def register(self, job_id: str, name: str) -> Model:
        check_model_name(name)
        run = RunFolder(self.runs / check_run_id(job_id))
        spec, _submitted = run.read_spec()
        look = run.look()
        state, _detail = derive_state(look.facts)
        if state != JobState.COMPLETED or not any(run.model.glob("*.safetensors")):
            raise nothing_to_register(job_id, state)
        with file_lock(self.home / ".models.lock"):
            for version in self._versions(name):
                if version.job_id == job_id:
                    return version
            numbers = {key: value for key, value in look.result.items() if _is_number(value)}
            tags = {
                "job_id": job_id,
                "base_model": spec.base_model,
                "base_revision": str(look.result.get("base_revision") or spec.base_revision),
                "dataset_sha256": spec.dataset_sha256,
                "dataset_name": spec.dataset_name,
                "metrics": json.dumps(numbers),
            }
            if not self.client.search_registered_models(f"name = '{name}'"):
                self.client.create_registered_model(name)
            made = self.client.create_model_version(name, source=str(run.output.resolve() / "model"), tags=tags)
            model = _model(made)
            known = (read_json(run.registered_file) or {}).get("models", [])
            write_json(run.registered_file, {"models": [*known, model.ref]})
        return model

    def _versions(self, name: str) -> list[Model]:
        if not has_store(self.home):
            return []
        found = [_model(version) for version in self.client.search_model_versions(f"name = '{name}'")]
        return sorted(found, key=lambda model: -model.version)

    def list(self) -> Sequence[Model]:
        if not has_store(self.home):  # looking makes no database, nor waits for MLflow to say that there is nothing
            return ()
        found: list[Model] = []
        token = None
        while True:
            page = self.client.search_model_versions(max_results=1000, page_token=token)
            found += [_model(version) for version in page]
            token = page.token
            if not token:
                return sorted(found, key=lambda model: (model.created_at, model.version), reverse=True)

    def get(self, ref: str) -> Model:
        return find_model(ref, self._versions)

    def base_models(self) -> Sequence[BaseModel]:
        return known_base_models(self.home)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _model(version: Any) -> Model:
    tags = version.tags
    return Model(
        name=version.name,
        version=int(version.version),
        job_id=tags.get("job_id", ""),
        base_model=tags.get("base_model", ""),
        path=str(Path(version.source) / "model"),
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        dataset_sha256=tags.get("dataset_sha256", ""),
        metrics=json.loads(tags.get("metrics", "{}")),
    )

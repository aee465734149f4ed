"""MLflow's SQLite store, made once under a lock: two processes that migrate it at the same time break each other."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from backend.local.files import file_lock, read_json, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "phidesk"


def store_uri(home: Path) -> str:
    return f"sqlite:///{home.resolve() / 'mlflow.db'}"


def has_store(home: Path) -> bool:
    """Without MLflow: it takes seconds to load."""
    return (home / "mlflow.db").exists()


def open_store(home: Path) -> MlflowClient:
    """A client of the store in `home`, made when it is not there yet."""
    from mlflow import MlflowClient

    ensure_store(home)
    return MlflowClient(tracking_uri=store_uri(home), registry_uri=store_uri(home))


def ensure_store(home: Path) -> None:
    """Make or migrate it, unless that was done by this version of MLflow."""
    marker, version = home / "mlflow.ready.json", importlib.metadata.version("mlflow")
    if has_store(home) and (read_json(marker) or {}).get("version") == version:
        return
    with file_lock(home / ".mlflow.lock"):
        if has_store(home) and (read_json(marker) or {}).get("version") == version:
            return
        from mlflow import MlflowClient
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        artifacts = home.resolve() / "mlflow-artifacts"
        # Made with its artifact folder: the default would be `mlruns` in whatever folder this process runs.
        SqlAlchemyStore(store_uri(home), artifacts.as_uri())
        client = MlflowClient(tracking_uri=store_uri(home), registry_uri=store_uri(home))
        if client.get_experiment_by_name(EXPERIMENT) is None:
            client.create_experiment(EXPERIMENT, artifact_location=(artifacts / EXPERIMENT).as_uri())
        client.search_registered_models(max_results=1)
        write_json(marker, {"version": version})


if __name__ == "__main__":
    ensure_store(Path(sys.argv[1]))

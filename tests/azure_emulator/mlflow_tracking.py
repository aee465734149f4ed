"""The workspace's MLflow: MLflow's own store and its server's own handlers, behind Azure's address.

What Azure does not have is 404, above all `/logged-models` of MLflow 3.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

from tests.azure_emulator.wire import Reply, Request, routes
from tests.azure_emulator.world import World

HOST = r"[a-z0-9]+\.api\.azureml\.ms"
WORKSPACE = (
    r"(?P<workspace>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices"
    r"/workspaces/[^/]+)"
)
SPOKEN = re.compile(r"(?:experiments|runs|metrics)/[a-z-]+")
# MLflow keeps its server's store in a module: one request at a time, whichever cloud it is for. It is imported under
# this lock too: its modules import one another, and a second thread would find them half made.
ONE_AT_A_TIME = threading.RLock()


@cache
def _template() -> Path:
    """Making the tables takes seconds; it is done once a process and copied."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tempfile.mkdtemp(prefix="phidesk-emulator-mlflow-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", "azureml://artifacts").engine.dispose()
    return path


@cache
def _server() -> Any:
    """A Flask application of MLflow's handlers, asked in this process. Call it under the lock."""
    from flask import Flask
    from mlflow.server.handlers import get_endpoints

    app = Flask("emulated-mlflow")
    for number, (path, handler, methods) in enumerate(get_endpoints()):
        if path.startswith("/api/2.0/mlflow/"):
            app.add_url_rule(path, f"{handler.__name__}-{number}", handler, methods=methods)
    return app.test_client()


class MlflowTracking:
    """One store for each workspace."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._stores: dict[str, Any] = {}

    def store(self, workspace: str) -> Any:
        from tests.azure_emulator.assets import temporary

        key = workspace.lower()
        with ONE_AT_A_TIME:
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            if key not in self._stores:
                path = temporary(self.world, "mlflow") / "mlflow.db"
                shutil.copy(_template(), path)
                store = SqlAlchemyStore(f"sqlite:///{path}", "azureml://artifacts")
                self._stores[key] = store
                self.world.closing.append(store.engine.dispose)
            return self._stores[key]

    def _experiment(self, store: Any, workspace: dict[str, Any], name: str) -> Any:
        found = store.get_experiment_by_name(name)
        if found is None:
            found = store.get_experiment(store.create_experiment(name, location(workspace, name)))
        return found

    def open_run(self, workspace: dict[str, Any], job: str, facts: dict[str, Any]) -> None:
        """The job's own run; its id is the job's name."""
        with ONE_AT_A_TIME:
            from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag

            store = self.store(workspace["id"])
            experiment = self._experiment(store, workspace, facts.get("experimentName") or "Default")
            run = SqlRun(
                run_uuid=job, name=facts.get("displayName") or job, experiment_id=int(experiment.experiment_id),
                artifact_uri=f"{location(workspace, experiment.name)}/{job}/artifacts", source_type="UNKNOWN",
                source_name="", entry_point_name="", user_id="", status="RUNNING", source_version="",
                start_time=int(self.world.now() * 1000), lifecycle_stage="active",
            )  # fmt: skip
            run.tags = [
                SqlTag(key=key, value=str(value))
                for key, value in {
                    **(facts.get("tags") or {}),
                    "mlflow.runName": facts.get("displayName") or job,
                }.items()
            ]
            with store.ManagedSessionMaker(read_only=False) as session:
                session.add(run)

    def end_run(self, workspace: dict[str, Any], job: str, status: str) -> None:
        """Nothing for a job that never began."""
        with ONE_AT_A_TIME:
            from mlflow.entities import RunStatus
            from mlflow.exceptions import MlflowException

            if workspace["id"].lower() not in self._stores:
                return
            store = self.store(workspace["id"])
            try:
                store.update_run_info(job, RunStatus.from_string(status), int(self.world.now() * 1000), None)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise

    def answer(self, workspace: dict[str, Any], request: Request, what: str) -> Reply:
        query = request.target.partition("?")[2]
        body: Any = request.json if request.body else None
        if what == "experiments/create":
            body["artifact_location"] = location(workspace, body["name"])
        with ONE_AT_A_TIME:
            from mlflow.server import handlers

            handlers._tracking_store = self.store(workspace["id"])
            try:
                reply = _server().open(
                    f"/api/2.0/mlflow/{what}?{query}", method=request.method, json=body if body is not None else None
                )
            finally:
                handlers._tracking_store = None
        return Reply(reply.status_code, reply.get_json(silent=True))


def location(workspace: dict[str, Any], experiment: str) -> str:
    return (
        f"azureml://{workspace['location']}.api.azureml.ms/mlflow/v2.0{workspace['id']}/experiments/{experiment}/runs"
    )


@routes.on(HOST, "GET|POST|PATCH", rf"/mlflow/v[12]\.0{WORKSPACE}/api/2\.0/mlflow/(?P<what>.+)")
def mlflow(request: Request, world: World, workspace: str, what: str) -> Reply:
    kept = world.get(workspace)
    if kept is None:
        return Reply(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Workspace {workspace} not found."})
    with ONE_AT_A_TIME:
        known = {rule.rule.removeprefix("/api/2.0/mlflow/") for rule in _server().application.url_map.iter_rules()}
    if not SPOKEN.fullmatch(what) or what not in known:
        return Reply(404)
    return world.mlflow.answer(kept, request, what)

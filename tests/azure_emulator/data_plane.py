"""The workspace's own services at {region}.api.azureml.ms: run history, artifacts, addresses of outputs."""

from __future__ import annotations

import time
import uuid
from typing import Any

from tests.azure_emulator import assets
from tests.azure_emulator.mlflow_tracking import HOST, WORKSPACE
from tests.azure_emulator.wire import Reply, Request, error, routes
from tests.azure_emulator.world import World, utc

RUN = WORKSPACE + r"(?:/experiments/[^/]+|/experimentids/[^/]+)?/runs/(?P<run>[^/]+)"
HISTORY = r"/history/v1\.0"


@routes.on(HOST, "GET", r"/discovery(?:/.*)?", anonymous=True)
def discovery(request: Request, world: World) -> Reply:
    base = f"https://{request.host}"
    names = ("api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "labeling", "modelmanagement",
             "pipelines", "studio", "mlflow")  # fmt: skip
    return Reply(200, dict.fromkeys(names, base) | {"studio": "https://ml.azure.com"})


def _run(world: World, workspace: str, name: str) -> tuple[dict[str, Any], dict[str, Any], Any] | None:
    kept, job = world.get(workspace), world.get(f"{workspace}/jobs/{name}")
    if kept is None or job is None:
        return None
    return kept, job, world.jobs.runs.get(job["id"].lower())


def _missing(name: str) -> Reply:
    return error(404, "UserError", f"Run {name} was not found.")


def _facts(job: dict[str, Any], run: Any) -> dict[str, Any]:
    facts = job["properties"]
    return {
        "runId": job["name"],
        "runUuid": str(uuid.uuid5(uuid.NAMESPACE_URL, job["id"])),
        "target": (facts.get("computeId") or "").rpartition("/")[2] or None,
        "status": facts["status"],
        "createdTimeUtc": job["systemData"]["createdAt"],
        "startTimeUtc": run.started_at or None if run else None,
        "endTimeUtc": run.ended_at or None if run else None,
        "tags": facts.get("tags") or {},
        "properties": facts.get("properties") or {},
        "error": run.error if run else None,
    }


@routes.on(HOST, "GET", HISTORY + RUN + "/details")
def details(request: Request, world: World, workspace: str, run: str) -> Reply:
    """With the addresses of the logs, each signed for reading."""
    found = _run(world, workspace, run)
    if found is None:
        return _missing(run)
    kept, job, state = found
    files = {}
    if state is not None and world.azurite is not None:
        account = assets.account_of(kept)
        sas = world.azurite.sas(account, "azureml", "r") if state.logs else ""
        for name in state.logs:
            files[name] = f"{world.azurite.url(account, 'azureml', f'{state.artifacts}/{name}')}?{sas}"
    return Reply(200, {**_facts(job, state), "warnings": [], "logFiles": files})


@routes.on(HOST, "GET", HISTORY + RUN)
def get_run(request: Request, world: World, workspace: str, run: str) -> Reply:
    found = _run(world, workspace, run)
    if found is None:
        return _missing(run)
    _kept, job, state = found
    facts = _facts(job, state)
    facts["createdUtc"] = facts.pop("createdTimeUtc")
    more = {"displayName": job["properties"].get("displayName"), "hidden": False, "dataContainerId": f"dcid.{run}"}
    return Reply(200, {**facts, **more, "experimentId": str(uuid.uuid5(uuid.NAMESPACE_URL, workspace))})


@routes.on(HOST, "POST", HISTORY + WORKSPACE + "/rundata")
def run_data(request: Request, world: World, workspace: str) -> Reply:
    name = request.json.get("runId", "")
    found = _run(world, workspace, name)
    if found is None:
        return _missing(name)
    _kept, job, state = found
    outputs = {
        output: {"assetId": asset["assetId"], "type": asset["type"]}
        for output, asset in (state.output_assets if state else {}).items()
    }
    facts = _facts(job, state)
    facts["createdUtc"] = facts.pop("createdTimeUtc")
    return Reply(200, {"runMetadata": {**facts, "outputs": outputs, "inputs": {}}})


def _resolved(world: World, ids: list[str], word: str) -> dict[str, dict[str, str]]:
    assets_of_runs = [asset for run in world.jobs.runs.values() for asset in run.output_assets.values()]
    return {
        asset["assetId"]: {word: asset["uri"], "type": asset["type"]}
        for asset in assets_of_runs
        if asset["assetId"] in ids
    }


@routes.on(HOST, "POST", r"/data/v1\.0" + WORKSPACE + "/dataversion/batchGetResolvedUris")
def data_addresses(request: Request, world: World, workspace: str) -> Reply:
    return Reply(200, {"values": _resolved(world, request.json.get("values") or [], "uri")})


@routes.on(HOST, "POST", r"/modelregistry/v1\.0" + WORKSPACE + "/models/batchGetResolvedUris")
def model_addresses(request: Request, world: World, workspace: str) -> Reply:
    return Reply(200, {"values": _resolved(world, request.json.get("values") or [], "path")})


# Artifacts of a run, as azureml-mlflow lists, reads and writes them.


def _artifact(run: str, path: str) -> dict[str, Any]:
    return {
        "artifactId": f"ExperimentRun/dcid.{run}/{path}",
        "origin": "ExperimentRun",
        "container": f"dcid.{run}",
        "path": path,
        "createdTime": utc(time.time()),
    }


@routes.on(HOST, "GET", HISTORY + RUN + "/artifacts(?:/path)?")
def list_artifacts(request: Request, world: World, workspace: str, run: str) -> Reply:
    kept = world.get(workspace)
    if kept is None or world.azurite is None:
        return _missing(run)
    prefix = f"ExperimentRun/dcid.{run}"
    wanted = request.query.get("path", "")
    names = world.azurite.names(assets.account_of(kept), "azureml", prefix)
    paths = [name.removeprefix(f"{prefix}/") for name in names]
    return Reply(200, {"value": [_artifact(run, path) for path in paths if path.startswith(wanted)]})


def _content(world: World, kept: dict[str, Any], run: str, path: str) -> dict[str, Any]:
    assert world.azurite is not None
    account = assets.account_of(kept)
    url = world.azurite.url(account, "azureml", f"ExperimentRun/dcid.{run}/{path}")
    where = {"origin": "ExperimentRun", "container": f"dcid.{run}", "path": path}
    return {"contentUri": f"{url}?{world.azurite.sas(account, 'azureml')}", **where}


@routes.on(HOST, "GET", HISTORY + RUN + "/artifacts/contentinfo")
def artifact_content(request: Request, world: World, workspace: str, run: str) -> Reply:
    kept = world.get(workspace)
    path = request.query.get("path", "")
    if kept is None or world.azurite is None:
        return _missing(run)
    if not world.azurite.names(assets.account_of(kept), "azureml", f"ExperimentRun/dcid.{run}/{path}"):
        return error(404, "UserError", f"Artifact {path} of run {run} was not found.")
    return Reply(200, _content(world, kept, run, path))


@routes.on(HOST, "POST", HISTORY + RUN + "/artifacts/batch/metadata")
def new_artifacts(request: Request, world: World, workspace: str, run: str) -> Reply:
    kept = world.get(workspace)
    if kept is None or world.azurite is None:
        return _missing(run)
    paths = [one["path"] for one in request.json.get("paths") or []]
    return Reply(
        200,
        {
            "artifacts": {path: _artifact(run, path) for path in paths},
            "artifactContentInformation": {path: _content(world, kept, run, path) for path in paths},
            "errors": {},
        },
    )

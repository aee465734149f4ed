"""Jobs in the control plane: accepted or refused, listed, canceled. What they do is in job_run.py: they really run."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.azure_emulator import arm
from tests.azure_emulator.faults import Fault
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, routes
from tests.azure_emulator.world import OPERATION_SECONDS, TENANT, World

if TYPE_CHECKING:
    from tests.azure_emulator.job_run import JobRun

MACHINE_LEARNING = "Microsoft.MachineLearningServices"
JOB = rf"(?P<path>/subscriptions/.*/providers/{MACHINE_LEARNING}/workspaces/[^/]+/jobs/[^/]+)"
FINAL = frozenset({"Completed", "Failed", "Canceled"})
# What a PUT may change of a job that is there already.
CHANGEABLE = ("displayName", "description", "tags", "isArchived", "properties")
FIXED = ("jobType", "command", "codeId", "environmentId", "fineTuningDetails")


@dataclass
class JobRunner:
    """The runs of one cloud. `hold("Queued")` keeps jobs in that state until `release()`."""

    world: World
    runs: dict[str, JobRun] = field(default_factory=dict)
    _held: dict[str, threading.Event] = field(default_factory=dict)

    def hold(self, state: str) -> None:
        self._held[state] = threading.Event()

    def release(self, state: str = "") -> None:
        """Let go of one state, or of all."""
        for name in [state] if state else list(self._held):
            self._held.pop(name).set()

    def wait_at(self, state: str, canceled: threading.Event) -> None:
        held = self._held.get(state)
        while held is not None and not held.wait(0.05) and not canceled.is_set():
            pass

    def start(self, kept: dict[str, Any], fault: Fault | None) -> None:
        from tests.azure_emulator.job_run import JobRun

        run = JobRun(self.world, kept, fault)
        self.runs[kept["id"].lower()] = run
        if len(self.runs) == 1:
            self.world.closing.append(self.stop)
        run.start()

    def cancel(self, path: str) -> None:
        run = self.runs.get(path.lower())
        if run is not None:
            run.cancel()

    def stop(self) -> None:
        """The end of the world: no process stays behind."""
        self.release()
        for run in self.runs.values():
            run.cancel()
        for run in self.runs.values():
            run.join()


def workspace_of(world: World, kept: dict[str, Any]) -> dict[str, Any]:
    return world.arm[str(kept["id"]).rpartition("/jobs/")[0].lower()]


def _put_job(put: arm.Put) -> dict[str, Any] | Reply:
    asked = put.body.get("properties") or {}
    if put.old:
        before = put.old["properties"]
        if any(asked.get(name) not in (None, before.get(name)) for name in FIXED):
            return error(
                409,
                "UserError",
                f"A job with this name already exists. If you are trying to create a new job, use a different name. "
                f"If you are trying to update an existing job, the job's {', '.join(FIXED)} can not be changed.",
            )
        # The same object: what runs goes on writing into it.
        before |= {name: asked[name] for name in CHANGEABLE if name in asked and asked[name] is not None}
        return put.old
    refusal = _refusal(put, asked)
    if refusal is not None:
        return refusal
    name = put.path.name
    given: dict[str, Any] = {
        "displayName": name,
        "experimentName": "Default",
        "isArchived": False,
        "tags": {},
        "properties": {},
        "status": "NotStarted",
    }
    given |= {key: value for key, value in asked.items() if value is not None}
    given["outputs"] = {
        "default": {
            "jobOutputType": "uri_folder",
            "mode": "ReadWriteMount",
            "uri": f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{name}",
        },
        **(asked.get("outputs") or {}),
    }
    region = arm.region_of(put.world, put.path)
    given["services"] = {
        "Tracking": {
            "jobServiceType": "Tracking",
            "endpoint": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{put.path.workspace}?",
        },
        "Studio": {
            "jobServiceType": "Studio",
            "endpoint": f"https://ml.azure.com/runs/{name}?wsid={put.path.workspace}&tid={TENANT}",
        },
    }
    if given.get("fineTuningDetails"):
        task = str(given["fineTuningDetails"].get("taskType"))
        given["fineTuningDetails"] = {**given["fineTuningDetails"], "taskType": task[:1].upper() + task[1:]}
    given["properties"] = {**given["properties"], "_azureml.ComputeTargetType": "amlctrain"}
    return arm.resource(put, given)


def _refusal(put: arm.Put, asked: dict[str, Any]) -> Reply | None:
    kind = asked.get("jobType")
    if kind not in ("Command", "FineTuning"):
        return error(400, "UserError", f"The emulator runs no jobs of type {kind}.")
    compute = asked.get("computeId") or ""
    if compute:
        name = compute.rpartition("/")[2]
        if put.world.get(f"{put.path.workspace}/computes/{name}") is None:
            return error(400, "UserError", f"Unknown compute target '{name}'.")
    elif not (asked.get("resources") or {}).get("instanceType") and kind == "Command":
        return error(400, "UserError", "A job on serverless compute needs an instance type.")
    environment = asked.get("environmentId") or ""
    if environment.lower().startswith("/subscriptions/") and put.world.get(environment) is None:
        return error(404, "UserError", f"Environment '{environment}' not found.")
    code = asked.get("codeId") or ""
    if code and put.world.get(code) is None:
        return error(404, "UserError", f"Code asset '{code}' not found.")
    for name, output in (asked.get("outputs") or {}).items():
        if output and output.get("assetVersion"):
            return error(
                400, "UserError", f"The request is invalid: 'assetVersion' of output '{name}' must not be set by users."
            )
    return None


def _settled(world: World, kept: dict[str, Any]) -> None:
    kept["properties"].pop("provisioningState", None)


def _put_and_start(put: arm.Put) -> dict[str, Any] | Reply:
    kept = _put_job(put)
    if not isinstance(kept, Reply) and not put.old:
        faults = put.world.faults
        fault = faults.take("image_build", put.request) or faults.take("job_failed", put.request)
        # The generic PUT keeps it under the same lock that the run needs, so the run can't be faster.
        put.world.arm[put.path.id.lower()] = kept
        put.world.jobs.start(kept, fault)
    return kept


def _listed(request: Request, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    view = request.query.get("listViewType", "ActiveOnly")
    if view != "All":
        found = [one for one in found if bool(one["properties"].get("isArchived")) == (view == "ArchivedOnly")]
    if request.query.get("jobType"):
        found = [one for one in found if one["properties"]["jobType"] == request.query["jobType"]]
    if request.query.get("tag"):
        name, marker, value = request.query["tag"].partition("=")
        tags = [(one, one["properties"].get("tags") or {}) for one in found]
        found = [one for one, tag in tags if name in tag and (not marker or tag[name] == value)]
    return list(reversed(found))  # the newest first


def _shown(request: Request, seen: dict[str, Any]) -> dict[str, Any]:
    """The older version of the interface does not know machines of a fine-tuning job."""
    if seen["properties"]["jobType"] == "FineTuning" and request.api_version < "2024-04-01":
        seen["properties"].pop("resources", None)
        seen["properties"].pop("queueSettings", None)
    return seen


def _deleted(world: World, kept: dict[str, Any]) -> None:
    world.jobs.cancel(kept["id"])


arm.register(
    f"{MACHINE_LEARNING}/workspaces/jobs",
    arm.ArmType(put=_put_and_start, settled=_settled, listed=_listed, deleted=_deleted, shown=_shown),
)


@routes.on(MANAGEMENT, "DELETE", JOB)
def delete_job(request: Request, world: World, path: str) -> Reply:
    key = path.lower()
    if world.get(key) is None:
        return Reply(204)

    def finish() -> None:
        gone = world.arm.pop(key, None)
        if gone:
            _deleted(world, gone)

    return Reply(202, None, _headers(request, world, path, finish))


@routes.on(MANAGEMENT, "POST", JOB + "/cancel")
def cancel_job(request: Request, world: World, path: str) -> Reply:
    kept = world.get(path)
    if kept is None:
        return error(404, "UserError", f"Job '{path.rpartition('/')[2]}' not found.")
    if kept["properties"]["status"] in FINAL:
        return Reply(200)
    world.jobs.cancel(path)
    return Reply(202, None, _headers(request, world, path, lambda: None))


def _headers(request: Request, world: World, path: str, finish: Any) -> dict[str, str]:
    """This service answers with Location alone."""
    parsed = arm.parse(path)
    assert parsed is not None
    seconds = arm.seconds_for(world, request)
    operation = world.begin(
        arm.operation_path(world, parsed, "mfeOperationsStatus"), finish, seconds=max(seconds, OPERATION_SECONDS)
    )
    headers = arm.operation_headers(request, operation)
    headers.pop("Azure-AsyncOperation")
    return headers


def new_asset_id(region: str, workspace: dict[str, Any], kind: str, name: str, version: str) -> str:
    """As run history names assets."""
    guid = workspace["properties"]["workspaceId"]
    return f"azureml://locations/{region}/workspaces/{guid}/{kind}/{name}/versions/{version}"


def plain(uri: str, job: str, output: str) -> str:
    """An output's address with the service's placeholders filled in."""
    uri = uri.replace("${{name}}", job).replace("${{output_name}}", output)
    return re.sub(r"\$\{\{default_datastore\}\}", "workspaceblobstore", uri)

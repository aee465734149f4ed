"""Deployments of an online endpoint: the machines they need, the containers they run, and how they fail."""

from __future__ import annotations

import math
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.azure_emulator import arm, flows, model_files, model_servers
from tests.azure_emulator.endpoints import ENDPOINT_PATH, ENDPOINTS, conflict, is_busy, serving
from tests.azure_emulator.machines import MACHINES, Machine
from tests.azure_emulator.model_servers import ModelServer, NotServable
from tests.azure_emulator.quota import cores, reserved_cores, served_cores
from tests.azure_emulator.roles import roles_of
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, not_found, routes
from tests.azure_emulator.world import Operation, World

DEPLOYMENTS = f"{ENDPOINTS}/deployments"
BLOB_READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
ACR_PULL = "Microsoft.ContainerRegistry/registries/pull/read"


def _put_deployment(put: arm.Put) -> dict[str, Any] | Reply:
    world, path = put.world, put.path
    if is_busy(world, path.parent.removesuffix("/deployments")):
        return conflict(path.parent)
    facts = put.body.get("properties") or {}
    machine = MACHINES.get(str(facts.get("instanceType")).lower())
    if machine is None:
        message = f"The instance type '{facts.get('instanceType')}' is not supported in this region."
        return error(400, "BadArgument", message)
    refused = _refused_quota(put, machine)
    if refused is not None:
        return refused
    model = facts.get("model")
    if model and not model.startswith("azureml://registries/") and world.get(model) is None:
        return error(404, "ModelNotFound", f"The model '{model}' was not found.")
    environment = facts.get("environmentId")
    if environment and not environment.startswith("azureml://") and world.get(environment) is None:
        return error(404, "EnvironmentNotFound", f"The environment '{environment}' was not found.")
    kept = arm.resource(put)
    kept["properties"].setdefault("scaleSettings", {"scaleType": "Default"})
    kept.setdefault("sku", {"name": "Default", "capacity": 1})
    return kept


def _refused_quota(put: arm.Put, machine: Machine) -> Reply | None:
    family, needed = machine.family, reserved_cores(machine, int((put.body.get("sku") or {}).get("capacity") or 1))
    subscription = put.path.subscription
    table = cores(put.world, subscription, arm.region_of(put.world, put.path))
    used = served_cores(put.world, subscription, family, without=put.path.id) + table.used.get(family, 0)
    limit = table.limits.get(family, 0)
    if used + needed <= limit:
        return None
    message = (
        f"Not enough quota available for {put.body['properties']['instanceType']} in SubscriptionId {subscription}."
        f" Current usage/limit: {used}/{limit}. Additional needed: {needed}. Please see troubleshooting guide, "
        "available here: https://aka.ms/oe-tsg#error-outofquota"
    )
    return error(400, "OutOfQuota", message)


CRASH_LOG = """\
Liveness Route: GET 127.0.0.1:31311/
Worker (pid:37) exited with code 3
ModuleNotFoundError: No module named 'azureml.ai'
"""


def _failure(put: arm.Put) -> dict[str, Any] | None:
    """What a test planned, and what the endpoint's identity may not do."""
    faults, request = put.world.faults, put.request
    if faults.take("out_of_quota", request):
        return _problem("OutOfQuota", "Not enough quota available for the deployment's machines in this region.")
    if faults.take("image_build", request):
        return _problem("ImageBuildFailure", "The build of the image failed: pip ended with 1.")
    if faults.take("probe_failed", request):
        serving(put.world).logs[put.path.id.lower()] = CRASH_LOG
        return _problem(
            "ResourceNotReady",
            "User container has crashed or terminated: the liveness probe failed. See the deployment's logs.",
        )
    return _missing_role(put)


def _problem(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _missing_role(put: arm.Put) -> dict[str, Any] | None:
    world = put.world
    endpoint = world.arm[put.path.parent.lower()]
    workspace = world.arm[put.path.workspace.lower()]["properties"]
    wanted = (
        ("storageAccount", BLOB_READ, "Storage Blob Data Reader", "the model's files"),
        ("containerRegistry", ACR_PULL, "AcrPull", "the image"),
    )
    for path, ids in ((endpoint.get("identity") or {}).get("userAssignedIdentities") or {}).items():
        if "principalId" not in ids:
            return _problem("IdentityNotFound", f"The user-assigned identity '{path}' was not found.")
        for part, action, role, what in wanted:
            scope = workspace.get(part)
            if scope and not any(
                held.allows(action) or action in held.data_actions
                for held in roles_of(world, ids["principalId"], scope)
            ):
                message = f"Authorization error: the identity '{path}' can't read {what}. It needs {role} on '{scope}'."
                return _problem("BadArgument", message)
    return None


def _begun(put: arm.Put, kept: dict[str, Any], operation: Operation) -> None:
    """The container comes up while the operation goes on; it ends when the container answers or dies."""
    world = put.world
    if serving(world).echo:
        serving(world).echoing.add(put.path.id.lower())
        return
    earliest, operation.due = operation.due, math.inf

    def bring_up() -> None:
        try:
            old = serving(world).servers.get(put.path.id.lower())
            server = _start(world, put.path, kept)
            server.wait_until_ready()
            serving(world).servers[put.path.id.lower()] = server
            if old is not None:
                old.stop()
        except NotServable as problem:
            operation.error = _problem(
                "ResourceNotReady",
                f"User container has crashed or terminated: {problem}. Please see troubleshooting guide, available "
                "here: https://aka.ms/oe-tsg#error-resourcenotready",
            )
        finally:
            operation.due = max(earliest, world.now())

    threading.Thread(target=bring_up, daemon=True, name=f"deployment-{kept['name']}").start()


def _start(world: World, path: arm.ArmPath, kept: dict[str, Any]) -> ModelServer:
    folder = Path(tempfile.mkdtemp(prefix="phidesk-emulator-deployment-"))
    workspace, facts = world.arm[path.workspace.lower()], kept["properties"]
    endpoint = path.parent.rpartition("/")[2]
    model, mounted = facts.get("model") or "", None
    if model and not model.startswith("azureml://registries/"):
        name, version = model.split("/")[-3], model.split("/")[-1]
        uri = world.arm[model.lower()]["properties"].get("modelUri") or ""
        # Azure mounts a folder under its own name.
        target = folder / "models" / name / version / uri.rstrip("/").rpartition("/")[2]
        mounted = model_files.fetch(world, workspace, uri, target)
        if mounted is None:
            raise NotServable(f"unable to download the model from {uri}: nothing is there")
    environment = world.arm.get(str(facts.get("environmentId")).lower())
    if environment is None:
        server = model_servers.start_mlflow(world, folder, mounted, [endpoint])
    elif flows.is_flow(environment):
        if mounted is None:
            raise NotServable("there is no flow: the deployment has no model")
        server = flows.start_flow(world, folder, mounted.parent, facts.get("environmentVariables") or {})
    else:
        build = environment["properties"].get("build") or {}
        context = model_files.fetch(world, workspace, build.get("contextUri") or "", folder / "context")
        if context is None:
            raise NotServable("the environment has no build context that the emulator can run")
        server = model_servers.start_container(
            world, folder, context, build.get("dockerfilePath") or "Dockerfile", mounted and mounted.parent,
            facts.get("environmentVariables") or {},
        )  # fmt: skip
    world.closing.append(server.stop)
    serving(world).servers.setdefault(path.id.lower(), server)
    return server


def _forget_deployment(world: World, gone: dict[str, Any]) -> None:
    serving(world).echoing.discard(gone["id"].lower())
    serving(world).logs.pop(gone["id"].lower(), None)
    server = serving(world).servers.pop(gone["id"].lower(), None)
    if server is not None:
        server.stop()


arm.register(
    DEPLOYMENTS,
    arm.ArmType(
        put=_put_deployment,
        operation="mfeOperationsStatus",
        failure=_failure,
        begun=_begun,
        deleted=_forget_deployment,
    ),
)


@routes.on(MANAGEMENT, "DELETE", ENDPOINT_PATH + "/deployments/(?P<name>[^/]+)")
def delete_deployment(request: Request, world: World, endpoint: str, name: str) -> Reply:
    kept, path = world.get(endpoint), arm.parse(request.path)
    assert path is not None
    if kept is not None and (kept["properties"].get("traffic") or {}).get(name):
        message = f"Deployment '{name}' can't be deleted: it has traffic. Set its traffic to 0 first."
        return error(400, "BadRequest", message)
    if kept is not None and is_busy(world, endpoint):
        return conflict(endpoint)
    return arm.delete_resource(world, request, path)


@routes.on(MANAGEMENT, "POST", ENDPOINT_PATH + "/deployments/(?P<name>[^/]+)/getLogs")
def get_logs(request: Request, world: World, endpoint: str, name: str) -> Reply:
    key = f"{endpoint}/deployments/{name}".lower()
    if world.get(key) is None:
        return not_found(request)
    tail = int(request.json.get("tail") or 5000)
    if request.json.get("containerType") == "StorageInitializer":
        return Reply(200, {"content": "Downloading model files\nDone\n"})
    planned = serving(world).logs.get(key)
    return Reply(200, {"content": planned or model_servers.shown_log(serving(world).servers.get(key), tail)})

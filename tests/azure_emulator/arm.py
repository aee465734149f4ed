"""Azure Resource Manager in general: resources by path, and long-running operations. Types say what is special."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, not_found, routes
from tests.azure_emulator.world import OPERATION_SECONDS, REGION, USER, Operation, World, utc

Resource = dict[str, Any]
# "Retry-After: 0" would be read as "none" by azure-core, which then sleeps 5 to 30 seconds, and a fraction of a second
# is no int, which its generated clients want it to be.
RETRY_SOON = {"retry-after-ms": "50"}


@dataclass(frozen=True)
class ArmPath:
    """A parsed resource id. `type` is lower case, as in "microsoft.machinelearningservices/workspaces/jobs"."""

    id: str
    type: str
    name: str
    parent: str  # id of the resource above, or of the scope

    @property
    def subscription(self) -> str:
        return self.id.split("/")[2] if self.id.lower().startswith("/subscriptions/") else ""

    @property
    def group(self) -> str:
        match = re.match(r"/subscriptions/[^/]+/resourceGroups/([^/]+)", self.id, re.I)
        return match[1] if match else ""

    @property
    def workspace(self) -> str:
        match = re.match(r".*?/workspaces/[^/]+", self.id, re.I)
        return match[0] if match else ""


def parse(path: str) -> ArmPath | None:
    """The resource of a path; None for a collection or an action."""
    path = re.sub("/resourcegroups/", "/resourceGroups/", path.rstrip("/"), flags=re.IGNORECASE)  # clients vary it
    head, marker, tail = path.rpartition("/providers/")
    if not marker:
        match = re.fullmatch(r"(/subscriptions/[^/]+)/resourceGroups/([^/]+)", path, re.I)
        return ArmPath(path, "microsoft.resources/resourcegroups", match[2], match[1]) if match else None
    parts = tail.split("/")
    if len(parts) % 2 == 0 or len(parts) < 3:
        return None
    kind = "/".join([parts[0], *parts[1::2]]).lower()
    parent = head if len(parts) == 3 else path.rsplit("/", 2)[0]
    return ArmPath(path, kind, parts[-1], parent)


@dataclass(frozen=True)
class Put:
    """What a PUT or PATCH is about: the body as sent, and the resource that was there before."""

    request: Request
    world: World
    path: ArmPath
    body: Resource
    old: Resource | None


@dataclass(frozen=True)
class ArmType:
    """How one type of resource behaves.

    `put` answers the resource to keep (or a Reply that refuses). `operation` names the operation of PUT and DELETE
    ("computeOperationsStatus"); without one they are done at once. `settled` runs when the PUT's operation ended well.
    `failure` may answer the error with which the operation will end; `begun` gets the operation, to move its end
    (`due`) and its `error` while it does the work.
    """

    put: Callable[[Put], Resource | Reply] | None = None
    created: int = 201
    updated: int = 200
    operation: str = ""
    settled: Callable[[World, Resource], None] | None = None
    failure: Callable[[Put], Resource | None] | None = None
    begun: Callable[[Put, Resource, Operation], None] | None = None
    deleted: Callable[[World, Resource], None] | None = None
    listed: Callable[[Request, list[Resource]], list[Resource]] | None = None
    shown: Callable[[Request, Resource], Resource] | None = None
    needs_parent: bool = True


TYPES: dict[str, ArmType] = {}


def register(kind: str, behaviour: ArmType) -> None:
    TYPES[kind.lower()] = behaviour


def resource(put: Put, properties: Resource | None = None, **more: Any) -> Resource:
    """The kept form of a PUT's body: id, name, type, system data; `properties` are laid over those that were sent."""
    now = utc(put.world.now())
    system = (put.old or {}).get("systemData") or {"createdAt": now, "createdBy": USER, "createdByType": "User"}
    namespace = re.search(r".*/providers/(.*)", put.path.id)
    parts = namespace[1].split("/") if namespace else ["Microsoft.Resources", "resourceGroups"]
    return {
        **{key: value for key, value in put.body.items() if key not in ("id", "name", "type")},
        "id": (put.old or {}).get("id", put.path.id),
        "name": put.path.name,
        "type": "/".join([parts[0], *parts[1::2]]),
        "properties": {**copy.deepcopy(put.body.get("properties") or {}), **(properties or {})},
        "systemData": {**system, "lastModifiedAt": now, "lastModifiedBy": USER, "lastModifiedByType": "User"},
        **more,
    }


def region_of(world: World, path: ArmPath) -> str:
    workspace = world.arm.get(path.workspace.lower())
    return str((workspace or {}).get("location") or REGION)


def operation_path(world: World, path: ArmPath, kind: str) -> str:
    namespace = re.search(r".*/providers/([^/]+)", path.id)
    return (
        f"/subscriptions/{path.subscription}/providers/{namespace[1] if namespace else 'Microsoft.Resources'}"
        f"/locations/{region_of(world, path)}/{kind}"
    )


def operation_headers(request: Request, operation: Operation) -> dict[str, str]:
    url = f"https://{request.host}{operation.path}?api-version={request.api_version}"
    results = re.sub("OperationsStatus/", "OperationResults/", url)
    return {"Azure-AsyncOperation": url, "Location": results} | RETRY_SOON


def seconds_for(world: World, request: Request) -> float:
    slow = world.faults.take("slow", request)
    return slow.seconds if slow else OPERATION_SECONDS


def set_state(world: World, path: str, state: str) -> None:
    kept = world.arm.get(path.lower())
    if kept is not None:
        kept.setdefault("properties", {})["provisioningState"] = state


def put_resource(world: World, request: Request, path: ArmPath, body: Resource) -> Reply:
    """Create or replace `path`; at once, or by an operation that its type names."""
    kind = TYPES[path.type]
    key = path.id.lower()
    with world.lock:
        old = world.get(key)
        scope = path.parent
        if kind.needs_parent and scope and parse(scope) and world.get(scope) is None:
            return error(404, "ParentResourceNotFound", f"The parent resource '{scope}' could not be found.")
        put = Put(request, world, path, body, old)
        kept = kind.put(put) if kind.put else resource(put)
        if isinstance(kept, Reply):
            return kept
        status = kind.updated if old else kind.created
        if not kind.operation:
            kept["properties"].setdefault("provisioningState", "Succeeded")
            world.arm[key] = kept
            if kind.settled:
                kind.settled(world, kept)
            return Reply(status, shown(request, path, kept))
        kept["properties"]["provisioningState"] = "Updating" if old else "Creating"
        world.arm[key] = kept
        failure = kind.failure(put) if kind.failure else None

        def finish() -> None:
            if world.arm.get(key) is kept:
                set_state(world, key, "Failed" if operation.error else "Succeeded")
                if kind.settled and not operation.error:
                    kind.settled(world, kept)

        operation = world.begin(
            operation_path(world, path, kind.operation), finish, error=failure, seconds=seconds_for(world, request)
        )
        if kind.begun and not failure:
            kind.begun(put, kept, operation)
        return Reply(status, shown(request, path, kept), operation_headers(request, operation))


def delete_resource(world: World, request: Request, path: ArmPath) -> Reply:
    kind = TYPES[path.type]
    key = path.id.lower()
    with world.lock:
        kept = world.get(key)
        if kept is None:
            return Reply(204)

        def finish() -> None:
            for below in [below for below in world.arm if below == key or below.startswith(key + "/")]:
                gone = world.arm.pop(below)
                behaviour = TYPES.get((parse(below) or path).type)
                if behaviour and behaviour.deleted:
                    behaviour.deleted(world, gone)

        if not kind.operation:
            finish()
            return Reply(200)
        set_state(world, key, "Deleting")
        operation = world.begin(
            operation_path(world, path, kind.operation), finish, seconds=seconds_for(world, request)
        )
        return Reply(202, None, operation_headers(request, operation))


def shown(request: Request, path: ArmPath, kept: Resource) -> Resource:
    kind = TYPES[path.type]
    seen = copy.deepcopy(kept)
    return kind.shown(request, seen) if kind.shown else seen


def children(world: World, collection: str) -> list[Resource]:
    """The resources directly in a collection ("…/workspaces/w/jobs"), oldest first."""
    prefix = collection.lower().rstrip("/") + "/"
    with world.lock:
        world.settle()
        return [kept for key, kept in world.arm.items() if key.startswith(prefix) and "/" not in key[len(prefix) :]]


def list_resources(world: World, request: Request, collection: str) -> Reply:
    """Page by `$top`/`$skip`/`$skipToken`; a page that is not the last links to the next one."""
    sample = parse(collection.rstrip("/") + "/x")
    assert sample is not None
    kind = TYPES[sample.type]
    if kind.needs_parent and parse(sample.parent) and world.get(sample.parent) is None:
        return error(404, "ResourceNotFound", f"The Resource '{sample.parent}' was not found.")
    found = children(world, collection)
    if kind.listed:
        found = kind.listed(request, found)
    start = int(request.query.get("$skipToken") or request.query.get("$skip") or 0)
    page = int(request.query.get("$top") or request.query.get("count") or 100)
    rest = found[start:]
    body: Resource = {"value": [shown(request, sample, kept) for kept in rest[:page]]}
    # "$top" of an ARM list is a page's length for Machine Learning, except with $orderBy ("the newest one").
    if len(rest) > page and "$orderBy" not in request.query:
        query = "&".join(f"{key}={value}" for key, value in request.query.items() if key not in ("$skipToken", "$skip"))
        body["nextLink"] = f"https://{request.host}{request.path}?{query}&$skipToken={start + page}"
    return Reply(200, body)


def operation_reply(request: Request, world: World) -> Reply | None:
    world.settle()
    path = request.path.lower()
    operation = world.operations.get(path)
    if operation is not None:
        headers = {} if operation.done else RETRY_SOON
        return Reply(200, operation.body(), headers)
    operation = world.operations.get(path.replace("operationresults/", "operationsstatus/"))
    if operation is None:
        return None
    if not operation.done:
        return Reply(202, None, {"Location": request.url} | RETRY_SOON)
    if operation.error:
        return Reply(400, {"error": operation.error})
    return Reply(200, None)


def answer(request: Request, world: World) -> Reply | None:
    """The general answer to a request on management.azure.com; None when the type is not known here."""
    found = operation_reply(request, world)
    if found is not None:
        return found
    path = parse(request.path)
    if path is not None and path.type in TYPES:
        return _answer_one(request, world, path)
    sample = parse(request.path.rstrip("/") + "/x")
    if sample is not None and sample.type in TYPES and request.method == "GET":
        return list_resources(world, request, request.path)
    return None


def _answer_one(request: Request, world: World, path: ArmPath) -> Reply | None:
    kept = world.get(path.id)
    if request.method == "PUT":
        return put_resource(world, request, path, request.json)
    if request.method == "DELETE":
        return delete_resource(world, request, path)
    if kept is None:
        return Reply(404) if request.method == "HEAD" else not_found(request)
    if request.method == "GET":
        return Reply(200, shown(request, path, kept))
    if request.method == "HEAD":
        return Reply(204)
    if request.method == "PATCH":
        return put_resource(world, request, path, merged(kept, request.json))
    return None


def merged(old: Resource, new: Resource) -> Resource:
    """JSON merge patch."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


@routes.on(MANAGEMENT, "GET", r"/metadata/endpoints", anonymous=True)
def metadata(request: Request, world: World) -> Reply:
    """The cloud's own addresses, as azureml-mlflow asks for them."""
    return Reply(
        200,
        [
            {
                "name": "AzureCloud",
                "portal": "https://portal.azure.com",
                "resourceManager": "https://management.azure.com/",
                "authentication": {
                    "loginEndpoint": "https://login.microsoftonline.com/",
                    "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "suffixes": {
                    "storage": "core.windows.net",
                    "keyVaultDns": "vault.azure.net",
                    "acrLoginServer": "azurecr.io",
                    "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
                },
                "microsoftGraphResourceId": "https://graph.microsoft.com/",
                "activeDirectoryDataLake": "https://datalake.azure.net/",
                "batch": "https://batch.core.windows.net/",
                "sqlManagement": "https://management.core.windows.net:8443/",
            }
        ],
    )

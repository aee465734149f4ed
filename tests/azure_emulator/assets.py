"""What a workspace keeps: datastores, code, data, environments, models, compute clusters."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import yaml

from tests.azure_emulator import arm, model_files
from tests.azure_emulator.machines import MACHINES
from tests.azure_emulator.quota import cores
from tests.azure_emulator.wire import MANAGEMENT, Reply, Request, error, not_found, routes
from tests.azure_emulator.world import REGION, World, utc

MACHINE_LEARNING = "Microsoft.MachineLearningServices"
WORKSPACE = rf"(?P<workspace>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{MACHINE_LEARNING}/workspaces/[^/]+)"
# Of a version, what can not be changed once it is there.
FIXED = {
    "codes": ("codeUri",),
    "data": ("dataUri", "dataType"),
    "environments": ("image", "condaFile", "build"),
    "models": ("modelUri", "modelType"),
    "components": ("componentSpec",),
}


def account_of(workspace: dict[str, Any]) -> str:
    return str(workspace["properties"]["storageAccount"]).rpartition("/")[2]


def user_error(status: int, message: str) -> Reply:
    """Machine Learning's own errors."""
    return error(status, "UserError", message)


# Datastores: they come with the workspace.


def datastore(workspace: dict[str, Any], name: str) -> dict[str, Any] | None:
    facts = workspace["properties"]
    containers = {
        "workspaceblobstore": f"azureml-blobstore-{facts['workspaceId']}",
        "workspaceartifactstore": "azureml",
    }
    if name not in containers:
        return None
    return {
        "id": f"{workspace['id']}/datastores/{name}",
        "name": name,
        "type": f"{MACHINE_LEARNING}/workspaces/datastores",
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": account_of(workspace),
            "containerName": containers[name],
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": name == "workspaceblobstore",
            "credentials": {"credentialsType": "AccountKey"},
            "serviceDataAccessAuthIdentity": "None",
            "tags": {},
            "properties": {},
        },
    }


@routes.on(MANAGEMENT, "GET", WORKSPACE + r"/datastores")
def list_datastores(request: Request, world: World, workspace: str) -> Reply:
    kept = world.get(workspace)
    if kept is None:
        return not_found(request)
    found = [datastore(kept, name) for name in ("workspaceblobstore", "workspaceartifactstore")]
    if request.query.get("isDefault", "").lower() == "true":
        found = found[:1]
    return Reply(200, {"value": found})


@routes.on(MANAGEMENT, "GET", WORKSPACE + r"/datastores/(?P<name>[^/]+)")
def get_datastore(request: Request, world: World, workspace: str, name: str) -> Reply:
    kept = world.get(workspace)
    found = datastore(kept, name) if kept else None
    return Reply(200, found) if found else not_found(request)


@routes.on(MANAGEMENT, "POST", WORKSPACE + r"/datastores/(?P<name>[^/]+)/listSecrets")
def list_secrets(request: Request, world: World, workspace: str, name: str) -> Reply:
    kept = world.get(workspace)
    found = datastore(kept, name) if kept else None
    if found is None or world.azurite is None:
        return not_found(request)
    facts = found["properties"]
    hours = float(request.json.get("expireAfterHours") or 1)
    sas = world.azurite.sas(facts["accountName"], facts["containerName"], hours=hours)
    return Reply(200, {"secretsType": "Sas", "sasToken": sas})


# Versioned assets.


def _put_version(put: arm.Put) -> dict[str, Any] | Reply:
    kind = put.path.type.split("/")[-2]
    asked = put.body.get("properties") or {}
    if put.old:
        before = put.old["properties"]
        changed = [name for name in FIXED[kind] if asked.get(name) is not None and asked[name] != before.get(name)]
        if changed and not (kind == "models" and _is_same_place(put, asked, before)):
            return user_error(
                409,
                f"A {kind} version with this name and version already exists. If you are trying to create a new "
                f"version, use a different one: {', '.join(changed)} can not be changed.",
            )
        more = {name: before[name] for name in (*FIXED[kind], "flavors") if name in before}
    else:
        more = {}
    extra: dict[str, Any] = {"isAnonymous": False, "isArchived": False, "tags": {}, "properties": {}} | more
    workspace = put.world.arm[put.path.workspace.lower()]
    if kind == "environments":
        extra |= {"environmentType": "UserCreated", "osType": "Linux"}
    if kind == "models" and not put.old:
        found = _model_facts(put, workspace, asked)
        if isinstance(found, Reply):
            return found
        extra |= found
    properties = {**extra, **{name: value for name, value in asked.items() if value is not None}, **more}
    if kind == "models" and not put.old:
        properties["modelUri"] = extra["modelUri"]
    return arm.resource(put, properties)


def _is_same_place(put: arm.Put, asked: dict[str, Any], before: dict[str, Any]) -> bool:
    workspace = put.world.arm[put.path.workspace.lower()]
    places = [model_files.place_of(put.world, workspace, one.get("modelUri") or "") for one in (asked, before)]
    return places[0] is not None and _trimmed(places[0]) == _trimmed(places[1])


def _trimmed(place: tuple[str, str, str] | None) -> tuple[str, ...]:
    return tuple(part.strip("/") for part in place or ())


def _model_facts(put: arm.Put, workspace: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any] | Reply:
    """Where the files lie in long words, and the flavors of their MLmodel; refused when there are none."""
    uri = asked.get("modelUri") or ""
    place = model_files.place_of(put.world, workspace, uri)
    if place is None or put.world.azurite is None:
        return user_error(400, f"The model path '{uri}' is not supported.")
    account, container, prefix = place
    names = put.world.azurite.names(account, container, prefix)
    if not names:
        return error(404, "NoMatchingArtifactsFoundFromJob", f"No artifacts matching {uri} found from the job.")
    store = "workspaceartifactstore" if container == "azureml" else "workspaceblobstore"
    where = (
        workspace["id"].replace(f"/providers/{MACHINE_LEARNING}", "").replace("/resourceGroups/", "/resourcegroups/")
    )
    facts: dict[str, Any] = {"flavors": {}, "modelUri": f"azureml:/{where}/datastores/{store}/paths/{prefix}"}
    if asked.get("modelType") == "mlflow_model":
        description = f"{prefix.strip('/')}/MLmodel"
        if description not in names:
            return user_error(400, f"The MLmodel file is missing: {uri} is no MLflow model.")
        flavors = yaml.safe_load(put.world.azurite.read(account, container, description)).get("flavors", {})
        facts["flavors"] = {
            name: {"data": {key: str(value) for key, value in flavor.items()}} for name, flavor in flavors.items()
        }
    return facts


def _keep_container(world: World, version: dict[str, Any]) -> None:
    """The asset above its versions: it comes with the first one and counts them."""
    path = version["id"].rpartition("/versions/")[0]
    kind = path.split("/")[-2]
    numbers = [int(one["name"]) for one in arm.children(world, f"{path}/versions") if one["name"].isdigit()]
    kept = world.arm.setdefault(
        path.lower(),
        {
            "id": path,
            "name": path.rpartition("/")[2],
            "type": f"{MACHINE_LEARNING}/workspaces/{kind}",
            "properties": {"isArchived": False, "tags": {}, "properties": {}},
            "systemData": version["systemData"],
        },
    )
    kept["properties"] |= {
        "latestVersion": version["name"],
        "nextVersion": str(max(numbers, default=0) + 1),
    }
    if kind == "data":
        version["properties"].pop("provisioningState", None)
        kept["properties"]["dataType"] = version["properties"]["dataType"]


def _listed(request: Request, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    view = request.query.get("listViewType", "ActiveOnly")
    if view != "All":
        found = [one for one in found if bool(one["properties"].get("isArchived")) == (view == "ArchivedOnly")]
    if request.query.get("hash"):
        wanted = request.query["hash"]
        found = [one for one in found if (one["properties"].get("properties") or {}).get("hash_sha256") == wanted]
    if "createdtime desc" in request.query.get("$orderBy", "").lower():
        found = sorted(found, key=lambda one: one["systemData"]["createdAt"], reverse=True)
    return found


def _put_container(put: arm.Put) -> dict[str, Any]:
    old = (put.old or {}).get("properties", {})
    return arm.resource(put, {key: old[key] for key in ("latestVersion", "nextVersion", "dataType") if key in old})


for _kind in FIXED:
    arm.register(f"{MACHINE_LEARNING}/workspaces/{_kind}", arm.ArmType(put=_put_container, listed=_listed))
    arm.register(
        f"{MACHINE_LEARNING}/workspaces/{_kind}/versions",
        arm.ArmType(put=_put_version, settled=_keep_container, listed=_listed, needs_parent=False),
    )


@routes.on(MANAGEMENT, "GET", WORKSPACE + r"/codes/(?P<name>[^/]+)/versions")
def find_code(request: Request, world: World, workspace: str, name: str) -> Reply:
    """By its hash under any name: the client makes up a new one each time and takes the one that it is told."""
    wanted = request.query.get("hash")
    if not wanted:
        return arm.list_resources(world, request, request.path)
    start = f"{workspace}/codes/".lower()
    found = [kept for path, kept in list(world.arm.items()) if path.startswith(start) and "/versions/" in path]
    return Reply(200, {"value": _listed(request, found)})


@routes.on(
    MANAGEMENT,
    "POST",
    WORKSPACE + r"/(?P<kind>codes|data|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)/startPendingUpload",
)
def start_upload(request: Request, world: World, workspace: str, kind: str, name: str, version: str) -> Reply:
    kept = world.get(workspace)
    if kept is None or world.azurite is None:
        return not_found(request)
    account = account_of(kept)
    container = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace}/{kind}/{name}/{version}".lower()))
    url = world.azurite.url(account, container)
    sas = world.azurite.sas(account, container)
    reference = {
        "blobUri": url,
        "storageAccountArmId": kept["properties"]["storageAccount"],
        "credential": {"credentialType": "SAS", "sasUri": f"{url}?{sas}"},
    }
    reply = {"pendingUploadId": str(uuid.uuid4()), "pendingUploadType": "TemporaryBlobReference"}
    return Reply(200, {**reply, "blobReferenceForConsumption": reference})


# Compute clusters.


def _put_compute(put: arm.Put) -> dict[str, Any] | Reply:
    asked = put.body.get("properties") or {}
    inner = asked.get("properties") or {}
    machine = MACHINES.get(str(inner.get("vmSize", "")).lower())
    if asked.get("computeType") != "AmlCompute":
        return user_error(400, f"The compute type {asked.get('computeType')} is not emulated.")
    if machine is None:
        return error(
            400, "InvalidPropertyValue", f"The specified VM size {inner.get('vmSize')} is not supported in this region."
        )
    now = utc(put.world.now())
    before = (put.old or {}).get("properties", {})
    if before and str(before["properties"]["vmSize"]).lower() != machine.name.lower():
        return error(400, "BadRequest", "The VM size of an existing compute can not be changed.")
    scale = inner.get("scaleSettings") or {}
    return arm.resource(
        put,
        {
            "computeLocation": put.body.get("location") or REGION,
            "createdOn": before.get("createdOn", now),
            "modifiedOn": now,
            "isAttachedCompute": False,
            "disableLocalAuth": True,
            "provisioningErrors": None,
            "properties": {
                "osType": "Linux",
                "vmPriority": "Dedicated",
                "remoteLoginPortPublicAccess": "NotSpecified",
                "enableNodePublicIp": True,
                "isolatedNetwork": False,
                "allocationState": "Steady",
                "allocationStateTransitionTime": now,
                "currentNodeCount": scale.get("minNodeCount", 0),
                "targetNodeCount": scale.get("minNodeCount", 0),
                "errors": None,
                "nodeStateCounts": dict.fromkeys(
                    ("idleNodeCount", "leavingNodeCount", "preemptedNodeCount", "preparingNodeCount",
                     "runningNodeCount", "unusableNodeCount"), 0,
                ),
                **inner,
            },
        },
    )  # fmt: skip


def _compute_failure(put: arm.Put) -> dict[str, Any] | None:
    inner = put.body["properties"]["properties"]
    machine = MACHINES[inner["vmSize"].lower()]
    table = cores(put.world, put.path.subscription, arm.region_of(put.world, put.path))
    is_low = inner.get("vmPriority", "Dedicated") == "LowPriority"
    limit = table.low_priority_limit if is_low else table.limits.get(machine.family, 0)
    used = 0 if is_low else table.used.get(machine.family, 0)
    wanted = int((inner.get("scaleSettings") or {}).get("maxNodeCount") or 1) * machine.cores
    if not put.world.faults.take("compute_quota", put.request) and wanted <= limit - used:
        return None
    message = (
        f"Operation results in exceeding quota limits of Core. Maximum allowed: {limit}, Current in use: {used}, "
        f"Additional requested: {wanted}. Click here to view and manage your quota."
    )
    inner_error = {"code": "ClusterCoreQuotaReached", "message": message}
    kept = put.world.arm[put.path.id.lower()]
    kept["properties"]["provisioningErrors"] = [{"error": inner_error}]
    return inner_error


arm.register(
    f"{MACHINE_LEARNING}/workspaces/computes",
    arm.ArmType(put=_put_compute, failure=_compute_failure, operation="computeOperationsStatus"),
)


@routes.on(MANAGEMENT, "POST", WORKSPACE + r"/computes/(?P<name>[^/]+)/listNodes")
def list_nodes(request: Request, world: World, workspace: str, name: str) -> Reply:
    found = world.get(f"{workspace}/computes/{name}")
    return Reply(200, {"nodes": []}) if found else not_found(request)


# Any address to files of this computer.


def fetch(world: World, workspace: dict[str, Any], uri: str, target: Path) -> Path | None:
    """What lies at the address of a file, a folder or an asset, below `target`; None when there is nothing.

    A file lands in `target` under its own name, and that path is the answer.
    """
    if uri.startswith("azureml://registries/"):
        return catalogue_model(target)
    asset = _asset_of(world, workspace, uri)
    if asset is not None:
        properties = asset["properties"]
        uri = properties.get("dataUri") or properties.get("modelUri") or properties.get("codeUri") or ""
    place = model_files.place_of(world, workspace, uri)
    if place is None or world.azurite is None:
        return None
    account, container, prefix = place
    prefix = prefix.strip("/")
    names = world.azurite.names(account, container, prefix)
    if not names:
        return None
    if names == [prefix]:
        target = target / prefix.rpartition("/")[2]
    world.azurite.download(account, container, prefix, target)
    return target


def _asset_of(world: World, workspace: dict[str, Any], uri: str) -> dict[str, Any] | None:
    if uri.lower().startswith("/subscriptions/"):
        return world.get(uri)
    if uri.startswith("azureml:") and not uri.startswith("azureml://"):
        parts = uri.removeprefix("azureml:").split(":")
        if uri.removeprefix("azureml:").lower().startswith("/subscriptions/"):
            return world.get(uri.removeprefix("azureml:"))
        for kind in ("data", "models"):
            found = world.get(f"{workspace['id']}/{kind}/{parts[0]}/versions/{parts[-1]}")
            if found:
                return found
    return None


def catalogue_model(target: Path) -> Path:
    """Every model of the catalogue is, here, the small base model that comes with the product, laid out by MLflow."""
    weights = Path(__file__).parents[2] / "backend" / "local" / "base_model" / "weights"
    for part in ("model", "components/tokenizer"):
        (target / part).mkdir(parents=True, exist_ok=True)
    for file in weights.iterdir():
        is_tokenizer = file.name.startswith("tokenizer") or file.suffix == ".jinja"
        for part in ("model", "components/tokenizer") if is_tokenizer else ("model",):
            (target / part / file.name).write_bytes(file.read_bytes())
    description = {
        "flavors": {"transformers": {"model_binary": "model", "task": "llm/v1/chat", "tokenizer_type": "x"}},
        "mlflow_version": "2.14.0",
        "model_uuid": uuid.uuid4().hex,
    }
    (target / "MLmodel").write_text(yaml.safe_dump(description), encoding="utf-8")
    return target


def temporary(world: World, name: str) -> Path:
    """A new folder of this cloud."""
    base = world.folder or Path(tempfile.mkdtemp(prefix="phidesk-emulator-"))
    base.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))

"""The registry `azureml`: Microsoft's catalogue of models and components, as far as the product meets it."""

from __future__ import annotations

from typing import Any

from tests.azure_emulator.wire import Reply, Request, error, routes
from tests.azure_emulator.world import TENANT, World, utc

HOST = r"[a-z0-9]+\.api\.azureml\.ms"
GROUP = "registry-rg"
OWNER = "55555555-5555-5555-5555-555555555555"
REGISTRY = (
    r"/mferp/managementfrontend/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
    r"/Microsoft\.MachineLearningServices/registries/(?P<registry>[^/]+)"
)
A100 = "Standard_NC24ads_A100_v4, Standard_NC48ads_A100_v4, Standard_NC96ads_A100_v4, Standard_ND96asr_v4"
RETIRED = {
    "InferenceLegacyDate": "2025-06-09",
    "InferenceDeprecationDate": "2025-06-30",
    "InferenceRetirementDate": "2025-08-30",
    "FinetuneDeprecationDate": "2025-06-30",
    "FinetuneRetirementDate": "2025-08-30",
}


def _chat_model(size: str = A100, **tags: str) -> tuple[dict[str, str], dict[str, str]]:
    """Properties and tags, in the words of the published model files."""
    properties = {
        "SharedComputeCapacityEnabled": "true",
        "languages": "en",
        "inference-min-sku-spec": "24|1|220|64",
        "inference-recommended-sku": size,
        "finetuning-tasks": "chat-completion",
        "finetune-min-sku-spec": "24|1|220|64",
        "finetune-recommended-sku": size,
    }
    return properties, {"task": "chat-completion", "author": "Microsoft", "license": "mit"} | tags


MODELS: dict[str, tuple[str, tuple[dict[str, str], dict[str, str]]]] = {
    "Phi-3-mini-4k-instruct": ("14", _chat_model(**RETIRED)),
    "Phi-3-mini-128k-instruct": ("13", _chat_model(**RETIRED)),
    "Phi-3.5-mini-instruct": ("6", _chat_model(**RETIRED)),
    "Phi-4-mini-instruct": ("1", _chat_model()),
    "Phi-4": ("8", _chat_model()),
    "Phi-3.5-vision-instruct": (
        "2",
        ({"languages": "en", "inference-recommended-sku": A100}, {"task": "chat-completion"}),
    ),
}
"""Name: newest version, properties and tags. The last one can't be tuned."""
COMPONENTS = {"chat_completion_pipeline": "0.0.74", "chat_completion_finetune": "0.0.74"}


def models(world: World) -> dict[str, Any]:
    """The table of this world; tests take a model out of it, as Microsoft did."""
    table: dict[str, Any] = world.extra.setdefault("registry_models", dict(MODELS))
    return table


@routes.on(HOST, "GET", r"/registrymanagement/v1\.0/registries/(?P<registry>[^/]+)/discovery", anonymous=True)
def discovery(request: Request, world: World, registry: str) -> Reply:
    if registry != "azureml":
        return error(404, "RegistryNotFound", f"Registry {registry} was not found.")
    regions = ["eastus", "westeurope", "swedencentral"]
    return Reply(
        200,
        {
            "registryName": registry,
            "tenantId": TENANT,
            "primaryRegion": "eastus",
            "regions": regions,
            "subscriptionId": OWNER,
            "resourceGroup": GROUP,
            "workspaceName": registry,
            "primaryRegionResourceProviderUri": "https://eastus.api.azureml.ms/",
        },
    )


def _shown(world: World, registry: str, name: str, version: str, facts: tuple[dict[str, str], dict[str, str]]) -> Any:
    address = f"azureml://registries/{registry}/models/{name}/versions/{version}"
    return {
        "id": address,
        "name": version,
        "type": "Microsoft.MachineLearningServices/registries/models/versions",
        "systemData": {"createdAt": utc(world.now()), "createdBy": "Microsoft", "createdByType": "User"},
        "properties": {
            "description": f"{name}, a model of Microsoft.",
            "properties": facts[0],
            "tags": facts[1],
            "isAnonymous": False,
            "isArchived": False,
            "modelType": "mlflow_model",
            "modelUri": f"https://phiregistry.blob.core.windows.net/models/{name}/{version}/mlflow_model_folder",
            "flavors": {"hftransformersv2": {"data": {"task_type": "chat-completion"}}},
        },
    }


@routes.on(HOST, "GET", REGISTRY + r"/models")
def list_models(request: Request, world: World, registry: str) -> Reply:
    value = [
        {
            "id": f"azureml://registries/{registry}/models/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/registries/models",
            "properties": {"latestVersion": version, "isArchived": False, "properties": {}, "tags": {}},
        }
        for name, (version, _facts) in models(world).items()
    ]
    return Reply(200, {"value": value})


@routes.on(HOST, "GET", REGISTRY + r"/models/(?P<name>[^/]+)/versions")
def model_versions(request: Request, world: World, registry: str, name: str) -> Reply:
    found = models(world).get(name)
    if found is None:
        return error(404, "ModelNotFound", f"Model container with name: {name} not found.")
    return Reply(200, {"value": [_shown(world, registry, name, *found)]})


@routes.on(HOST, "GET", REGISTRY + r"/models/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")
def model_version(request: Request, world: World, registry: str, name: str, version: str) -> Reply:
    """Older versions than the newest are there too."""
    newest, facts = models(world).get(name, ("0", None))
    if facts is None or not version.isdigit() or not 1 <= int(version) <= int(newest):
        return error(404, "ModelNotFound", f"Model {name} with version {version} not found.")
    return Reply(200, _shown(world, registry, name, version, facts))


@routes.on(HOST, "GET", REGISTRY + r"/components/(?P<name>[^/]+)/versions")
def component_versions(request: Request, world: World, registry: str, name: str) -> Reply:
    if name not in COMPONENTS:
        return error(404, "ComponentNotFound", f"Component container with name: {name} not found.")
    return Reply(200, {"value": [_component(registry, name, COMPONENTS[name])]})


@routes.on(HOST, "GET", REGISTRY + r"/components/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")
def component_version(request: Request, world: World, registry: str, name: str, version: str) -> Reply:
    if COMPONENTS.get(name) != version:
        return error(404, "ComponentNotFound", f"Component {name} with version {version} not found.")
    return Reply(200, _component(registry, name, version))


def _component(registry: str, name: str, version: str) -> dict[str, Any]:
    text = {"type": "string", "optional": True}
    specification = {
        "name": name,
        "version": version,
        "display_name": name,
        "type": "pipeline",
        "is_deterministic": True,
        "inputs": {
            "mlflow_model_path": {"type": "mlflow_model", "optional": True},
            "train_file_path": {"type": "uri_file", "optional": True},
            "validation_file_path": {"type": "uri_file", "optional": True},
            "num_train_epochs": {"type": "integer", "optional": True, "default": "1"},
            "learning_rate": {"type": "number", "optional": True, "default": "2e-05"},
            "instance_type_model_import": text,
            "instance_type_finetune": text,
            "compute_finetune": text,
        },
        "outputs": {"mlflow_model_folder": {"type": "mlflow_model"}},
        "jobs": {},
    }
    return {
        "id": f"azureml://registries/{registry}/components/{name}/versions/{version}",
        "name": version,
        "type": "Microsoft.MachineLearningServices/registries/components/versions",
        "properties": {
            "description": name,
            "properties": {},
            "tags": {},
            "isAnonymous": False,
            "isArchived": False,
            "componentSpec": specification,
        },
    }

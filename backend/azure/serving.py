"""The ways in which a model can be served on Azure, as plain descriptions; nothing here asks Azure anything.

What is created and what a person is shown as code are made of the same documents, in the words of the command line
`az ml` (`azure.ai.ml.load_online_deployment` reads them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import yaml

from backend.azure.tags import DELETE_AT, marked
from backend.domain import Hosting
from backend.domain_setup import ServingWay
from backend.i18n import _

MLFLOW = "mlflow"
VLLM = "vllm"
FLOW = "flow"
"""Not offered for models: the chat flow itself, published as an endpoint."""
CATALOGUE = "azureml://registries/"
"""Beginning of the id of a catalogue's model."""

MODEL_TAG = "phidesk-model"
SERVING_TAG = "phidesk-serving"
CONTRACT_TAG = "phidesk-contract"
MOST_TAG = "phidesk-max-instances"

TIMEOUT_MS = 180_000
"""The longest that Azure lets a request take."""
_PATIENT_PROBE = {"initial_delay": 500, "period": 100, "failure_threshold": 30, "success_threshold": 1, "timeout": 2}
"""A large model loads for minutes; an impatient probe kills it before it ever answers (azureml-examples#3983)."""

VLLM_IMAGE = "vllm/vllm-openai:v0.33.0"
VLLM_PORT = 8000
VLLM_ENVIRONMENT = "phidesk-vllm"
VLLM_START = """\
#!/bin/sh
# Azure mounts the registered model under AZUREML_MODEL_DIR; weights and tokenizer may lie in folders of their own.
set -eu
LONGEST=4096
if [ -z "${MODEL:-}" ]; then
  MODEL=$(dirname "$(find -L "$AZUREML_MODEL_DIR" -name config.json | head -n 1)")
  TOKENIZER=$(dirname "$(find -L "$AZUREML_MODEL_DIR" -name tokenizer_config.json | head -n 1)")
  READ="import json, sys; print(min($LONGEST, json.load(open(sys.argv[1])).get('max_position_embeddings', $LONGEST)))"
  LONGEST=$(python3 -c "$READ" "$MODEL/config.json")
fi
GPUS=$(nvidia-smi -L 2>/dev/null | wc -l)
# GPUs before Ampere, such as the T4, know no bfloat16.
AGE=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | cut -d . -f 1)
DTYPE=auto
if [ "${AGE:-8}" -lt 8 ]; then DTYPE=half; fi
exec vllm serve "$MODEL" --tokenizer "${TOKENIZER:-$MODEL}" --served-model-name $SERVED_NAMES \\
  --max-model-len "$LONGEST" --dtype "$DTYPE" --tensor-parallel-size "$((GPUS > 1 ? GPUS : 1))" \\
  --host 0.0.0.0 --port 8000
"""
VLLM_DOCKERFILE = f"""\
FROM {VLLM_IMAGE}
COPY start.sh /start.sh
ENTRYPOINT ["/bin/sh", "/start.sh"]
"""
VLLM_VERSION = hashlib.sha256((VLLM_DOCKERFILE + VLLM_START).encode()).hexdigest()[:12]

FLOW_IMAGE = "mcr.microsoft.com/azureml/promptflow/promptflow-runtime:latest"
"""The documented image of prompt flow deployments; Azure publishes no newer tags any more."""
FLOW_CONNECTION = "phidesk_endpoint"
"""The connection's name in flow.dag.yaml; an environment variable of that name replaces it."""


def ways_to_serve(model: str, base_model: str = "") -> tuple[ServingWay, ...]:
    """The default first. `model` is a registry ref or a base model's id; `base_model` is what a ref was tuned from."""
    if model.startswith(CATALOGUE) or base_model.startswith(CATALOGUE):
        return (_mlflow("foundry"),)
    if "/" in model:  # of the Hugging Face Hub: nothing but the container can fetch it
        return (_vllm(),)
    return (_mlflow("mlflow"), _vllm())


def way_of(way: str, contract: str) -> ServingWay:
    """Raises KeyError for an id that is none."""
    return {MLFLOW: _mlflow(contract), VLLM: _vllm(), FLOW: ServingWay(FLOW, _("Chat flow"), "", FLOW)}[way]


def _mlflow(contract: str) -> ServingWay:
    return ServingWay(
        MLFLOW,
        _("Azure's own server"),
        _("No code, on CPU or GPU. The whole answer comes at once."),
        contract,
    )


def _vllm() -> ServingWay:
    return ServingWay(
        VLLM,
        _("vLLM container"),
        _("Fast on a GPU; answers appear word by word. The first time, Azure builds the container (about 20 minutes)."),
        "openai",
        "gpu",
    )


def endpoint_document(name: str, *, identity: str = "", delete_at: str = "") -> dict[str, Any]:
    """`identity` is the resource id of a user-assigned identity; without it Azure gives the endpoint its own."""
    document: dict[str, Any] = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json",
        "name": name,
        "auth_mode": "key",
        "tags": marked("endpoint") | ({DELETE_AT: delete_at} if delete_at else {}),
    }
    if identity:
        document["identity"] = {
            "type": "user_assigned",
            "user_assigned_identities": [{"resource_id": identity}],
        }
    return document


def deployment_document(
    endpoint: str,
    name: str,
    model: str,
    model_id: str,
    way: ServingWay,
    hosting: Hosting,
    variables: Mapping[str, str],
    *,
    workspace: str = "",
) -> dict[str, Any]:
    """`model` is the ref a person knows; `model_id` what Azure finds it by (empty: the container fetches it).

    `workspace` is an ARM path; a published flow looks there for its connection.
    """
    document: dict[str, Any] = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json",
        "name": name,
        "endpoint_name": endpoint,
        "tags": marked("deployment")
        | {
            MODEL_TAG: model,
            SERVING_TAG: way.id,
            CONTRACT_TAG: way.contract,
            MOST_TAG: str(max(hosting.max_instances, hosting.instances)),
        },
        "instance_type": hosting.size,
        "instance_count": hosting.instances,
        "liveness_probe": dict(_PATIENT_PROBE),
        "readiness_probe": dict(_PATIENT_PROBE),
        "request_settings": {
            "max_concurrent_requests_per_instance": 3,
            "request_timeout_ms": TIMEOUT_MS,
            "max_queue_wait_ms": 120_000,
        },
        "environment_variables": dict(variables),
    }
    if model_id:
        document["model"] = model_id
    if way.id == VLLM:
        document["environment"] = f"azureml:{VLLM_ENVIRONMENT}:{VLLM_VERSION}"
        document["request_settings"]["max_concurrent_requests_per_instance"] = 32
        # vLLM is ready the moment it has loaded, and says so; only its life is probed late
        document["readiness_probe"] |= {"initial_delay": 60, "period": 30, "failure_threshold": 60}
        document["environment_variables"]["SERVED_NAMES"] = " ".join(dict.fromkeys((endpoint, model)))
        if not model_id:
            document["environment_variables"]["MODEL"] = model
    if way.id == FLOW:
        document |= _flow_parts(endpoint, name, model, workspace)
    return document


def _flow_parts(endpoint: str, name: str, asked: str, workspace: str) -> dict[str, Any]:
    """As Microsoft documents it for prompt flow. `asked` is the endpoint that the flow asks; its connection's name."""
    parts = workspace.split("/")
    routes = {route: {"port": 8080, "path": "/health"} for route in ("liveness_route", "readiness_route")}
    probe = {"initial_delay": 10, "period": 10, "failure_threshold": 30, "success_threshold": 1, "timeout": 2}
    return {
        "environment": {
            "image": FLOW_IMAGE,
            "inference_config": {**routes, "scoring_route": {"port": 8080, "path": "/score"}},
        },
        "liveness_probe": probe,
        "readiness_probe": dict(probe),
        "environment_variables": {
            "PROMPTFLOW_RUN_MODE": "serving",
            "PRT_CONFIG_OVERRIDE": (
                f"deployment.subscription_id={parts[2]},deployment.resource_group={parts[4]},"
                f"deployment.workspace_name={parts[-1]},deployment.endpoint_name={endpoint},"
                f"deployment.deployment_name={name}"
            ),
            FLOW_CONNECTION: asked,
        },
    }


def vllm_environment_document() -> dict[str, Any]:
    health = {"port": VLLM_PORT, "path": "/health"}
    return {
        "$schema": "https://azuremlschemas.azureedge.net/latest/environment.schema.json",
        "name": VLLM_ENVIRONMENT,
        "version": VLLM_VERSION,
        "tags": marked("environment"),
        "build": {"path": ".", "dockerfile_path": "Dockerfile"},
        "inference_config": {
            "liveness_route": health,
            "readiness_route": dict(health),
            "scoring_route": {"port": VLLM_PORT, "path": "/v1/chat/completions"},
        },
    }


def vllm_files() -> dict[str, str]:
    """The folder that Azure builds the container from."""
    environment = yaml.safe_dump(vllm_environment_document(), sort_keys=False)
    return {"environment.yml": environment, "Dockerfile": VLLM_DOCKERFILE, "start.sh": VLLM_START}


def autoscale_document(deployment_id: str, region: str, name: str, fewest: int, most: int) -> dict[str, Any]:
    """Azure Monitor's rules: one machine more above 70 % of the CPU for 5 minutes, one less below 30 %."""

    def rule(operator: str, threshold: int, direction: str, window: str, cooldown: str) -> dict[str, Any]:
        return {
            "metricTrigger": {
                "metricName": "CpuUtilizationPercentage",
                "metricResourceUri": deployment_id,
                "timeGrain": "PT1M",
                "statistic": "Average",
                "timeWindow": window,
                "timeAggregation": "Average",
                "operator": operator,
                "threshold": threshold,
            },
            "scaleAction": {"direction": direction, "type": "ChangeCount", "value": "1", "cooldown": cooldown},
        }

    return {
        "location": region,
        "tags": marked("autoscale"),
        "properties": {
            "name": name,
            "enabled": True,
            "targetResourceUri": deployment_id,
            "profiles": [
                {
                    "name": "between the bounds",
                    "capacity": {"minimum": str(fewest), "maximum": str(most), "default": str(fewest)},
                    "rules": [
                        rule("GreaterThan", 70, "Increase", "PT5M", "PT5M"),
                        rule("LessThan", 30, "Decrease", "PT15M", "PT15M"),
                    ],
                }
            ],
        },
    }

"""An endpoint as files for `az ml`: made of the same documents that are sent, so they do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from backend.azure import serving
from backend.azure.endpoint_calls import autoscale_name
from backend.domain import Hosting
from backend.domain_setup import CodeFile, ServingWay
from backend.i18n import _


def endpoint_files(
    endpoint: Mapping[str, Any],
    deployment: Mapping[str, Any],
    way: ServingWay,
    hosting: Hosting,
    workspace: str,
) -> list[CodeFile]:
    """`workspace` is an ARM path, so that the commands name where they work."""
    parts = workspace.split("/")
    where = f"--subscription {parts[2]} --resource-group {parts[4]} --workspace-name {parts[-1]}"
    files = [
        CodeFile("endpoint.yml", "yaml", _text(endpoint), _("The endpoint, with its address and key.")),
        CodeFile("deployment.yml", "yaml", _text(deployment), _("The model behind it, and the machine it runs on.")),
    ]
    lines = [f"az ml online-endpoint create --file endpoint.yml {where}"]
    if way.id == serving.VLLM:
        words = {"environment.yml": "yaml", "Dockerfile": "dockerfile", "start.sh": "sh"}
        helps = _("The container with vLLM. The three files go into one folder.")
        files += [CodeFile(name, words[name], text, helps) for name, text in serving.vllm_files().items()]
        lines.append(f"az ml environment create --file environment.yml {where}")
    traffic = " --all-traffic" if hosting.takes_traffic else ""
    lines.append(f"az ml online-deployment create --file deployment.yml{traffic} {where}")
    most = max(hosting.max_instances, hosting.instances)
    if most > hosting.instances:
        lines += _autoscale_lines(str(endpoint["name"]), str(deployment["name"]), hosting.instances, most, workspace)
    files.append(CodeFile("deploy.az.sh", "sh", "\n".join(lines) + "\n", _("The commands, in their order.")))
    return files


def _autoscale_lines(endpoint: str, deployment: str, fewest: int, most: int, workspace: str) -> list[str]:
    name = autoscale_name(endpoint, deployment)
    group = f"--subscription {workspace.split('/')[2]} --resource-group {workspace.split('/')[4]}"
    target = f"{workspace}/onlineEndpoints/{endpoint}/deployments/{deployment}"
    return [
        f"az monitor autoscale create --name {name} --resource {target} {group} "
        f"--min-count {fewest} --max-count {most} --count {fewest}",
        f"az monitor autoscale rule create --autoscale-name {name} {group} --scale out 1 "
        f'--condition "CpuUtilizationPercentage > 70 avg 5m"',
        f"az monitor autoscale rule create --autoscale-name {name} {group} --scale in 1 "
        f'--condition "CpuUtilizationPercentage < 30 avg 15m"',
    ]


def _text(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)

"""Azure's answers about endpoints and deployments, read as our values. Pure: resources in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from backend.azure import serving
from backend.azure.endpoint_state import deployment_state
from backend.azure.times import moment
from backend.domain import EndpointState, Hosting

Resource = Mapping[str, Any]

BACK_TAG = "phidesk-back-"
"""Beginning of the tags by which a stopped endpoint knows what `start` brings back."""


def word_of(found: Resource) -> str:
    """Azure's provisioning state."""
    return str((found.get("properties") or {}).get("provisioningState") or "")


def state_of(deployment: Resource) -> EndpointState:
    return deployment_state(word_of(deployment))


def scoring_uri(endpoint: Resource) -> str:
    return str((endpoint.get("properties") or {}).get("scoringUri") or "")


def base_url(endpoint: Resource) -> str:
    """`https://name.region.inference.ml.azure.com`, or empty while Azure has given none."""
    parts = urlsplit(scoring_uri(endpoint))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def traffic_of(endpoint: Resource) -> dict[str, int]:
    return {name: int(share) for name, share in ((endpoint.get("properties") or {}).get("traffic") or {}).items()}


def model_of(deployment: Resource) -> str:
    """Our tag, else the end of the model's id: `.../models/phi/versions/3` is `phi:3`."""
    tagged = (deployment.get("tags") or {}).get(serving.MODEL_TAG, "")
    if tagged:
        return str(tagged)
    model = str((deployment.get("properties") or {}).get("model") or "")
    match = re.search(r"/models/([^/]+)/versions/([^/]+)$", model)
    return f"{match[1]}:{match[2]}" if match else model


def hosting_from(deployment: Resource, percent: int) -> Hosting:
    tags = deployment.get("tags") or {}
    instances = int((deployment.get("sku") or {}).get("capacity") or 1)
    most = str(tags.get(serving.MOST_TAG, ""))
    return Hosting(
        size=str((deployment.get("properties") or {}).get("instanceType") or ""),
        instances=instances,
        max_instances=int(most) if most.isdigit() else instances,
        serving=str(tags.get(serving.SERVING_TAG, "")),
        takes_traffic=percent > 0,
    )


def back_tag(deployment: str, model: str, hosting: Hosting, percent: int) -> dict[str, str]:
    """The tag that brings a deployment back: a short list, since a tag holds 256 characters."""
    values = [model, hosting.serving, hosting.size, hosting.instances, hosting.max_instances, percent]
    return {BACK_TAG + deployment: json.dumps(values, separators=(",", ":"))}


def back_of(endpoint: Resource) -> Iterator[tuple[str, str, int, Hosting]]:
    """What a stopped endpoint's tags remember: deployment, model, its share, how it was hosted."""
    for tag, value in (endpoint.get("tags") or {}).items():
        if tag.startswith(BACK_TAG):
            model, way, size, instances, most, percent = json.loads(value)
            yield tag.removeprefix(BACK_TAG), model, percent, Hosting(size, instances, most, way)


def hosting_values(hosting: Hosting) -> dict[str, Any]:
    """As JSON values; `hosting_of` reads them."""
    return {
        "size": hosting.size,
        "instances": hosting.instances,
        "max_instances": hosting.max_instances,
        "serving": hosting.serving,
        "takes_traffic": hosting.takes_traffic,
        "expires_at": hosting.expires_at.isoformat() if hosting.expires_at else "",
    }


def hosting_of(values: Mapping[str, Any]) -> Hosting:
    return Hosting(**{**values, "expires_at": moment(values["expires_at"])})


def tag_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")

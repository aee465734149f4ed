"""Asks a deployment one question, and finds out which body an endpoint takes that was made elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.serving import CATALOGUE, CONTRACT_TAG, FLOW
from backend.errors import BadInput, PhiDeskError, Unavailable
from backend.i18n import _

PICK_DEPLOYMENT = "azureml-model-deployment"
"""Header by which Azure sends a request to one deployment, whatever its traffic."""

ASSETS_VERSION = "2023-08-01-preview"
CHAT_FLAVOUR = "hftransformersv2"
"""MLflow flavour of the catalogue's chat models, whose server takes chat messages."""


def ask(
    url: str, key: str, contract: str, question: str, *, deployment: str = "", model: str = "", tokens: int = 64
) -> str:
    """The whole answer, by the client that the chat flow uses. Raises BadInput or Unavailable."""
    from flows.chat.endpoint_client import EndpointError, messages_of, query_endpoint

    headers = {PICK_DEPLOYMENT: deployment} if deployment else {}
    try:
        return "".join(
            query_endpoint(
                url,
                key,
                messages_of(question),
                contract=contract,
                model=model,
                temperature=0.0,
                max_new_tokens=tokens,
                more_headers=headers,
            )
        )
    except EndpointError as error:
        kind: type[PhiDeskError] = BadInput if error.code in {"bad_contract", "refused", "unreadable"} else Unavailable
        raise kind(error.what, how_to_fix=error.how_to_fix, code=error.code, raw=error.raw) from None


class Contracts:
    """Which contract a deployment speaks. A model's own words are asked for once and kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def of(self, deployment: Mapping[str, Any]) -> str:
        """Our tag says it; else the routes of its container, and the flavours of its model."""
        tagged = (deployment.get("tags") or {}).get(CONTRACT_TAG, "")
        if tagged:
            return str(tagged)
        facts = deployment.get("properties") or {}
        environment, model = str(facts.get("environmentId") or ""), str(facts.get("model") or "")
        return self._of_container(environment) or self._of_model(model) or "mlflow"

    def _of_container(self, environment: str) -> str:
        """Empty for a container without routes of its own."""
        facts = self._facts(environment)
        routes = facts.get("inferenceConfig") or {}
        if not routes:
            return ""
        if (routes.get("scoringRoute") or {}).get("path") != "/score":
            return "openai"
        return FLOW if "promptflow" in str(facts.get("image")) else "mlflow"

    def _of_model(self, model: str) -> str:
        if model.startswith(CATALOGUE):
            return "foundry"
        return "foundry" if CHAT_FLAVOUR in (self._facts(model).get("flavors") or {}) else ""

    def _facts(self, path: str) -> Mapping[str, Any]:
        """Properties of a version of a model or environment, which never change. Empty for one that is gone."""
        if not path.startswith("/subscriptions/"):
            return {}
        with self._lock:
            if path in self._kept:
                return self._kept[path]
        with in_words(_("Looking up what the endpoint serves")):
            facts = (self._connection.find(path, ASSETS_VERSION) or {}).get("properties") or {}
        with self._lock:
            self._kept[path] = facts
        return facts


def not_answering(name: str) -> Unavailable:
    return Unavailable(
        _("The deployment {name} is not running.").format(name=name),
        how_to_fix=_("Wait until it is, or see the endpoint's log."),
        code="endpoint_not_running",
    )

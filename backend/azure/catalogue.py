"""The registry's chat models that the service can tune by its own recipe. Asked, never assumed: models come and go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backend.azure.catalogue_job import REGISTERED_MODEL
from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.job_record import JOBS_VERSION
from backend.azure.kept import Kept
from backend.domain import BaseModel
from backend.errors import BadInput, NotFound, PhiDeskError
from backend.i18n import _

TASK = "chat-completion"
MODELS_VERSION = "2023-08-01-preview"
"""The one in which the SDK speaks of models."""
KEEP_SECONDS = 3600
RETIREMENT = "FinetuneRetirementDate"
"""Tag of a model. A date gone by need not mean that the recipe refuses it, so it is said and not enforced."""
# Asked for by name, newest family first: the registry lists thousands of models, twenty a page. Another one can be
# used by writing its id. Parameters as on the models' cards.
ASKED = {
    "Phi-4-mini-instruct": 3_840_000_000,
    "Phi-4": 14_700_000_000,
    "Phi-3.5-mini-instruct": 3_820_000_000,
    "Phi-3-mini-4k-instruct": 3_820_000_000,
    "Phi-3-mini-128k-instruct": 3_820_000_000,
    "Phi-3-small-8k-instruct": 7_390_000_000,
    "Phi-3-medium-4k-instruct": 14_000_000_000,
}
MODEL_ID = re.compile(r"azureml://registries/([^/]+)/models/([^/]+)/versions/([^/]+)")


class Catalogue:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._kept = Kept(KEEP_SECONDS)

    def models(self) -> Sequence[BaseModel]:
        """Those that can be tuned for chat, as the registry says; an hour old at most."""
        return self._kept.get(self.connection.config.registry, self._ask_all)

    def _ask_all(self) -> Sequence[BaseModel]:
        with ThreadPoolExecutor(len(ASKED)) as pool:
            return tuple(model for model in pool.map(self._ask, ASKED) if model is not None)

    def _ask(self, name: str) -> BaseModel | None:
        from azure.core.exceptions import ResourceNotFoundError

        registry = self.connection.config.registry
        with in_words(_("Asking the registry {name}").format(name=registry)):
            try:
                model: Any = self.connection.registry(registry).models.get(name, label="latest")
            except ResourceNotFoundError:
                return None
        if TASK not in tunable_for(model):
            return None
        tags = model.tags or {}
        reason = _("Tuned by Azure's own recipe, version {version} of the registry {registry}.").format(
            version=model.version, registry=registry
        )
        if tags.get(RETIREMENT):
            reason += " " + _("Microsoft announced the end of tuning it for {date}.").format(date=tags[RETIREMENT])
        return BaseModel(
            id=f"azureml://registries/{registry}/models/{model.name}/versions/{model.version}",
            title=name,
            licence=str(tags.get("license") or (model.properties or {}).get("license") or "").upper()
            or _("licence not named"),
            parameters=ASKED[name],
            download_bytes=0,
            is_local=False,
            fits=True,
            fit_reason=reason,
            source="catalogue",
        )


def tunable_for(model: Any) -> list[str]:
    """The tasks that the registry says a model can be tuned for."""
    return [task.strip() for task in str((model.properties or {}).get("finetuning-tasks") or "").split(",")]


def check_catalogue_model(connection: Connection, model_id: str) -> None:
    """Raises NotFound for a model that is gone, BadInput for one that the recipe can't tune for chat."""
    from azure.core.exceptions import ResourceNotFoundError

    registry, name, version = MODEL_ID.findall(model_id)[0]
    with in_words(_("Asking the registry {name}").format(name=registry)):
        try:
            model: Any = connection.registry(registry).models.get(name, version=version)
        except ResourceNotFoundError:
            raise NotFound(
                _("The catalogue has no model {name}, version {version}.").format(name=name, version=version),
                why=_("Models leave the catalogue from time to time."),
                how_to_fix=_("Choose another base model; its list is asked from the registry."),
                code="not_in_catalogue",
            ) from None
    if TASK not in tunable_for(model):
        raise BadInput(
            _("The catalogue's {name} can't be tuned for chat.").format(name=name),
            why=_("The registry names these tasks: {tasks}.").format(tasks=", ".join(tunable_for(model)) or "-"),
            how_to_fix=_("Choose another base model, or its Hugging Face id to tune it with our own script."),
            code="not_tunable",
        )


def tuned_model_uri(connection: Connection, job_name: str) -> str:
    """Where a run's recipe put its model: the service has registered it under a name of its own."""
    with in_words(_("Looking up the tuned model")):
        job = connection.arm("GET", f"{connection.workspace_path()}/jobs/{job_name}", JOBS_VERSION)
        output = ((job.get("properties") or {}).get("outputs") or {}).get(REGISTERED_MODEL) or {}
        uri, made = str(output.get("uri") or ""), str(output.get("assetName") or "")
        if not uri and made:
            path = f"{connection.workspace_path()}/models/{made}/versions"
            versions = connection.arm_list(path, MODELS_VERSION)
            uri = str((versions[0].get("properties") or {}).get("modelUri") or "") if versions else ""
    return uri or f"azureml://jobs/{job_name}/outputs/{REGISTERED_MODEL}"


def try_models(catalogue: Catalogue) -> Sequence[BaseModel]:
    """The list may be out of reach (another tenant's policy, no network) while everything else works."""
    try:
        return catalogue.models()
    except PhiDeskError:
        return ()

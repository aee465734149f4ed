"""The catalogue is asked, not assumed: what is gone, can't be tuned or can't be reached."""

from __future__ import annotations

import pytest

from backend.azure.catalogue import Catalogue, check_catalogue_model, try_models
from backend.azure.connection import Connection
from backend.azure.jobs import AzureJobs
from backend.azure.models import AzureModels, fit
from backend.azure.operations import Operations
from backend.domain import BUILT_IN_MODEL
from backend.errors import BadInput, NotFound
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.registry import models as registry_models

REGISTRY = "azureml://registries/azureml/models"


def test_only_what_the_registry_offers_for_chat_tuning_is_listed(connection: Connection, emulator: Emulator) -> None:
    registry_models(emulator.world).pop("Phi-3-mini-4k-instruct")
    found = {model.id: model for model in Catalogue(connection).models()}
    assert f"{REGISTRY}/Phi-4-mini-instruct/versions/1" in found
    assert not [model for model in found if "Phi-3-mini-4k" in model or "vision" in model]
    retired = found[f"{REGISTRY}/Phi-3.5-mini-instruct/versions/6"]
    assert "2025-08-30" in retired.fit_reason
    assert all((model.source, model.licence, model.fits) == ("catalogue", "MIT", True) for model in found.values())


def test_the_list_is_asked_once_an_hour(connection: Connection, emulator: Emulator) -> None:
    catalogue = Catalogue(connection)
    first = catalogue.models()
    asked = len(emulator.asked("GET", "/registries/azureml/models/"))
    assert catalogue.models() == first
    assert len(emulator.asked("GET", "/registries/azureml/models/")) == asked > 0


def test_a_catalogue_out_of_reach_leaves_the_other_base_models(
    connection: Connection, operations: Operations, emulator: Emulator
) -> None:
    emulator.faults.add(403, "/registries/", times=-1)
    assert try_models(Catalogue(connection)) == ()
    models = AzureModels(connection, AzureJobs(connection, operations)).base_models()
    assert [model.source for model in models] == ["hub", "hub", "hub", "built_in"]
    assert models[-1].id == BUILT_IN_MODEL and models[-1].parameters > 1_000_000


def test_the_recommended_base_models_come_first(connection: Connection, operations: Operations) -> None:
    models = AzureModels(connection, AzureJobs(connection, operations)).base_models()
    sources = [model.source for model in models]
    assert sources == sorted(sources, key=["hub", "catalogue", "built_in"].index)
    assert {"hub", "catalogue", "built_in"} == set(sources)
    assert all(model.fit_reason for model in models)


def test_a_model_that_left_the_catalogue_or_can_not_be_tuned_is_refused(connection: Connection) -> None:
    check_catalogue_model(connection, f"{REGISTRY}/Phi-4-mini-instruct/versions/1")
    with pytest.raises(NotFound, match="Phi-9"):
        check_catalogue_model(connection, f"{REGISTRY}/Phi-9/versions/1")
    with pytest.raises(BadInput, match="vision"):
        check_catalogue_model(connection, f"{REGISTRY}/Phi-3.5-vision-instruct/versions/2")


def test_whether_a_model_fits_depends_on_the_size() -> None:
    billions = 3_820_000_000
    assert fit(billions, "Standard_NC24ads_A100_v4")[1].startswith("Full training fits")
    assert fit(billions, "Standard_NC4as_T4_v3") == (
        True,
        "LoRA fits (about 10 GB), full training does not (63 GB) on the T4.",
    )
    assert not fit(14_700_000_000, "Standard_NC4as_T4_v3")[0]
    assert "no GPU" in fit(billions, "Standard_E16s_v3")[1]

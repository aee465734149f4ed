"""This computer as a target: trains and serves with nothing but what is installed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.domain import BUILT_IN_MODEL, Feature
from backend.domain_setup import Check
from backend.i18n import _
from backend.local.base_models import BaseModels
from backend.local.endpoints import LocalEndpoints
from backend.local.jobs import LocalJobs
from backend.local.machine import check_machine
from backend.local.registry import LocalModels
from backend.model_files import BUILT_IN_FOLDER
from backend.model_refs import MODEL_NAME, MODEL_REF
from backend.settings import Settings
from backend.target import Costs, DataAssets, Endpoints, Flows, Jobs, Machines, Models, Setup


class LocalTarget:
    name = "local"

    def __init__(self, settings: Settings) -> None:
        self.home = settings.home
        self.title = _("This computer")
        self.unsupported: Mapping[Feature, str] = {
            Feature.TRAFFIC_SPLIT: _("An endpoint on this computer has one model, which answers everything."),
            Feature.COST: _("This computer costs nothing but its power."),
            Feature.MACHINES: _("This computer is the only machine here."),
            Feature.DATA_ASSETS: _("Data assets are kept in a cloud workspace; here, choose a file or a folder."),
            Feature.PUBLISH_FLOW: _("The flow runs on this computer; see flows/chat to run it elsewhere."),
        }
        self.models: Models = LocalModels(settings.home, settings.runs_folder)
        self.bases = BaseModels(self.models.get)
        self.jobs: Jobs = LocalJobs(settings.runs_folder, self.bases)
        self.setup: Setup | None = None
        self.machines: Machines | None = None
        self.costs: Costs | None = None
        self.flows: Flows | None = None
        self.data_assets: DataAssets | None = None
        self.endpoints: Endpoints = LocalEndpoints(settings.endpoints_folder, self.bases, self._name_of)

    def _name_of(self, model: str) -> str:
        """A registered model's full ref (`name` alone means its newest version); a base model's id as it is."""
        if model == BUILT_IN_MODEL or MODEL_REF.fullmatch(model) or not MODEL_NAME.fullmatch(model):
            return model
        return self.models.get(model).ref

    def check(self) -> Sequence[Check]:
        return check_machine(self.home, BUILT_IN_FOLDER)

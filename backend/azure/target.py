"""Azure Machine Learning as a target. Making it is cheap: no SDK is loaded and nothing asked before the first call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.azure.asset_source import AzureDataAssets
from backend.azure.checks import AzureChecks
from backend.azure.connection import Connection
from backend.azure.costs import AzureCosts
from backend.azure.endpoints import AzureEndpoints
from backend.azure.flows import AzureFlows
from backend.azure.jobs import AzureJobs
from backend.azure.machines import AzureMachines
from backend.azure.models import AzureModels
from backend.azure.operations import Operations
from backend.azure.setup import AzureSetup
from backend.domain import Feature
from backend.domain_setup import Check
from backend.i18n import _
from backend.settings import Settings
from backend.target import Costs, DataAssets, Endpoints, Flows, Jobs, Machines, Models, Setup


class AzureTarget:
    name = "azure"

    def __init__(self, settings: Settings) -> None:
        self.title = _("Azure Machine Learning")
        self.unsupported: Mapping[Feature, str] = {}
        self.connection = Connection(settings)
        self.operations = Operations(settings.database)
        self.checks = AzureChecks(self.connection)
        jobs = AzureJobs(self.connection, self.operations)
        models = AzureModels(self.connection, jobs)
        machines = AzureMachines(self.connection, models)
        endpoints = AzureEndpoints(self.connection, self.operations, models, machines)
        self.jobs: Jobs = jobs
        self.models: Models = models
        self.machines: Machines | None = machines
        self.endpoints: Endpoints = endpoints
        self.flows: Flows | None = AzureFlows(self.connection, self.operations, endpoints)
        self.data_assets: DataAssets | None = AzureDataAssets(self.connection)
        self.costs: Costs | None = AzureCosts(self.connection, self.operations, endpoints, jobs)
        self.setup: Setup | None = AzureSetup(self.connection, self.operations, self.checks)

    def check(self) -> Sequence[Check]:
        return self.checks.check()

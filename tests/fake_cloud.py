"""A small cloud in memory: sign-in, dependent choices, long operations, priced machines, several deployments.

Everything long waits until a test moves it on: `let_in`, `finish`, `make_ready`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from backend.domain import (
    DEFAULT_HOSTING,
    BaseModel,
    Deployment,
    Endpoint,
    EndpointState,
    Hosting,
    Job,
    JobKind,
    JobSpec,
    Model,
)
from backend.domain_datasets import DataAsset
from backend.domain_setup import (
    Check,
    CodeFile,
    CostLine,
    MachineSize,
    Operation,
    Option,
    Price,
    Publication,
    Purpose,
    Quota,
    Resource,
    ServingWay,
)
from backend.errors import Conflict, NotFound, Unavailable
from tests.fake_cloud_setup import FakeOperations, FakeSetup
from tests.fakes import FakeEndpoints, FakeJobs, FakeModels, FakeTarget

A100 = MachineSize(
    "Standard_NC24ads_A100_v4", 24, 220, 1, "A100", 80, Price(3.67, "USD"), Price(0.73, "USD"),
    Quota("NCADSA100v4", 48, 24), is_default=True,
)  # fmt: skip
CPU = MachineSize("Standard_E16s_v3", 16, 128, price=Price(1.01, "USD"), quota=Quota("ESv3", 100, 0))
UNPRICED = MachineSize("Standard_ND96isr_H100_v5", 96, 1900, 8, "H100", 80, quota=Quota("NDH100v5", 96, 0))
NO_QUOTA = MachineSize(
    "Standard_NC4as_T4_v3", 4, 28, 1, "T4", 16, Price(0.53, "USD"), quota=Quota("NCAST4v3", 0, 0),
    why_not="The quota of this family is 0 cores; it needs 4.",
)  # fmt: skip
RETIRED = MachineSize(
    "Standard_NC6s_v3", 6, 112, 1, "V100", 16, retired_on=date(2025, 9, 30), successor="Standard_NC4as_T4_v3",
    why_not="It was retired on 2025-09-30.",
)  # fmt: skip


class FakeMachines:
    def sizes(self, purpose: Purpose) -> Sequence[MachineSize]:
        if purpose is Purpose.SERVING:
            return [replace(CPU, is_default=True), replace(A100, is_default=False), NO_QUOTA, RETIRED]
        return [A100, CPU, UNPRICED, NO_QUOTA, RETIRED]

    def clusters(self) -> Sequence[Option]:
        return [Option("gpu-cluster", "gpu-cluster", "Standard_NC24ads_A100_v4, 0 to 2 machines")]

    def ways_to_serve(self, model: str) -> Sequence[ServingWay]:
        return [
            ServingWay("plain", "Without code", "The service's own server.", "mlflow"),
            ServingWay("vllm", "vLLM", "Fast, word by word.", "openai", "gpu"),
        ]


class CloudJobs(FakeJobs):
    def __init__(self, cloud: FakeCloud) -> None:
        super().__init__(cloud.clock)
        self.cloud = cloud

    def list(self, *, kind: JobKind | None = None, limit: int = 50, offset: int = 0) -> Sequence[Job]:
        self.cloud.must_be_ready()
        return super().list(kind=kind, limit=limit, offset=offset)

    def submit(self, spec: JobSpec) -> Job:
        self.cloud.must_be_ready()
        job = super().submit(spec)
        run = self.runs[spec.id]
        run.job = replace(job, link=f"https://studio.example/runs/{spec.id}", detail="NotStarted")
        return run.job

    def as_code(self, spec: JobSpec) -> Sequence[CodeFile]:
        return [CodeFile("job.yml", "yaml", f"compute: {spec.machine.size}\n", "For the cloud's own command line.")]


class CloudModels(FakeModels):
    def __init__(self, cloud: FakeCloud, jobs: FakeJobs) -> None:
        super().__init__(cloud.clock, jobs)
        self.cloud = cloud

    def list(self) -> Sequence[Model]:
        self.cloud.must_be_ready()
        return super().list()

    def base_models(self) -> Sequence[BaseModel]:
        self.cloud.must_be_ready()
        built_in, large = super().base_models()
        large = replace(large, fits=True, fit_reason="It fits.")
        catalogue = replace(
            large, id="azureml://registries/r/models/Phi-4-mini", title="Phi-4 mini instruct", source="catalogue",
            download_bytes=0,
        )  # fmt: skip
        return [catalogue, large, built_in]


class CloudEndpoints(FakeEndpoints):
    """Several deployments, of which one is made ready at a time; the clock of its cost starts at the deployment."""

    def __init__(self, cloud: FakeCloud, models: FakeModels) -> None:
        super().__init__(cloud.clock, models)
        self.cloud = cloud

    def list(self) -> Sequence[Endpoint]:
        self.cloud.must_be_ready()
        return super().list()

    def _save(self, endpoint: Endpoint, parts: Sequence[Deployment]) -> Endpoint:
        states = {part.state for part in parts}
        order = (EndpointState.RUNNING, EndpointState.CREATING, EndpointState.FAILED, EndpointState.STOPPED)
        state = next((one for one in order if one in states), EndpointState.STOPPED)
        self.endpoints[endpoint.name] = replace(endpoint, deployments=tuple(parts), state=state)
        return self.endpoints[endpoint.name]

    def deploy(self, endpoint: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING) -> Endpoint:
        current = self._get(endpoint)
        name = deployment or ("blue" if not current.deployments else f"green{len(current.deployments)}")
        new = Deployment(name, self._ref(model), 0, EndpointState.CREATING, hosting)
        contract = "mlflow" if hosting.serving == "plain" else "openai"
        url = current.url or f"https://{endpoint}.inference.example"
        expires_at = hosting.expires_at or current.expires_at
        link = f"https://studio.example/endpoints/{endpoint}"
        current = replace(current, url=url, contract=contract, expires_at=expires_at, link=link, detail="")
        return self._save(current, [*current.deployments, new])

    def make_ready(self, name: str, deployment: str = "") -> Endpoint:
        endpoint = self._get(name)
        new = next(part for part in endpoint.deployments if not deployment or part.name == deployment)
        is_first = not any(part.traffic_percent for part in endpoint.deployments)
        takes_all = is_first or new.hosting.takes_traffic
        parts = []
        for part in endpoint.deployments:
            share = (100 if part is new else 0) if takes_all else part.traffic_percent
            state = EndpointState.RUNNING if part is new else part.state
            parts.append(replace(part, traffic_percent=share, state=state))
        return self._save(endpoint, parts)

    def set_traffic(self, endpoint: str, percent: Mapping[str, int]) -> Endpoint:
        current = self._get(endpoint)
        parts = [replace(part, traffic_percent=percent.get(part.name, 0)) for part in current.deployments]
        if any(part.traffic_percent and part.state != EndpointState.RUNNING for part in parts):
            raise Conflict("A deployment is not ready yet.", code="deployment_not_ready")
        return self._save(current, parts)

    def remove_deployment(self, endpoint: str, deployment: str) -> Endpoint:
        removed = super().remove_deployment(endpoint, deployment)
        return self._save(removed, removed.deployments)

    def set_expiry(self, endpoint: str, expires_at: datetime | None) -> Endpoint:
        self.endpoints[endpoint] = replace(self._get(endpoint), expires_at=expires_at)
        return self.endpoints[endpoint]

    def as_code(self, endpoint: str, model: str, hosting: Hosting) -> Sequence[CodeFile]:
        return [CodeFile("deployment.yml", "yaml", f"instance_type: {hosting.size}\n", "For the cloud's command line.")]


class FakeCosts:
    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.resources = [
            Resource("res-id", "identity", "phidesk-id", "Costs nothing."),
            Resource(
                "res-cluster", "compute", "gpu-cluster", "0 of 2 machines on.", price=Price(0.0, "USD"),
                link="https://portal.example/cluster",
            ),
            Resource("res-ws", "workspace", "phi-desk", "Holds your data.", may_delete=False),
        ]  # fmt: skip

    def lines(self) -> Sequence[CostLine]:
        prices = {size.name: size.price for size in (A100, CPU)}
        return [
            CostLine(
                "endpoint",
                endpoint.name,
                datetime.now(UTC) - timedelta(hours=2),
                None,
                prices.get(part.hosting.size),
                part.hosting.instances,
                price.per_hour * 2 * part.hosting.instances if (price := prices.get(part.hosting.size)) else None,
                endpoint.expires_at,
            )
            for endpoint in self.cloud.endpoints.endpoints.values()
            for part in endpoint.deployments
            if part.state is EndpointState.RUNNING
        ]

    def inventory(self) -> Sequence[Resource]:
        return list(self.resources)

    def delete(self, resource_id: str) -> None:
        self.resources = [one for one in self.resources if one.id != resource_id]

    def delete_all(self) -> Operation:
        def delete() -> None:
            self.resources = [one for one in self.resources if not one.may_delete]

        return self.cloud.ongoing.begin("delete_all", "Delete all", delete)


class FakeFlows:
    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.published: list[Publication] = []

    def connect(self, endpoint: str) -> str:
        if endpoint not in self.cloud.endpoints.endpoints:
            raise NotFound(f"No such endpoint: {endpoint}.", code="no_such_endpoint")
        return f"phidesk-{endpoint}"

    def publish(self, endpoint: str, *, deploy: bool = False) -> Operation:
        made = Publication(
            f"flow-of-{endpoint}", "https://studio.example/flows/1", "Chat flow", f"{endpoint}-flow" if deploy else ""
        )
        return self.cloud.ongoing.begin(
            "publish", f"Publish the flow of {endpoint}", lambda: self.published.append(made)
        )

    def publications(self) -> Sequence[Publication]:
        return list(self.published)


class FakeDataAssets:
    """`kept` are files by asset and version."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        self.kept: dict[tuple[str, str], dict[str, bytes]] = {}

    def list(self) -> Sequence[DataAsset]:
        self.cloud.must_be_ready()
        return [DataAsset(name, version, "uri_folder", self.cloud.clock.moment) for name, version in self.kept]

    def download(
        self, name: str, version: str, folder: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Path:
        self.cloud.must_be_ready()
        files = self.kept.get((name, version))
        if files is None:
            raise NotFound(f"There is no data asset {name}, version {version}.", code="no_such_data_asset")
        made = folder / f"{name}-{version}"
        if made.exists():
            raise Conflict(f"{made} is there already.", code="folder_exists")
        made.mkdir(parents=True)
        for path, content in files.items():
            (made / path).write_bytes(content)
        total = sum(map(len, files.values()))
        on_progress(total, total)
        return made


class FakeCloud(FakeTarget):
    name = "cloud"
    title = "Cloud"

    jobs: CloudJobs
    endpoints: CloudEndpoints
    setup: FakeSetup
    machines: FakeMachines
    costs: FakeCosts
    flows: FakeFlows
    data_assets: FakeDataAssets

    def __init__(self) -> None:
        super().__init__()
        self.unsupported = {}
        self.ongoing = FakeOperations(self.clock.now)
        self.setup = FakeSetup(self.ongoing)
        self.machines = FakeMachines()
        self.jobs = CloudJobs(self)
        self.models = CloudModels(self, self.jobs)
        self.endpoints = CloudEndpoints(self, self.models)
        self.costs = FakeCosts(self)
        self.flows = FakeFlows(self)
        self.data_assets = FakeDataAssets(self)

    def connect(self) -> None:
        """As a person does on Setup: signed in, and everything needed is chosen."""
        self.setup.sign_in("cli")
        for choice in ("subscription", "group", "workspace"):
            self.setup.choose(choice, self.setup.options[choice][0].id)

    def must_be_ready(self) -> None:
        if not self.setup.is_ready:
            raise Unavailable("You are not signed in.", how_to_fix="Sign in on Setup.", code="not_signed_in")

    def check(self) -> Sequence[Check]:
        return self.setup.checks() if self.setup.is_ready else []

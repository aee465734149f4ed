"""The one interface between the services and a place that trains and serves: this computer, or Azure ML.

A target never raises its vendor's errors (HOUSE 16), never blocks in `submit`, `create` or `deploy`,
and treats cancelling or deleting what is already gone as success. What a place may lack (`setup`, `machines`, `costs`,
`flows`, `data_assets`) is None there, and `unsupported` says why in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from backend.domain import (
    DEFAULT_HOSTING,
    BaseModel,
    Endpoint,
    Feature,
    Hosting,
    Job,
    JobKind,
    JobSpec,
    LogChunk,
    MetricPoint,
    Model,
)
from backend.domain_datasets import DataAsset
from backend.domain_setup import (
    Check,
    Choice,
    CodeFile,
    CostLine,
    MachineSize,
    Operation,
    Option,
    Publication,
    Purpose,
    Resource,
    ServingWay,
    SignIn,
    SignInWay,
)


class Jobs(Protocol):
    def submit(self, spec: JobSpec) -> Job:
        """Start it and return at once. A second call with the same `spec.id` returns the first one's job."""

    def list(self, *, kind: JobKind | None = None, limit: int = 50, offset: int = 0) -> Sequence[Job]:
        """Newest first."""

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        """From byte `since`; None means the last 64 KiB. A log not there yet is an empty chunk."""

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        """All points so far, in order."""

    def output(self, job_id: str, name: str) -> bytes:
        """A small file of the job's output folder, such as `evaluation.json`. Raises NotFound when it is absent."""

    def cancel(self, job_id: str) -> None: ...

    def resume(self, job_id: str) -> Job:
        """Go on from the last checkpoint of a job that ended early. Raises Conflict while it runs."""

    def delete(self, job_id: str) -> None:
        """Remove a final job and its files. Raises Conflict while it runs."""

    def download(self, job_id: str, folder: Path) -> Path:
        """Copy the job's outputs into a new folder in `folder`; returns it. Raises Conflict unless the job is final."""

    def as_code(self, spec: JobSpec) -> Sequence[CodeFile]:
        """What does the same without the app, in the target's own language; empty where there is none."""


class Models(Protocol):
    def register(self, job_id: str, name: str) -> Model:
        """Registering one job twice under one name returns the first version. Raises Conflict unless it completed."""

    def list(self) -> Sequence[Model]:
        """Newest first."""

    def get(self, ref: str) -> Model:
        """`name:version`, or `name` for its newest version. Raises NotFound."""

    def base_models(self) -> Sequence[BaseModel]:
        """What can be tuned here, the recommended first, each with whether it fits."""


class Endpoints(Protocol):
    def create(self, name: str) -> Endpoint:
        """Idempotent. Raises BadInput for a name that is not 3 to 32 of a-z, 0-9 and hyphen."""

    def check(self, model: str, hosting: Hosting = DEFAULT_HOSTING) -> None:
        """Raises what `deploy` would refuse about them, NotFound or BadInput, before there is an endpoint."""

    def deploy(self, endpoint: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING) -> Endpoint:
        """Returns at once; `get` tells when it is RUNNING. `model` is a registry ref or a base model's id.

        Deploying another model to a running endpoint keeps the old one answering until the new one does. Without
        a name the target names the deployment.
        """

    def set_traffic(self, endpoint: str, percent: Mapping[str, int]) -> Endpoint:
        """Shares of deployments in percent, 100 in all. Raises BadInput, or Conflict for one that is not ready."""

    def test(self, endpoint: str, deployment: str, question: str) -> str:
        """One answer by one deployment, whatever its traffic."""

    def remove_deployment(self, endpoint: str, deployment: str) -> Endpoint:
        """Raises Conflict while it has traffic. One that is gone already is fine."""

    def set_expiry(self, endpoint: str, expires_at: datetime | None) -> Endpoint:
        """When the endpoint is due to be deleted; None means never."""

    def list(self) -> Sequence[Endpoint]: ...

    def get(self, name: str) -> Endpoint:
        """Raises NotFound."""

    def start(self, name: str) -> Endpoint: ...

    def stop(self, name: str) -> Endpoint:
        """No deployment computes (or costs) any more; name, address and key stay, and `start` brings them back."""

    def logs(self, name: str, since: int | None = None) -> LogChunk: ...

    def key(self, name: str) -> str:
        """The secret that a caller sends as `Authorization: Bearer`. Never log or store it."""

    def renew_key(self, name: str) -> None:
        """The old key stops working."""

    def delete(self, name: str) -> None: ...

    def as_code(self, endpoint: str, model: str, hosting: Hosting) -> Sequence[CodeFile]:
        """What does the same without the app, in the target's own language; empty where there is none."""


class Setup(Protocol):
    """Connects a place that needs an account: sign in, choose or create what is needed, see how far that is."""

    def ways_to_sign_in(self) -> Sequence[SignInWay]: ...

    def sign_in(self, way: str) -> SignIn:
        """Begins, and returns at once; `sign_in_state` tells how it goes."""

    def sign_in_state(self) -> SignIn: ...

    def sign_out(self) -> None: ...

    def choices(self) -> Sequence[Choice]:
        """In the order of dependence, each with what is chosen now."""

    def choose(self, choice: str, option: str) -> None:
        """What depends on it and no longer fits is forgotten. Raises BadInput for an option that is not there."""

    def create(self, choice: str, values: Mapping[str, str]) -> Operation:
        """Create what can then be chosen (it is chosen when it is there). Raises BadInput, naming the field."""

    def fix_all(self) -> Operation:
        """The fixes of all checks that are not met (warnings are left), in order, going on where one can't."""

    def operations(self) -> Sequence[Operation]:
        """What goes on, or ended and was not dismissed; newest first. Those of an earlier start of the app too."""

    def resume(self) -> None:
        """Go on with what an earlier start of the app left unfinished."""

    def retry(self, operation_id: str) -> Operation: ...

    def dismiss(self, operation_id: str) -> None: ...

    def export(self) -> str:
        """A YAML file that reproduces this set-up elsewhere. It holds no secret."""

    def apply(self, text: str) -> Operation:
        """Choose, and create where missing, what such a file names. Raises BadInput with line and field."""


class Machines(Protocol):
    def sizes(self, purpose: Purpose) -> Sequence[MachineSize]:
        """What the place offers, the default first, then those that can be used, the cheapest first."""

    def clusters(self) -> Sequence[Option]:
        """Groups of machines that are there already."""

    def ways_to_serve(self, model: str) -> Sequence[ServingWay]:
        """The default first; none for a model that can't be served there."""


class Costs(Protocol):
    def lines(self) -> Sequence[CostLine]:
        """What is on first, then what ended in the last 30 days."""

    def inventory(self) -> Sequence[Resource]:
        """Everything that Phi Desk created here and that still exists."""

    def delete(self, resource_id: str) -> None: ...

    def delete_all(self) -> Operation:
        """Everything in the inventory that may be deleted."""


class Flows(Protocol):
    """The chat flow, put where a team can use it."""

    def connect(self, endpoint: str) -> str:
        """A connection that holds the endpoint's address and key, not shared to all; returns its name."""

    def publish(self, endpoint: str, *, deploy: bool = False) -> Operation: ...

    def publications(self) -> Sequence[Publication]: ...


class DataAssets(Protocol):
    """Data that is kept at the place itself, to be looked at and used like a file."""

    def list(self) -> Sequence[DataAsset]:
        """The newest version of each, newest first."""

    def download(
        self, name: str, version: str, folder: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Path:
        """Copy its files into a new folder in `folder`; returns it. It appears whole or not at all.

        `on_progress` is told bytes done and in all. Raises NotFound, Conflict where that folder is there already,
        BadInput for an asset whose files can't be reached from here.
        """


class Target(Protocol):
    name: str
    title: str
    unsupported: Mapping[Feature, str]
    jobs: Jobs
    models: Models
    endpoints: Endpoints
    setup: Setup | None
    machines: Machines | None
    costs: Costs | None
    flows: Flows | None
    data_assets: DataAssets | None

    def check(self) -> Sequence[Check]:
        """Every precondition, met or not."""

"""The product's words as values. Every border is crossed by these; nothing here imports anything of ours.

What is needed to connect a place and to keep an eye on its cost is in `domain_setup`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")

BUILT_IN_MODEL = "phidesk/tiny-phi3"
"""Id of the base model that the project ships (`Phi3ForCausalLM`, a few million parameters)."""


class JobState(StrEnum):
    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    CANCELING = "canceling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self in {JobState.COMPLETED, JobState.FAILED, JobState.CANCELED}


class JobKind(StrEnum):
    FINE_TUNE = "fine_tune"
    EVALUATE = "evaluate"


class EndpointState(StrEnum):
    CREATING = "creating"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Feature(StrEnum):
    """What a target may lack; `Target.unsupported` gives the reason shown to the user."""

    RESUME = "resume"
    TRAFFIC_SPLIT = "traffic_split"
    STOP_ENDPOINT = "stop_endpoint"
    COST = "cost"
    CANCEL = "cancel"
    MACHINES = "machines"
    NEW_KEY = "new_key"
    PUBLISH_FLOW = "publish_flow"
    DATA_ASSETS = "data_assets"


@dataclass(frozen=True)
class Dataset:
    """A split and saved set of conversations, as of its current `version`: paths, rows and hash are that version's.

    `sha256` is the hash of all rows in their order (`studio.row_index.content_hash`).
    """

    id: str
    name: str
    source: str
    train_path: str
    eval_path: str
    train_rows: int
    eval_rows: int
    sha256: str
    created_at: datetime
    seed: int = 0
    source_detail: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True)
class BaseModel:
    """A causal language model that can be tuned: the built-in one, a Hub id, a folder, or one of a catalogue.

    `source` is `built_in`, `hub`, `folder` or `catalogue` (tuned by the target's own recipe, not by our script).
    """

    id: str
    title: str
    licence: str
    parameters: int
    download_bytes: int
    is_local: bool
    fits: bool
    fit_reason: str
    source: str = "hub"


@dataclass(frozen=True)
class Machine:
    """Where a run computes, on a target that lets a person choose. Empty values are the target's own defaults.

    `size` is the target's name for a kind of machine; `cluster` names an existing group of them, or the one to make.
    """

    size: str = ""
    nodes: int = 1
    cluster: str = ""
    is_low_priority: bool = False
    idle_seconds: int = 120
    image: str = ""


@dataclass(frozen=True)
class Hosting:
    """How a deployment is hosted, on a target that lets a person choose. Empty values are the target's own defaults.

    `serving` is the id of one of the target's ways to serve. With `max_instances` above `instances` it scales by
    itself. `takes_traffic=False` makes a deployment beside the one that answers, to be tested first.
    """

    size: str = ""
    instances: int = 1
    max_instances: int = 1
    serving: str = ""
    takes_traffic: bool = True
    expires_at: datetime | None = None


DEFAULT_MACHINE = Machine()
DEFAULT_HOSTING = Hosting()


@dataclass(frozen=True)
class JobSpec:
    """What to run. `arguments` are the training script's own (names with underscores), as in its `--help`.

    `id` is made by the client, so that submitting the same spec twice is one job.
    """

    id: str
    name: str
    kind: JobKind
    base_model: str
    dataset_id: str
    dataset_name: str
    train_path: str
    eval_path: str
    dataset_sha256: str
    arguments: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    recipe: str = "quick"
    tuned_model: str = ""
    base_revision: str = ""
    source_job: str = ""
    machine: Machine = DEFAULT_MACHINE


@dataclass(frozen=True)
class Failure:
    """Why something ended badly, in words: what happened, why, what to do; `raw` is the detail to copy."""

    code: str
    what: str
    why: str
    how_to_fix: str
    raw: str = ""

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Failure:
        """As another process wrote it down, in `error.json` or beside its progress; what is missing is empty."""
        return cls(**{one.name: str(facts.get(one.name, "")) for one in fields(cls)})


@dataclass(frozen=True)
class Job:
    spec: JobSpec
    state: JobState
    detail: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    step: int = 0
    total_steps: int = 0
    seconds_left: float | None = None
    phase: str = ""
    phase_done: float | None = None
    heartbeat_at: datetime | None = None
    failure: Failure | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    can_resume: bool = False
    attempt: int = 1
    link: str = ""

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(frozen=True)
class MetricPoint:
    """One measurement of a job. `kind` is train or eval; `time` is seconds since the epoch (UTC)."""

    time: float
    kind: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class LogChunk:
    """A piece of a log: `text` starts at byte `start`, the next piece at byte `end`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Model:
    """A version in the registry. `path` is a folder with safetensors and tokenizer that loads as it is."""

    name: str
    version: int
    job_id: str
    base_model: str
    path: str
    created_at: datetime
    dataset_sha256: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Deployment:
    name: str
    model: str
    traffic_percent: int
    state: EndpointState
    hosting: Hosting = DEFAULT_HOSTING
    detail: str = ""
    failure: Failure | None = None


@dataclass(frozen=True)
class Endpoint:
    """A place that answers. `url` is the base; `contract` is the body it takes: openai, mlflow, foundry or flow."""

    name: str
    state: EndpointState
    detail: str
    url: str
    contract: str
    deployments: tuple[Deployment, ...]
    created_at: datetime
    failure: Failure | None = None
    expires_at: datetime | None = None
    link: str = ""

    @property
    def model(self) -> str:
        """The model behind most of the traffic, or the empty string."""
        ordered = sorted(self.deployments, key=lambda deployment: -deployment.traffic_percent)
        return ordered[0].model if ordered else ""


@dataclass(frozen=True)
class Message:
    role: Role
    content: str
    is_stopped: bool = False
    rating: int | None = None
    id: int | None = None


@dataclass(frozen=True)
class ChatSettings:
    """Sampling of an answer. Greedy at temperature 0."""

    system_prompt: str = ""
    temperature: float = 0.0
    max_new_tokens: int = 128
    top_p: float = 1.0


@dataclass(frozen=True)
class Conversation:
    id: str
    title: str
    endpoint: str
    settings: ChatSettings
    created_at: datetime
    updated_at: datetime
    messages: tuple[Message, ...] = ()

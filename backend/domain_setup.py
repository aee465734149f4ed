"""What is needed to connect a place where models train and answer, and to keep an eye on what it costs, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from backend.domain import Failure


@dataclass(frozen=True)
class Check:
    """One precondition of a target: is it met, why (not), and what to do.

    `fix` is there where we may mend it ourselves, and `changes` says exactly what it would create or change.
    `ask_admin` is the sentence to send to somebody who may; `link` leads to the place where it is done by hand.
    """

    name: str
    is_ok: bool
    what: str
    why: str = ""
    how_to_fix: str = ""
    is_warning: bool = False
    fix: Callable[[], None] | None = field(default=None, compare=False)
    id: str = ""
    changes: tuple[str, ...] = ()
    ask_admin: str = ""
    link: str = ""


class SignInState(StrEnum):
    SIGNED_OUT = "signed_out"
    PENDING = "pending"
    SIGNED_IN = "signed_in"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True)
class SignInWay:
    """A way to sign in. `why_not` says why it can't be used here, and is empty when it can."""

    id: str
    title: str
    help: str
    why_not: str = ""
    opens_window: bool = False


@dataclass(frozen=True)
class SignIn:
    """Who is signed in, or what the person must do next: open `url` and enter `code` before `code_expires_at`."""

    state: SignInState
    way: str = ""
    account: str = ""
    tenant: str = ""
    url: str = ""
    code: str = ""
    code_expires_at: datetime | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Option:
    """One thing that can be chosen. `note` says what tells it from the others, such as its region."""

    id: str
    title: str
    note: str = ""


@dataclass(frozen=True)
class FormField:
    """One field of the form that creates something; with `options` it is a choice among them."""

    name: str
    title: str
    help: str = ""
    default: str = ""
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One of the dependent choices that connect a place, in their order: each is filled by the one before it.

    `chosen` is an option's id or empty. `waits_for` says what must be chosen first (then there are no options).
    With `form`, another one can be created. `failure` says why the options can't be listed.
    """

    id: str
    title: str
    help: str
    options: tuple[Option, ...] = ()
    chosen: str = ""
    is_optional: bool = False
    waits_for: str = ""
    form: tuple[FormField, ...] = ()
    failure: Failure | None = None


class OperationState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Operation:
    """Something long that goes on by itself, may be left, and is found again after a restart. Steps count from 0.

    The `kind` of what makes an option of a choice is `create_` and the choice's id.
    """

    id: str
    kind: str
    title: str
    state: OperationState
    step: int
    steps: int
    detail: str
    started_at: datetime
    ended_at: datetime | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Price:
    """An hour of one machine. A price that can't be had is None where this is expected, never a guess."""

    per_hour: float
    currency: str


@dataclass(frozen=True)
class Quota:
    """Cores of one family in one region: what may be used and what is. `reserve` is what is kept on top, 0 to 1."""

    family: str
    limit: int
    used: int
    reserve: float = 0.0


class Purpose(StrEnum):
    TRAINING = "training"
    SERVING = "serving"


@dataclass(frozen=True)
class MachineSize:
    """A kind of machine the target offers. `why_not` says why it can't be used (retired, no quota), else empty."""

    name: str
    cpus: int
    memory_gb: float
    gpus: int = 0
    gpu: str = ""
    gpu_memory_gb: float = 0.0
    price: Price | None = None
    low_priority_price: Price | None = None
    quota: Quota | None = None
    retired_on: date | None = None
    successor: str = ""
    is_default: bool = False
    why_not: str = ""


@dataclass(frozen=True)
class ServingWay:
    """A way to serve a model: `sizes_with` is `gpu`, `cpu` or `any`; `contract` is the endpoint's."""

    id: str
    title: str
    help: str
    contract: str
    sizes_with: str = "any"


@dataclass(frozen=True)
class CostLine:
    """What is on (or was) and what it costs. Unknown prices are None; `so_far` is an estimate until the bill exists."""

    kind: str
    name: str
    since: datetime
    until: datetime | None
    price: Price | None
    machines: int
    so_far: float | None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Resource:
    """Something that Phi Desk created at the target, found by its tags. `may_delete` is false for what holds data.

    `loss` says what goes with it and does not come back; empty where that is little.
    """

    id: str
    kind: str
    name: str
    detail: str
    created_at: datetime | None = None
    price: Price | None = None
    link: str = ""
    may_delete: bool = True
    loss: str = ""


@dataclass(frozen=True)
class CodeFile:
    """A file that does the same without the app, such as a job's YAML. `text` holds no secret."""

    name: str
    language: str
    text: str
    help: str = ""


@dataclass(frozen=True)
class Publication:
    """The flow, put where a team can use it: `link` opens it, `endpoint` answers (empty: not deployed)."""

    name: str
    link: str
    detail: str
    endpoint: str = ""
    created_at: datetime | None = None

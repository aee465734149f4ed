"""One cell's desk on one emulated cloud, and what an action is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.azure.config import AzureConfig
from backend.azure.target import AzureTarget
from backend.domain import Failure, JobKind, JobSpec, Machine
from backend.domain_setup import Check, Operation, OperationState, SignInState
from backend.errors import PhiDeskError
from backend.settings import Settings
from backend.target import Costs, Flows, Machines, Setup
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import GROUP, REGION, SUBSCRIPTION, WORKSPACE
from tests.azure_faults.troubles import EVERY
from tests.contract.waiting import STAND_IN, wait_until

READY = AzureConfig(subscription=SUBSCRIPTION, resource_group=GROUP, workspace=WORKSPACE, region=REGION)
PHI = "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/13"
RUN = "run-1"
NOT_KNOWN = "not known"
"""What an action gives when it is done, and something that could not be had is shown as not known."""


class Said(PhiDeskError):
    """A failure that was shown instead of raised, such as a failed check or operation."""

    @classmethod
    def of(cls, failure: Failure) -> Said:
        return cls(
            failure.what, why=failure.why, how_to_fix=failure.how_to_fix, code=failure.code or "said", raw=failure.raw
        )

    @classmethod
    def of_check(cls, check: Check) -> Said:
        return cls(check.what, why=check.why, how_to_fix=check.how_to_fix or check.ask_admin, code=check.id)


@dataclass
class Case:
    """`number` is another one for each case, for names that must be new in a cloud that many share."""

    target: AzureTarget
    emulator: Emulator
    files: tuple[str, str]
    number: int = 0
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def setup(self) -> Setup:
        assert self.target.setup is not None
        return self.target.setup

    @property
    def machines(self) -> Machines:
        assert self.target.machines is not None
        return self.target.machines

    @property
    def flows(self) -> Flows:
        assert self.target.flows is not None
        return self.target.flows

    @property
    def costs(self) -> Costs:
        assert self.target.costs is not None
        return self.target.costs

    @property
    def home(self) -> Path:
        return self.target.connection.settings.home

    def sign_in(self, way: str = "environment") -> None:
        self.setup.sign_in(way)
        wait_until(lambda: self.setup.sign_in_state().state is not SignInState.PENDING, "signing in ended")
        found = self.setup.sign_in_state()
        if found.state is not SignInState.SIGNED_IN:
            assert found.failure is not None
            raise Said.of(found.failure)

    def until_ended(self, operation: Operation) -> None:
        """Raises what it failed with. While it waits for a sign-in it is neither failed nor done."""

        def is_over() -> bool:
            now = self.target.operations.get(operation.id)
            return now.state is not OperationState.RUNNING or "sign in" in now.detail

        wait_until(is_over, f"{operation.title} ended", 120)
        now = self.target.operations.get(operation.id)
        if now.failure:
            raise Said.of(now.failure)
        if now.state is OperationState.RUNNING:
            raise Said(now.detail, how_to_fix=now.detail, code="signed_out")

    def until_idle(self) -> None:
        wait_until(lambda: not self.target.operations.at_work, "nothing is at work", 120)
        for operation in self.target.operations.list():
            self.until_ended(operation)

    def press_fix(self, check_id: str) -> None:
        """Of a check, unless it is met already."""
        checks = {one.id: one for one in self.target.check()}
        found = checks.get(check_id) or next(one for one in checks.values() if not one.is_ok)
        if found.is_ok:
            return
        if found.fix is None:
            raise Said.of_check(found)
        found.fix()

    def spec(self) -> JobSpec:
        train, held = self.files
        return JobSpec(
            RUN, "A run", JobKind.FINE_TUNE, "microsoft/Phi-4-mini-instruct", "d1", "greetings", train, held, "abc",
            {"steps": 2}, machine=Machine(size="Standard_E16s_v3"),
        )  # fmt: skip

    def made(self, pattern: str) -> list[str]:
        """Paths in the cloud that end so."""
        return [path for path in self.emulator.world.arm if re.search(f"{pattern}$", path, re.IGNORECASE)]


def desk(home: Path, emulator: Emulator, files: tuple[str, str], *, number: int = 0, patience: float = 60) -> Case:
    """A computer that knows nothing yet, signed in, with the furnished workspace chosen; `patience` in seconds."""
    target = AzureTarget(Settings(home=home, azure_timeout_seconds=patience))
    target.jobs.submission.scripts = STAND_IN  # type: ignore[attr-defined]
    case = Case(target, emulator, files, number)
    case.sign_in()
    target.connection.save(READY)
    return case


Do = Callable[[Case], object]


def nothing(_case: Case) -> None:
    return


@dataclass(frozen=True)
class Action:
    """`do` may be repeated. `left` asserts what must be there in the end: all of it, and nothing twice.

    An action on the `standing` cloud shares it with others: it has a finished run and an endpoint that answers.
    """

    name: str
    do: Do
    method: str
    path: str
    troubles: tuple[str, ...] = EVERY
    before: Callable[[Case], None] = nothing
    left: Callable[[Case], None] = nothing
    host: str = r"management\.azure\.com"
    is_standing: bool = False


def once(*patterns: str) -> Callable[[Case], None]:
    """Each of these resources was made exactly once."""

    def check(case: Case) -> None:
        for pattern in patterns:
            assert len(case.made(pattern)) == 1, (pattern, case.made(pattern))

    return check

"""The set-up of the small cloud: sign-in, dependent choices, checks that can be mended, and its long operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from backend.domain import Failure
from backend.domain_setup import (
    Check,
    Choice,
    FormField,
    Operation,
    OperationState,
    Option,
    SignIn,
    SignInState,
    SignInWay,
)
from backend.errors import BadInput, Unavailable


class FakeOperations:
    """Long things. `step_on`, `finish` and `fail` are what the cloud would do."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.all: dict[str, Operation] = {}
        self.then: dict[str, Callable[[], None]] = {}

    def begin(self, kind: str, title: str, then: Callable[[], None], steps: int = 3) -> Operation:
        operation_id = f"op-{len(self.all) + 1}"
        self.then[operation_id] = then
        self.all[operation_id] = Operation(
            operation_id, kind, title, OperationState.RUNNING, 0, steps, "Asking the cloud.", self.now()
        )
        return self.all[operation_id]

    def step_on(self, operation_id: str, detail: str = "Still at it.") -> None:
        now = self.all[operation_id]
        self.all[operation_id] = replace(now, step=now.step + 1, detail=detail)

    def finish(self, operation_id: str) -> None:
        self.then[operation_id]()
        now = self.all[operation_id]
        self.all[operation_id] = replace(now, state=OperationState.DONE, step=now.steps, ended_at=self.now())

    def fail(self, operation_id: str, failure: Failure | None = None) -> None:
        failure = failure or Failure("no_role", "It was refused.", "A role is missing.", "Ask an owner.", "403")
        self.all[operation_id] = replace(
            self.all[operation_id], state=OperationState.FAILED, failure=failure, ended_at=self.now()
        )

    def retry(self, operation_id: str) -> Operation:
        self.all[operation_id] = replace(
            self.all[operation_id], state=OperationState.RUNNING, step=0, failure=None, ended_at=None
        )
        return self.all[operation_id]


class FakeSetup:
    """Subscription, then group (may be created), then workspace (may be created), and a project that may stay empty."""

    def __init__(self, operations: FakeOperations) -> None:
        self.ongoing = operations
        self.state = SignIn(SignInState.SIGNED_OUT)
        self.options: dict[str, list[Option]] = {
            "subscription": [Option("sub-1", "Ada's subscription"), Option("sub-2", "Shared", "contoso.com")],
            "group": [Option("rg-1", "rg-phi", "eastus")],
            "workspace": [Option("ws-1", "phi-desk", "eastus")],
            "project": [Option("pr-1", "phi-project")],
        }
        self.chosen: dict[str, str] = {}
        self.unlisted: dict[str, Failure] = {}
        self.missing = {"identity": "The identity phidesk-id", "role": "The role AcrPull of phidesk-id"}
        self.applied: list[str] = []

    def let_in(self, account: str = "ada@contoso.com") -> None:
        self.state = SignIn(SignInState.SIGNED_IN, self.state.way, account, "Contoso")

    def expire(self) -> None:
        self.state = replace(self.state, state=SignInState.EXPIRED)

    @property
    def is_ready(self) -> bool:
        return self.state.state is SignInState.SIGNED_IN and "workspace" in self.chosen

    def ways_to_sign_in(self) -> Sequence[SignInWay]:
        return [
            SignInWay("cli", "Command line", "Uses the account that is signed in there."),
            SignInWay("device_code", "Code", "Enter a code on any device."),
            SignInWay("browser", "Browser", "Opens a window.", why_not="No browser was found here."),
        ]

    def sign_in(self, way: str) -> SignIn:
        self.state = SignIn(SignInState.PENDING, way)
        if way == "cli":
            self.let_in()
        elif way == "device_code":
            self.state = replace(
                self.state,
                url="https://login.example/device",
                code="ABCD-1234",
                code_expires_at=datetime.now(UTC) + timedelta(minutes=14, seconds=30),
            )
        return self.state

    def sign_in_state(self) -> SignIn:
        return self.state

    def sign_out(self) -> None:
        self.state = SignIn(SignInState.SIGNED_OUT)

    def choices(self) -> Sequence[Choice]:
        self._must_be_in()
        return [
            self._choice("subscription", "Subscription", "Who pays."),
            self._choice(
                "group",
                "Resource group",
                "A folder in the cloud.",
                after="subscription",
                form=(
                    FormField("name", "Name", "Letters and digits.", "rg-phidesk"),
                    FormField("region", "Region", "", "eastus", (Option("eastus", "East US"), Option("weu", "Europe"))),
                ),
            ),
            self._choice(
                "workspace", "Workspace", "Where it all is.", after="group", form=(FormField("name", "Name"),)
            ),
            self._choice("project", "Project", "For the flow.", after="workspace", is_optional=True),
        ]

    def _must_be_in(self) -> None:
        if self.state.state is not SignInState.SIGNED_IN:
            raise Unavailable("You are not signed in.", how_to_fix="Sign in on Setup.", code="not_signed_in")

    def _choice(
        self,
        name: str,
        title: str,
        help_text: str,
        *,
        after: str = "",
        form: tuple[FormField, ...] = (),
        is_optional: bool = False,
    ) -> Choice:
        waits = "" if not after or after in self.chosen else f"Choose the {after} first."
        return Choice(
            name,
            title,
            help_text,
            () if waits or name in self.unlisted else tuple(self.options[name]),
            "" if waits else self.chosen.get(name, ""),
            is_optional,
            waits,
            form,
            self.unlisted.get(name),
        )

    def choose(self, choice: str, option: str) -> None:
        if option not in [one.id for one in self.options[choice]]:
            raise BadInput(f"There is no {option}.", code="no_such_option")
        names = list(self.options)
        for later in names[names.index(choice) + 1 :]:
            self.chosen.pop(later, None)
        self.chosen[choice] = option

    def create(self, choice: str, values: Mapping[str, str]) -> Operation:
        name = values.get("name", "")
        if not re.fullmatch(r"[a-z0-9-]{3,40}", name):
            raise BadInput(f"Name: {name!r} can't be used.", how_to_fix="Use small letters.", code="bad_field")

        def appear() -> None:
            self.options[choice].append(Option(name, name))
            self.choose(choice, name)

        return self.ongoing.begin(f"create_{choice}", f"Create {name}", appear)

    def checks(self) -> Sequence[Check]:
        found = [
            Check(
                "Identity" if name == "identity" else "Role",
                False,
                f"{what} is missing.",
                "Endpoints read the model with it.",
                "Create it.",
                fix=partial(self.make, name),
                id=name,
                changes=(f"Create: {what}",),
            )
            for name, what in self.missing.items()
        ]
        quota = Check(
            "Quota", False, "0 of 24 cores of NCADSA100v4 may be used.", "No A100 can start.", "Ask for more.",
            id="quota", ask_admin="Please raise the quota NCADSA100v4 in eastus to 24 cores.",
            link="https://portal.example/quota",
        )  # fmt: skip
        region = Check("Region", True, "East US", id="region")
        tracking = Check("Tracking", False, "No address yet.", "It comes with the first run.", is_warning=True)
        return [region, *found, quota, tracking]

    def make(self, missing: str) -> None:
        self.missing.pop(missing, None)

    def fix_all(self) -> Operation:
        return self.ongoing.begin("fix", "Fix all", self.missing.clear, steps=len(self.missing))

    def operations(self) -> Sequence[Operation]:
        return sorted(self.ongoing.all.values(), key=lambda one: one.started_at, reverse=True)

    def resume(self) -> None: ...

    def retry(self, operation_id: str) -> Operation:
        return self.ongoing.retry(operation_id)

    def dismiss(self, operation_id: str) -> None:
        self.ongoing.all.pop(operation_id, None)

    def export(self) -> str:
        return "".join(f"{name}: {value}\n" for name, value in self.chosen.items())

    def apply(self, text: str) -> Operation:
        if ":" not in text:
            raise BadInput("Line 1 is no setting.", how_to_fix="Write name: value.", code="bad_setup_file")
        self.applied.append(text)
        return self.ongoing.begin("apply", "Set up from a file", lambda: None)

"""Our own long work on endpoints: what goes on, and what failed. One at a time works on an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.azure.deployments import DELETE, DEPLOY, START, STOP
from backend.azure.endpoint_facts import back_tag, hosting_of
from backend.azure.endpoint_state import Work
from backend.azure.operations import Operations
from backend.domain import Deployment, EndpointState, Hosting
from backend.domain_setup import Operation, OperationState
from backend.errors import Conflict
from backend.i18n import _


@dataclass(frozen=True)
class LongWork:
    """An unfinished or failed operation of ours on an endpoint."""

    operation: Operation
    endpoint: str
    arguments: Mapping[str, Any]

    @property
    def is_running(self) -> bool:
        return self.operation.state is OperationState.RUNNING

    @property
    def is_deploying(self) -> bool:
        return self.is_running and self.operation.kind == DEPLOY

    def wishes(self, ref: str, deployment: str, hosting: Hosting) -> bool:
        """Whether this is what is asked for once more, as by a second click."""
        same = replace(hosting_of(self.arguments["hosting"]), expires_at=None) == replace(hosting, expires_at=None)
        return self.arguments["model"] == ref and same and deployment in {"", self.arguments["deployment"]}

    def back_tag(self) -> dict[str, str]:
        """The tag that brings back what was only about to be deployed."""
        hosting = hosting_of(self.arguments["hosting"])
        percent = 100 if hosting.takes_traffic else 0
        return back_tag(self.arguments["deployment"], self.arguments["model"], hosting, percent)

    def failed_deployment(self) -> Deployment | None:
        """What was refused, though nothing of it is left at Azure."""
        failure = self.operation.failure
        if self.operation.kind != DEPLOY or failure is None:
            return None
        hosting = replace(hosting_of(self.arguments["hosting"]), takes_traffic=False)
        name, model = self.arguments["deployment"], self.arguments["model"]
        return Deployment(name, model, 0, EndpointState.FAILED, hosting, failure.what, failure)

    def as_work(self) -> Work:
        kind = {DEPLOY: "deploy", START: "deploy", STOP: "stop", DELETE: "delete"}[self.operation.kind]
        return Work(kind, self.operation.detail or self.operation.title, self.operation.failure)


def find_works(operations: Operations, workspace: str, endpoint: str = "") -> Sequence[LongWork]:
    """In this workspace, newest first."""
    return [
        LongWork(operation, str(arguments["endpoint"]), arguments)
        for operation, arguments in operations.not_done(DEPLOY, START, STOP, DELETE)
        if arguments["workspace"] == workspace and endpoint in ("", arguments["endpoint"])
    ]


def place_of(arguments: Mapping[str, Any]) -> str:
    """Where an operation of ours works: the endpoint, which Azure lets change once at a time."""
    return f"{arguments['workspace']}/onlineEndpoints/{arguments['endpoint']}"


def goes_on(works: Sequence[LongWork], *kinds: str) -> bool:
    return any(work.is_running and work.operation.kind in kinds for work in works)


def refuse_while(works: Sequence[LongWork], *kinds: str) -> None:
    """Raises Conflict for what can't be done beside such work."""
    for work in works:
        if work.is_running and work.operation.kind in kinds:
            raise Conflict(
                _("The endpoint {name} is busy.").format(name=work.endpoint),
                why=f"{work.operation.title}. {work.operation.detail}".strip(),
                how_to_fix=_("Wait until that has ended, then try again."),
                code="endpoint_busy",
            )


def wished_contract(works: Sequence[LongWork]) -> str:
    """Of an endpoint without deployments: the contract that the one on its way will have."""
    return next((str(work.arguments["contract"]) for work in works if work.operation.kind == DEPLOY), "mlflow")

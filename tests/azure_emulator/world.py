"""The state of the emulated cloud. One lock guards it; time can be moved."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.azure_emulator.faults import Faults

if TYPE_CHECKING:
    from tests.azure_emulator.azurite import Storage
    from tests.azure_emulator.jobs import JobRunner
    from tests.azure_emulator.login import Login
    from tests.azure_emulator.mlflow_tracking import MlflowTracking

TENANT = "22222222-2222-2222-2222-222222222222"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
SECOND_SUBSCRIPTION = "11111111-1111-1111-1111-000000000002"
SUBSCRIPTIONS = {SUBSCRIPTION: "Contoso pay-as-you-go", SECOND_SUBSCRIPTION: "Contoso benefit"}
GROUP = "phi-rg"
WORKSPACE = "phi-ws"
REGION = "eastus"
USER = "ada@contoso.example"
USER_ID = "00000000-0000-0000-0000-00000000ada0"
CLIENT_ID = "44444444-4444-4444-4444-444444444444"
CLIENT_SECRET = "the-emulator's-client-secret"
WORKSPACE_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices"
    f"/workspaces/{WORKSPACE}"
)
OPERATION_SECONDS = 0.05


@dataclass
class Operation:
    """A long-running operation: it ends by time, asked about or not, and then `apply` changes the world."""

    id: str
    path: str
    due: float
    apply: Callable[[], None]
    error: dict[str, Any] | None = None
    started: float = 0.0
    done: bool = False

    @property
    def status(self) -> str:
        return "InProgress" if not self.done else "Failed" if self.error else "Succeeded"

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": self.path,
            "name": self.id,
            "status": self.status,
            "startTime": utc(self.started),
            "percentComplete": 100.0 if self.done else 0.0,
        }
        if self.done:
            body["endTime"] = utc(self.due)
        return body | ({"error": self.error} if self.done and self.error else {})


def utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}Z"


@dataclass
class World:
    """Everything that the emulated cloud remembers. `arm` holds resources by their lower-cased path."""

    empty: bool = False  # only the subscriptions: no group, no workspace
    folder: Path | None = None  # for jobs and servers that really run
    azurite: Storage | None = None
    faults: Faults = field(default_factory=Faults)
    lock: threading.RLock = field(default_factory=threading.RLock)
    arm: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)  # state of one handler module, by its name
    environment: dict[str, str] = field(default_factory=dict)  # of child processes: the way to this emulator
    clock_offset: float = 0.0
    closing: list[Callable[[], None]] = field(default_factory=list)  # called at the end, last first

    login: Login = field(init=False)
    jobs: JobRunner = field(init=False)
    mlflow: MlflowTracking = field(init=False)

    def __post_init__(self) -> None:
        from tests.azure_emulator import defaults, jobs, login, mlflow_tracking

        self.login = login.Login(self)
        self.jobs = jobs.JobRunner(self)
        self.mlflow = mlflow_tracking.MlflowTracking(self)
        defaults.furnish(self)

    def now(self) -> float:
        return time.time() + self.clock_offset

    def advance(self, seconds: float) -> None:
        """Move the cloud's clock: tokens expire, slow operations end."""
        self.clock_offset += seconds

    def settle(self) -> None:
        """Let the operations end that are due."""
        with self.lock:
            for operation in list(self.operations.values()):
                if not operation.done and operation.due <= self.now():
                    operation.done = True
                    operation.apply()

    def begin(
        self,
        path: str,
        apply: Callable[[], None] = lambda: None,
        *,
        error: dict[str, Any] | None = None,
        seconds: float = OPERATION_SECONDS,
    ) -> Operation:
        """Start an operation that is asked about at `path` + "/" + its id."""
        name = str(uuid.uuid4())
        with self.lock:
            now = self.now()
            operation = Operation(name, f"{path}/{name}", now + seconds, apply, error, now)
            self.operations[operation.path.lower()] = operation
        return operation

    def get(self, path: str) -> dict[str, Any] | None:
        with self.lock:
            self.settle()
            return self.arm.get(path.lower().rstrip("/"))

    def close(self) -> None:
        self.faults.clear()
        while self.closing:
            self.closing.pop()()

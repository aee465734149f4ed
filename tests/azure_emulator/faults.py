"""What goes wrong on purpose: at the wire (statuses, drops, hangs) and inside the service (quota, builds, probes)."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from tests.azure_emulator.wire import Reply, Request, error

# At the wire: an HTTP status as text, or one of these. "drop" and "hang" come before the request is worked on;
# "drop_reply" and "hang_reply" after it: the service did the work, the client never hears of it.
CONNECTION_KINDS = ("drop", "hang", "drop_reply", "hang_reply")

# Inside the service; the handler of the matching request asks for it.
SERVICE_KINDS = (
    "compute_quota",  # PUT computes: the operation fails with ClusterCoreQuotaReached
    "out_of_quota",  # PUT deployments: the operation fails with OutOfQuota
    "probe_failed",  # PUT deployments: the operation fails, the container never becomes healthy
    "image_build",  # PUT jobs or deployments: the environment's image can not be built
    "job_failed",  # PUT jobs: the service ends the job (message)
    "deployment_failed",  # PUT Microsoft.Resources/deployments: makes all but the last, then fails (code, message)
    "slow",  # any PUT/DELETE/POST with an operation: it lasts `seconds` by the world's clock
)

CODES = {
    400: ("BadRequest", "The request is invalid."),
    401: ("InvalidAuthenticationToken", "The access token is invalid."),
    403: (
        "AuthorizationFailed",
        "The client 'ada@contoso.example' with object id '00000000-0000-0000-0000-00000000ada0' does not have "
        "authorization to perform action '{action}' over scope '{path}' or the scope is invalid. If access was "
        "recently granted, please refresh your credentials.",
    ),
    404: ("ResourceNotFound", "The Resource '{path}' was not found."),
    409: ("Conflict", "Another operation is in progress on the resource."),
    429: ("TooManyRequests", "The request was throttled."),
    500: ("InternalServerError", "The server ran into an unexpected condition."),
    503: ("ServiceUnavailable", "The service is unavailable now."),
}
WORDS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}


@dataclass
class Fault:
    kind: str
    host: str = ".*"
    method: str = ".*"
    path: str = ".*"
    times: int = 1  # -1: until clear()
    code: str = ""
    message: str = ""
    retry_after: float | None = None
    seconds: float = 3600.0  # of "slow"
    body: str = ""  # only requests whose body has this regex
    hits: int = 0

    def matches(self, request: Request) -> bool:
        return bool(
            self.times
            and re.fullmatch(self.host, request.host, re.I)
            and re.fullmatch(self.method, request.method, re.I)
            and re.search(self.path, request.path, re.I)
            and (not self.body or re.search(self.body, request.body.decode(errors="replace")))
        )

    def reply(self, request: Request) -> Reply:
        status = int(self.kind)
        code, message = CODES[status]
        kind = re.findall(r"/providers/([^/]+)((?:/[^/]+/[^/]+)*)(?:/[^/]+)?/?$", request.path)
        types = "/".join([kind[0][0], *kind[0][1].split("/")[1::2]]) if kind else "Microsoft.Resources"
        message = (self.message or message).format(path=request.path, action=f"{types}/{WORDS[request.method]}")
        headers = {} if self.retry_after is None else {"Retry_After": f"{self.retry_after:g}"}
        if status == 401:
            headers["WWW_Authenticate"] = f'Bearer error="invalid_token", error_description="{message}"'
        return error(status, self.code or code, message, **headers)


@dataclass
class Faults:
    plan: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, kind: str | int, path: str = ".*", **details: object) -> Fault:
        """Plan a fault; `times=1` by default, so that the try after it succeeds."""
        fault = Fault(str(kind), path=path, **details)  # type: ignore[arg-type]
        if fault.kind not in CONNECTION_KINDS + SERVICE_KINDS and int(fault.kind) not in CODES:
            raise ValueError(f"no such fault: {kind}")
        with self._lock:
            self.plan.append(fault)
        return fault

    def clear(self) -> None:
        """Forget the plan and let go of what hangs."""
        with self._lock:
            self.plan.clear()
        self.release()

    def release(self) -> None:
        released, self.released = self.released, threading.Event()
        released.set()

    def take_wire(self, request: Request) -> Fault | None:
        return self._take(request, lambda kind: kind not in SERVICE_KINDS)

    def take(self, kind: str, request: Request) -> Fault | None:
        """The planned fault of this kind for this request, used up by asking."""
        return self._take(request, lambda planned: planned == kind)

    def _take(self, request: Request, wanted: object) -> Fault | None:
        with self._lock:
            for fault in self.plan:
                if wanted(fault.kind) and fault.matches(request):  # type: ignore[operator]
                    fault.times -= 1 if fault.times > 0 else 0
                    fault.hits += 1
                    return fault
        return None

"""How Azure is spoken to: every call has a timeout and an id in the log, and waiting has jitter. Import it lazily."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport

log = logging.getLogger("phidesk.azure")

CONNECT_SECONDS = 10
RETRIES: dict[str, Any] = {
    "retry_total": 4,
    "retry_connect": 3,
    "retry_read": 1,
    "retry_status": 3,
    "retry_backoff_factor": 0.5,
}
"""azure-core retries what did not reach the service, and else only what may be repeated: not a POST, except where
the service itself says when to come back."""

CORRELATION = "x-ms-client-request-id"


class LoggedTransport(RequestsTransport):
    """One connection pool for all of an account's clients, so closing one of them leaves it open."""

    def __init__(self, read_seconds: float, on_unauthorized: Callable[[], None] = lambda: None) -> None:
        super().__init__(connection_timeout=CONNECT_SECONDS, read_timeout=read_seconds)
        self.on_unauthorized = on_unauthorized
        self.is_stopped = False

    def send(self, request: Any, *, proxies: Any = None, **kwargs: Any) -> Any:
        if self.is_stopped:
            raise AzureError("Stopped by the person.")
        number = request.headers.setdefault(CORRELATION, str(uuid.uuid4()))
        address = urlsplit(request.url)
        what = f"{request.method} {address.hostname}{address.path}"  # the query may hold a signature
        begun = time.monotonic()
        try:
            response = super().send(request, proxies=proxies, **kwargs)
        except AzureError as error:
            log.warning(
                "%s: %s after %.1f s, correlation %s", what, type(error).__name__, time.monotonic() - begun, number
            )
            raise
        level = logging.INFO if response.status_code < 400 or response.status_code == 404 else logging.WARNING
        log.log(
            level,
            "%s: %d in %.1f s, correlation %s, request %s",
            what,
            response.status_code,
            time.monotonic() - begun,
            number,
            response.headers.get("x-ms-request-id", "-"),
        )
        # With a claims challenge the sign-in is asked for a stronger token first, and that may be given.
        if response.status_code == 401 and "claims=" not in response.headers.get("WWW-Authenticate", ""):
            self.on_unauthorized()
        return response

    def sleep(self, duration: float) -> None:
        """Called between retries and polls. The jitter keeps many clients from coming back at once."""
        time.sleep(duration * random.uniform(1.0, 1.25))  # noqa: S311

    def close(self) -> None:
        return

    def __exit__(self, *args: object) -> None:
        return

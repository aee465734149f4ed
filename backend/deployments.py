"""Endpoints: a registered model made to answer, over the target."""

from __future__ import annotations

import time
from collections.abc import Sequence

from backend.dataset_files import slug
from backend.domain import Endpoint, EndpointState, LogChunk
from backend.errors import JobFailed, Unavailable
from backend.i18n import _
from backend.target import Target

POLL_SECONDS = 0.3
LONGEST_NAME = 32


class Deployments:
    def __init__(self, target: Target) -> None:
        self.target = target

    def create(self, name: str, model: str) -> Endpoint:
        """Create (or take) the endpoint and deploy the model to it; returns at once.

        `model` is a registry ref or a base model's id; an empty name becomes `name_for(model)`.
        """
        endpoint = self.target.endpoints.create(name.strip() or self.name_for(model))
        return self.target.endpoints.deploy(endpoint.name, model)

    def name_for(self, model: str) -> str:
        """An endpoint name (3 to 32 of a-z, 0-9, hyphen) made of a model's ref: `my-phi:2` gives `my-phi-2`.

        The version stays whole when the name is cut.
        """
        name, colon, version = model.rpartition(":")
        if not colon or not version.isdigit():
            name, version = model.rstrip("/").split("/")[-1], ""
        ending = f"-{version[:8]}" if version else ""
        made = slug(name, LONGEST_NAME - len(ending)) + ending
        return made if len(made) >= 3 else f"phi-{made}"

    def wait_until_answering(self, name: str, timeout: float = 120) -> Endpoint:
        """Raises JobFailed with the endpoint's own reason, or Unavailable at the deadline."""
        deadline = time.monotonic() + timeout
        while True:
            endpoint = self.get(name)
            if endpoint.state is EndpointState.RUNNING:
                return endpoint
            if endpoint.state is EndpointState.FAILED:
                failure = endpoint.failure
                raise JobFailed(
                    failure.what if failure else _("The endpoint {name} failed.").format(name=name),
                    why=failure.why if failure else endpoint.detail,
                    how_to_fix=failure.how_to_fix if failure else _("See its log."),
                    code=failure.code if failure else "endpoint_failed",
                    raw=failure.raw if failure else "",
                )
            if time.monotonic() > deadline:
                raise Unavailable(
                    _("The endpoint {name} does not answer after {seconds:g} s.").format(name=name, seconds=timeout),
                    why=endpoint.detail,
                    how_to_fix=_("See its log; it may still be loading the model."),
                    code="endpoint_too_slow",
                )
            time.sleep(POLL_SECONDS)

    def start(self, name: str) -> Endpoint:
        return self.target.endpoints.start(name)

    def stop(self, name: str) -> Endpoint:
        return self.target.endpoints.stop(name)

    def delete(self, name: str) -> None:
        self.target.endpoints.delete(name)

    def list(self) -> Sequence[Endpoint]:
        return self.target.endpoints.list()

    def get(self, name: str) -> Endpoint:
        return self.target.endpoints.get(name)

    def logs(self, name: str, since: int | None = None) -> LogChunk:
        return self.target.endpoints.logs(name, since)

    def key(self, name: str) -> str:
        return self.target.endpoints.key(name)

"""Endpoints: a registered model made to answer, over the target."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from backend import commands
from backend.domain import DEFAULT_HOSTING, Endpoint, EndpointState, Hosting, LogChunk
from backend.domain_setup import CodeFile
from backend.errors import BadInput, JobFailed, Unavailable
from backend.i18n import _
from backend.studio.dataset_folder import slug
from backend.target import Target

POLL_SECONDS = 0.3
LONGEST_NAME = 32
MOST_INSTANCES = 20
LONGEST_HOURS = 24 * 365


class Deployments:
    def __init__(self, target: Target) -> None:
        self.target = target

    def create(self, name: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING) -> Endpoint:
        """Create (or take) the endpoint and deploy the model to it; returns at once.

        `model` is a registry ref or a base model's id; an empty name becomes `name_for(model)`. Raises NotFound or
        BadInput for a model or a hosting that can't be; then there is no new endpoint.
        """
        _check_hosting(hosting)
        self.target.endpoints.check(model, hosting)
        endpoint = self.target.endpoints.create(name.strip() or self.name_for(model))
        return self.target.endpoints.deploy(endpoint.name, model, deployment, hosting)

    def as_code(self, name: str, model: str, hosting: Hosting = DEFAULT_HOSTING) -> Sequence[CodeFile]:
        """The same as a command line, and as files in the target's own language."""
        name = name.strip() or self.name_for(model)
        return [commands.deploy_command(name, model, hosting), *self.target.endpoints.as_code(name, model, hosting)]

    def set_traffic(self, name: str, percent: Mapping[str, int]) -> Endpoint:
        """Shares of deployments, 100 in all. Raises BadInput, Conflict for one that is not ready."""
        if sum(percent.values()) != 100 or not all(0 <= share <= 100 for share in percent.values()):
            raise BadInput(
                _("The shares of traffic add up to {sum}; they must make 100.").format(sum=sum(percent.values())),
                how_to_fix=_("Give each deployment 0 to 100 percent, 100 in all."),
                code="bad_traffic",
            )
        return self.target.endpoints.set_traffic(name, percent)

    def test(self, name: str, deployment: str, question: str) -> str:
        """One answer by one deployment, whatever its traffic."""
        if not question.strip():
            raise BadInput(_("The question is empty."), how_to_fix=_("Write one."), code="empty_question")
        return self.target.endpoints.test(name, deployment, question.strip())

    def remove_deployment(self, name: str, deployment: str) -> Endpoint:
        return self.target.endpoints.remove_deployment(name, deployment)

    def set_expiry(self, name: str, hours: float | None) -> Endpoint:
        """Due to be deleted so many hours from now; None means never."""
        if hours is not None and not 0 < hours <= LONGEST_HOURS:
            raise BadInput(
                _("{hours:g} hours is no time to keep an endpoint.").format(hours=hours),
                how_to_fix=_("Use more than 0 and at most {most}.").format(most=LONGEST_HOURS),
                code="bad_expiry",
            )
        expires_at = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
        return self.target.endpoints.set_expiry(name, expires_at)

    def due(self) -> Sequence[Endpoint]:
        """Endpoints that are past their time and still there."""
        now = datetime.now(UTC)
        return [one for one in self.list() if one.expires_at is not None and one.expires_at <= now]

    def renew_key(self, name: str) -> None:
        self.target.endpoints.renew_key(name)

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
                if endpoint.failure:
                    raise JobFailed.of(endpoint.failure)
                raise JobFailed(
                    _("The endpoint {name} failed.").format(name=name),
                    why=endpoint.detail,
                    how_to_fix=_("See its log."),
                    code="endpoint_failed",
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


def _check_hosting(hosting: Hosting) -> None:
    if not 1 <= hosting.instances <= MOST_INSTANCES or not hosting.max_instances <= MOST_INSTANCES:
        raise BadInput(
            _("{n} machines is not possible.").format(n=max(hosting.instances, hosting.max_instances)),
            how_to_fix=_("Use 1 to {most}.").format(most=MOST_INSTANCES),
            code="bad_instances",
        )

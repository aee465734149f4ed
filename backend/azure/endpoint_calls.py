"""What is asked of Azure about endpoints: read as plain facts, written through the SDK, patient while it is busy."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.waiting import Stop, finish, go_on, pauses
from backend.errors import Conflict, NotFound, PhiDeskError, Unavailable
from backend.i18n import _

VERSION = "2023-04-01-preview"
AUTOSCALE_VERSION = "2022-10-01"
BUSY_SECONDS = 30
"""How long a person waits while Azure is busy with another change of the endpoint."""
LONGEST_CHANGE = 3600
AT_ONCE = 8
"""Endpoints whose deployments are asked for at the same time."""

Resource = dict[str, Any]

PASSING = frozenset({"offline", "connection_broke", "azure_timeout", "azure_down", "too_many_requests"})
"""Codes of errors after which nobody knows whether Azure did it, and asking again tells."""


class EndpointCalls:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def workspace(self) -> str:
        return self.connection.workspace_path()

    def path(self, endpoint: str, deployment: str = "") -> str:
        below = f"/deployments/{deployment}" if deployment else ""
        return f"{self.workspace}/onlineEndpoints/{endpoint}{below}"

    def all(self) -> list[Resource]:
        with in_words(_("Listing the endpoints")):
            return self.connection.arm_list(f"{self.workspace}/onlineEndpoints", VERSION)

    def find(self, endpoint: str, deployment: str = "") -> Resource | None:
        with in_words(_("Looking up the endpoint {name}").format(name=endpoint)):
            found = self.connection.find(self.path(endpoint, deployment), VERSION)
        if found is None:
            self.connection.workspace()  # a missing workspace is another matter, and is said
        return found

    def existing(self, endpoint: str) -> Resource:
        """Raises NotFound."""
        found = self.find(endpoint)
        if found is None:
            raise NotFound(
                _("There is no endpoint {name} in this workspace.").format(name=endpoint),
                how_to_fix=_("See the list on the Deploy page; it may have been deleted elsewhere."),
                code="no_endpoint",
            )
        return found

    def deployments(self, endpoint: str) -> list[Resource]:
        """Empty for an endpoint that is gone."""
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Listing the deployments of {name}").format(name=endpoint)):
            try:
                return self.connection.arm_list(f"{self.path(endpoint)}/deployments", VERSION)
            except ResourceNotFoundError:
                return []

    def all_with_deployments(self) -> list[tuple[Resource, list[Resource]]]:
        endpoints = self.all()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(
                zip(endpoints, pool.map(lambda one: self.deployments(str(one["name"])), endpoints), strict=True)
            )

    def keys(self, endpoint: str) -> str:
        with in_words(_("Reading the key of {name}").format(name=endpoint)):
            found: Any = self.connection.ml().online_endpoints.get_keys(endpoint)
        return str(getattr(found, "primary_key", None) or getattr(found, "access_token", ""))

    def renew_keys(self, endpoint: str) -> None:
        with in_words(_("Making a new key for {name}").format(name=endpoint)):
            finish(self.connection.ml().online_endpoints.begin_regenerate_keys(endpoint, key_type="primary"))

    def begin(self, document: Mapping[str, Any]) -> Any:
        """Create an endpoint of a document; the SDK's poller."""
        from azure.ai.ml import load_online_endpoint

        with in_words(_("Creating the endpoint {name}").format(name=document["name"])):
            entity = load_online_endpoint(source=io.StringIO(yaml.safe_dump(self._signed(document))))
            return self.connection.ml().online_endpoints.begin_create_or_update(entity)

    def _signed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {**document, "tags": document["tags"] | self.connection.by()}

    def change(
        self,
        endpoint: str,
        change: Callable[[dict[str, int], dict[str, str]], None],
        *,
        seconds: float = BUSY_SECONDS,
        stop: Stop = go_on,
    ) -> None:
        """Read traffic and tags, let `change` alter them, write them back, and wait until it holds.

        Azure allows one change of an endpoint at a time, and it may be someone else's.
        """

        def write() -> None:
            with in_words(_("Changing the endpoint {name}").format(name=endpoint)):
                ml = self.connection.ml()
                entity = ml.online_endpoints.get(endpoint)
                traffic = {name: int(share) for name, share in (entity.traffic or {}).items() if int(share)}
                tags = dict(entity.tags or {})
                before = (dict(traffic), dict(tags))
                change(traffic, tags)
                if (traffic, tags) == before:
                    return
                entity.traffic, entity.tags = traffic, tags
                finish(ml.online_endpoints.begin_create_or_update(entity), stop)

        while_busy(write, seconds, stop)

    def begin_deployment(self, document: Mapping[str, Any]) -> Any:
        from azure.ai.ml import load_online_deployment

        _no_dots()
        with in_words(_("Deploying {name}").format(name=document["name"])):
            entity = load_online_deployment(source=io.StringIO(yaml.safe_dump(self._signed(document))))
            return self.connection.ml().online_deployments.begin_create_or_update(entity)

    def begin_delete(
        self, endpoint: str, deployment: str = "", *, seconds: float = BUSY_SECONDS, stop: Stop = go_on
    ) -> None:
        """Ask for it and do not wait; gone already is fine. Its rules for scaling go first."""
        for name in [deployment] if deployment else [each["name"] for each in self.deployments(endpoint)]:
            self.delete_autoscale(endpoint, name)

        def ask() -> None:
            from azure.core.exceptions import ResourceNotFoundError

            with in_words(_("Removing {name}").format(name=deployment or endpoint)):
                try:
                    self.connection.arm("DELETE", self.path(endpoint, deployment), VERSION)
                except ResourceNotFoundError:
                    return

        while_busy(ask, seconds, stop)

    def delete(self, endpoint: str, deployment: str = "", *, seconds: float = BUSY_SECONDS, stop: Stop = go_on) -> None:
        """Until it is gone."""
        self.begin_delete(endpoint, deployment, seconds=seconds, stop=stop)
        deadline = time.monotonic() + LONGEST_CHANGE
        for pause in pauses():
            try:
                found = self.find(endpoint, deployment)
            except Unavailable as error:
                if not is_passing(error):
                    raise
                found = {}
            if found is None:
                return
            state = (found.get("properties") or {}).get("provisioningState", "Deleting")
            if state != "Deleting":  # the delete ended without success
                self.begin_delete(endpoint, deployment, seconds=seconds, stop=stop)
            if time.monotonic() > deadline:
                raise Unavailable(
                    _("{name} is still there.").format(name=deployment or endpoint),
                    why=_("Azure did not remove it within an hour."),
                    how_to_fix=_("Try again."),
                    code="still_there",
                )
            stop()
            time.sleep(pause)

    def shown_log(self, endpoint: str, deployment: str, lines: int, container: str = "inference-server") -> str:
        """What Azure shows of a container's log now; empty while there is none."""
        with in_words(_("Reading the log of {name}").format(name=deployment)):
            found = self.connection.ml().online_deployments.get_logs(
                deployment, endpoint, lines, container_type=container
            )
        return str(found or "")

    def put_autoscale(self, endpoint: str, deployment: str, document: Mapping[str, Any]) -> None:
        with in_words(_("Setting the bounds of {name}").format(name=deployment)):
            path = self._autoscale_path(endpoint, deployment)
            self.connection.arm("PUT", path, AUTOSCALE_VERSION, self._signed(document))

    def delete_autoscale(self, endpoint: str, deployment: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Removing the bounds of {name}").format(name=deployment)):
            try:
                self.connection.arm("DELETE", self._autoscale_path(endpoint, deployment), AUTOSCALE_VERSION)
            except ResourceNotFoundError:
                return

    def _autoscale_path(self, endpoint: str, deployment: str) -> str:
        name = autoscale_name(endpoint, deployment)
        return f"{self.connection.group_path()}/providers/Microsoft.Insights/autoscaleSettings/{name}"


def autoscale_name(endpoint: str, deployment: str) -> str:
    return f"phidesk-{endpoint}-{deployment}"


def while_busy(do: Callable[[], None], seconds: float, stop: Stop = go_on) -> None:
    """Do it, again and again while Azure says that something else goes on there. Raises Conflict at the end."""
    deadline = time.monotonic() + seconds
    for pause in pauses():
        try:
            return do()
        except Conflict as error:
            if error.code != "azure_conflict" or time.monotonic() + pause > deadline:
                raise
        stop()
        time.sleep(pause)


def is_passing(error: PhiDeskError) -> bool:
    return error.code in PASSING


def _no_dots() -> None:
    """The SDK prints a dot to the standard output for each poll of a deployment, in the midst of our `--json`."""
    from azure.ai.ml._utils import _azureml_polling

    _azureml_polling.print = lambda *args, **kwargs: None  # type: ignore[attr-defined]

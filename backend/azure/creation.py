"""Creates what a workspace needs, as operations: each looks first what is there already, so that nothing is made twice.

azure-ai-ml makes a workspace by an ARM deployment whose name ends in a random number, on a storage account, key vault
and insights with random names. After a kill the deployment is found by its prefix; what a failed one left is found by
its tags and used again.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from backend.azure.connection import WORKSPACE_VERSION, Connection
from backend.azure.errors import in_words, refusal
from backend.azure.listings import DEPENDENTS, GROUPS_VERSION, ML, Listings
from backend.azure.operations import Operations, Report
from backend.azure.tags import OWNER
from backend.domain_setup import Operation
from backend.errors import Conflict, NotFound, Unavailable
from backend.i18n import _

DEPLOYMENTS_VERSION = "2020-06-01"
LONGEST_SECONDS = 3600
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between looks at what Azure does; the last one goes on."""
KINDS = ("resource_group", "workspace", "hub", "project")
STEPS = {"resource_group": 1, "workspace": 3, "hub": 3, "project": 3}
_WORKING = ("accepted", "running", "creating", "updating", "notspecified", "ready", "created")


@dataclass(frozen=True)
class Wanted:
    """What is to be made. ARM ids in `parts` are of existing dependents; missing ones are made."""

    kind: str
    subscription: str
    group: str
    name: str
    region: str
    hub: str = ""
    parts: Mapping[str, str] | None = None

    @property
    def group_path(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def path(self) -> str:
        return f"{self.group_path}/providers/{ML}/workspaces/{self.name}"

    @property
    def title(self) -> str:
        words = {
            "resource_group": _("Making the resource group {name}"),
            "workspace": _("Making the workspace {name}"),
            "hub": _("Making the hub {name}"),
            "project": _("Making the project {name}"),
        }
        return words[self.kind].format(name=self.name)


class _Asking(threading.Thread):
    """A call to Azure that may outlast our patience; no process waits for it at its end."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__(daemon=True, name="phidesk-deployment")
        self._ask = ask
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001  it is raised again in the thread that waits
            self.failure = error


class Creation:
    def __init__(self, connection: Connection, operations: Operations, listings: Listings) -> None:
        self.connection = connection
        self.operations = operations
        self.listings = listings
        self._asking: dict[str, _Asking] = {}
        for kind in KINDS:
            operations.handler(f"create_{kind}", self._work)

    def start(self, wanted: Wanted) -> Operation:
        return self.operations.start(
            f"create_{wanted.kind}", wanted.path, wanted.title, _arguments(wanted), STEPS[wanted.kind]
        )

    def made(self, wanted: Wanted) -> Operation | None:
        """What makes or made the very same thing from here, if anything did."""
        found = self.operations.find(f"create_{wanted.kind}", wanted.path)
        if found is None or found.failure or self.operations.arguments(found.id) != _arguments(wanted):
            return None
        return found

    def _work(self, arguments: Mapping[str, Any], report: Report) -> None:
        wanted = Wanted(**arguments)
        self.make(wanted, report)
        self._choose(wanted)

    def make(self, wanted: Wanted, report: Report) -> None:
        """Until it is there. There already is fine."""
        if wanted.kind == "resource_group":
            report(0, wanted.title)
            self._make_group(wanted)
        else:
            self._make_workspace(wanted, report)
        self.listings.forget()

    def _make_group(self, wanted: Wanted) -> None:
        with in_words(wanted.title):
            if self.connection.find(wanted.group_path, GROUPS_VERSION) is None:
                body = {"location": wanted.region, "tags": self.connection.marked("resource_group")}
                self.connection.arm("PUT", wanted.group_path, GROUPS_VERSION, body)

    def _make_workspace(self, wanted: Wanted, report: Report) -> None:
        with in_words(wanted.title):
            report(0, _("Looking what is there already"))
            found = self.connection.find(wanted.path, WORKSPACE_VERSION)
            deployment = self._running_deployment(wanted)
            if found is None and deployment is None:
                report(0, _("Asking Azure for it"))
                self._begin(wanted, report)
                deployment = self._newest_deployment(wanted)
            if deployment is not None:
                self._await_deployment(wanted, deployment, report)
            report(2, _("Waiting until it is ready"))
            self._await_workspace(wanted, report)

    def _begin(self, wanted: Wanted, report: Report) -> None:
        from azure.ai.ml.entities import Hub, Project, Workspace

        # it writes a line with a portal's address to the terminal
        logging.getLogger("azure.ai.ml._arm_deployments.arm_deployment_executor").setLevel(logging.WARNING)
        ml = self.connection.ml_of(wanted.subscription, wanted.group)
        tags = self.connection.marked(wanted.kind, owner=wanted.name, operation=report.id)
        common: dict[str, Any] = {
            "name": wanted.name,
            "location": wanted.region,
            "resource_group": wanted.group,
            "tags": tags,
        }
        parts: dict[str, Any] = self._parts_left(wanted) | {name: id for name, id in (wanted.parts or {}).items() if id}
        if wanted.kind == "project":
            entity: Workspace = Project(hub_id=wanted.hub, **common)
        elif wanted.kind == "hub":
            entity = Hub(**common, **parts)
        else:
            entity = Workspace(**common, **parts)
        self._within(lambda: ml.workspaces.begin_create(entity), wanted, report)

    def _within(self, ask: Callable[[], object], wanted: Wanted, report: Report) -> None:
        """For a call whose client azure-ai-ml makes itself, with a timeout of five minutes, tried four times.

        One that was given up may still get through, so the next try waits for it and makes no second.
        """
        before = {one["name"] for one in self._deployments(wanted)}
        asking = self._asking.get(wanted.path)
        if asking is None or not asking.is_alive():
            asking = self._asking[wanted.path] = _Asking(ask)
            asking.start()
        deadline = time.monotonic() + 2 * self.connection.settings.azure_timeout_seconds
        while asking.is_alive():
            asking.join(PAUSES[0])
            report.check_stop()
            if time.monotonic() > deadline:
                if {one["name"] for one in self._deployments(wanted)} - before:
                    return  # Azure heard us, only its answer was lost
                raise Unavailable(
                    _("{doing} failed.").format(doing=wanted.title),
                    why=_("Azure did not answer in time."),
                    how_to_fix=_("Check the network and any proxy, then try again."),
                    code="azure_timeout",
                )
        if asking.failure:
            raise asking.failure

    def _parts_left(self, wanted: Wanted) -> dict[str, str]:
        """What an earlier deployment of the same workspace made before it failed."""
        if wanted.kind == "project":
            return {}
        path = f"{wanted.group_path}/resources?$filter=tagName eq '{OWNER}' and tagValue eq '{wanted.name}'"
        found = self.connection.arm_list(path, GROUPS_VERSION)
        fields = {kind.lower(): field for field, kind in DEPENDENTS.items()}
        return {fields[one["type"].lower()]: one["id"] for one in found if one["type"].lower() in fields}

    def _deployments(self, wanted: Wanted) -> list[dict[str, Any]]:
        """The deployments that azure-ai-ml began for this name, newest first."""
        path = f"{wanted.group_path}/providers/Microsoft.Resources/deployments/"
        ours = re.compile(rf"{re.escape(wanted.name)}-\d+", re.IGNORECASE)
        found = [one for one in self.connection.arm_list(path, DEPLOYMENTS_VERSION) if ours.fullmatch(one["name"])]
        return sorted(found, key=lambda one: str(one["properties"].get("timestamp") or ""), reverse=True)

    def _running_deployment(self, wanted: Wanted) -> dict[str, Any] | None:
        return next((one for one in self._deployments(wanted) if _state(one) in _WORKING), None)

    def _newest_deployment(self, wanted: Wanted) -> dict[str, Any] | None:
        return next(iter(self._deployments(wanted)), None)

    def _await_deployment(self, wanted: Wanted, deployment: dict[str, Any], report: Report) -> None:
        path = f"{wanted.group_path}/providers/Microsoft.Resources/deployments/{deployment['name']}"

        def has_ended() -> bool:
            nonlocal deployment
            deployment = self.connection.arm("GET", path, DEPLOYMENTS_VERSION)
            if _state(deployment) in _WORKING:
                report(1, self._progress(path))
                return False
            return True

        _wait(has_ended, report, wanted.title)
        if _state(deployment) != "succeeded":
            error = deployment["properties"].get("error") or self._first_error(path)
            raise refusal(error or {"message": _state(deployment)}, wanted.title)

    def _progress(self, path: str) -> str:
        """What Azure makes now, in words: `2 of 5 made; now: storage account`."""
        done, now = 0, []
        rows = self.connection.arm_list(f"{path}/operations", DEPLOYMENTS_VERSION)
        for row in rows:
            target = row["properties"].get("targetResource") or {}
            if str(row["properties"].get("provisioningState")).lower() == "succeeded":
                done += 1
            elif target.get("resourceType"):
                now.append(_word_of(target["resourceType"]))
        if not rows:
            return _("Azure prepares it")
        return _("{done} of {all} made; now: {now}").format(done=done, all=len(rows), now=", ".join(now) or "…")

    def _first_error(self, path: str) -> dict[str, Any] | None:
        for row in self.connection.arm_list(f"{path}/operations", DEPLOYMENTS_VERSION):
            message = row["properties"].get("statusMessage")
            if isinstance(message, dict) and message.get("error"):
                error: dict[str, Any] = message["error"]
                return error
        return None

    def _await_workspace(self, wanted: Wanted, report: Report) -> None:
        def is_ready() -> bool:
            report.check_stop()
            found = self.connection.find(wanted.path, WORKSPACE_VERSION)
            state = str(((found or {}).get("properties") or {}).get("provisioningState") or "Succeeded").lower()
            if found and state == "failed":
                raise Conflict(
                    _("{name} is there, but Azure could not finish it.").format(name=wanted.name),
                    how_to_fix=_("Delete it in the Azure portal, then create it again."),
                    code="half_made",
                )
            return found is not None and state == "succeeded"

        _wait(is_ready, report, wanted.title)

    def _choose(self, wanted: Wanted) -> None:
        """Unless the person went on to something else meanwhile."""
        config = self.connection.config
        if config.subscription != wanted.subscription:
            return
        if wanted.kind == "resource_group":
            if config.resource_group != wanted.group:
                config = replace(
                    config, resource_group=wanted.group, workspace="", region="", identity="", hub="", project=""
                )
        elif config.resource_group != wanted.group:
            return
        elif wanted.kind == "workspace":
            config = replace(config, workspace=wanted.name, region=wanted.region)
        elif wanted.kind == "hub":
            config = replace(config, hub=wanted.name, project="" if config.hub != wanted.name else config.project)
        else:
            config = replace(config, project=wanted.name)
        self.connection.save(config)


def hub_of(listings: Listings, subscription: str, group: str, hub: str) -> tuple[str, str]:
    """ARM id and region of a hub. Raises NotFound."""
    for place in listings.workspaces(subscription, group):
        if place.kind == "hub" and place.name == hub:
            return place.id, place.region
    raise NotFound(
        _("There is no hub {name}.").format(name=hub),
        how_to_fix=_("Choose another hub, or create one."),
        code="no_such_hub",
    )


def _wait(is_so: Callable[[], bool], report: Report, doing: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    number = 0
    while not is_so():
        report.check_stop()
        if time.monotonic() > deadline:
            raise Unavailable(
                _("{doing} takes longer than an hour.").format(doing=doing),
                how_to_fix=_("Look at it in the Azure portal, then try again. It goes on where it is."),
                code="azure_timeout",
            )
        time.sleep(PAUSES[min(number, len(PAUSES) - 1)])
        number += 1


def _arguments(wanted: Wanted) -> dict[str, Any]:
    return asdict(wanted) | {"parts": dict(wanted.parts or {})}


def _state(deployment: Mapping[str, Any]) -> str:
    return str(deployment["properties"].get("provisioningState") or "").lower()


def _word_of(resource_type: str) -> str:
    words = {
        "microsoft.storage/storageaccounts": _("storage account"),
        "microsoft.keyvault/vaults": _("key vault"),
        "microsoft.insights/components": _("Application Insights"),
        "microsoft.operationalinsights/workspaces": _("log store"),
        "microsoft.containerregistry/registries": _("container registry"),
        "microsoft.machinelearningservices/workspaces": _("workspace"),
    }
    return words.get(resource_type.lower(), resource_type)

"""Everything that carries our tag, in the subscription and in the workspace, in the order of its removal."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from backend.azure.check_access import PORTAL
from backend.azure.compute import COMPUTES_VERSION
from backend.azure.connection import Connection
from backend.azure.deployments import DELETE as DELETE_ENDPOINT
from backend.azure.endpoint_calls import VERSION as ENDPOINTS_VERSION
from backend.azure.errors import Forbidden, in_words
from backend.azure.operations import Operations
from backend.azure.roles import remove_roles
from backend.azure.tags import BY, KIND, MARK, MARKED, RUN, is_marked
from backend.azure.times import made_at
from backend.azure.waiting import finish
from backend.domain_setup import OperationState, Resource
from backend.errors import Conflict, NotFound, PhiDeskError, Unavailable
from backend.i18n import _
from backend.target import Endpoints, Jobs

JOBS_VERSION = "2024-01-01-preview"
ASSETS_VERSION = "2023-04-01-preview"
OURS = f"tagName eq '{MARK}' and tagValue eq '{MARKED}'"
ASSET_PREFIX = "phidesk-"
"""Data assets and environments of ours begin so; models have the name that a person gave them."""
THREADS = 6
LONGEST_SECONDS = 1800
POLL_SECONDS = 1.0
_ML = "microsoft.machinelearningservices"
_NOISE = ("microsoft.insights/actiongroups", "microsoft.alertsmanagement/smartdetectoralertrules")
"""Azure itself puts these beside every Application Insights, without tags."""


@dataclass(frozen=True)
class _Kind:
    """`turn`: what is removed first; a thing goes before what it lives in, and a model before its run."""

    word: str
    turn: int
    version: str


# ARM type (in lower case) to what a person calls it, its turn, and the API version that deletes it.
_KINDS = {
    f"{_ML}/workspaces/onlineendpoints": _Kind("endpoint", 0, ENDPOINTS_VERSION),
    "microsoft.insights/autoscalesettings": _Kind("autoscale", 1, "2022-10-01"),
    f"{_ML}/workspaces/computes": _Kind("cluster", 2, COMPUTES_VERSION),
    f"{_ML}/workspaces/jobs": _Kind("run", 4, JOBS_VERSION),
    f"{_ML}/workspaces/models/versions": _Kind("model", 3, ASSETS_VERSION),
    f"{_ML}/workspaces/data/versions": _Kind("data", 3, ASSETS_VERSION),
    f"{_ML}/workspaces/environments/versions": _Kind("environment", 3, ASSETS_VERSION),
    f"{_ML}/workspaces": _Kind("workspace", 6, "2024-10-01-preview"),
    "microsoft.managedidentity/userassignedidentities": _Kind("identity", 8, "2024-11-30"),
    "microsoft.containerregistry/registries": _Kind("container registry", 9, "2023-07-01"),
    "microsoft.insights/components": _Kind("application insights", 9, "2020-02-02"),
    "microsoft.operationalinsights/workspaces": _Kind("log analytics", 10, "2022-10-01"),
    "microsoft.cognitiveservices/accounts": _Kind("ai services", 10, "2023-05-01"),
    "microsoft.keyvault/vaults": _Kind("key vault", 10, "2022-07-01"),
    "microsoft.storage/storageaccounts": _Kind("storage account", 10, "2022-09-01"),
    "microsoft.resources/resourcegroups": _Kind("resource group", 12, "2022-09-01"),
}
_TURN_OF_TAG = {"project": 5, "hub": 7}
_ASSETS = ("data", "environments", "models")
HOLDERS = ("workspace", "project", "hub", "resource group")


class Inventory:
    def __init__(self, connection: Connection, operations: Operations, endpoints: Endpoints, jobs: Jobs) -> None:
        self.connection = connection
        self.operations = operations
        self.endpoints = endpoints
        self.jobs = jobs

    def find(self) -> Sequence[Resource]:
        """In the order of removal."""
        config = self.connection.config
        asks: list[Callable[[], list[Resource]]] = [self._tagged, self._groups]
        if config.workspace:
            asks += [self._endpoints, self._clusters, self._runs]
            asks += [lambda kind=kind: self._assets(kind) for kind in _ASSETS]  # type: ignore[misc]
        with ThreadPoolExecutor(max_workers=THREADS) as pool:
            answers = [pool.submit(ask) for ask in asks]
            found = [one for answer in answers for one in answer.result()]
        unique = {one.id.lower(): one for one in found}
        for holder in sorted((one for one in unique.values() if one.kind in HOLDERS), key=_turn):
            others = [
                one for id, one in unique.items() if id.startswith(f"{holder.id.lower()}/") and not one.may_delete
            ]
            if others and holder.may_delete:
                unique[holder.id.lower()] = _holding(holder, len(others))
        return sorted(unique.values(), key=lambda one: (_turn(one), one.name))

    def deletable(self) -> Sequence[Resource]:
        """Without what goes with the workspace that holds it; endpoints and clusters must go before it."""
        found = [one for one in self.find() if one.may_delete]
        going = tuple(one.id.lower() + "/" for one in found if one.kind in ("workspace", "project", "hub"))
        return [one for one in found if _turn(one) < 3 or not one.id.lower().startswith(going)]

    def _tagged(self) -> list[Resource]:
        from azure.mgmt.resource.resources import ResourceManagementClient

        with in_words(_("Listing what Phi Desk created")):
            client = self.connection.management(ResourceManagementClient, self.connection.subscription())
            return [
                self._resource(one.id, one.type, one.tags, made=one.created_time, region=one.location)
                for one in client.resources.list(filter=OURS, expand="createdTime")
                if (one.type or "").lower() in _KINDS
            ]

    def _groups(self) -> list[Resource]:
        """A group may go when nothing in it is anybody else's."""
        from azure.mgmt.resource.resources import ResourceManagementClient

        found = []
        with in_words(_("Listing what Phi Desk created")):
            client = self.connection.management(ResourceManagementClient, self.connection.subscription())
            for group in client.resource_groups.list(filter=OURS):
                one = self._resource(group.id, group.type, group.tags, region=group.location)
                others = [
                    held
                    for held in client.resources.list_by_resource_group(group.name or "")
                    if not is_marked(held.tags) and (held.type or "").lower() not in _NOISE
                ]
                found.append(_holding(one, len(others)) if others else one)
        return found

    def _endpoints(self) -> list[Resource]:
        return [
            self._resource(one["id"], one["type"], one.get("tags"), made=made_at(one), region=one.get("location") or "")
            for one in self._all("onlineEndpoints", ENDPOINTS_VERSION)
            if is_marked(one.get("tags"))
        ]

    def _clusters(self) -> list[Resource]:
        found = []
        for one in self._all("computes", COMPUTES_VERSION):
            if not is_marked(one.get("tags")):
                continue
            facts = (one.get("properties") or {}).get("properties") or {}
            words = _("{size}, {n} machines on").format(size=facts.get("vmSize"), n=facts.get("currentNodeCount") or 0)
            found.append(_noted(self._resource(one["id"], one["type"], one["tags"], made=made_at(one)), words))
        return found

    def _runs(self) -> list[Resource]:
        found = []
        for one in self._all(f"jobs?listViewType=ActiveOnly&tag={MARK}", JOBS_VERSION):
            facts = one.get("properties") or {}
            tags = facts.get("tags") or {}
            if is_marked(tags) and tags.get(RUN):  # the attempts of a run are one
                id = f"{one['id'].rpartition('/')[0]}/{tags[RUN]}"
                row = self._resource(id, f"{_ML}/workspaces/jobs", tags, made=made_at(one))
                name = str(facts.get("displayName") or one["name"])
                found.append(_noted(replace(row, name=name), str(facts.get("status") or "")))
        return found

    def _assets(self, kind: str) -> list[Resource]:
        names = [str(one["name"]) for one in self._all(f"{kind}?listViewType=ActiveOnly", ASSETS_VERSION)]
        if kind != "models":
            names = [name for name in names if name.startswith(ASSET_PREFIX)]
        found = []
        for name in names:
            for one in self._all(f"{kind}/{name}/versions?listViewType=ActiveOnly", ASSETS_VERSION):
                tags = (one.get("properties") or {}).get("tags") or {}
                if is_marked(tags):
                    row = self._resource(one["id"], f"{_ML}/workspaces/{kind}/versions", tags, made=made_at(one))
                    found.append(replace(row, name=f"{name}:{one['name']}"))
        return found

    def _all(self, what: str, version: str) -> list[dict[str, Any]]:
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Listing what Phi Desk created")):
            try:
                return self.connection.arm_list(f"{self.connection.workspace_path()}/{what}", version)
            except ResourceNotFoundError:  # the workspace, or the asset, went meanwhile
                return []

    def _resource(
        self,
        id: str | None,
        type: str | None,
        tags: Mapping[str, str] | None,
        *,
        made: datetime | None = None,
        region: str | None = "",
    ) -> Resource:
        """What another account made is only shown."""
        id, tags = id or "", tags or {}
        word = _KINDS[(type or _type_of(id)).lower()].word
        tagged, by = tags.get(KIND, ""), tags.get(BY, "")
        is_mine = by.casefold() == self.connection.by().get(BY, "").casefold()
        kind = tagged if tagged in _TURN_OF_TAG and word == "workspace" else word
        return Resource(
            id=id,
            kind=kind,
            name=id.rpartition("/")[2],
            detail=region or "" if is_mine else _("Made by {account}.").format(account=by or _("another account")),
            created_at=made,
            link=f"{PORTAL}{id}",
            may_delete=is_mine,
            loss=_loss_with(kind),
        )

    def delete(self, one: Resource, check_stop: Callable[[], None]) -> None:
        """Waits until it is gone. Gone already is fine. Runs and assets are only hidden: Azure keeps their records."""
        from azure.core.exceptions import ResourceNotFoundError
        from azure.mgmt.resource.resources import ResourceManagementClient

        check_stop()
        parts = one.id.split("/")
        workspace = self.connection.config.workspace  # may be gone already, and then none is chosen
        is_here = bool(workspace) and f"/workspaces/{workspace}/".lower() in one.id.lower()
        if one.kind == "endpoint" and is_here:
            self._delete_endpoint(one, check_stop)
        elif one.kind == "run":
            self._delete_run(parts[-1])
        elif _is_asset(one.id):
            self._archive(parts[-4], parts[-3], parts[-1])
        else:
            if one.kind == "identity":
                self._take_roles_back(one)
            with in_words(_("Deleting {name}").format(name=one.name)):
                client = self.connection.management(ResourceManagementClient, self.connection.subscription())
                try:
                    if one.kind == "resource group":
                        poller = client.resource_groups.begin_delete(parts[-1])
                    else:
                        poller = client.resources.begin_delete_by_id(
                            one.id, api_version=_kind_of(one.id).version, params=_parameters(one)
                        )
                    finish(poller, check_stop)
                except ResourceNotFoundError:
                    pass

    def _take_roles_back(self, one: Resource) -> None:
        """Who may not do that may still delete the identity; its roles then stay behind and do no harm."""
        with in_words(_("Deleting {name}").format(name=one.name)):
            found = self.connection.arm("GET", one.id, _kind_of(one.id).version)
        with contextlib.suppress(Forbidden):
            remove_roles(self.connection, str((found.get("properties") or {}).get("principalId") or ""))

    def _delete_run(self, name: str) -> None:
        """One that goes on is stopped first."""
        try:
            self.jobs.delete(name)
        except Conflict:
            self.jobs.cancel(name)
            deadline = time.monotonic() + LONGEST_SECONDS
            while not self.jobs.get(name).state.is_final:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
            self.jobs.delete(name)
        except NotFound:
            pass

    def _archive(self, kind: str, name: str, version: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        ml = self.connection.ml()
        assets: Any = {"data": ml.data, "environments": ml.environments, "models": ml.models}[kind]
        with in_words(_("Deleting {name}").format(name=name)), contextlib.suppress(ResourceNotFoundError):
            assets.archive(name, version=version)

    def _delete_endpoint(self, one: Resource, check_stop: Callable[[], None]) -> None:
        """With everything behind it, which its own part knows; that works by itself, so this waits for it."""
        self.endpoints.delete(one.name)
        key = f"{self.connection.workspace_path()}/onlineEndpoints/{one.name}"
        deadline = time.monotonic() + LONGEST_SECONDS
        while (work := self.operations.find(DELETE_ENDPOINT, key)) and work.state == OperationState.RUNNING:
            check_stop()
            if time.monotonic() > deadline:
                raise Unavailable(
                    _("{name} is still being deleted.").format(name=one.name),
                    how_to_fix=_("Wait a little, then look again."),
                    code="still_deleting",
                )
            time.sleep(POLL_SECONDS)
        if work and work.failure:
            raise PhiDeskError.of(work.failure)


def _type_of(id: str) -> str:
    if "/providers/" not in id:
        return "microsoft.resources/resourcegroups"
    parts = id.lower().rpartition("/providers/")[2].split("/")
    return "/".join([parts[0], *parts[1::2]])


def _kind_of(id: str) -> _Kind:
    return _KINDS[_type_of(id)]


def _is_asset(id: str) -> bool:
    return bool(re.search(rf"/workspaces/[^/]+/({'|'.join(_ASSETS)})/[^/]+/versions/[^/]+$", id, re.IGNORECASE))


def _turn(one: Resource) -> int:
    return _TURN_OF_TAG.get(one.kind, _kind_of(one.id).turn)


def _parameters(one: Resource) -> dict[str, str]:
    """A workspace that is only half deleted keeps its name for two weeks."""
    return {"forceToPurge": "true"} if _turn(one) in (5, 6, 7) else {}


def _noted(one: Resource, words: str) -> Resource:
    return replace(one, detail=words) if one.may_delete else one


def _holding(one: Resource, others: int) -> Resource:
    words = _("It holds {n} things that this account did not create with Phi Desk.").format(n=others)
    return replace(one, may_delete=False, detail=words)


def _loss_with(kind: str) -> str:
    """What goes with one of this kind, and is no longer there for anybody."""
    if kind == "resource group":
        return _("Everything in it is deleted with it.")
    if kind in ("workspace", "project", "hub"):
        return _("Its runs, models and endpoints are deleted with it.")
    if kind == "storage account":
        return _("The data, the runs' files and the models of the workspace lie in it.")
    if kind in ("key vault", "container registry", "application insights"):
        return _("The workspace stands on it, and does not work without it.")
    if kind == "identity":
        return _("Endpoints act as it, and don't start again without it.")
    if kind == "endpoint":
        return _("Programs that call it get no answer any more, and its key is gone.")
    return ""

"""The cost guard: what is on and what it cost so far, everything that Phi Desk created, and removing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.azure.compute import list_computes
from backend.azure.config import AzureConfig
from backend.azure.connection import Connection
from backend.azure.endpoint_calls import EndpointCalls
from backend.azure.inventory import Inventory
from backend.azure.kept import Kept
from backend.azure.ledger import Ledger, Running
from backend.azure.operations import Operations, Report
from backend.azure.prices import UNKNOWN, Prices
from backend.azure.sizes import default_size
from backend.azure.tags import DELETE_AT
from backend.azure.times import moment
from backend.domain import Job
from backend.domain_setup import CostLine, Operation, Price, Purpose, Resource
from backend.errors import Conflict, PhiDeskError
from backend.i18n import _
from backend.target import Endpoints, Jobs

KEPT = timedelta(days=30)
MOST_RUNS = 100
THREADS = 2
LOOK_SECONDS = 20
"""Pages count up every few seconds; Azure is asked less often."""
DELETE = "delete_resource"
DELETE_ALL = "delete_all"


@dataclass(frozen=True)
class _Look:
    """What Azure says now. Machines with their size; idle ones with whether they are of low priority."""

    runs: Sequence[Job]
    deployments: Sequence[tuple[str, Running]]
    idle: Sequence[tuple[str, bool, Running]]


class AzureCosts:
    def __init__(self, connection: Connection, operations: Operations, endpoints: Endpoints, jobs: Jobs) -> None:
        self.connection = connection
        self.operations = operations
        self.jobs = jobs
        self.prices = Prices(connection.folder / "prices.json")
        self.ledger = Ledger(connection.settings.database)
        self._calls = EndpointCalls(connection)
        self._kept = Kept(LOOK_SECONDS)
        self._inventory = Inventory(connection, operations, endpoints, jobs)
        operations.handler(DELETE, self._delete)
        operations.handler(DELETE_ALL, self._delete_all)

    def lines(self) -> Sequence[CostLine]:
        """Runs by their own times; endpoints and idle machines by when they were first and last seen."""
        now = datetime.now(UTC)
        place = self.connection.workspace_path().lower()
        states = tuple((one.id, one.state) for one in self.operations.list())  # what we did shows at once
        look = self._kept.get((self.connection.account.sign_in_id, place, states), self._look)
        deployments, clusters = look.deployments, look.idle
        begun = [job for job in look.runs if _is_counted(job, now)]
        sizes = {size for size, *_rest in deployments} | {size for size, *_rest in clusters}
        sizes |= {self._size_of(job) for job in begun}
        prices = self.prices.of(self.connection.workspace().region, [size for size in sizes if size])
        running = [one.with_price(prices.get(size, UNKNOWN).dedicated) for size, one in deployments]
        for size, is_low, idle in clusters:
            known = prices.get(size, UNKNOWN)
            running.append(idle.with_price(known.low_priority if is_low else known.dedicated))
        on = [*self.ledger.record(place, running, now)]
        ended = [*self.ledger.ended(place, now - KEPT)]
        for job in begun:
            known = prices.get(self._size_of(job), UNKNOWN)
            price = known.low_priority if job.spec.machine.is_low_priority else known.dedicated
            (ended if job.ended_at else on).append(_run(job, price))
        ended.sort(key=lambda one: one.until or now, reverse=True)
        return [_line(one, now) for one in [*on, *ended]]

    def _size_of(self, job: Job) -> str:
        return job.spec.machine.size or default_size(Purpose.TRAINING, self.connection.config.training_size)

    def _look(self) -> _Look:
        with ThreadPoolExecutor(max_workers=THREADS) as pool:
            runs = pool.submit(self.jobs.list, limit=MOST_RUNS)
            computes = pool.submit(list_computes, self.connection)
            endpoints = self._calls.all_with_deployments()
        return _Look(
            runs.result(),
            [row for endpoint, there in endpoints for one in there for row in _serving(endpoint, one)],
            [row for one in computes.result() for row in _idle(one)],
        )

    def inventory(self) -> Sequence[Resource]:
        """With the price of what was on when the lines were last asked for."""
        place = self.connection.workspace_path().lower() if self.connection.config.workspace else ""
        on = self.ledger.on(place)
        return [replace(one, price=_price_of(one, on)) for one in self._inventory.find()]

    def delete(self, resource_id: str) -> None:
        """Returns at once; the operation shows how it goes. What is gone already is fine."""
        found = next((one for one in self.inventory() if one.id.lower() == resource_id.lower()), None)
        if found is None:
            return
        if not found.may_delete:
            raise Conflict(
                _("{name} can't be deleted from here.").format(name=found.name),
                why=found.detail,
                how_to_fix=_("Delete it in the Azure portal when you are sure."),
                code="not_ours_alone",
            )
        self.operations.start(
            DELETE, found.id.lower(), _("Delete {name}").format(name=found.name), {"id": found.id}, steps=1
        )

    def delete_all(self) -> Operation:
        config = self.connection.config
        return self.operations.start(
            DELETE_ALL,
            config.subscription,
            _("Delete everything that Phi Desk created"),
            {},
            steps=max(len(self._inventory.deletable()), 1),
        )

    def _delete(self, arguments: Mapping[str, Any], report: Report) -> None:
        for one in self._inventory.deletable():
            if one.id.lower() == arguments["id"].lower():
                report(0, _("Deleting {name}").format(name=one.name))
                self._remove(one, report)

    def _remove(self, one: Resource, report: Report) -> None:
        self._inventory.delete(one, report.check_stop)
        config = self.connection.config
        if (kept := _without(config, one.id)) != config:
            self.connection.save(kept)

    def _delete_all(self, arguments: Mapping[str, Any], report: Report) -> None:
        """What fails does not keep the rest; it is named at the end."""
        failed: list[tuple[Resource, PhiDeskError]] = []
        for step, one in enumerate(self._inventory.deletable()):
            report(step, _("Deleting {kind} {name}").format(kind=one.kind, name=one.name))
            try:
                self._remove(one, report)
            except PhiDeskError as error:
                if error.code in ("stopped", "signed_out"):
                    raise
                failed.append((one, error))
        if failed:
            first, why = failed[0]
            raise Conflict(
                _("Not deleted: {names}.").format(names=", ".join(one.name for one, _why in failed)),
                why=f"{first.name}: {why}",
                how_to_fix=_("Try again, or delete it in the Azure portal."),
                code="not_all_deleted",
                raw=why.raw,
            )


def _without(config: AzureConfig, gone: str) -> AzureConfig:
    """What was chosen, without what is no longer there. `gone` is an ARM id."""
    parts = gone.lower().rstrip("/").split("/")
    kept = config
    if parts[-2] == "resourcegroups" and parts[-1] == config.resource_group.lower():
        kept = replace(kept, resource_group="", workspace="", identity="", hub="", project="")
    if parts[-2] == "workspaces":
        for name in ("workspace", "hub", "project"):
            if getattr(config, name).lower() == parts[-1]:
                kept = replace(kept, **{name: ""})
    if parts[-2] == "userassignedidentities" and parts[-1] == config.identity.lower():
        kept = replace(kept, identity="")
    return kept


def _price_of(one: Resource, on: Sequence[Running]) -> Price | None:
    """All its machines together. Unknown as long as one of them is."""
    if one.kind not in ("endpoint", "cluster"):
        return None
    mine = [each for each in on if each.kind == one.kind and f"{each.name}/".startswith(f"{one.name}/")]
    known = [(each.price, each.machines) for each in mine if each.price]
    if not mine or len(known) < len(mine):
        return None
    return Price(sum(price.per_hour * machines for price, machines in known), known[0][0].currency)


def _is_counted(job: Job, now: datetime) -> bool:
    """It has computed, and not too long ago."""
    return job.started_at is not None and (job.ended_at is None or job.ended_at >= now - KEPT)


def _run(job: Job, price: Price | None) -> Running:
    return Running(
        id=job.id,
        kind="run",
        name=job.spec.name or job.id,
        since=job.started_at or job.created_at,
        machines=max(job.spec.machine.nodes, 1),
        price=price,
        until=job.ended_at,
    )


def _line(one: Running, now: datetime) -> CostLine:
    return CostLine(
        kind=one.kind,
        name=one.name,
        since=one.since,
        until=one.until,
        price=one.price,
        machines=one.machines,
        so_far=one.so_far(now),
        expires_at=one.expires_at,
    )


def _serving(endpoint: Mapping[str, Any], one: Mapping[str, Any]) -> Iterator[tuple[str, Running]]:
    """With its size. A deployment that is being made has machines already."""
    made = (one.get("systemData") or {}).get("createdAt") or ""
    machines = int((one.get("sku") or {}).get("capacity") or 0)
    if machines:
        running = Running(
            id=f"{one['id']}@{made}".lower(),
            kind="endpoint",
            name=f"{endpoint['name']}/{one['name']}",
            since=moment(made) or datetime.now(UTC),
            machines=machines,
            price=None,
            expires_at=moment((endpoint.get("tags") or {}).get(DELETE_AT)),
        )
        yield str(one["properties"].get("instanceType") or ""), running


def _idle(compute: Mapping[str, Any]) -> Iterator[tuple[str, bool, Running]]:
    """Machines that are on and compute nothing: a run's own line has those that do."""
    properties = compute.get("properties") or {}
    facts = properties.get("properties") or {}
    if properties.get("computeType") != "AmlCompute":
        return
    busy = int((facts.get("nodeStateCounts") or {}).get("runningNodeCount") or 0)
    idle = int(facts.get("currentNodeCount") or 0) - busy
    if idle > 0:
        # Azure tells no beginning of it, so it counts from when it is first seen.
        running = Running(str(compute["id"]).lower(), "cluster", str(compute["name"]), datetime.now(UTC), idle, None)
        yield str(facts.get("vmSize") or ""), facts.get("vmPriority") == "LowPriority", running

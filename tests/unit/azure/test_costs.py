"""The cost guard over the emulated cloud: lines that add up, the inventory by tags, and removing all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.azure.check_access import check_blob_reader, check_identity
from backend.azure.check_facts import Facts
from backend.azure.connection import Connection
from backend.azure.costs import AzureCosts
from backend.azure.endpoints import AzureEndpoints
from backend.azure.inventory import Inventory
from backend.azure.jobs import AzureJobs
from backend.azure.ledger import Ledger, Running
from backend.azure.machines import AzureMachines
from backend.azure.models import AzureModels
from backend.azure.operations import Operations
from backend.azure.tags import DELETE_AT, MARK, MARKED, marked
from backend.domain import JobKind, JobSpec, JobState, Machine
from backend.domain_setup import Operation, OperationState, Price, Resource
from backend.errors import Conflict
from tests.azure_emulator import workspaces
from tests.azure_emulator.defaults import keep
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.roles import access
from tests.azure_emulator.world import CLIENT_ID, GROUP, REGION, SUBSCRIPTION, USER_ID, WORKSPACE_ID, World, utc
from tests.contract.conftest import wait_until
from tests.fakes import Clock, FakeEndpoints, FakeJobs, FakeModels

GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
E4S, A100 = 0.252, 3.673
A100_SIZE = "Standard_NC24ads_A100_v4"
Ended = Callable[[Operation], Operation]


def ours(kind: str) -> dict[str, str]:
    """The tags of what the signed-in account made."""
    return marked(kind, by=CLIENT_ID)


@pytest.fixture
def costs(connection: Connection, operations: Operations, monkeypatch: pytest.MonkeyPatch) -> AzureCosts:
    """Each look asks Azure."""
    monkeypatch.setattr("backend.azure.costs.LOOK_SECONDS", 0)
    jobs = AzureJobs(connection, operations)
    models = AzureModels(connection, jobs)
    endpoints = AzureEndpoints(connection, operations, models, AzureMachines(connection, models))
    return AzureCosts(connection, operations, endpoints, jobs)


def put_endpoint(world: World, name: str, tags: dict[str, str] | None = None) -> dict[str, Any]:
    kept = keep(
        world,
        f"{WORKSPACE_ID}/onlineEndpoints/{name}",
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        location=REGION,
        authMode="Key",
        provisioningState="Succeeded",
        traffic={},
        scoringUri=f"https://{name}.{REGION}.inference.ml.azure.com/score",
        properties={},
    )
    return _dated(kept, tags if tags is not None else ours("endpoint"), 5.0) | kept


def put_deployment(world: World, endpoint: str, name: str, size: str, machines: int, hours: float) -> dict[str, Any]:
    kept = keep(
        world,
        f"{WORKSPACE_ID}/onlineEndpoints/{endpoint}/deployments/{name}",
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        location=REGION,
        endpointComputeType="Managed",
        instanceType=size,
        provisioningState="Succeeded",
        scaleSettings={"scaleType": "Default"},
    )
    kept["sku"] = {"name": "Default", "capacity": machines}
    return _dated(kept, ours("deployment"), hours)


def put_cluster(world: World, name: str, size: str, nodes: int, busy: int, tags: dict[str, str] | None = None) -> None:
    kept = keep(
        world,
        f"{WORKSPACE_ID}/computes/{name}",
        "Microsoft.MachineLearningServices/workspaces/computes",
        location=REGION,
        computeType="AmlCompute",
        provisioningState="Succeeded",
        properties={
            "vmSize": size,
            "vmPriority": "Dedicated",
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT120S"},
            "currentNodeCount": nodes,
            "targetNodeCount": nodes,
            "allocationState": "Steady",
            "allocationStateTransitionTime": _ago(1.0),
            "nodeStateCounts": {"runningNodeCount": busy, "idleNodeCount": nodes - busy},
        },
    )
    _dated(kept, tags if tags is not None else ours("cluster"), 1.0)


def _dated(kept: dict[str, Any], tags: dict[str, str], hours: float) -> dict[str, Any]:
    kept["tags"] = tags
    kept["systemData"] = {"createdAt": _ago(hours), "createdBy": "ada@contoso.example", "createdByType": "User"}
    return kept


def _ago(hours: float) -> str:
    return utc((datetime.now(UTC) - timedelta(hours=hours)).timestamp())


def test_an_endpoint_costs_its_machines_since_they_were_made(costs: AzureCosts, world: World) -> None:
    delete_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=8)
    put_endpoint(world, "my-phi", ours("endpoint") | {DELETE_AT: delete_at.isoformat()})
    put_deployment(world, "my-phi", "blue", "Standard_E4s_v3", 2, hours=3.0)
    put_deployment(world, "my-phi", "green", A100_SIZE, 1, hours=1.0)
    lines = {line.name: line for line in costs.lines()}
    blue, green = lines["my-phi/blue"], lines["my-phi/green"]
    assert (blue.kind, blue.machines, blue.until) == ("endpoint", 2, None)
    assert blue.price == Price(E4S, "USD") and green.price == Price(A100, "USD")
    assert blue.so_far == pytest.approx(3 * 2 * E4S, rel=0.01)
    assert green.so_far == pytest.approx(1 * A100, rel=0.01)
    assert blue.expires_at == delete_at


def test_azure_is_asked_now_and_then_and_after_our_own_work(
    connection: Connection, operations: Operations, ended: Ended, emulator: Emulator
) -> None:
    jobs = AzureJobs(connection, operations)
    models = AzureModels(connection, jobs)
    endpoints = AzureEndpoints(connection, operations, models, AzureMachines(connection, models))
    costs = AzureCosts(connection, operations, endpoints, jobs)
    put_endpoint(emulator.world, "my-phi")
    put_deployment(emulator.world, "my-phi", "blue", "Standard_E4s_v3", 1, hours=1.0)
    (first,) = costs.lines()
    asked = len(emulator.requests)
    (second,) = costs.lines()
    assert len(emulator.requests) == asked
    assert second.so_far is not None and first.so_far is not None and second.so_far > first.so_far
    operations.handler("nothing", lambda arguments, report: None)
    ended(operations.start("nothing", "", "Nothing", {}))
    costs.lines()
    assert len(emulator.requests) == asked + 4, "runs, clusters, endpoints and one endpoint's deployments"


def test_what_is_gone_keeps_what_it_cost(costs: AzureCosts, world: World) -> None:
    put_endpoint(world, "my-phi")
    deployment = put_deployment(world, "my-phi", "blue", "Standard_E4s_v3", 1, hours=2.0)
    costs.lines()
    del world.arm[deployment["id"].lower()]
    (line,) = costs.lines()
    assert line.until is not None and line.so_far == pytest.approx(2 * E4S, rel=0.01)
    (again,) = costs.lines()
    assert again == line


def test_another_number_of_machines_is_counted_from_the_change(costs: AzureCosts, world: World) -> None:
    put_endpoint(world, "my-phi")
    deployment = put_deployment(world, "my-phi", "blue", "Standard_E4s_v3", 1, hours=2.0)
    costs.lines()
    deployment["sku"]["capacity"] = 3
    on, ended = costs.lines()
    assert (on.machines, on.until, ended.machines) == (3, None, 1)
    assert on.so_far == pytest.approx(0, abs=0.01) and ended.so_far == pytest.approx(2 * E4S, rel=0.01)


def test_only_machines_of_a_cluster_that_compute_nothing_are_its_own_line(costs: AzureCosts, world: World) -> None:
    put_cluster(world, "busy", A100_SIZE, nodes=2, busy=2)
    put_cluster(world, "idle", A100_SIZE, nodes=3, busy=1)
    put_cluster(world, "off", A100_SIZE, nodes=0, busy=0)
    (line,) = costs.lines()
    assert (line.kind, line.name, line.machines, line.price) == ("cluster", "idle", 2, Price(A100, "USD"))
    assert line.so_far == pytest.approx(0, abs=0.05), "nobody knows since when, so it counts from now"


def test_a_run_costs_its_machines_from_start_to_end(connection: Connection, operations: Operations) -> None:
    jobs, now = FakeJobs(Clock()), datetime.now(UTC)
    costs = AzureCosts(connection, operations, FakeEndpoints(jobs.clock, FakeModels(jobs.clock, jobs)), jobs)
    for name, machine, started, stopped in (
        ("done", Machine(A100_SIZE, nodes=2), 5.0, 2.0),
        ("cheap", Machine(A100_SIZE, is_low_priority=True), 5.0, 4.0),
        ("on", Machine(), 1.5, None),
        ("old", Machine(A100_SIZE), 31 * 24.0, 30.5 * 24),
        ("waits", Machine(A100_SIZE), None, None),
    ):
        spec = JobSpec(name, name, JobKind.FINE_TUNE, "base", "d", "d", "t", "e", "sha", machine=machine)
        job = jobs.submit(spec)
        jobs.runs[name].job = replace(
            job,
            started_at=now - timedelta(hours=started) if started else None,
            ended_at=now - timedelta(hours=stopped) if stopped else None,
        )
    lines = {line.name: line for line in costs.lines()}
    assert list(lines) == ["on", "done", "cheap"]
    assert lines["done"].so_far == pytest.approx(3 * 2 * A100)
    assert lines["cheap"].so_far == pytest.approx(1 * A100 * 0.2, rel=0.01)
    assert lines["on"].until is None and lines["on"].so_far == pytest.approx(1.5 * A100, rel=0.01)


def test_an_unknown_price_is_none_and_never_a_guess(costs: AzureCosts, emulator: Emulator) -> None:
    emulator.faults.add(503, host=r"prices\.azure\.com", times=-1)
    put_endpoint(emulator.world, "my-phi")
    put_deployment(emulator.world, "my-phi", "blue", "Standard_E4s_v3", 1, hours=2.0)
    (line,) = costs.lines()
    assert line.price is None and line.so_far is None


def test_a_list_that_fails_ends_nothing_in_the_ledger(costs: AzureCosts, emulator: Emulator) -> None:
    put_endpoint(emulator.world, "my-phi")
    put_deployment(emulator.world, "my-phi", "blue", "Standard_E4s_v3", 1, hours=2.0)
    costs.lines()
    fault = emulator.faults.add(500, path="/deployments$", times=-1)
    with pytest.raises(Exception, match="Listing the deployments of my-phi failed"):
        costs.lines()
    fault.times = 0
    (line,) = costs.lines()
    assert line.until is None


def test_the_ledger_keeps_a_price_that_can_no_longer_be_had(tmp_path: Path) -> None:
    ledger, now = Ledger(tmp_path / "desk.db"), datetime.now(UTC)
    one = Running("a@1", "endpoint", "a", now - timedelta(hours=1), 1, Price(2.0, "USD"))
    ledger.record("w", [one], now)
    ledger.record("w", [replace(one, price=None)], now + timedelta(hours=1))
    ledger.record("w", [], now + timedelta(hours=2))
    (ended,) = ledger.ended("w", now)
    assert ended.until == now + timedelta(hours=1) and ended.so_far(now) == pytest.approx(4.0)
    assert ledger.ended("another workspace", now) == []


def test_the_inventory_is_what_has_our_tag(costs: AzureCosts, connection: Connection, world: World) -> None:
    put_endpoint(world, "my-phi")
    put_endpoint(world, "foreign", tags={})
    put_cluster(world, "phidesk-a100", A100_SIZE, nodes=0, busy=0)
    put_cluster(world, "foreign", A100_SIZE, nodes=0, busy=0, tags={})
    identity = check_identity(Facts(connection))
    assert identity.fix is not None
    identity.fix()
    found = [(one.kind, one.name) for one in costs.inventory()]
    assert found == [("endpoint", "my-phi"), ("cluster", "phidesk-a100"), ("identity", "phidesk-identity")]
    assert all(one.link.startswith("https://portal.azure.com/#resource/") for one in costs.inventory())


def put_asset(world: World, kind: str, name: str, version: str, tags: dict[str, str], **properties: Any) -> None:
    path = f"{WORKSPACE_ID}/{kind}/{name}"
    type_name = f"Microsoft.MachineLearningServices/workspaces/{kind}"
    facts = {"isArchived": False, "tags": {}, "properties": {}}
    if keep_type := properties.get("dataType"):
        facts["dataType"] = keep_type
    above = keep(world, path, type_name, latestVersion=version, nextVersion="2", **facts)
    below = keep(world, f"{path}/versions/{version}", f"{type_name}/versions", **(facts | {"tags": tags} | properties))
    for kept in (above, below):
        _dated(kept, {}, 1.0)
        del kept["tags"]


def test_data_environments_and_models_are_hidden_for_good(costs: AzureCosts, ended: Ended, world: World) -> None:
    file = "azureml://datastores/workspaceblobstore/paths/phidesk/data/1/train.jsonl"
    put_asset(world, "data", "phidesk-talks-train", "abc", ours("data"), dataType="uri_file", dataUri=file)
    put_asset(world, "data", "foreign", "1", {}, dataType="uri_file", dataUri=file)
    put_asset(world, "environments", "phidesk-training", "abc", ours("environment"), image="mcr.microsoft.com/x:1")
    put_asset(world, "models", "my-phi", "1", ours("model"), modelType="mlflow_model", modelUri=file, flavors={})
    put_asset(world, "models", "theirs", "1", {}, modelType="mlflow_model", modelUri=file, flavors={})
    found = sorted((one.kind, one.name) for one in costs.inventory())
    assert found == [
        ("data", "phidesk-talks-train:abc"),
        ("environment", "phidesk-training:abc"),
        ("model", "my-phi:1"),
    ]
    operation = ended(costs.delete_all())
    assert operation.state == OperationState.DONE, operation.failure
    assert costs.inventory() == []
    archived = {key for key, kept in world.arm.items() if kept["properties"].get("isArchived")}
    assert len(archived) == 3 and not any("foreign" in key or "theirs" in key for key in archived)


def test_the_inventory_tells_what_an_endpoint_costs_an_hour(costs: AzureCosts, world: World) -> None:
    put_endpoint(world, "my-phi")
    put_endpoint(world, "my-phi-2")
    put_deployment(world, "my-phi", "blue", "Standard_E4s_v3", 2, hours=1.0)
    put_deployment(world, "my-phi", "green", A100_SIZE, 1, hours=1.0)
    costs.lines()
    prices = {one.name: one.price for one in costs.inventory()}
    assert prices["my-phi-2"] is None
    price = prices["my-phi"]
    assert price is not None and price.per_hour == pytest.approx(2 * E4S + A100)


def test_one_thing_is_deleted_and_again_is_fine(
    costs: AzureCosts, operations: Operations, ended: Ended, world: World
) -> None:
    put_cluster(world, "phidesk-a100", A100_SIZE, nodes=0, busy=0)
    (cluster,) = costs.inventory()
    costs.delete(cluster.id)
    assert ended(operations.list()[0]).state == OperationState.DONE
    assert costs.inventory() == []
    costs.delete(cluster.id)
    assert len(operations.list()) == 1


def test_delete_all_leaves_nothing_of_ours_and_all_of_the_rest(
    costs: AzureCosts, connection: Connection, ended: Ended, world: World
) -> None:
    put_endpoint(world, "my-phi")
    put_deployment(world, "my-phi", "blue", "Standard_E4s_v3", 1, hours=1.0)
    put_endpoint(world, "foreign", tags={})
    put_cluster(world, "phidesk-a100", A100_SIZE, nodes=0, busy=0)
    fix = check_blob_reader(Facts(connection)).fix
    assert fix is not None
    fix()
    operation = ended(costs.delete_all())
    assert operation.state == OperationState.DONE, operation.failure
    assert costs.inventory() == []
    assert not [key for key, kept in world.arm.items() if (kept.get("tags") or {}).get(MARK) == MARKED]
    assert {one.principal for one in access(world).assignments.values()} == {USER_ID}
    assert f"{WORKSPACE_ID}/onlineEndpoints/foreign".lower() in world.arm
    assert WORKSPACE_ID.lower() in world.arm and GROUP_ID.lower() in world.arm


def test_a_run_that_goes_on_is_stopped_before_it_is_removed(
    connection: Connection, operations: Operations, world: World
) -> None:
    jobs = FakeJobs(Clock())
    inventory = Inventory(connection, operations, FakeEndpoints(jobs.clock, FakeModels(jobs.clock, jobs)), jobs)
    jobs.submit(JobSpec("r1", "r1", JobKind.FINE_TUNE, "base", "d", "d", "t", "e", "sha"))
    jobs.advance("r1")
    run = Resource(f"{WORKSPACE_ID}/jobs/r1", "run", "r1", "")
    thread = threading.Thread(target=inventory.delete, args=(run, lambda: None))
    thread.start()
    wait_until(lambda: jobs.get("r1").state == JobState.CANCELING, "the run is told to stop")
    jobs.end_cancel("r1")
    thread.join(30)
    assert "r1" not in jobs.runs
    inventory.delete(run, lambda: None)


def test_what_another_account_made_is_shown_and_stays(costs: AzureCosts, ended: Ended, world: World) -> None:
    put_endpoint(world, "mine")
    put_endpoint(world, "bobs", marked("endpoint", by="bob@contoso.example"))
    put_cluster(world, "phidesk-by-hand", A100_SIZE, nodes=0, busy=0, tags=marked("cluster"))
    found = {one.name: one for one in costs.inventory()}
    assert [name for name, one in found.items() if one.may_delete] == ["mine"]
    assert found["bobs"].detail == "Made by bob@contoso.example."
    with pytest.raises(Conflict):
        costs.delete(found["bobs"].id)
    assert ended(costs.delete_all()).state == OperationState.DONE
    assert [one.name for one in costs.inventory()] == ["bobs", "phidesk-by-hand"]


def test_a_workspace_that_holds_somebody_elses_work_stays_with_its_group(costs: AzureCosts, world: World) -> None:
    world.arm[WORKSPACE_ID.lower()]["tags"] = ours("workspace")
    world.arm[GROUP_ID.lower()]["tags"] = ours("resource_group")
    put_endpoint(world, "bobs", marked("endpoint", by="bob@contoso.example"))
    found = {one.kind: one for one in costs.inventory()}
    assert not found["workspace"].may_delete and "1 things" in found["workspace"].detail
    assert not found["resource group"].may_delete


def test_a_workspace_and_a_group_that_we_made_go_last(costs: AzureCosts, ended: Ended, world: World) -> None:
    _make_group(world, "ours")
    put_endpoint(world, "my-phi")
    kinds = [one.kind for one in costs.inventory()]
    assert kinds[0] == "endpoint" and kinds[-1] == "resource group" and "workspace" in kinds
    assert kinds.index("workspace") < kinds.index("storage account")
    operation = ended(costs.delete_all())
    assert operation.state == OperationState.DONE, operation.failure
    assert not [key for key in world.arm if "/resourcegroups/ours" in key]


def test_what_was_chosen_and_is_deleted_is_chosen_no_more(
    costs: AzureCosts, ended: Ended, world: World, connection: Connection
) -> None:
    group = _make_group(world, "ours")
    name = next(key for key in world.arm if "/resourcegroups/ours/" in key and "/workspaces/" in key).rpartition("/")[2]
    connection.save(replace(connection.config, resource_group=group.rpartition("/")[2], workspace=name))
    assert ended(costs.delete_all()).state == OperationState.DONE
    config = connection.config
    assert (config.subscription, config.resource_group, config.workspace) == (SUBSCRIPTION, "", "")
    assert costs.inventory() == []


def test_a_group_with_somebody_elses_things_in_it_stays(costs: AzureCosts, ended: Ended, world: World) -> None:
    group = _make_group(world, "ours")
    keep(world, f"{group}/providers/Microsoft.Storage/storageAccounts/foreign", "Microsoft.Storage/storageAccounts",
         location=REGION)  # fmt: skip
    found = next(one for one in costs.inventory() if one.kind == "resource group")
    assert not found.may_delete and "1 things" in found.detail
    with pytest.raises(Conflict):
        costs.delete(found.id)
    assert ended(costs.delete_all()).state == OperationState.DONE
    assert [one.kind for one in costs.inventory()] == ["resource group"]


def test_what_azure_refuses_to_delete_is_named_and_the_rest_goes(
    costs: AzureCosts, emulator: Emulator, ended: Ended
) -> None:
    put_cluster(emulator.world, "phidesk-a", "Standard_E4s_v3", nodes=0, busy=0)
    put_cluster(emulator.world, "phidesk-b", "Standard_E4s_v3", nodes=0, busy=0)
    fault = emulator.faults.add(403, path="/computes/phidesk-a$", method="DELETE", times=-1)
    operation = ended(costs.delete_all())
    assert operation.state == OperationState.FAILED and operation.failure is not None
    assert "phidesk-a" in operation.failure.what and "computes/delete" in operation.failure.why
    assert [one.name for one in costs.inventory()] == ["phidesk-a"]
    fault.times = 0
    assert ended(costs.delete_all()).state == OperationState.DONE
    assert costs.inventory() == []


def _make_group(world: World, name: str) -> str:
    """A group with a workspace and what belongs to it, all tagged as Phi Desk does."""
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
    keep(world, group, "Microsoft.Resources/resourceGroups", location=REGION, provisioningState="Succeeded")
    workspaces.create(world, group, "our-ws", REGION, {})
    for key, kept in world.arm.items():
        if key == group.lower() or key.startswith(group.lower() + "/"):
            kept["tags"] = ours("workspace")
    return group

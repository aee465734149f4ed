"""The life of an endpoint on the emulated Azure, by the real SDK: nothing twice, no gap, nothing left that costs."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.azure.connection import Connection
from backend.azure.connections import connection_name
from backend.azure.endpoints import AzureEndpoints
from backend.azure.flows import AzureFlows
from backend.azure.jobs import AzureJobs
from backend.azure.machines import AzureMachines
from backend.azure.models import AzureModels
from backend.azure.operations import Operations
from backend.chatting import Chatting
from backend.deployments import Deployments
from backend.domain import Endpoint, EndpointState, Hosting
from backend.domain_setup import OperationState
from backend.errors import BadInput, Conflict, NotFound, Unavailable
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.endpoints import serving
from tests.azure_emulator.world import CLIENT_ID
from tests.contract.conftest import wait_until
from tests.unit.azure.conftest import sign_in

PHI = "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/13"
PHI_4 = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
HUB = "microsoft/Phi-4-mini-instruct"
GPU = Hosting(size="Standard_NC24ads_A100_v4", serving="vllm")
BESIDE = Hosting(takes_traffic=False)


@pytest.fixture
def endpoints(connection: Connection, operations: Operations, emulator: Emulator) -> AzureEndpoints:
    """Deployments that answer without a model: "<deployment> heard: <question>"."""
    serving(emulator.world).echo = True
    return build(connection, operations)


def build(connection: Connection, operations: Operations) -> AzureEndpoints:
    models = AzureModels(connection, AzureJobs(connection, operations))
    return AzureEndpoints(connection, operations, models, AzureMachines(connection, models))


def until(endpoints: AzureEndpoints, name: str, state: EndpointState, model: str = "") -> Endpoint:
    def reached() -> Endpoint | None:
        if any(one.state is OperationState.RUNNING for one in endpoints.operations.list()):
            return None
        found = endpoints.get(name)
        return found if found.state is state and model in ("", found.model) else None

    try:
        found: Endpoint = wait_until(reached, f"{name} is {state.value} {model}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {endpoints.get(name)} {endpoints.operations.list()}") from None
    return found


def answering(endpoints: AzureEndpoints, model: str = PHI, hosting: Hosting | None = None) -> Endpoint:
    endpoints.create("phi")
    endpoints.deploy("phi", model, hosting=hosting or Hosting())
    return until(endpoints, "phi", EndpointState.RUNNING, model)


def shares(endpoint: Endpoint) -> dict[str, int]:
    return {each.name: each.traffic_percent for each in endpoint.deployments}


def puts(emulator: Emulator, ending: str) -> int:
    return len([one for one in emulator.requests if one.method == "PUT" and one.path.endswith(ending)])


def test_creating_an_endpoint_does_not_wait_and_creates_it_once(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    emulator.faults.add("slow", "/onlineEndpoints/phi$", method="PUT", seconds=0.5)
    made = endpoints.create("phi")
    assert (made.state, made.deployments, made.url) == (
        EndpointState.STOPPED, (), "https://phi.eastus.inference.ml.azure.com",
    )  # fmt: skip
    assert endpoints.create("phi").created_at == made.created_at
    assert puts(emulator, "/onlineEndpoints/phi") == 1
    assert endpoints.key("phi") == endpoints.key("phi") != ""
    assert [one.name for one in endpoints.list()] == ["phi"]
    found = emulator.world.get(endpoints.calls.path("phi"))
    assert found is not None
    assert found["tags"] == {"phidesk": "1", "phidesk-kind": "endpoint", "phidesk-by": CLIENT_ID}


def test_a_first_deployment_gets_all_the_traffic_and_is_the_tutorials(
    endpoints: AzureEndpoints, emulator: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoints.create("phi")
    assert endpoints.deploy("phi", PHI).state is EndpointState.CREATING
    running = until(endpoints, "phi", EndpointState.RUNNING)
    assert (shares(running), running.model, running.contract) == ({"blue": 100}, PHI, "foundry")
    assert running.deployments[0].hosting.size == "Standard_E4s_v3"
    kept = emulator.world.get(endpoints.calls.path("phi", "blue"))
    assert kept is not None
    facts = kept["properties"]
    assert facts["livenessProbe"] | facts["readinessProbe"] == facts["livenessProbe"]
    assert (facts["livenessProbe"]["initialDelay"], facts["livenessProbe"]["failureThreshold"]) == ("PT8M20S", 30)
    assert facts["requestSettings"]["maxConcurrentRequestsPerInstance"] == 3
    assert set(facts["environmentVariables"]) == {"SUBSCRIPTION_ID", "RESOURCE_GROUP_NAME"}
    smoke = [one for one in emulator.requests if one.host.startswith("phi.")]
    assert [one.headers["azureml-model-deployment"] for one in smoke] == ["blue"]
    assert endpoints.deploy("phi", PHI).state is EndpointState.RUNNING  # a second click
    assert puts(emulator, "/deployments/blue") == 1
    assert capfd.readouterr().out == ""  # the SDK's dots would break the command line's JSON


def test_another_model_takes_over_without_a_gap_and_the_old_one_goes(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    answering(endpoints)
    emulator.faults.add("slow", "/deployments/green$", method="PUT", seconds=0.6)
    switching = endpoints.deploy("phi", PHI_4)
    assert (switching.state, switching.model) == (EndpointState.RUNNING, PHI)
    wait_until(lambda: "green" in shares(endpoints.get("phi")), "green is on its way")
    assert shares(endpoints.get("phi")) == {"blue": 100, "green": 0}
    after = until(endpoints, "phi", EndpointState.RUNNING, PHI_4)
    assert shares(after) == {"green": 100}
    history = [
        one.path.rsplit("/", 1)[1]
        for one in emulator.requests
        if one.method == "DELETE" and "/deployments/" in one.path
    ]
    assert history == ["blue"]
    kept = emulator.world.get(endpoints.calls.path("phi"))
    assert kept is not None
    assert "phidesk-retire" not in kept["tags"]


def test_a_second_deployment_is_tested_gets_traffic_by_shares_is_rolled_back_and_removed(
    endpoints: AzureEndpoints,
) -> None:
    answering(endpoints)
    endpoints.deploy("phi", PHI_4, "candidate", BESIDE)
    beside = until(endpoints, "phi", EndpointState.RUNNING)
    assert shares(beside) == {"blue": 100, "candidate": 0}
    assert endpoints.test("phi", "candidate", "Hello?") == "candidate heard: Hello?"
    assert endpoints.test("phi", "blue", "Hello?") == "blue heard: Hello?"
    assert shares(endpoints.set_traffic("phi", {"blue": 50, "candidate": 50})) == {"blue": 50, "candidate": 50}
    with pytest.raises(Conflict, match="traffic"):
        endpoints.remove_deployment("phi", "candidate")
    assert shares(endpoints.set_traffic("phi", {"candidate": 100})) == {"blue": 0, "candidate": 100}
    assert endpoints.get("phi").model == PHI_4
    assert shares(endpoints.set_traffic("phi", {"blue": 100, "candidate": 0})) == {"blue": 100, "candidate": 0}
    removed = endpoints.remove_deployment("phi", "candidate")
    assert {each.name: each.state for each in removed.deployments}.get("candidate") in (None, EndpointState.STOPPED)
    wait_until(lambda: shares(endpoints.get("phi")) == {"blue": 100}, "the candidate is gone")
    assert shares(endpoints.remove_deployment("phi", "candidate")) == {"blue": 100}
    for bad in ({"blue": 50}, {"blue": 50, "other": 50}, {"blue": 120, "candidate": -20}):
        with pytest.raises(BadInput):
            endpoints.set_traffic("phi", bad)


def test_without_a_size_the_one_chosen_on_setup_is_taken(endpoints: AzureEndpoints) -> None:
    endpoints.connection.save(replace(endpoints.connection.config, serving_size="Standard_DS3_v2"))
    assert answering(endpoints).deployments[0].hosting.size == "Standard_DS3_v2"
    files = {file.name: file.text for file in endpoints.as_code("phi", PHI, Hosting())}
    assert "instance_type: Standard_DS3_v2" in files["deployment.yml"]


def test_a_name_in_use_is_refused_for_another_deployment(endpoints: AzureEndpoints) -> None:
    answering(endpoints)
    with pytest.raises(Conflict, match="blue already"):
        endpoints.deploy("phi", PHI_4, "blue", BESIDE)


def test_deployments_with_different_contracts_do_not_share_the_traffic(endpoints: AzureEndpoints) -> None:
    answering(endpoints)
    endpoints.deploy("phi", HUB, "fast", Hosting(GPU.size, serving="vllm", takes_traffic=False))
    assert [each.failure for each in until(endpoints, "phi", EndpointState.RUNNING).deployments] == [None, None]
    with pytest.raises(Conflict, match="different requests"):
        endpoints.set_traffic("phi", {"blue": 50, "fast": 50})
    moved = endpoints.set_traffic("phi", {"fast": 100})
    assert (moved.contract, moved.model) == ("openai", HUB)


def test_a_stopped_endpoint_costs_nothing_keeps_address_and_key_and_starts_again(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    running = answering(endpoints, hosting=Hosting("Standard_DS3_v2", 2, 3))
    endpoints.deploy("phi", PHI_4, "candidate", BESIDE)
    until(endpoints, "phi", EndpointState.RUNNING)
    key = endpoints.key("phi")
    assert endpoints.stop("phi").state is EndpointState.STOPPED
    stopped = until(endpoints, "phi", EndpointState.STOPPED)
    assert (stopped.deployments, stopped.url, endpoints.key("phi")) == ((), running.url, key)
    assert not [path for path in emulator.world.arm if "/deployments/" in path or "autoscale" in path]
    assert endpoints.stop("phi").state is EndpointState.STOPPED
    assert endpoints.start("phi").state is EndpointState.CREATING
    again = until(endpoints, "phi", EndpointState.RUNNING, PHI)
    assert shares(again) == {"blue": 100, "candidate": 0}
    hosting = next(each.hosting for each in again.deployments if each.name == "blue")
    assert (hosting.size, hosting.instances, hosting.max_instances) == ("Standard_DS3_v2", 2, 3)
    kept = emulator.world.get(endpoints.calls.path("phi"))
    assert kept is not None
    assert not [tag for tag in kept["tags"] if tag.startswith("phidesk-back-")]


def test_an_endpoint_that_never_had_a_model_can_not_start(endpoints: AzureEndpoints) -> None:
    endpoints.create("phi")
    with pytest.raises(Conflict, match="no model yet"):
        endpoints.start("phi")


def test_stopping_in_the_middle_of_a_deployment_remembers_what_was_wished(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    endpoints.create("phi")
    emulator.faults.add("slow", "/deployments/blue$", method="PUT", seconds=0.5)
    endpoints.deploy("phi", PHI)
    wait_until(lambda: puts(emulator, "/deployments/blue"), "the deployment is under way")
    endpoints.stop("phi")
    until(endpoints, "phi", EndpointState.STOPPED)
    wait_until(lambda: not endpoints.calls.deployments("phi"), "nothing computes")
    endpoints.start("phi")
    assert shares(until(endpoints, "phi", EndpointState.RUNNING, PHI)) == {"blue": 100}


def stopping(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    """It answered, and its one machine is going right now."""
    answering(endpoints)
    emulator.faults.add("slow", "/deployments/blue$", method="DELETE", seconds=0.8)
    endpoints.stop("phi")
    wait_until(lambda: deletes(emulator, "/deployments/blue"), "Azure was asked to remove it")


def deletes(emulator: Emulator, ending: str) -> int:
    return len([one for one in emulator.requests if one.method == "DELETE" and one.path.endswith(ending)])


def test_starting_while_the_stop_is_at_work_brings_back_what_it_takes_away(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    stopping(endpoints, emulator)
    assert endpoints.start("phi").state is EndpointState.CREATING
    endpoints.start("phi")  # a second click
    assert shares(until(endpoints, "phi", EndpointState.RUNNING, PHI)) == {"blue": 100}
    assert (puts(emulator, "/deployments/blue"), deletes(emulator, "/deployments/blue")) == (2, 1)


def test_a_stop_after_that_start_wins(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    stopping(endpoints, emulator)
    endpoints.start("phi")
    endpoints.stop("phi")
    until(endpoints, "phi", EndpointState.STOPPED)
    assert (endpoints.calls.deployments("phi"), puts(emulator, "/deployments/blue")) == ([], 1)
    endpoints.start("phi")
    until(endpoints, "phi", EndpointState.RUNNING, PHI)


@pytest.mark.parametrize("model", [PHI, PHI_4])
def test_deploying_while_a_stop_is_at_work_waits_for_its_end(
    endpoints: AzureEndpoints, emulator: Emulator, model: str
) -> None:
    stopping(endpoints, emulator)
    endpoints.deploy("phi", model)
    wait_until(lambda: "Waits for the end of" in endpoints.get("phi").detail, "it waits")
    assert shares(until(endpoints, "phi", EndpointState.RUNNING, model)) == {"blue": 100}


def test_nothing_is_changed_beside_a_stop_or_a_delete(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    stopping(endpoints, emulator)
    with pytest.raises(Conflict, match="busy"):
        endpoints.set_traffic("phi", {"blue": 100})
    endpoints.delete("phi")
    for act in (endpoints.create, endpoints.start, lambda name: endpoints.deploy(name, PHI)):
        with pytest.raises(Conflict, match="busy"):
            act("phi")
    endpoints.stop("phi")
    wait_until(lambda: not endpoints.list() and not endpoints.operations.at_work, "phi is gone")


def test_deleting_in_the_middle_of_a_deployment_leaves_nothing(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    endpoints.create("phi")
    emulator.faults.add("slow", "/deployments/blue$", method="PUT", seconds=0.5)
    endpoints.deploy("phi", PHI)
    wait_until(lambda: puts(emulator, "/deployments/blue"), "the deployment is under way")
    endpoints.delete("phi")
    wait_until(lambda: not endpoints.operations.at_work, "the work ended")
    assert not [path for path in emulator.world.arm if "/onlineendpoints/" in path]
    assert puts(emulator, "/deployments/blue") == 1


def test_bounds_make_it_scale_and_go_with_it(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    answering(endpoints, hosting=Hosting(instances=1, max_instances=4))
    (rules,) = [kept for path, kept in emulator.world.arm.items() if "autoscalesettings" in path]
    assert rules["properties"]["targetResourceUri"].endswith("/onlineEndpoints/phi/deployments/blue")
    assert rules["properties"]["profiles"][0]["capacity"] == {"minimum": "1", "maximum": "4", "default": "1"}
    assert rules["tags"]["phidesk"] == "1"
    endpoints.delete("phi")
    wait_until(lambda: not endpoints.list(), "phi is gone")
    wait_until(lambda: not [path for path in emulator.world.arm if "autoscalesettings" in path], "its rules are gone")


def test_a_new_key_shuts_the_old_one_out_and_goes_into_the_connection(
    endpoints: AzureEndpoints, operations: Operations, emulator: Emulator
) -> None:
    answering(endpoints)
    flows = AzureFlows(endpoints.connection, operations, endpoints)
    flows.connect("phi")
    old = endpoints.key("phi")
    endpoints.renew_key("phi")
    new = endpoints.key("phi")
    assert new not in ("", old)
    assert secrets_of(endpoints.connection, "phi")["key"] == new
    assert endpoints.test("phi", "blue", "Hi") == "blue heard: Hi"


def secrets_of(connection: Connection, endpoint: str) -> dict[str, str]:
    path = f"{connection.workspace_path()}/connections/{connection_name(endpoint)}/listsecrets"
    found = connection.arm("POST", path, "2024-04-01-preview", {})
    keys: dict[str, str] = found["properties"]["credentials"]["keys"]
    return keys


def test_an_expiry_stands_in_the_tags_before_anything_costs(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=8)).replace(microsecond=0)
    endpoints.create("phi")
    emulator.faults.add("out_of_quota", "/deployments/blue$")
    endpoints.deploy("phi", PHI, hosting=Hosting(expires_at=soon))
    until(endpoints, "phi", EndpointState.FAILED)
    assert endpoints.get("phi").expires_at == soon
    later = soon + timedelta(hours=1)
    assert endpoints.set_expiry("phi", later).expires_at == later
    endpoints.deploy("phi", PHI, hosting=Hosting(expires_at=soon))
    assert until(endpoints, "phi", EndpointState.RUNNING).expires_at == later
    assert endpoints.set_expiry("phi", None).expires_at is None


def test_deleting_takes_everything_behind_it_and_may_be_repeated(
    endpoints: AzureEndpoints, operations: Operations, emulator: Emulator
) -> None:
    answering(endpoints)
    AzureFlows(endpoints.connection, operations, endpoints).connect("phi")
    endpoints.delete("phi")
    endpoints.delete("phi")
    wait_until(lambda: not endpoints.list(), "phi is gone")
    wait_until(lambda: not operations.at_work, "the work ended")
    endpoints.delete("phi")
    assert not [path for path in emulator.world.arm if "/onlineendpoints/" in path or "/connections/" in path]
    with pytest.raises(NotFound):
        endpoints.get("phi")


def test_a_name_that_somebody_else_has_is_said_with_a_free_one(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    other = endpoints.calls.path("phi").replace("phi-ws", "other-ws").lower()
    emulator.world.arm[other] = {"id": other, "name": "phi", "properties": {}}
    with pytest.raises(Conflict, match="taken") as caught:
        endpoints.create("phi")
    del emulator.world.arm[other]
    free = caught.value.how_to_fix.split()[-1].rstrip(".")
    assert endpoints.create(free).name == free


@pytest.mark.parametrize("bad", ["ab", "1st", "UPPER", "a_b", "../x", "ends-", "x" * 33, ""])
def test_a_name_against_azures_rules_is_refused_before_azure_is_asked(
    endpoints: AzureEndpoints, emulator: Emulator, bad: str
) -> None:
    asked = len(emulator.requests)
    with pytest.raises(BadInput):
        endpoints.create(bad)
    assert len(emulator.requests) == asked


def test_what_can_not_succeed_is_refused_at_once(endpoints: AzureEndpoints, emulator: Emulator) -> None:
    endpoints.create("phi")
    with pytest.raises(NotFound):
        endpoints.deploy("phi", "never-was:1")
    with pytest.raises(NotFound):
        endpoints.deploy("never-was", PHI)
    with pytest.raises(BadInput, match="GPU"):
        endpoints.deploy("phi", HUB)
    with pytest.raises(BadInput, match="vllm"):
        endpoints.deploy("phi", PHI, hosting=Hosting(serving="vllm"))
    with pytest.raises(BadInput, match="can't be served"):
        endpoints.deploy("phi", "phidesk/tiny-phi3")
    with pytest.raises(BadInput, match="can't be used") as caught:
        endpoints.deploy("phi", PHI, hosting=Hosting("Standard_NC6s_v3"))
    assert "2025" in caught.value.why
    assert not [one for one in emulator.requests if one.method == "PUT" and "/deployments/" in one.path]


@pytest.mark.parametrize(
    ("model", "hosting", "words"),
    [
        (HUB, Hosting(), "GPU"),
        (PHI, Hosting(serving="vllm"), "vllm"),
        ("phidesk/tiny-phi3", Hosting(), "can't be served"),
        (PHI, Hosting("Standard_NC6s_v3"), "can't be used"),
    ],
)
def test_what_can_not_succeed_leaves_no_endpoint(
    endpoints: AzureEndpoints, model: str, hosting: Hosting, words: str
) -> None:
    endpoints.check(PHI)
    with pytest.raises(BadInput, match=words):
        Deployments(Desk(endpoints)).create("phi", model, hosting=hosting)  # type: ignore[arg-type]
    assert list(endpoints.list()) == []


@pytest.mark.parametrize("kind", ["out_of_quota", "probe_failed", "image_build"])
def test_a_refused_deployment_says_why_costs_nothing_and_the_old_one_answers(
    endpoints: AzureEndpoints, emulator: Emulator, kind: str
) -> None:
    answering(endpoints)
    emulator.faults.add(kind, "/deployments/green$", method="PUT")
    endpoints.deploy("phi", PHI_4)
    after = until(endpoints, "phi", EndpointState.RUNNING, PHI)
    assert shares(after) == {"blue": 100, "green": 0}
    failed = next(each for each in after.deployments if each.name == "green")
    assert (failed.state, failed.model) == (EndpointState.FAILED, PHI_4)
    assert failed.failure is not None
    assert failed.failure.why and failed.failure.how_to_fix
    assert (failed.failure.code == "no_quota") == (kind == "out_of_quota")
    assert [each["name"] for each in endpoints.calls.deployments("phi")] == ["blue"]
    assert endpoints.test("phi", "blue", "Still there?") == "blue heard: Still there?"
    assert shares(endpoints.remove_deployment("phi", "green")) == {"blue": 100}


def test_a_first_deployment_that_fails_fails_the_endpoint_and_can_be_tried_again(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    endpoints.create("phi")
    emulator.faults.add("probe_failed", "/deployments/blue$", method="PUT")
    endpoints.deploy("phi", PHI)
    failed = until(endpoints, "phi", EndpointState.FAILED)
    assert failed.failure is not None
    assert "probe" in failed.failure.why
    endpoints.start("phi")
    assert shares(until(endpoints, "phi", EndpointState.RUNNING)) == {"blue": 100}


def test_a_deployment_that_does_not_answer_never_gets_the_traffic(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    answering(endpoints)
    emulator.faults.add(400, "/score", host="phi\\..*", code="BadRequest", message="no such input")
    endpoints.deploy("phi", PHI_4)
    after = until(endpoints, "phi", EndpointState.RUNNING, PHI)
    failed = next(each for each in after.deployments if each.name == "green")
    assert failed.failure is not None
    assert failed.failure.code == "no_answer"
    assert [each["name"] for each in endpoints.calls.deployments("phi")] == ["blue"]


@pytest.mark.parametrize("fault", [409, 429, 500, 503, "drop", "drop_reply", "hang_reply"])
@pytest.mark.parametrize("where", ["/deployments/blue$", "/onlineEndpoints/phi$"])
def test_a_deployment_survives_what_passes(
    endpoints: AzureEndpoints, emulator: Emulator, fault: int | str, where: str
) -> None:
    endpoints.create("phi")
    wait_until(lambda: endpoints.key("phi"), "phi is there")
    emulator.faults.add(fault, where, method="PUT")
    endpoints.deploy("phi", PHI)
    assert shares(until(endpoints, "phi", EndpointState.RUNNING)) == {"blue": 100}
    deployments = [path for path in emulator.world.arm if "/deployments/" in path]
    assert len(deployments) == 1


def test_a_connection_that_breaks_while_azure_works_does_not_fail_the_deployment(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    endpoints.create("phi")
    emulator.faults.add("slow", "/deployments/blue$", method="PUT", seconds=0.5)
    emulator.faults.add("drop", "/mfeOperationsStatus/", times=3)
    emulator.faults.add(500, "/deployments/blue$", method="GET", times=6)
    endpoints.deploy("phi", PHI)
    assert shares(until(endpoints, "phi", EndpointState.RUNNING)) == {"blue": 100}
    assert puts(emulator, "/deployments/blue") == 1


def test_a_sign_in_that_ends_in_the_middle_leaves_the_work_waiting_for_the_next_one(
    endpoints: AzureEndpoints, operations: Operations, emulator: Emulator
) -> None:
    endpoints.create("phi")
    wait_until(lambda: endpoints.key("phi"), "phi is there")
    emulator.faults.add("slow", "/deployments/blue$", method="PUT", seconds=60)
    endpoints.deploy("phi", PHI)
    wait_until(lambda: puts(emulator, "/deployments/blue"), "the deployment has begun")
    emulator.faults.add(401, "/deployments/blue$|OperationsStatus", method="GET", times=-1)
    wait_until(lambda: not operations.at_work, "nobody works without a sign-in")
    (waiting,) = operations.list()
    assert (waiting.state, waiting.failure) == (OperationState.RUNNING, None)
    emulator.faults.clear()
    emulator.world.advance(120)
    sign_in(endpoints.connection)
    operations.resume_all()
    assert shares(until(endpoints, "phi", EndpointState.RUNNING)) == {"blue": 100}
    assert puts(emulator, "/deployments/blue") == 1


CHILD = """
import sys
from pathlib import Path
from backend.azure.connection import Connection
from backend.azure.operations import Operations
from backend.deployments import Deployments
from backend.domain import Hosting
from backend.settings import Settings
from tests.unit.azure.conftest import READY, sign_in
from tests.unit.azure.test_endpoints import build
home, model = Path(sys.argv[1]), sys.argv[2]
connection = Connection(Settings(home=home, azure_timeout_seconds=3))
sign_in(connection)
connection.save(READY)
endpoints = build(connection, Operations(home / "desk.db"))
endpoints.create("phi")
endpoints.deploy("phi", model, hosting=Hosting())
print("under way", flush=True)
"""


@pytest.mark.parametrize("moment", ["/deployments/blue$", "/onlineEndpoints/phi$"])
def test_a_killed_app_finds_its_deployment_again_and_makes_nothing_twice(
    endpoints: AzureEndpoints, operations: Operations, emulator: Emulator, settings: Any, moment: str
) -> None:
    """Killed while the deployment is made, and while the endpoint is."""
    emulator.faults.add("slow", moment, method="PUT", seconds=1.5)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(settings.home), PHI],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "under way"
    wait_until(lambda: puts(emulator, moment.strip("$")), "Azure was asked")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert endpoints.get("phi").state is EndpointState.CREATING
    operations.resume_all()
    assert shares(until(endpoints, "phi", EndpointState.RUNNING)) == {"blue": 100}
    assert puts(emulator, "/deployments/blue") == 1


@pytest.fixture
def identity(endpoints: AzureEndpoints) -> dict[str, Any]:
    """A user-assigned identity that is chosen, and has no role yet."""
    connection = endpoints.connection
    path = f"{connection.group_path()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/phi-id"
    made = connection.arm("PUT", path, "2023-01-31", {"location": "eastus"})
    connection.save(replace(connection.config, identity="phi-id"))
    return made


def test_an_endpoint_has_the_chosen_identity_and_a_missing_role_is_named(
    endpoints: AzureEndpoints, identity: dict[str, Any], emulator: Emulator
) -> None:
    endpoints.create("phi")
    kept = emulator.world.get(endpoints.calls.path("phi"))
    assert kept is not None
    assert [path.rsplit("/", 1)[1] for path in kept["identity"]["userAssignedIdentities"]] == ["phi-id"]
    endpoints.deploy("phi", PHI)
    failed = until(endpoints, "phi", EndpointState.FAILED)
    assert failed.failure is not None
    assert "Storage Blob Data Reader" in failed.failure.why
    assert not endpoints.calls.deployments("phi")
    files = {file.name: file.text for file in endpoints.as_code("phi", PHI, Hosting())}
    assert f"UAI_CLIENT_ID: {identity['properties']['clientId']}" in files["deployment.yml"]
    assert "phi-id" in files["endpoint.yml"]
    workspace = endpoints.connection.workspace()
    for role, scope in (
        ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", workspace.storage_account),
        ("7f951dda-4ed3-4680-a7ca-43fe172d538d", workspace.container_registry),
    ):
        body = {"properties": {
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}",
            "principalId": identity["properties"]["principalId"], "principalType": "ServicePrincipal",
        }}  # fmt: skip
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        endpoints.connection.arm("PUT", path, "2022-04-01", body)
    endpoints.start("phi")
    until(endpoints, "phi", EndpointState.RUNNING)
    made = emulator.world.get(endpoints.calls.path("phi", "blue"))
    assert made is not None
    assert made["properties"]["environmentVariables"]["UAI_CLIENT_ID"] == identity["properties"]["clientId"]


def test_work_of_another_workspace_is_left_alone(endpoints: AzureEndpoints, connection: Connection) -> None:
    wish = {"workspace": "/subscriptions/other", "endpoint": "phi", "deployment": "blue"}
    with pytest.raises(Conflict, match="another workspace"):
        endpoints.work.deploy(wish, None)  # type: ignore[arg-type]


def test_an_endpoint_made_elsewhere_is_seen_and_its_contract_found_out(
    endpoints: AzureEndpoints, emulator: Emulator
) -> None:
    running = answering(endpoints)
    kept = emulator.world.get(endpoints.calls.path("phi", "blue"))
    assert kept is not None
    kept["tags"] = {}
    seen = endpoints.list()[0]
    assert (seen.name, seen.contract, seen.model) == ("phi", "foundry", "Phi-3-mini-4k-instruct:13")
    assert seen.state is running.state


def test_the_log_grows_by_what_is_new(endpoints: AzureEndpoints) -> None:
    answering(endpoints)
    first = endpoints.logs("phi")
    again = endpoints.logs("phi", first.end)
    assert (again.start, again.text) == (first.end, "")


def test_no_secret_is_logged_or_stored(
    endpoints: AzureEndpoints, operations: Operations, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answering(endpoints)
    AzureFlows(endpoints.connection, operations, endpoints).connect("phi")
    endpoints.test("phi", "blue", "Hello?")
    endpoints.stop("phi")
    until(endpoints, "phi", EndpointState.STOPPED)
    key = endpoints.key("phi")
    assert key not in caplog.text
    for file in settings.home.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(("model", "hosting", "contract"), [(PHI, Hosting(), "foundry"), (HUB, GPU, "openai")])
def test_the_chat_page_talks_to_it_through_the_real_flow(
    endpoints: AzureEndpoints, tmp_path: Path, model: str, hosting: Hosting, contract: str
) -> None:
    answering(endpoints, model, hosting)
    chatting = Chatting(Desk(endpoints), tmp_path / "chats.db")  # type: ignore[arg-type]
    chat = chatting.create("phi")
    assert "".join(chatting.answer(chat.id, "Who founded Microsoft?")) == "blue heard: Who founded Microsoft?"
    assert endpoints.get("phi").contract == contract
    endpoints.renew_key("phi")  # the next question asks for the key afresh
    assert "".join(chatting.answer(chat.id, "And when?")) == "blue heard: And when?"


class Desk:
    """As much of a target as a chat or a deployment needs."""

    def __init__(self, endpoints: AzureEndpoints) -> None:
        self.endpoints = endpoints


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": 429, "retry_after": 7}, "too_many"),
        ({"kind": 401}, "bad_key"),
        ({"kind": 503}, "unreachable"),
        ({"kind": "drop"}, "unreachable"),
    ],
)
def test_a_chat_that_gets_no_answer_says_why_and_keeps_the_question(
    endpoints: AzureEndpoints, emulator: Emulator, tmp_path: Path, fault: dict[str, Any], code: str
) -> None:
    answering(endpoints)
    chatting = Chatting(Desk(endpoints), tmp_path / "chats.db")  # type: ignore[arg-type]
    chat = chatting.create("phi")
    emulator.faults.add(path="/score", host="phi\\..*", **fault)
    with pytest.raises((Unavailable, BadInput)) as caught:
        list(chatting.answer(chat.id, "Who founded Microsoft?"))
    assert caught.value.code == code
    assert [one.content for one in chatting.get(chat.id).messages] == ["Who founded Microsoft?"]
    assert "".join(chatting.answer_again(chat.id)) == "blue heard: Who founded Microsoft?"


def test_a_chat_with_an_endpoint_that_sleeps_says_how_to_wake_it(endpoints: AzureEndpoints, tmp_path: Path) -> None:
    answering(endpoints)
    endpoints.stop("phi")
    until(endpoints, "phi", EndpointState.STOPPED)
    chatting = Chatting(Desk(endpoints), tmp_path / "chats.db")  # type: ignore[arg-type]
    chat = chatting.create("phi")
    with pytest.raises(Unavailable, match="Start it"):
        list(chatting.answer(chat.id, "Hello?"))

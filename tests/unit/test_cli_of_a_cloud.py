"""The command line with a target that needs an account, offers machines and costs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend import bootstrap
from backend.bootstrap import Desk
from backend.domain import BUILT_IN_MODEL
from backend.settings import Settings
from tests.contract.conftest import wait_until
from tests.fake_cloud import A100, FakeCloud
from tests.fakes import FakeTarget
from tests.unit.conversations import jsonl, rows

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


@pytest.fixture
def desk(cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = bootstrap.assemble(Settings(home=tmp_path), {"fake": FakeTarget(), "cloud": cloud}, cloud)  # type: ignore[arg-type, dict-item]
    monkeypatch.setattr("backend.bootstrap.build", lambda settings: made)
    return made


@pytest.fixture
def connected(desk: Desk, cloud: FakeCloud) -> Desk:
    cloud.connect()
    return desk


@pytest.fixture
def dataset(desk: Desk) -> str:
    return desk.datasets.create_from_file(jsonl(*rows(9)), "Data").id


@pytest.fixture
def model(connected: Desk, cloud: FakeCloud, dataset: str) -> str:
    job = connected.training.start(connected.training.spec("Mine", dataset, BUILT_IN_MODEL))
    cloud.jobs.complete(job.id)
    return connected.training.register(job.id).ref


@pytest.fixture
def world(cloud: FakeCloud) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Runs what the cloud does while a command waits for it."""
    threads = []

    def start(happen: Callable[[], None]) -> None:
        thread = threading.Thread(target=happen)
        threads.append(thread)
        thread.start()

    yield start
    for thread in threads:
        thread.join(30)


def finish_the_next(cloud: FakeCloud) -> None:
    first = wait_until(lambda: next(iter(cloud.ongoing.all), None), "an operation has begun")
    cloud.ongoing.finish(first)


def test_targets_are_listed_and_chosen(desk: Desk, run: Run) -> None:
    listed = run("target", "list")[1]["targets"]
    assert [(one["name"], one["is_in_use"]) for one in listed] == [("fake", False), ("cloud", True)]
    assert run("target", "use", "fake")[1]["name"] == "fake"
    assert desk.settings.target_file.read_text().strip() == "fake"
    assert run("target", "use", "nowhere")[1]["error"]["code"] == "no_such_target"


def test_signing_in_waits_until_the_person_is_let_in(
    desk: Desk,
    cloud: FakeCloud,
    run: Run,
    world: Callable[[Callable[[], None]], None],
) -> None:
    def let_in() -> None:
        wait_until(lambda: cloud.setup.state.code, "the code is there")
        cloud.setup.let_in()

    world(let_in)
    status, account = run("setup", "sign-in", "--way", "device_code")
    assert (status, account["state"], account["account"]) == (0, "signed_in", "ada@contoso.com")
    assert run("setup", "sign-out")[1]["state"] == "signed_out"
    assert run("setup", "status")[1]["choices"] == []


def test_a_way_that_can_not_be_used_is_status_2_with_the_reason(desk: Desk, run: Run) -> None:
    status, answer = run("setup", "sign-in", "--way", "browser")
    assert (status, answer["error"]["code"]) == (2, "no_such_way")
    assert "No browser was found here." in answer["error"]["why"]


def test_nobody_signing_in_is_status_5(desk: Desk, cloud: FakeCloud, run: Run) -> None:
    status, answer = run("setup", "sign-in", "--way", "device_code", "--timeout", "0")
    assert (status, answer["error"]["code"]) == (5, "sign_in_timeout")


def test_choices_are_made_by_id_or_title(desk: Desk, cloud: FakeCloud, run: Run) -> None:
    cloud.setup.sign_in("cli")
    assert run("setup", "choose", "subscription", "Shared")[1]["chosen"] == "sub-2"
    assert run("setup", "choose", "subscription", "sub-1")[0] == 0
    assert run("setup", "choose", "subscription", "none")[0] == 2
    assert run("setup", "choose", "nothing", "x")[1]["error"]["code"] == "no_such_choice"
    assert run("setup", "status")[1]["choices"][0]["chosen"] == "sub-1"


def test_creating_is_followed_to_its_end(
    desk: Desk,
    cloud: FakeCloud,
    run: Run,
    world: Callable[[Callable[[], None]], None],
) -> None:
    cloud.setup.sign_in("cli")
    cloud.setup.choose("subscription", "sub-1")
    world(lambda: finish_the_next(cloud))
    status, operation = run("setup", "create", "group", "--set", "name=rg-mine")
    assert (status, operation["state"], cloud.setup.chosen["group"]) == (0, "done", "rg-mine")
    assert run("setup", "create", "group", "--set", "name=Not Good")[0] == 2


def test_an_operation_that_fails_is_status_1_and_can_be_tried_again(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
) -> None:
    operation = run("setup", "create", "workspace", "--set", "name=ws-two", "--no-wait")[1]
    cloud.ongoing.fail(operation["id"])
    assert run("setup", "operations")[1]["operations"][0]["failure"]["code"] == "no_role"
    assert run("setup", "operations", "--retry", operation["id"], "--no-wait")[1]["state"] == "running"
    assert run("setup", "operations", "--dismiss", operation["id"])[1]["operations"] == []


def test_fixing_lists_its_changes_and_may_stop_there(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
    world: Callable[[Callable[[], None]], None],
) -> None:
    assert run("setup", "check")[0] == 1
    changes = run("setup", "fix", "--dry-run")[1]["changes"]
    assert changes == ["Create: The identity phidesk-id", "Create: The role AcrPull of phidesk-id"]
    assert run("setup", "fix", "identity")[0] == 0
    assert list(cloud.setup.missing) == ["role"]
    world(lambda: finish_the_next(cloud))
    assert run("setup", "fix")[1]["state"] == "done"
    assert cloud.setup.missing == {}


def test_the_set_up_is_exported_and_applied(connected: Desk, cloud: FakeCloud, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "setup.yml"
    assert run("setup", "export", str(file))[0] == 0
    assert "group: rg-1" in file.read_text() == run("setup", "export")[1]["setup"]
    assert run("setup", "apply", str(file), "--no-wait")[0] == 0
    assert cloud.setup.applied == [file.read_text()]
    assert run("setup", "apply", str(tmp_path / "none.yml"))[0] == 3
    file.write_bytes(b"\xff\xfe")
    assert run("setup", "apply", str(file))[0] == 2


def test_machines_are_listed_with_price_and_quota(connected: Desk, run: Run) -> None:
    sizes = run("machines", "list")[1]["sizes"]
    assert sizes[0]["price"] == {"per_hour": 3.67, "currency": "USD"}
    assert sizes[-1]["retired_on"] == "2025-09-30"
    assert run("machines", "list", "--for", "serving")[1]["sizes"][0]["name"] == "Standard_E16s_v3"
    assert run("machines", "clusters")[1]["clusters"][0]["id"] == "gpu-cluster"


def test_a_run_gets_its_machine_is_shown_as_code_and_downloaded(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
    dataset: str,
    tmp_path: Path,
) -> None:
    status, job = run(
        "train", "start", dataset, "--size", A100.name, "--nodes", "2", "--low-priority", "--cluster", "gpu-cluster"
    )
    machine = {"size": A100.name, "nodes": 2, "is_low_priority": True, "cluster": "gpu-cluster"}
    assert (status, machine.items() <= job["spec"]["machine"].items()) == (0, True)
    run_id = job["spec"]["id"]
    files = run("runs", "code", run_id)[1]["files"]
    assert [file["name"] for file in files] == ["train.sh", "job.yml"]
    assert run("runs", "code", run_id, "--to", str(tmp_path / "code"))[0] == 0
    assert (tmp_path / "code" / "job.yml").read_text() == files[1]["text"]
    assert run("runs", "download", run_id, "--to", str(tmp_path))[0] == 4
    cloud.jobs.complete(run_id)
    assert (Path(run("runs", "download", run_id, "--to", str(tmp_path))[1]["folder"]) / "result.json").is_file()


def test_the_command_shown_as_code_is_taken_by_the_command_line(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
    dataset: str,
    model: str,
) -> None:
    import shlex

    spec = connected.training.spec("Mine", dataset, BUILT_IN_MODEL, overrides={"num_train_epochs": 2})
    words = shlex.split(connected.training.as_code(spec)[0].text)
    assert words[0] == "phidesk"
    assert run(*words[1:])[1]["spec"]["arguments"]["num_train_epochs"] == 2
    files = run("deploy", "code", model, "--size", A100.name, "--beside", "--max-instances", "3")[1]["files"]
    words = shlex.split(files[0]["text"])
    hosting = run(*words[1:])[1]["deployments"][0]["hosting"]
    assert (hosting["size"], hosting["max_instances"], hosting["takes_traffic"]) == (A100.name, 3, False)


def test_an_endpoint_is_hosted_tried_moved_and_tidied(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
    model: str,
) -> None:
    status, made = run("deploy", "create", model, "--size", A100.name, "--instances", "2", "--serving", "vllm")
    name, hosting = made["name"], made["deployments"][0]["hosting"]
    assert (status, hosting["size"], hosting["instances"]) == (0, A100.name, 2)
    assert made["expires_at"] is not None
    cloud.endpoints.make_ready(name)
    assert run("deploy", "create", model, "--name", name, "--deployment", "green", "--beside")[0] == 0
    assert run("deploy", "traffic", name, "blue=50", "green=50")[0] == 4
    cloud.endpoints.make_ready(name, "green")
    assert run("deploy", "test", name, "green", "When?")[1]["answer"].endswith("When?")
    moved = run("deploy", "traffic", name, "blue=0", "green=100")[1]["deployments"]
    assert [part["traffic_percent"] for part in moved] == [0, 100]
    assert run("deploy", "traffic", name, "blue")[1]["error"]["code"] == "bad_traffic"
    assert run("deploy", "traffic", name, "blue=10", "green=10")[0] == 2
    assert [part["name"] for part in run("deploy", "remove", name, "blue")[1]["deployments"]] == ["green"]
    key = run("deploy", "key", name)[1]["key"]
    assert run("deploy", "renew-key", name)[0] == 0
    assert run("deploy", "key", name)[1]["key"] != key
    assert run("deploy", "expiry", name, "0")[1]["expires_at"] is None
    assert run("deploy", "expiry", name, "2")[1]["expires_at"] is not None


def test_costs_are_listed_and_everything_is_deleted_when_it_is_confirmed(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
    model: str,
    world: Callable[[Callable[[], None]], None],
) -> None:
    run("deploy", "create", model, "--size", A100.name)
    cloud.endpoints.make_ready("mine-1")
    assert run("costs", "list")[1]["costs"][0]["so_far"] == pytest.approx(7.34)
    assert len(run("costs", "inventory")[1]["resources"]) == 3
    assert run("costs", "delete", "res-id")[0] == 0
    status, refused = run("costs", "delete-all")
    assert (status, refused["error"]["code"]) == (2, "not_confirmed")
    assert cloud.ongoing.all == {}
    world(lambda: finish_the_next(cloud))
    assert run("costs", "delete-all", "--yes")[1]["state"] == "done"
    assert [one.id for one in cloud.costs.inventory()] == ["res-ws"]


def test_the_flow_is_connected_and_published(
    connected: Desk,
    cloud: FakeCloud,
    run: Run,
    model: str,
    world: Callable[[Callable[[], None]], None],
) -> None:
    run("deploy", "create", model)
    assert run("flow", "connect", "mine-1")[1] == {"connection": "phidesk-mine-1"}
    assert run("flow", "connect", "none")[0] == 3
    world(lambda: finish_the_next(cloud))
    assert run("flow", "publish", "mine-1", "--deploy")[1]["state"] == "done"
    assert run("flow", "list")[1]["publications"][0]["endpoint"] == "mine-1-flow"


@pytest.mark.parametrize(
    "command",
    [
        ("setup", "status"), ("machines", "list"), ("costs", "list"), ("flow", "list"), ("machines", "clusters"),
    ],
)  # fmt: skip
def test_what_this_computer_has_not_is_said_in_words(
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    here = FakeTarget()
    made = bootstrap.assemble(Settings(home=tmp_path), {"fake": here}, here)  # type: ignore[arg-type, dict-item]
    monkeypatch.setattr("backend.bootstrap.build", lambda settings: made)
    status, answer = run(*command)
    assert (status, answer["error"]["code"]) == (2, "not_at_this_target")


@pytest.mark.parametrize(
    "command", [("nonsense",), ("train", "start"), ("train", "start", "d", "--nodes", "x"), ("data", "--what")]
)
def test_wrong_usage_is_a_json_error_too(desk: Desk, run: Run, command: tuple[str, ...]) -> None:
    status, answer = run(*command)
    assert (status, answer["error"]["code"]) == (2, "bad_usage")
    assert json.dumps(answer["error"]["what"]) != '""'

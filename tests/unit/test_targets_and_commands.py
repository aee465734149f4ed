"""Which target is in use and how it is chosen; and that a shown command line is the one that does the same."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import bootstrap, commands
from backend.bootstrap import Desk
from backend.deployments import Deployments
from backend.domain import Hosting, JobKind, JobSpec, Machine
from backend.errors import BadInput, Conflict
from backend.local.run_folder import RunFolder
from backend.settings import Settings
from tests.fakes import FakeTarget


def desk_of(settings: Settings) -> Desk:
    one, two = FakeTarget(), FakeTarget()
    one.name, two.name = "one", "two"
    targets = {"one": one, "two": two}
    return bootstrap.assemble(settings, targets, targets[bootstrap._chosen(settings, targets)])


def test_the_first_target_is_in_use_until_another_is_chosen_and_that_is_remembered(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    desk = desk_of(settings)
    assert desk.target.name == "one"
    chosen = bootstrap.choose_target(desk, "two")
    assert chosen.target is chosen.training.target is chosen.deployments.target is desk.targets["two"]
    assert desk_of(settings).target.name == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target"]


def test_a_target_that_is_not_there_any_more_falls_back_to_the_first(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("gone\n")
    assert desk_of(Settings(home=tmp_path)).target.name == "one"


def test_the_environment_decides_and_an_unknown_target_is_refused_with_the_names(tmp_path: Path) -> None:
    desk = desk_of(Settings(home=tmp_path, target="two"))
    assert desk.target.name == "two"
    with pytest.raises(Conflict, match="PHIDESK_TARGET"):
        bootstrap.choose_target(desk, "one")
    with pytest.raises(BadInput, match="one, two"):
        bootstrap.choose_target(desk, "three")
    with pytest.raises(BadInput, match="one, two"):
        desk_of(Settings(home=tmp_path, target="three"))


def test_this_computer_is_what_a_new_desk_uses(tmp_path: Path) -> None:
    desk = bootstrap.build(Settings(home=tmp_path))
    assert desk.target.name == "local"
    assert desk.target.setup is None


SPEC = JobSpec("r1", "My run", JobKind.FINE_TUNE, "a/b", "d1", "d", "t", "e", "abc", recipe="quick")


def test_the_command_names_what_differs_from_the_preset_and_where_it_runs() -> None:
    machine = Machine(size="Standard_X", nodes=2, cluster="gpu", is_low_priority=True, image="a/b:1")
    words = shlex.split(commands.train_command(replace(SPEC, machine=machine), {"seed": 3, "max_steps": None}).text)
    assert words[:3] == ["phidesk", "train", "start"]
    assert [words[place + 1] for place, word in enumerate(words) if word == "--set"] == ["max_steps=", "seed=3"]
    for flag, value in {"--size": "Standard_X", "--nodes": "2", "--cluster": "gpu", "--image": "a/b:1"}.items():
        assert words[words.index(flag) + 1] == value
    assert "--low-priority" in words


@given(name=st.text(min_size=1), base=st.text(min_size=1))
def test_any_name_survives_the_shell(name: str, base: str) -> None:
    words = shlex.split(commands.train_command(replace(SPEC, name=name, base_model=base), {}).text)
    assert words[words.index("--name") + 1] == name
    assert words[words.index("--base") + 1] == base


def test_a_deployment_as_a_command_says_only_what_is_not_the_default() -> None:
    assert shlex.split(commands.deploy_command("phi", "m:1", Hosting()).text) == [
        "phidesk", "deploy", "create", "m:1", "--name", "phi",
    ]  # fmt: skip
    until = datetime.now(UTC) + timedelta(hours=8)
    hosting = Hosting("Standard_X", 2, 4, "vllm", takes_traffic=False, expires_at=until)
    words = shlex.split(commands.deploy_command("phi", "m:1", hosting).text)
    assert words[6:] == [
        "--size", "Standard_X", "--instances", "2", "--max-instances", "4", "--serving", "vllm", "--beside",
        "--expires", "8.0",
    ]  # fmt: skip


def test_a_run_folder_keeps_the_machine(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    spec = replace(SPEC, machine=Machine(size="big", nodes=3))
    folder.write_spec(spec)
    assert folder.read_spec()[0] == spec


@pytest.mark.parametrize("percent", [{"a": 50, "b": 49}, {"a": 101, "b": -1}, {}])
def test_shares_that_do_not_make_a_hundred_are_refused(percent: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="100"):
        Deployments(FakeTarget()).set_traffic("phi", percent)


@pytest.mark.parametrize("hours", [0.0, -1.0, 1e9, float("nan")])
def test_an_expiry_is_some_hours_from_now(hours: float) -> None:
    with pytest.raises(BadInput, match="hours"):
        Deployments(FakeTarget()).set_expiry("phi", hours)


@pytest.mark.parametrize("hosting", [Hosting(instances=0), Hosting(instances=21), Hosting(max_instances=100)])
def test_a_number_of_machines_that_can_not_be_is_refused(hosting: Hosting) -> None:
    with pytest.raises(BadInput, match="machines"):
        Deployments(FakeTarget()).create("phi", "m:1", hosting=hosting)

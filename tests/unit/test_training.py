"""Runs: presets, the check of every value, estimates, and the way to the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend import estimates, recipes
from backend.datasets import Datasets
from backend.domain import BUILT_IN_MODEL, JobState, Machine
from backend.errors import BadInput, Conflict, NotFound, Unavailable
from backend.estimates import PastRun, Work
from backend.training import Training, new_job_id
from tests.fake_cloud import FakeCloud
from tests.fakes import FakeTarget
from tests.unit.conversations import jsonl, rows
from training_job.tuning import arguments as script


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


@pytest.fixture
def training(target: FakeTarget, tmp_path: Path) -> Training:
    return Training(target, Datasets(tmp_path / "datasets"))


@pytest.fixture
def dataset_id(training: Training) -> str:
    return training.datasets.create_from_file(jsonl(*rows(40)), "Data").id


def test_the_form_knows_the_scripts_arguments_kinds_and_bounds() -> None:
    known = {parameter.name: parameter for parameter in recipes.parameters()}
    assert set(known) == set(script.DEFAULTS)
    for name, default in script.DEFAULTS.items():
        assert known[name].kind is type(default), name
    for name, (least, most, is_open) in script.LIMITS.items():
        parameter = known[name]
        assert parameter.minimum is not None and parameter.maximum == most
        assert parameter.minimum > least if is_open else parameter.minimum == least
    assert set(known["lr_scheduler_type"].choices) == set(script.SCHEDULERS)


def test_every_preset_passes_its_own_check(training: Training) -> None:
    found = training.recipes()
    assert found[0].id == "quick"
    for recipe in found:
        assert recipes.check_values(recipe.values) == recipe.values
        assert recipe.title and recipe.description


def test_a_spec_carries_the_preset_the_changes_and_the_dataset(training: Training, dataset_id: str) -> None:
    spec = training.spec(" My\nrun ", dataset_id, BUILT_IN_MODEL, "quick", {"num_train_epochs": "3", "packing": "true"})
    dataset = training.datasets.get(dataset_id)
    assert (spec.name, spec.dataset_sha256, spec.train_path) == ("My run", dataset.sha256, dataset.train_path)
    assert spec.arguments["num_train_epochs"] == 3.0 and spec.arguments["packing"] is True
    assert spec.arguments["learning_rate"] == training.recipe("quick").values["learning_rate"]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("learning_rate", "fast", "1e-09 to 10"),
        ("learning_rate", 0, "1e-09 to 10"),
        ("learning_rate", float("nan"), "1e-09 to 10"),
        ("num_train_epochs", -1, "0.01 to 10000"),
        ("per_device_train_batch_size", 1.5, "a whole number from 1 to 4096"),
        ("per_device_train_batch_size", True, "a whole number"),
        ("packing", "maybe", "true or false"),
        ("method", "qlora", "full, lora"),
        ("max_length", 7, "8 to 1048576"),
    ],
)
def test_a_value_out_of_range_is_refused_with_field_and_range(
    training: Training, dataset_id: str, name: str, value: str | float | bool, allowed: str
) -> None:
    with pytest.raises(BadInput) as caught:
        training.spec("x", dataset_id, BUILT_IN_MODEL, "quick", {name: value})
    assert name in caught.value.what and allowed in caught.value.what


def test_unknown_things_are_named_with_what_there_is(training: Training, dataset_id: str) -> None:
    with pytest.raises(BadInput) as wrong_field:
        training.spec("x", dataset_id, BUILT_IN_MODEL, "quick", {"learning-rat": 1})
    assert "learning_rate" in wrong_field.value.how_to_fix
    with pytest.raises(NotFound) as wrong_recipe:
        training.spec("x", dataset_id, BUILT_IN_MODEL, "slow")
    assert "quick" in wrong_recipe.value.how_to_fix
    with pytest.raises(NotFound):
        training.spec("x", "nothing", BUILT_IN_MODEL)
    for name, base in (("", BUILT_IN_MODEL), ("x" * 81, BUILT_IN_MODEL), ("x", " ")):
        with pytest.raises(BadInput):
            training.spec(name, dataset_id, base)


def test_starting_a_spec_twice_is_one_run(training: Training, dataset_id: str) -> None:
    spec = training.spec("x", dataset_id, BUILT_IN_MODEL)
    assert training.start(spec).id == training.start(spec).id
    assert [job.id for job in training.list()] == [spec.id]
    assert training.list(states=[JobState.COMPLETED]) == []


def test_job_ids_sort_by_time() -> None:
    assert len({new_job_id() for _ in range(50)}) > 45
    assert len(new_job_id()) == len("20261121-061500-3fa2")


def test_only_a_completed_run_is_registered_and_once(training: Training, target: FakeTarget, dataset_id: str) -> None:
    job = training.start(training.spec("Überfahrt nach Wien!", dataset_id, BUILT_IN_MODEL))
    with pytest.raises(Conflict):
        training.register(job.id)
    target.jobs.complete(job.id)
    assert training.register(job.id).ref == training.register(job.id).ref == "uberfahrt-nach-wien:1"


def test_waiting_ends_with_the_run_or_at_the_deadline(training: Training, target: FakeTarget, dataset_id: str) -> None:
    job = training.start(training.spec("x", dataset_id, BUILT_IN_MODEL))
    with pytest.raises(Unavailable):
        training.wait(job.id, timeout=0)
    target.jobs.fail(job.id)
    assert training.wait(job.id, timeout=0).state is JobState.FAILED


def test_an_estimate_says_what_it_rests_on(training: Training, target: FakeTarget, dataset_id: str) -> None:
    spec = training.spec(
        "x", dataset_id, BUILT_IN_MODEL, "quick", {"num_train_epochs": 10, "per_device_train_batch_size": 16}
    )
    first = training.estimate(spec)
    assert first.steps == 20 and first.seconds > estimates.START_SECONDS and first.fits is True
    job = training.start(spec)
    target.jobs.complete(job.id, {"train_seconds": 2.0})
    second = training.estimate(training.spec("y", dataset_id, BUILT_IN_MODEL, "quick", {"num_train_epochs": 20}))
    assert "1 finished run" in second.basis
    other = (target.jobs.get(job.id).ended_at - target.jobs.get(job.id).started_at).total_seconds() - 2  # type: ignore[operator]
    assert second.seconds == pytest.approx(other + 4.0, rel=0.01)


def test_an_unknown_base_model_has_no_figures(training: Training, dataset_id: str) -> None:
    estimate = training.estimate(training.spec("x", dataset_id, "someone/else"))
    assert (estimate.seconds, estimate.memory_bytes, estimate.fits) == (0, 0, None)
    assert "not known" in estimate.basis


def test_work_counts_steps_as_the_trainer_does() -> None:
    quick = {"per_device_train_batch_size": 16, "num_train_epochs": 15, "max_length": 256}
    assert estimates.work_of(quick, rows=360, tokens=10_000, longest=40) == Work(345, 150_000, 640)
    assert estimates.work_of({**quick, "max_steps": 23}, 360, 10_000, 40).steps == 23
    assert estimates.work_of({**quick, "packing": True}, 360, 10_000, 40) == Work(45, 150_000, 4096)
    assert estimates.work_of({**quick, "gradient_accumulation_steps": 4}, 360, 10_000, 40).steps == 90


def test_memory_of_a_full_fine_tune_is_near_the_known_rule() -> None:
    work = Work(1, 1, 2048)
    full = estimates.memory_bytes(work, 3_820_000_000, {"gradient_checkpointing": True})
    lora = estimates.memory_bytes(work, 3_820_000_000, {"gradient_checkpointing": True, "method": "lora"})
    assert 61e9 < full < 70e9
    assert 15e9 < lora < 22e9
    assert estimates.memory_bytes(work, 3_640_000, {}) < 2e9


def test_earlier_runs_give_the_median() -> None:
    past = [PastRun(10, 5, 100), PastRun(20, 6, 100), PastRun(90, 7, 100)]
    assert estimates.seconds_from_runs(Work(1, 200, 1), past) == 6 + 40
    assert estimates.seconds_from_runs(Work(1, 200, 1), []) is None


def test_this_computer_has_a_speed() -> None:
    assert estimates.measure_gflops() > 0.1


def test_the_time_on_machines_elsewhere_is_known_from_runs_on_the_same_ones_only(tmp_path: Path) -> None:
    cloud = FakeCloud()
    cloud.connect()
    training = Training(cloud, Datasets(tmp_path))
    dataset = training.datasets.create_from_file(jsonl(*rows(40)), "Data")
    on_one = training.spec("x", dataset.id, BUILT_IN_MODEL, machine=Machine("gpu-size"))
    before = training.estimate(on_one)
    assert (before.seconds, before.fits) == (0.0, None)
    assert "not known" in before.basis
    training.start(on_one)
    cloud.jobs.complete(on_one.id, {"train_seconds": 60.0})
    assert training.estimate(on_one).seconds > 0
    assert training.estimate(training.spec("y", dataset.id, BUILT_IN_MODEL, machine=Machine("cpu-size"))).seconds == 0

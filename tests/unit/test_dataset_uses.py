"""What refers to a version of a dataset: runs and models, of each place that can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.dataset_uses import uses_of
from backend.datasets import Datasets
from backend.domain import BUILT_IN_MODEL, Dataset, Message
from backend.errors import PhiDeskError, Unavailable
from backend.studio.versions import Versions
from backend.target import Target
from backend.training import Training
from tests.fake_cloud import FakeCloud
from tests.fakes import FakeTarget
from tests.unit.conversations import jsonl, rows


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "datasets")


@pytest.fixture
def dataset(datasets: Datasets) -> Dataset:
    return datasets.create_from_file(jsonl(*rows(20)), "Data")


def change(datasets: Datasets, dataset: Dataset, text: str) -> Versions:
    versions = datasets.versions(dataset.id)
    versions.edit("train", 0, (Message("user", "Q"), Message("assistant", text)))
    return versions


def start(target: Target, datasets: Datasets, dataset: Dataset, name: str) -> str:
    training = Training(target, datasets)
    return training.start(training.spec(name, dataset.id, BUILT_IN_MODEL)).id


def test_a_run_refers_to_the_version_it_reads_and_a_model_to_what_it_learned_from(
    datasets: Datasets, dataset: Dataset
) -> None:
    target = FakeTarget()
    start(target, datasets, dataset, "first")
    versions = change(datasets, dataset, "two")
    change(datasets, dataset, "three")
    made = start(target, datasets, dataset, "third")
    other = datasets.create_from_file(jsonl(*rows(7)), "Other")
    start(target, datasets, other, "of another")
    target.jobs.complete(made)
    target.models.register(made, "ferries")
    uses = uses_of([target], dataset, versions.list())
    assert uses == {1: ("the run first",), 3: ("the run third", "the model ferries:1")}


def test_all_versions_with_the_content_of_a_run_are_in_use(datasets: Datasets, dataset: Dataset) -> None:
    target = FakeTarget()
    versions = change(datasets, dataset, "two")
    versions.undo()
    start(target, datasets, dataset, "third")
    assert set(uses_of([target], dataset, versions.list())) == {1, 3}


def test_a_place_is_asked_once_somebody_is_signed_in_and_then_must_answer(
    datasets: Datasets, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, cloud = FakeTarget(), FakeCloud()
    versions = change(datasets, dataset, "two")
    assert uses_of([here, cloud], dataset, versions.list()) == {}
    cloud.connect()
    start(cloud, datasets, dataset, "far away")
    assert uses_of([here, cloud], dataset, versions.list()) == {2: ("the run far away",)}

    def away(**_asked: object) -> list[object]:
        raise Unavailable("The cloud can't be reached.")

    monkeypatch.setattr(cloud.jobs, "list", away)
    with pytest.raises(PhiDeskError, match="can't be reached"):
        uses_of([here, cloud], dataset, versions.list())

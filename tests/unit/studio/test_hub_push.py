"""Uploading a dataset: over real sockets with the unpatched client, to a Hub on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars
import pytest

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.errors import PhiDeskError
from backend.studio.hub_push import card_of, plan_push, push_to_hub
from tests.hub_emulator.fixtures import hub
from tests.hub_emulator.repos import Repo
from tests.hub_emulator.server import HubEmulator
from tests.unit.conversations import jsonl, rows

__all__ = ["hub"]
TOKEN = "hf_of_ada"


@pytest.fixture
def ada(hub: HubEmulator, monkeypatch: pytest.MonkeyPatch) -> HubEmulator:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # what it reads HF_HUB_DISABLE_XET into
    hub.tokens |= {TOKEN: "ada", "hf_of_bob": "bob"}
    return hub


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Datasets(tmp_path / "datasets").create_from_file(jsonl(*rows(20)), "My <b>data</b>")


def push(dataset: Dataset, repo_id: str = "ada/mine", token: str = TOKEN, **asked: Any) -> str:
    return push_to_hub(dataset, repo_id, token=token, **asked)


def refusal(dataset: Dataset, repo_id: str = "ada/mine", token: str = TOKEN, **asked: Any) -> str:
    """The code of the refusal; its words hold no token."""
    with pytest.raises(PhiDeskError) as caught:
        push(dataset, repo_id, token, **asked)
    error = caught.value
    assert error.what and error.how_to_fix and (not token or token not in f"{error} {error.raw}")
    return error.code


def test_a_dataset_becomes_a_private_repository_that_datasets_and_polars_read(
    ada: HubEmulator, dataset: Dataset, tmp_path: Path
) -> None:
    plan = plan_push(dataset, "mine", token=TOKEN)
    assert (plan.repo_id, plan.is_new, plan.private) == ("ada/mine", True, True)
    assert plan.rows == (("data/train.parquet", 16), ("data/eval.parquet", 4)) and not ada.repos
    assert push(dataset) == f"{ada.endpoint}/datasets/ada/mine"
    repo = ada.repos["ada/mine"]
    assert repo.private and set(repo.files) == {".gitattributes", "README.md", *_paths()}
    saved = [json.loads(line)["messages"] for line in Path(dataset.train_path).read_bytes().splitlines()]
    assert polars.read_parquet(repo.files["data/train.parquet"])["messages"].to_list() == saved
    import datasets

    for path, content in repo.files.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    loaded = datasets.load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in loaded.items()} == {"train": 16, "test": 4}
    assert loaded["train"]["messages"][:] == saved


def _paths() -> set[str]:
    return {"data/train.parquet", "data/eval.parquet"}


def test_an_earlier_upload_is_replaced_only_when_asked(ada: HubEmulator, dataset: Dataset) -> None:
    push(dataset)
    before = dict(ada.repos["ada/mine"].files)
    assert refusal(dataset) == "repo_exists" and ada.repos["ada/mine"].files == before
    assert push(dataset, replace=True).endswith("/datasets/ada/mine")


def test_what_phi_desk_did_not_make_is_never_replaced(ada: HubEmulator, dataset: Dataset) -> None:
    theirs = ada.add(Repo("ada/mine", {"train.jsonl": b"{}"}, private=True, readers={TOKEN}))
    assert refusal(dataset, replace=True) == "not_ours"
    assert theirs.files == {"train.jsonl": b"{}"}


def test_what_should_stay_private_never_goes_where_everyone_reads(ada: HubEmulator, dataset: Dataset) -> None:
    there = ada.add(Repo("ada/mine", {}))
    assert refusal(dataset) == "other_visibility"
    assert there.files == {}
    assert push(dataset, private=False).endswith("ada/mine")


@pytest.mark.parametrize(
    ("repo_id", "token", "code"),
    [
        ("ada/mine", "", "no_hub_token"),
        ("ada/mine", "hf_of_nobody", "bad_hub_token"),
        ("ada/mine", "hf_of_bob", "not_allowed"),
        ("../x", TOKEN, "bad_hub_id"),
        ("", TOKEN, "bad_hub_id"),
    ],
)
def test_who_may_not_is_told_why(ada: HubEmulator, dataset: Dataset, repo_id: str, token: str, code: str) -> None:
    assert refusal(dataset, repo_id, token) == code
    assert not ada.repos


def test_a_hub_that_fails_or_is_away_is_said_and_can_be_tried_again(
    ada: HubEmulator, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.fail("POST .*/commit/", 500)
    assert refusal(dataset) == "hub_trouble"
    ada.faults.clear()
    assert push(dataset).endswith("ada/mine"), "an empty repository that the first try left is filled"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert refusal(dataset) == "hub_unreachable"


def test_a_card_takes_no_markup_from_a_name(dataset: Dataset) -> None:
    card = card_of(dataset)
    assert "# My  b data  b" in card and "<" not in card
    assert "split: test" in card and dataset.sha256 in card

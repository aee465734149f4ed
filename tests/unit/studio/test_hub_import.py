"""Datasets of the Hugging Face Hub: a layout on disk as the Hub has it, and a small server in the Hub's place."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars
import pytest

from backend.datasets import Datasets
from backend.errors import BadInput, NoRoom, NotFound, Unavailable
from backend.studio.hub_errors import in_words
from tests.unit.conversations import rows

pytestmark = pytest.mark.slow
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train_sft
    path: data/train_sft-*
  - split: test_sft
    path: data/test_sft-*
---
"""
REQUEST = {"hub_id": "someone/chats", "config": "default", "split": "train"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "datasets")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """As HuggingFaceH4/ultrachat_200k: parquet shards of prompt, prompt_id and messages."""
    folder = tmp_path / "chats"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    table = [{"prompt": "p", "prompt_id": str(number), **one} for number, one in enumerate(rows(40))]
    polars.DataFrame(table).write_parquet(folder / "data" / "train_sft-00000-of-00001.parquet")
    polars.DataFrame(table[:5]).write_parquet(folder / "data" / "test_sft-00000-of-00001.parquet")
    return folder


def test_a_part_of_a_split_becomes_a_dataset(datasets: Datasets, layout: Path) -> None:
    dataset = datasets.create_from_hub(str(layout), "default", "train_sft[:50%]", name="Chats", seed=1)
    assert (dataset.source, dataset.train_rows, dataset.eval_rows) == ("hub", 16, 4)
    assert dataset.source_detail["split"] == "train_sft[:50%]"
    questions = {row.messages[0].content for row in datasets.preview(dataset.id, "train", 0, 100)}
    assert questions <= {f"Question {number}?" for number in range(20)}
    assert list((datasets.folder / ".imports").iterdir()) == []


def test_an_import_goes_on_in_a_process_of_its_own_and_can_be_watched(datasets: Datasets, layout: Path) -> None:
    started = datasets.start_hub_import(str(layout), "default", "test_sft")
    assert started.phase == "waiting"
    watcher = Datasets(datasets.folder)
    deadline = time.monotonic() + 120
    while not (seen := watcher.hub_import(started.id)).is_final:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (seen.phase, seen.rows, seen.failure) == ("done", 5, None)
    assert watcher.get(seen.dataset_id).eval_rows == 1


def test_an_import_can_be_stopped_and_leaves_no_dataset(datasets: Datasets, layout: Path) -> None:
    started = datasets.start_hub_import(str(layout), "default", "train_sft")
    datasets.cancel_hub_import(started.id)
    seen = datasets.hub_import(started.id)
    assert seen.phase == "failed" and seen.failure is not None and seen.failure.code == "import_stopped"
    assert datasets.list() == []
    datasets.cancel_hub_import(started.id)


@pytest.mark.parametrize(
    ("config", "split", "code", "named"),
    [
        ("nope", "train_sft", "no_such_config", "default"),
        ("default", "train", "no_such_split", "train_sft, test_sft"),
        ("default", "train_sft[:5", "bad_split", "train[:1%]"),
    ],
)
def test_a_wrong_part_is_named_with_what_there_is(
    datasets: Datasets, layout: Path, config: str, split: str, code: str, named: str
) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.create_from_hub(str(layout), config, split)
    assert caught.value.code == code and named in caught.value.how_to_fix


def test_a_dataset_without_messages_is_refused_with_its_columns(datasets: Datasets, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "train.jsonl").write_text(json.dumps({"question": "q", "reply": "r"}) + "\n")
    with pytest.raises(BadInput) as caught:
        datasets.create_from_hub(str(folder))
    assert caught.value.code == "no_messages" and "question, reply" in caught.value.what


@pytest.mark.parametrize("hub_id", ["", "a/b/c", "../x", "https://huggingface.co/x/y", "x y", "a" * 200])
def test_an_id_that_is_none_is_refused_at_once(datasets: Datasets, hub_id: str) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.start_hub_import(hub_id)
    assert caught.value.code == "bad_hub_id"


class _Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does for what is not there, and for what is gated."""

    def do_GET(self) -> None:
        gated = "gated" in self.path
        self.send_response(401 if gated else 404)
        self.send_header("x-error-code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("x-error-message", "Access to dataset is restricted." if gated else "Repository not found")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_dataset_that_is_not_on_the_hub_is_said(datasets: Datasets, hub: str) -> None:
    with pytest.raises(NotFound) as caught:
        datasets.create_from_hub("someone/missing")
    assert "someone/missing" in caught.value.what


def test_a_gated_dataset_says_how_to_get_in(datasets: Datasets, hub: str) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.create_from_hub("someone/gated")
    assert caught.value.code == "gated" and "HF_TOKEN" in caught.value.how_to_fix


def test_a_hub_that_cannot_be_reached_is_said(datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as caught:
        datasets.create_from_hub("someone/chats")
    assert caught.value.code == "hub_unreachable"


def test_a_full_disk_and_the_unforeseen_are_words_too() -> None:
    assert isinstance(in_words(OSError(28, "No space left on device"), REQUEST), NoRoom)
    unforeseen = in_words(RuntimeError("boom"), REQUEST)
    assert (unforeseen.code, unforeseen.why, unforeseen.raw) == ("hub_failed", "boom", "RuntimeError: boom")

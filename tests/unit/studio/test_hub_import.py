"""Datasets of the Hugging Face Hub: a layout on disk as the Hub has it, and the Hub's emulator over real sockets."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets as datasets_library
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.datasets import Datasets
from backend.domain_datasets import Decision, FormatKind, RecordFormat
from backend.errors import BadInput, NoRoom, NotFound, Unavailable
from backend.studio import hub_import
from backend.studio.drafts import Drafts
from backend.studio.hub_errors import in_words
from backend.studio.hub_import import HubImport
from backend.studio.hub_request import HubRequest
from backend.studio.hub_rows import spans_of
from tests.contract.waiting import wait_until
from tests.hub_emulator import HubEmulator, Repo
from tests.hub_emulator.warm_fetch import WarmFetch
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
REQUEST = HubRequest("someone/chats")


@pytest.fixture(scope="module")
def module_hub() -> Iterator[HubEmulator]:
    with HubEmulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def warm(module_hub: HubEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmFetch]:
    with WarmFetch(module_hub, tmp_path_factory.mktemp("warm")) as fetch:
        yield fetch


@pytest.fixture
def hub(module_hub: HubEmulator) -> Iterator[HubEmulator]:
    yield module_hub
    module_hub.require_all_known()
    module_hub.forget()


@pytest.fixture(autouse=True)
def speak_to_the_emulator(module_hub: HubEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", module_hub.endpoint)
    monkeypatch.delenv("HF_TOKEN", raising=False)


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
    dataset = datasets.create_from_hub(HubRequest(str(layout), split="train_sft[:50%]", name="Chats", seed=1))
    assert (dataset.source, dataset.train_rows, dataset.eval_rows) == ("hub", 16, 4)
    assert dataset.source_detail["split"] == "train_sft[:50%]"
    questions = {row.messages[0].content for row in datasets.preview(dataset.id, "train", 0, 100)}
    assert questions <= {f"Question {number}?" for number in range(20)}
    assert list((datasets.folder / ".imports").iterdir()) == []


def test_an_import_goes_on_in_a_process_of_its_own_and_can_be_watched(datasets: Datasets, layout: Path) -> None:
    started = datasets.start_hub_import(HubRequest(str(layout), split="test_sft"))
    assert started.phase == "waiting"
    watcher = Datasets(datasets.folder)
    seen = wait_until(lambda: _final(watcher.hub_import(started.id)), "the import", 120)
    assert (seen.phase, seen.rows, seen.failure) == ("done", 5, None)
    assert watcher.get(seen.dataset_id).eval_rows == 1


def test_an_import_can_be_stopped_and_leaves_no_dataset(datasets: Datasets, layout: Path) -> None:
    started = datasets.start_hub_import(HubRequest(str(layout), split="train_sft"))
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
    warm: WarmFetch, layout: Path, config: str, split: str, code: str, named: str
) -> None:
    failure = warm.get(HubRequest(str(layout), config, split)).failure
    assert failure is not None and failure.code == code and named in failure.how_to_fix


def test_columns_that_say_nothing_must_be_mapped(warm: WarmFetch, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    lines = [json.dumps({"left": f"left of {n}", "right": f"right of {n}"}) for n in range(9)]
    (folder / "train.jsonl").write_text("\n".join(lines))
    failure = warm.get(HubRequest(str(folder)), as_draft=False).failure
    assert failure is not None and failure.code == "format_not_sure" and "left, right" in failure.what
    of_others = RecordFormat(FormatKind.MAPPED, {"question": "left", "answer": "nothing"})
    refused = warm.get(HubRequest(str(folder), mappings=(of_others,)), as_draft=False).failure
    assert refused is not None and refused.code == "format_not_sure", "a guess is never saved"
    mapping = RecordFormat(FormatKind.MAPPED, {"question": "left", "answer": "right"}, ("left", "right"))
    done = warm.get(HubRequest(str(folder), mappings=(mapping,), seed=3), as_draft=False)
    datasets = Datasets(warm.folder)
    dataset = datasets.get(done.dataset_id)
    answers = {row.messages[-1].content for row in datasets.preview(dataset.id, "train", 0, 100)}
    assert answers < {f"right of {n}" for n in range(9)} and len(answers) == dataset.train_rows == 7


@pytest.mark.parametrize(
    ("decisions", "skip_bad", "saved"),
    [
        ({"last_turn_not_assistant": Decision.FIX}, True, 6),
        ({"last_turn_not_assistant": Decision.SKIP}, False, 5),
        ({}, True, 5),
        ({}, False, 0),
    ],
)
def test_what_was_decided_about_bad_rows_is_done(
    warm: WarmFetch, tmp_path: Path, decisions: dict[str, Decision], skip_bad: bool, saved: int
) -> None:
    folder = unfinished_chats(tmp_path / "unfinished")
    done = warm.get(HubRequest(str(folder), decisions=decisions, skip_bad=skip_bad), as_draft=False)
    if not saved:
        assert done.failure is not None and done.failure.code == "bad_rows" and "Row 6" in done.failure.why
        return
    dataset = Datasets(warm.folder).get(done.dataset_id)
    assert dataset.train_rows + dataset.eval_rows == saved
    assert (dataset.source_detail["rows_read"], dataset.source_detail["rows_left_out"]) == (6, 6 - saved)


def unfinished_chats(folder: Path) -> Path:
    """Six conversations, the last without an answer to its last question."""
    folder.mkdir()
    chats = rows(6)
    chats[-1]["messages"].append({"role": "user", "content": "And then?"})
    (folder / "train.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    return folder


@pytest.mark.parametrize("hub_id", ["", "a/b/c", "../x", "https://huggingface.co/x/y", "x y", "a" * 200])
def test_an_id_that_is_none_is_refused_at_once(datasets: Datasets, hub_id: str) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.start_hub_import(HubRequest(hub_id))
    assert caught.value.code == "bad_hub_id"


def parquet(table: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    polars.DataFrame(table).write_parquet(file)
    return file.getvalue()


def chats(hub: HubEmulator, name: str = "someone/chats", count: int = 40) -> Repo:
    table = [{"prompt": "p", "prompt_id": str(number), **one} for number, one in enumerate(rows(count))]
    card = CARD.replace("configs:", "license: mit\nconfigs:", 1).encode()
    parts = {"train_sft-0": table[:25], "train_sft-1": table[25:], "test_sft-0": table[:5]}
    files = {f"data/{name}.parquet": parquet(part) for name, part in parts.items()}
    return hub.add(Repo(name, {"README.md": card, **files}))


def records_of(warm: WarmFetch, request: HubRequest, token: str = "") -> tuple[HubImport, list[dict[str, Any]]]:
    """What an import as a draft has to hand over."""
    done = warm.get(request, token)
    assert done.failure is None, done.failure
    return done, [json.loads(line) for line in done.records.read_bytes().splitlines()]


def _final(state: HubImport) -> HubImport | None:
    return state if state.is_final else None


def test_an_import_becomes_a_draft_once_and_remembers_its_commit(hub: HubEmulator, warm: WarmFetch) -> None:
    repo = chats(hub)
    commit = repo.refs["main"]
    done, records = records_of(warm, HubRequest(repo.id, split="train_sft[20:30]+test_sft[:2]"))
    assert [one["prompt_id"] for one in records] == [*map(str, range(20, 30)), "0", "1"]
    assert records[0]["messages"][0] == {"role": "user", "content": "Question 20?"}
    assert (done.rows, done.bytes, done.title) == (12, done.records.stat().st_size, "chats")
    drafts = Drafts(warm.folder / ".drafts")
    drafted = hub_import.hand_over(warm.folder, done.id, drafts)
    assert hub_import.hand_over(warm.folder, done.id, drafts).draft_id == drafted.draft_id
    assert [draft.id for draft in drafts.list()] == [drafted.draft_id] and drafted.records is None
    hub_import.forget_import(warm.folder, done.id)  # the draft lives on its own
    draft = drafts.get(drafted.draft_id)
    assert (draft.name, draft.files, draft.report.good_rows) == ("chats", ("someone/chats",), 12)
    assert drafts.page(draft.id, 0, 1).rows[0][1].messages[0].content == "Question 20?"
    origin, detail = drafts.detail(draft.id)
    assert (origin, detail["revision"], detail["licence"]) == ("hub", commit, "mit")
    with pytest.raises(NotFound):
        hub_import.read_import(warm.folder, done.id)


def test_a_pinned_revision_gives_the_rows_of_then(hub: HubEmulator, warm: WarmFetch) -> None:
    repo = chats(hub)
    commit = repo.refs["main"]
    repo.commit({"data/train_sft-0.parquet": parquet([{"prompt": "p", "prompt_id": "new", **rows(1)[0]}])})
    _done, then = records_of(warm, HubRequest(repo.id, split="train_sft[:1]", revision=commit))
    _done, now = records_of(warm, HubRequest(repo.id, split="train_sft[:1]"))
    assert (then[0]["prompt_id"], now[0]["prompt_id"]) == ("0", "new")


@pytest.mark.parametrize("split", ["train_sft", "train_sft[:10%]", "train_sft[-3:]"])
def test_a_part_whose_rows_are_not_known_beforehand_is_downloaded(
    hub: HubEmulator, warm: WarmFetch, split: str
) -> None:
    repo = chats(hub)
    _done, records = records_of(warm, HubRequest(repo.id, split=split))
    wanted = {"train_sft": range(40), "train_sft[:10%]": range(4), "train_sft[-3:]": range(37, 40)}[split]
    assert [one["prompt_id"] for one in records] == [str(number) for number in wanted]
    assert not any("test_sft" in path for path in hub.paths())


def test_columns_of_mixed_types_and_pictures_come_as_records_too(hub: HubEmulator, warm: WarmFetch) -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": "Ho"}]
    lines = [{"messages": turns, "meta": {"a": 1}}, {"messages": turns[1:], "meta": [2]}]
    hub.add(Repo("someone/mixed", {"train.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode()}))
    _done, records = records_of(warm, HubRequest("someone/mixed", split="train[:2]"))
    assert records == lines
    seen = [{"picture": b"\x89PNG", "question": f"q{n}", "answer": f"a{n}"} for n in range(3)]
    hub.add(Repo("someone/seen", {"train.parquet": parquet(seen)}))
    _done, records = records_of(warm, HubRequest("someone/seen"))
    assert records == [{"question": f"q{n}", "answer": f"a{n}"} for n in range(3)]


@pytest.mark.parametrize("split", ["train_sft[:2]", "train_sft"])
def test_a_gated_dataset_opens_with_the_token_of_one_who_accepted(
    hub: HubEmulator, warm: WarmFetch, split: str
) -> None:
    repo = chats(hub, f"gated/{len(split)}")
    repo.gated, repo.readers = "auto", {"hf_accepted"}
    done, records = records_of(warm, HubRequest(repo.id, split=split), "hf_accepted")
    assert len(records) == (2 if "[" in split else 40)
    assert done.records is not None
    written = b"".join(path.read_bytes() for path in done.records.parent.rglob("*") if path.is_file())
    assert b"hf_accepted" not in written and not any("hf_accepted" in request.target for request in hub.asked)


@pytest.mark.parametrize(("token", "said"), [("", "make a token"), ("hf_stranger", "with the account")])
def test_a_gated_dataset_says_how_to_get_in(hub: HubEmulator, warm: WarmFetch, token: str, said: str) -> None:
    chats(hub, "gated/closed").gated = "manual"
    failure = warm.get(HubRequest("gated/closed", split="train_sft"), token).failure
    assert failure is not None and failure.code == "gated" and said in failure.how_to_fix


def test_what_is_not_there_is_said(hub: HubEmulator, warm: WarmFetch) -> None:
    chats(hub)
    missing = warm.get(HubRequest("someone/missing")).failure
    assert missing is not None and missing.code == "no_such_hub_dataset" and "someone/missing" in missing.what
    revision = warm.get(HubRequest("someone/chats", revision="v9")).failure
    assert revision is not None and revision.code == "no_such_revision"
    hub.add(Repo("someone/notes", {"notes.docx": b"1"}))
    empty = warm.get(HubRequest("someone/notes")).failure
    assert empty is not None and empty.code == "empty_hub_dataset"


def test_a_connection_that_drops_once_does_not_end_an_import(hub: HubEmulator, warm: WarmFetch) -> None:
    repo = chats(hub, "someone/dropped")
    hub.drop(r"GET .*train_sft-0", after=100, times=1)
    _done, records = records_of(warm, HubRequest(repo.id, split="train_sft[:30]"))
    assert len(records) == 30


def test_an_import_that_hangs_can_be_stopped(hub: HubEmulator, datasets: Datasets) -> None:
    chats(hub)
    hub.hang(r"GET .*parquet")
    started = datasets.start_hub_import(HubRequest("someone/chats", split="train_sft[:5]"), as_draft=True)
    wait_until(lambda: any(path.endswith("parquet") for path in hub.paths()), "the import asks for rows", 120)
    datasets.cancel_hub_import(started.id)
    seen = datasets.hub_import(started.id)
    assert seen.failure is not None and seen.failure.code == "import_stopped" and seen.records is None
    assert not list((datasets.folder / ".imports").rglob("*.jsonl"))


def test_a_hub_that_cannot_be_reached_is_said(datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as caught:
        datasets.create_from_hub(HubRequest("someone/chats"))
    assert caught.value.code == "hub_unreachable"


@given(
    parts=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.none() | st.integers(-9, 40), st.none() | st.integers(-9, 40)),
        min_size=1,
        max_size=3,
    ),
    is_percent=st.booleans(),
    are_sizes_known=st.booleans(),
)
def test_a_part_that_is_streamed_is_the_part_that_datasets_means(
    parts: list[tuple[str, int | None, int | None]], is_percent: bool, are_sizes_known: bool
) -> None:
    sizes = {"a": 30, "b": 7}
    mark = "%" if is_percent else ""
    ends = [("" if at is None else f"{at}{mark}", "" if to is None else f"{to}{mark}") for _split, at, to in parts]
    text = "+".join(f"{split}[{at}:{to}]" for (split, _at, _to), (at, to) in zip(parts, ends, strict=True))
    spans = spans_of(text, ["a", "b"], sizes if are_sizes_known else {})
    meant = datasets_library.ReadInstruction.from_spec(text).to_absolute(sizes)
    if spans is None:
        assert not are_sizes_known
        return
    rows = [(span.split, row) for span in spans for row in range(span.first, span.end) if row < sizes[span.split]]
    assert rows == [(one.splitname, row) for one in meant for row in range(one.from_, one.to)]


def test_a_full_disk_and_the_unforeseen_are_words_too() -> None:
    assert isinstance(in_words(OSError(28, "No space left on device"), REQUEST), NoRoom)
    unforeseen = in_words(RuntimeError("boom"), REQUEST)
    assert (unforeseen.code, unforeseen.why, unforeseen.raw) == ("hub_failed", "boom", "RuntimeError: boom")

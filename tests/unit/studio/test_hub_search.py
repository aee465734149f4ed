"""Looking for datasets on the Hub and into one, against the emulator over real sockets."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain_datasets import FormatKind
from backend.errors import BadInput, NotFound, PhiDeskError, Unavailable
from backend.studio import hub_search
from backend.studio.hub_facts import HubSplit, hit_of, splits_of_card
from backend.studio.hub_search import HubSearch, id_in, rows_of
from tests.contract.waiting import wait_until
from tests.hub_emulator import HubEmulator, Repo
from tests.hub_emulator.fixtures import hub
from tests.unit.conversations import rows

__all__ = ["hub"]
CARD = b"""---
license: cc-by-nc-4.0
language: [en, de]
size_categories: [100K<n<1M]
configs:
- config_name: default
  data_files:
  - split: train_sft
    path: data/train-*
dataset_info:
  config_name: default
  splits:
  - name: train_sft
    num_bytes: 4000
    num_examples: 40
---
# Chats
"""
VIEW = {"default": {"train_sft": rows(40), "test_sft": rows(5)}, "short": {"train": rows(3)}}


def looking(hub: HubEmulator, token: str | None = None, seconds: float = 10) -> HubSearch:
    return HubSearch(token, viewer=hub.viewer, timeout_seconds=seconds)


def chats(hub: HubEmulator, name: str = "someone/chats", **facts: Any) -> Repo:
    files = {"README.md": CARD, "data/train-0.jsonl": b"{}\n" * 100}
    return hub.add(Repo(name, files, **{"viewer": VIEW, "downloads": 7, "likes": 3, **facts}))


def test_a_search_tells_what_one_chooses_by(hub: HubEmulator) -> None:
    chats(hub)
    hub.add(Repo("other/chats-large", downloads=900, gated="manual"))
    hub.add(Repo("other/pictures", downloads=5000))
    hub.add(Repo("other/chats-secret", private=True))
    large, small = looking(hub).search("chats")
    assert (large.id, large.downloads, large.gated, large.licence) == ("other/chats-large", 900, "manual", "")
    assert (small.id, small.downloads, small.likes, small.licence) == ("someone/chats", 7, 3, "cc-by-nc-4.0")
    assert (small.size, small.bytes, small.gated) == ("100K<n<1M", len(CARD) + 300, "")
    assert small.languages == ("en", "de") and small.updated is not None and small.updated.year == 2025


def test_a_full_id_or_a_pages_address_comes_first(hub: HubEmulator) -> None:
    chats(hub, "a/b")
    hub.add(Repo("xa/by", downloads=900))
    assert [hit.id for hit in looking(hub).search("https://huggingface.co/datasets/a/b/viewer?x=1")] == ["a/b", "xa/by"]
    hub.fail(r"GET /api/datasets$", 200)
    hub.faults[-1].reply.body = []  # as when the Hub's search does not know it yet
    assert [hit.id for hit in looking(hub).search("a/b")] == ["a/b"]


def test_no_more_than_asked_for_is_found(hub: HubEmulator) -> None:
    for number in range(30):
        hub.add(Repo(f"someone/chat-{number}"))
    assert len(looking(hub).search("chat", limit=12)) == 12
    assert looking(hub).search("nothing like it") == ()


def test_about_one_says_splits_rows_bytes_and_the_commit(hub: HubEmulator) -> None:
    repo = chats(hub)
    about = looking(hub).about("someone/chats")
    assert about.revision == repo.refs["main"] and about.access is None and about.note == ""
    assert about.configs == ("default", "short")
    train, test = about.splits_of("default")
    assert (train.name, train.rows, test.name, test.rows) == ("train_sft", 40, "test_sft", 5)
    assert train.bytes == len(json.dumps(VIEW["default"]["train_sft"])) and not train.is_estimate


def test_a_dataset_under_an_old_name_is_found_under_its_new_one(hub: HubEmulator) -> None:
    chats(hub, "owner/squad")
    hub.moved["squad"] = "owner/squad"
    assert looking(hub).about("squad").hit.id == "owner/squad"


@pytest.mark.parametrize("hub_id", ["someone/missing", "someone/secret"])
def test_an_unknown_id_is_said_at_once(hub: HubEmulator, hub_id: str) -> None:
    hub.add(Repo("someone/secret", private=True))
    with pytest.raises(NotFound) as caught:
        looking(hub).about(hub_id)
    assert caught.value.code == "no_such_hub_dataset" and hub_id in caught.value.what
    assert len(hub.asked) == 1
    with pytest.raises(BadInput):
        looking(hub).about("no id at all")


def test_an_unknown_revision_is_said(hub: HubEmulator) -> None:
    chats(hub)
    with pytest.raises(NotFound) as caught:
        looking(hub).about("someone/chats", "v7")
    assert caught.value.code == "no_such_revision"


@pytest.mark.parametrize(
    ("gated", "token", "why", "said"),
    [
        ("auto", None, "at once", "HF_TOKEN"),
        ("manual", None, "days", "/datasets/someone/chats"),
        ("auto", "hf_stranger", "at once", "with the account"),
    ],
)
def test_a_gated_one_is_described_with_how_to_get_in(
    hub: HubEmulator, gated: str, token: str | None, why: str, said: str
) -> None:
    chats(hub, gated=gated)
    about = looking(hub, token).about("someone/chats")
    assert about.hit.gated == gated and about.access is not None
    assert about.access.code == "gated" and why in about.access.why and said in about.access.how_to_fix
    assert about.splits == (HubSplit("default", "train_sft", 40, 4000),)  # from the card, which is open
    with pytest.raises(BadInput) as caught:
        looking(hub, token).first_rows("someone/chats", "default", "train_sft")
    assert caught.value.code == "gated" and said in caught.value.how_to_fix


def test_a_gated_one_is_open_to_who_accepted_its_terms(hub: HubEmulator, caplog: pytest.LogCaptureFixture) -> None:
    chats(hub, gated="auto", readers={"hf_accepted"})
    with caplog.at_level(logging.DEBUG):
        search = looking(hub, "hf_accepted")
        about = search.about("someone/chats")
        assert about.access is None and len(about.splits) == 3
        assert len(search.first_rows("someone/chats", "default", "train_sft").rows) == 20
    assert not any("hf_accepted" in request.target for request in hub.asked)
    assert {request.token for request in hub.asked} == {"hf_accepted"}
    assert "hf_accepted" not in caplog.text + repr(vars(search))


def test_a_token_is_not_replaced_by_one_of_netrc(
    hub: HubEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    chats(hub)
    looking(hub, "hf_mine").search("chats")
    looking(hub).search("chats")
    assert [request.headers.get("authorization") for request in hub.asked] == ["Bearer hf_mine", None]


def test_a_token_that_the_hub_refuses_is_said(hub: HubEmulator) -> None:
    chats(hub)
    hub.tokens["hf_good"] = "someone"
    with pytest.raises(BadInput) as caught:
        looking(hub, "hf_old").about("someone/chats")
    assert caught.value.code == "bad_hub_token" and "hf_old" not in str(caught.value) + caught.value.raw


def test_first_rows_are_recognised_and_shown_as_conversations(hub: HubEmulator) -> None:
    chats(hub)
    shown = looking(hub).first_rows("someone/chats", "default", "train_sft", limit=7)
    assert (len(shown.rows), shown.columns, shown.total) == (7, ("messages",), 40)
    assert shown.format.kind == FormatKind.MESSAGES and shown.format.is_sure
    first = shown.conversations[0]
    assert first is not None and [message.content for message in first] == ["Question 0?", "Answer 0."]


def test_rows_that_are_no_conversations_are_told_apart(hub: HubEmulator) -> None:
    table = [{"instruction": f"Do {n}", "input": "", "output": f"Done {n}" if n else None} for n in range(9)]
    chats(hub, viewer={"default": {"train": table}})
    shown = looking(hub).first_rows("someone/chats", "default", "train")
    assert shown.format.kind == FormatKind.ALPACA
    assert shown.conversations[0] is None and shown.conversations[1] is not None


def test_where_whole_rows_are_not_ready_the_cut_ones_are_shown_as_cut(hub: HubEmulator) -> None:
    table = [*rows(2), {"messages": [{"role": "user", "content": "x" * 200_000}]}]
    chats(hub, viewer={"default": {"train": table}})
    hub.fail(r"/viewer/rows", 500, "ResponseNotReady")
    shown = looking(hub).first_rows("someone/chats", "default", "train")
    assert shown.format.kind == FormatKind.MESSAGES and shown.cut_columns == ("messages",)
    assert [one is None for one in shown.conversations] == [False, False, True]


@pytest.mark.parametrize(
    ("status", "code", "headers", "kind", "told"),
    [
        (404, "ResponseNotFound", {}, NotFound, "no_such_split"),
        (503, "ResponseNotReady", {}, Unavailable, "preview_not_ready"),
        (500, "ResponseNotReady", {}, Unavailable, "preview_not_ready"),
        (500, "UnexpectedError", {}, Unavailable, "no_preview"),
        (501, "DatasetInBlockListError", {}, Unavailable, "no_preview"),
        (429, "", {"Retry_After": "42"}, Unavailable, "hub_busy"),
    ],
)
def test_what_the_viewer_refuses_is_said_and_stops_no_import(
    hub: HubEmulator, status: int, code: str, headers: dict[str, str], kind: type[PhiDeskError], told: str
) -> None:
    chats(hub)
    hub.fail(r"/viewer/", status, code, **headers)
    with pytest.raises(kind) as caught:
        looking(hub).first_rows("someone/chats", "default", "train_sft")
    assert caught.value.code == told and caught.value.how_to_fix
    about = looking(hub).about("someone/chats")
    assert about.splits == (HubSplit("default", "train_sft", 40, 4000),) and about.note


def test_splits_are_named_while_they_are_still_counted(hub: HubEmulator) -> None:
    chats(hub)
    hub.fail(r"/viewer/size", 500, "ResponseNotReady")
    about = looking(hub).about("someone/chats")
    assert [(split.name, split.rows) for split in about.splits_of("default")] == [
        ("train_sft", None),
        ("test_sft", None),
    ]
    assert "preparing" in about.note


@pytest.mark.parametrize(
    ("status", "code", "headers", "told", "said"),
    [
        (429, "", {"Retry_After": "42"}, "hub_busy", "42 seconds"),
        (429, "", {}, "hub_busy", "few minutes"),
        (500, "", {}, "hub_trouble", "few minutes"),
        (502, "", {}, "hub_trouble", "few minutes"),
    ],
)
def test_a_hub_in_trouble_is_said_at_once(
    hub: HubEmulator, status: int, code: str, headers: dict[str, str], told: str, said: str
) -> None:
    hub.fail(r"GET /api/", status, code, **headers)
    for ask in (lambda search: search.search("chats"), lambda search: search.about("someone/chats")):
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            ask(looking(hub))
        assert caught.value.code == told and said in caught.value.how_to_fix
        assert time.monotonic() - began < 5  # it does not wait for what the Hub wants it to wait


def test_a_hub_that_does_not_answer_is_given_up_in_time(hub: HubEmulator) -> None:
    hub.hang(r"GET /api/")
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        looking(hub, seconds=0.3).search("chats")
    assert caught.value.code == "hub_slow" and time.monotonic() - began < 5


def test_a_viewer_that_does_not_answer_costs_one_wait_only(hub: HubEmulator) -> None:
    chats(hub)
    hub.hang(r"/viewer/")
    about = looking(hub, seconds=0.5).about("someone/chats")
    assert about.splits == (HubSplit("default", "train_sft", 40, 4000),) and "does not answer" in about.note
    assert sum(path.startswith("/viewer") for path in hub.paths()) == 1


def test_a_dropped_answer_and_a_strange_one_are_words(hub: HubEmulator) -> None:
    chats(hub)
    hub.drop(r"GET /api/datasets$", after=10)
    with pytest.raises(Unavailable) as caught:
        looking(hub).search("chats")
    assert caught.value.code == "hub_unreachable"
    hub.fail(r"GET /api/datasets/", 200)
    hub.faults[-1].reply.body = b"<html>Sign in to the hotel's network</html>"
    with pytest.raises(Unavailable) as caught:
        looking(hub).about("someone/chats")
    assert caught.value.code == "hub_strange" and "sign-in" in caught.value.why


def test_no_network_and_offline_mode_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as caught:
        HubSearch(timeout_seconds=2).search("chats")
    assert caught.value.code == "hub_unreachable" and "file" in caught.value.how_to_fix
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable) as caught:
        HubSearch(timeout_seconds=2).about("someone/chats")
    assert caught.value.code == "hub_offline" and "HF_HUB_OFFLINE" in caught.value.why


def test_an_answer_is_kept_for_minutes_and_an_error_is_not(hub: HubEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    chats(hub)
    search = looking(hub)
    hub.fail(r"GET /api/datasets$", 500, times=1)
    with pytest.raises(Unavailable):
        search.search("chats")
    found = search.search("chats")
    assert search.search(" chats ") is found and len(hub.asked) == 2
    search.forget()
    search.search("chats")
    assert len(hub.asked) == 3
    monkeypatch.setattr(hub_search, "KEEP_SECONDS", 0.01)
    wait_until(lambda: search.search("chats") and len(hub.asked) == 4, "the answer gets too old")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FACTS = st.dictionaries(
    st.sampled_from(["downloads", "likes", "gated", "private", "tags", "mainSize", "lastModified"]), JSON
)


@given(facts=FACTS, card=JSON | st.fixed_dictionaries({"configs": JSON, "dataset_info": JSON}))
def test_facts_of_any_shape_leave_the_rest_unknown(facts: dict[str, Any], card: object) -> None:
    hit = hit_of({"id": "a/b", **facts})
    assert hit.id == "a/b" and hit.downloads >= 0 and hit.gated in ("", facts.get("gated"))
    assert all(isinstance(split, HubSplit) for split in splits_of_card(card))


@given(page=JSON | st.fixed_dictionaries({"rows": JSON, "features": JSON}))
def test_a_page_of_any_shape_is_rows_or_words(page: Any) -> None:
    try:
        rows_of(page, 20)
    except Unavailable as error:
        assert error.code == "no_preview"


@given(st.text())
def test_any_text_may_be_searched_for(text: str) -> None:
    assert id_in(text) == text.strip() or "/datasets/" in text

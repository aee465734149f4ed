"""Exports of chats: the branch that was shown is the conversation, and nothing in a tree makes its reading fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain_datasets import Decision, FormatKind
from backend.studio.conversion import convert
from backend.studio.copy_making import make_working_copy
from backend.studio.formats import recognise
from backend.studio.message_tree import is_message_tree, turns_of_tree
from backend.studio.records import SourceFile


def node(parent: str | None, role: str = "", *parts: object, children: tuple[str, ...] = (), **more: object) -> object:
    content = {"content_type": more.pop("kind", "text"), "parts": list(parts)}
    message = {"author": {"role": role}, "content": content, "recipient": "all", "weight": 1.0, **more}
    return {"message": message if role else None, "parent": parent, "children": list(children)}


TREE = {
    "root": node(None, children=("hidden",)),
    "hidden": node("root", "system", "", children=("old", "new"), weight=0.0),
    "old": node("hidden", "user", "Where is the sea?", children=("old answer",)),
    "old answer": node("old", "assistant", "In the west."),
    "new": node("hidden", "user", "Where is the lake?", children=("call",)),
    "call": node("new", "assistant", "search(lake)", children=("found",), recipient="browser"),
    "found": node("call", "tool", "A page.", children=("thought",)),
    "thought": node("found", "assistant", "Hm.", children=("first half",), kind="thoughts"),
    "first half": node("thought", "assistant", "In the north\ue200cite\ue202turn0search1\ue201.", children=("last",)),
    "last": node("first half", "assistant", "Take the train.【4†guide.pdf】"),
}
NEWEST = [("user", "Where is the lake?"), ("assistant", "In the north.\n\nTake the train.")]
OLDEST = [("user", "Where is the sea?"), ("assistant", "In the west.")]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("last", NEWEST), ("old answer", OLDEST), (None, NEWEST), ("a node that isn't there", NEWEST), (7, NEWEST)],
)
def test_the_branch_that_was_shown_is_the_conversation(shown: object, expected: list[tuple[str, str]]) -> None:
    record = {"title": "Lakes", "create_time": 1.5, "mapping": TREE, "current_node": shown, "id": "1"}
    form = recognise([record])
    assert (form.kind, form.is_sure, dict(form.fields)) == (FormatKind.MESSAGES, True, {"messages": "mapping"})
    found = convert(record, form)
    assert found.messages is not None, found.flaw
    assert [(message.role, message.content) for message in found.messages] == expected
    assert found.notes == ("branch_read",)


def test_a_picture_is_found_and_the_fix_leaves_it_out(tmp_path: Path) -> None:
    tree = {
        "asked": node(None, "user", {"content_type": "image_asset_pointer"}, "What is it?", children=("a",)),
        "a": node("asked", "assistant", "A lake."),
    }
    export = tmp_path / "conversations.json"
    export.write_text(json.dumps([{"mapping": tree}, {"mapping": TREE}], indent=1))
    source = SourceFile(export, export.name)
    asked = make_working_copy([source], tmp_path / "asked", workers=0).report()
    assert [(finding.code, finding.count) for finding in asked.findings] == [("part_not_text", 1)]
    assert asked.good_rows == 1
    fixed = make_working_copy([source], tmp_path / "fixed", decisions={"part_not_text": Decision.FIX}, workers=0)
    assert fixed.report().good_rows == 2
    assert b"What is it?" in (tmp_path / "fixed" / "rows.jsonl").read_bytes()


NAMES = st.sampled_from("abcd")
MESSAGES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CONTENTS = st.fixed_dictionaries(
    {"content_type": st.sampled_from(["text", "multimodal_text", "code", 5]), "parts": st.lists(MESSAGES, max_size=3)}
)
PROPER = st.fixed_dictionaries(
    {
        "author": st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool", None])}),
        "content": CONTENTS | MESSAGES,
    }
)
TREES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"message": PROPER | MESSAGES, "parent": NAMES | MESSAGES, "children": st.lists(NAMES | MESSAGES) | MESSAGES}
    )
    | MESSAGES,
)


@given(TREES, NAMES | MESSAGES)
def test_no_tree_makes_it_fail_or_run_in_a_ring(tree: Mapping[str, object], shown: object) -> None:
    is_message_tree(tree)
    for turn in turns_of_tree(tree, shown):
        assert isinstance(turn, dict)
        assert turn["role"] in ("system", "user", "assistant")
        assert turn["content"]


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text("xyz", min_size=1)), min_size=1))
def test_a_line_of_messages_is_read_whole_and_in_order(said: list[tuple[str, str]]) -> None:
    tree = {
        str(place): node(str(place - 1) if place else None, role, text, children=(str(place + 1),))
        for place, (role, text) in enumerate(said)
    }
    turns = turns_of_tree(tree)
    words = [word for turn in turns if isinstance(turn, dict) for word in str(turn["content"]).split("\n\n")]
    assert words == [text for _role, text in said]

"""Chat: the real flow run by prompt flow against a real HTTP server, and conversations kept in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.chatting import Chatting
from backend.domain import BUILT_IN_MODEL, ChatSettings
from backend.errors import BadInput, Conflict, NotFound, PhiDeskError, Unavailable
from tests.fakes import FakeTarget
from tests.flows.small_endpoint import SmallEndpoint, serve

NAME = "phi"


@pytest.fixture
def server() -> Iterator[SmallEndpoint]:
    with serve(SmallEndpoint(key=f"fake-key-of-{NAME}-1")) as running:
        yield running


@pytest.fixture
def target(server: SmallEndpoint) -> FakeTarget:
    target = FakeTarget()
    target.endpoints.create(NAME)
    target.endpoints.deploy(NAME, BUILT_IN_MODEL)
    target.endpoints.endpoints[NAME] = replace(target.endpoints.make_ready(NAME), url=server.url)
    return target


@pytest.fixture
def chatting(target: FakeTarget, tmp_path: Path) -> Chatting:
    return Chatting(target, tmp_path / "desk.db")


def said(chatting: Chatting, conversation_id: str) -> list[tuple[str, str, bool]]:
    return [(one.role, one.content, one.is_stopped) for one in chatting.get(conversation_id).messages]


def test_an_answer_streams_and_is_saved_with_its_question(chatting: Chatting, server: SmallEndpoint) -> None:
    settings = ChatSettings("Be brief.", 0.5, 9, 0.9)
    conversation = chatting.create(NAME, settings)
    assert [piece for piece in chatting.answer(conversation.id, " Who founded it? ") if piece] == server.pieces
    assert said(chatting, conversation.id) == [("user", "Who founded it?", False), ("assistant", server.text, False)]
    assert chatting.get(conversation.id).title == "Who founded it?"
    assert server.bodies == [
        {
            "model": NAME,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Who founded it?"},
            ],
            "temperature": 0.5,
            "max_tokens": 9,
            "top_p": 0.9,
            "stream": True,
        }
    ]


def test_earlier_turns_go_with_the_next_question(chatting: Chatting, server: SmallEndpoint) -> None:
    conversation = chatting.create(NAME)
    list(chatting.answer(conversation.id, "one"))
    list(chatting.answer(conversation.id, "two"))
    assert [one["content"] for one in server.bodies[1]["messages"]] == ["one", server.text, "two"]


def test_the_question_is_saved_before_the_first_piece(chatting: Chatting) -> None:
    conversation = chatting.create(NAME)
    chatting.answer(conversation.id, "Kept?")
    assert said(chatting, conversation.id) == [("user", "Kept?", False)]


def test_stopping_saves_what_came_and_tells_the_server(chatting: Chatting, server: SmallEndpoint) -> None:
    server.behaviour = "endless"
    conversation = chatting.create(NAME)
    answer = chatting.answer(conversation.id, "Go on.")
    got = [next(answer), next(answer)]
    answer.close()  # type: ignore[attr-defined]
    assert server.caller_left.wait(10)
    assert said(chatting, conversation.id)[1:] == [("assistant", "".join(got), True)]


@pytest.mark.parametrize("behaviour", ["broken_off", "error_event", 401, 429, 500, "garbage"])
def test_an_error_keeps_the_question_and_saves_no_answer(
    chatting: Chatting, server: SmallEndpoint, behaviour: str | int
) -> None:
    server.behaviour = behaviour
    conversation = chatting.create(NAME)
    with pytest.raises(PhiDeskError) as caught:
        list(chatting.answer(conversation.id, "Well?"))
    assert caught.value.what and caught.value.how_to_fix
    assert said(chatting, conversation.id) == [("user", "Well?", False)]


def test_a_failed_question_can_be_asked_again_and_an_answer_replaced(chatting: Chatting, server: SmallEndpoint) -> None:
    conversation = chatting.create(NAME)
    with pytest.raises(Conflict):
        chatting.answer_again(conversation.id)
    server.behaviour = 503
    with pytest.raises(Unavailable):
        list(chatting.answer(conversation.id, "one"))
    server.behaviour = "well"
    list(chatting.answer_again(conversation.id))
    list(chatting.answer(conversation.id, "two"))
    server.pieces = ["Another."]
    list(chatting.answer_again(conversation.id))
    assert [content for _, content, _ in said(chatting, conversation.id)][2:] == ["two", "Another."]
    assert [one["content"] for one in server.bodies[-1]["messages"]][0::2] == ["one", "two"]


def test_an_unanswered_question_is_not_sent_again(chatting: Chatting, server: SmallEndpoint) -> None:
    conversation = chatting.create(NAME)
    chatting.answer(conversation.id, "lost")
    list(chatting.answer(conversation.id, "next"))
    assert [one["content"] for one in server.bodies[0]["messages"]] == ["next"]


def test_an_endpoint_that_is_stopped_or_gone_is_said(chatting: Chatting, target: FakeTarget) -> None:
    conversation = chatting.create(NAME)
    target.endpoints.stop(NAME)
    with pytest.raises(Unavailable) as caught:
        list(chatting.answer(conversation.id, "Hello?"))
    assert caught.value.code == "endpoint_not_running"
    target.endpoints.delete(NAME)
    with pytest.raises(NotFound):
        list(chatting.answer(conversation.id, "Hello?"))
    assert len(chatting.get(conversation.id).messages) == 2


@pytest.mark.parametrize("text", ["", "  \n", "\x00", "x" * 100_001])
def test_a_question_that_is_none_is_refused_and_not_saved(chatting: Chatting, text: str) -> None:
    conversation = chatting.create(NAME)
    with pytest.raises(BadInput):
        chatting.answer(conversation.id, text)
    assert chatting.get(conversation.id).messages == ()


def test_many_people_chat_at_once(chatting: Chatting, server: SmallEndpoint, in_threads: Callable[[Any], list]) -> None:
    def chat() -> str:
        conversation = chatting.create(NAME)
        for number in range(3):
            list(chatting.answer(conversation.id, f"question {number}"))
        return conversation.id

    for conversation_id in in_threads(chat):
        assert [content for _, content, _ in said(chatting, conversation_id)][1::2] == [server.text] * 3


def test_the_key_is_neither_shown_nor_saved(chatting: Chatting, tmp_path: Path) -> None:
    conversation = chatting.create(NAME)
    list(chatting.answer(conversation.id, "secret?"))
    assert "fake-key" not in repr(chatting.connection(NAME))
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"fake-key" not in file.read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        ChatSettings(temperature=-0.1),
        ChatSettings(temperature=2.1),
        ChatSettings(temperature=float("nan")),
        ChatSettings(max_new_tokens=0),
        ChatSettings(max_new_tokens=5000),
        ChatSettings(top_p=0),
    ],
)
def test_settings_out_of_range_are_refused(chatting: Chatting, settings: ChatSettings) -> None:
    with pytest.raises(BadInput):
        chatting.create(NAME, settings)


def test_a_conversation_can_be_renamed_set_rated_and_deleted(chatting: Chatting, tmp_path: Path) -> None:
    conversation = chatting.create(NAME)
    list(chatting.answer(conversation.id, "one"))
    question, answer = chatting.get(conversation.id).messages
    chatting.rename(conversation.id, "Renamed")
    chatting.set_settings(conversation.id, ChatSettings("S", 1.0, 5, 0.5))
    chatting.set_endpoint(conversation.id, "other")
    chatting.rate(answer.id or 0, 1)
    again = Chatting(FakeTarget(), tmp_path / "desk.db").get(conversation.id)
    assert (again.title, again.endpoint, again.settings) == ("Renamed", "other", ChatSettings("S", 1.0, 5, 0.5))
    assert again.messages[1].rating == 1
    chatting.rate(answer.id or 0, None)
    assert chatting.get(conversation.id).messages[1].rating is None
    with pytest.raises(NotFound):
        chatting.rate(question.id or 0, 1)
    with pytest.raises(BadInput):
        chatting.rate(answer.id or 0, 5)
    chatting.delete(conversation.id)
    chatting.delete(conversation.id)
    with pytest.raises(NotFound):
        chatting.get(conversation.id)


def test_the_list_is_newest_first_without_messages(chatting: Chatting) -> None:
    first, second = chatting.create(NAME, title="first"), chatting.create(NAME, title="second")
    list(chatting.answer(first.id, "again the newest"))
    assert [one.id for one in chatting.list()] == [first.id, second.id]
    assert chatting.list(limit=1, offset=1)[0].messages == ()


def test_chats_of_a_newer_version_are_left_alone(chatting: Chatting, tmp_path: Path) -> None:
    chatting.create(NAME)
    with sqlite3.connect(tmp_path / "desk.db") as db:
        db.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(Conflict) as caught:
        Chatting(FakeTarget(), tmp_path / "desk.db").list()
    assert caught.value.code == "newer_database"

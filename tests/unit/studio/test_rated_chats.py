"""Rated chats as examples, from the real chat database."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.conversations import Conversations
from backend.domain import ChatSettings, Conversation, Message
from backend.studio.rated_chats import collect
from backend.studio.rules import check_record

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def chats(tmp_path: Path) -> Conversations:
    return Conversations(tmp_path / "desk.db")


def say(
    chats: Conversations,
    chat: Conversation,
    text: str,
    rating: Literal[0, 1] | None = None,
    *,
    is_stopped: bool = False,
) -> None:
    question = chats.add(chat.id, "user", f"{text}?")
    answer = chats.put_answer(chat.id, question, f"{text}!", is_stopped=is_stopped)
    if rating is not None:
        chats.rate(answer, rating)


def texts(rows: tuple[tuple[Message, ...], ...]) -> list[list[str]]:
    return [[message.content for message in row] for row in rows]


def test_a_good_answer_is_an_example_with_the_chat_before_it_and_its_system_prompt(chats: Conversations) -> None:
    chat = chats.create("demo", ChatSettings(system_prompt="Be brief."), "")
    say(chats, chat, "one")
    say(chats, chat, "two", 1)
    say(chats, chat, "three")
    found = collect(chats.rated())
    assert texts(found.rows) == [["Be brief.", "one?", "one!", "two?", "two!"]]
    assert [message.role for message in found.rows[0]] == ["system", "user", "assistant", "user", "assistant"]
    assert json.loads(found.content())["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (found.good, found.bad, found.words()) == (1, 0, ())


def test_bad_and_stopped_answers_are_learnt_nowhere(chats: Conversations) -> None:
    chat = chats.create("demo", ChatSettings(), "")
    say(chats, chat, "bad", 0)
    say(chats, chat, "stopped", 1, is_stopped=True)
    say(chats, chat, "cut", is_stopped=True)
    say(chats, chat, "good", 1)
    found = collect(chats.rated())
    assert texts(found.rows) == [["good?", "good!"]]
    assert (found.good, found.bad, found.stopped, found.repeated) == (1, 1, 1, 0)
    assert [sentence.split()[0] for sentence in found.words()] == ["1", "1"]


def test_what_another_example_holds_already_is_learnt_once(chats: Conversations) -> None:
    for _copy in range(2):
        chat = chats.create("demo", ChatSettings(), "")
        say(chats, chat, "one", 1)
        say(chats, chat, "two", 1)
    found = collect(chats.rated())
    assert texts(found.rows) == [["one?", "one!", "two?", "two!"]]
    assert (found.good, found.repeated) == (4, 3)


def test_a_long_chat_with_nothing_but_good_answers_is_one_example(chats: Conversations) -> None:
    chat = chats.create("demo", ChatSettings(), "")
    messages = tuple(
        message
        for number in range(200)
        for message in (Message("user", f"{number}?"), Message("assistant", f"{number}!", rating=1))
    )
    started = time.process_time()
    found = collect([replace(chat, messages=messages)])
    assert time.process_time() - started < 1
    assert (len(found.rows), len(found.rows[0]), found.good, found.repeated) == (1, 400, 200, 199)


def test_a_question_without_an_answer_is_no_turn(chats: Conversations) -> None:
    chat = chats.create("demo", ChatSettings(), "")
    chats.add(chat.id, "user", "Is anybody there?")
    say(chats, chat, "one", 1)
    assert texts(collect(chats.rated()).rows) == [["one?", "one!"]]


def test_chats_nobody_rated_are_not_even_read(chats: Conversations) -> None:
    say(chats, chats.create("demo", ChatSettings(), ""), "one")
    assert list(chats.rated()) == []
    found = collect(chats.rated())
    assert found.rows == () and found.content() == b"" and "thumbs up" in found.words()[0]


@given(
    st.lists(
        st.builds(
            Message,
            st.sampled_from(["user", "assistant"]),
            st.sampled_from(["", " ", "a", "b"]),
            st.booleans(),
            st.none() | st.sampled_from([0, 1]),
        ),
        max_size=12,
    ),
    st.sampled_from(["", "  ", "Be kind."]),
)
def test_whatever_was_said_every_row_can_be_trained_on(messages: list[Message], prompt: str) -> None:
    chat = Conversation("c", "", "demo", ChatSettings(prompt), NOW, NOW, tuple(messages))
    found = collect([chat])
    for row in found.rows:
        checked = check_record({"messages": [{"role": turn.role, "content": turn.content} for turn in row]})
        assert checked == row
    assert len(found.rows) + found.repeated == found.good
    assert len(set(found.rows)) == len(found.rows)

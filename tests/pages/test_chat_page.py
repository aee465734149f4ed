"""Chat over a real small endpoint: the page, the flow, the history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.domain import ChatSettings, EndpointState, Model
from tests.flows.small_endpoint import KEY, SmallEndpoint, serve
from tests.pages.conftest import FakeDesk, Open, texts


@pytest.fixture
def server() -> Iterator[SmallEndpoint]:
    with serve(SmallEndpoint(pieces=["The Puffin ", "leaves ", "at **7:25**."])) as running:
        yield running


@pytest.fixture
def endpoint(desk: FakeDesk, model: Model, server: SmallEndpoint) -> str:
    name = desk.deployments.create("", model.ref).name
    running = desk.target.endpoints.make_ready(name)
    desk.target.endpoints.endpoints[name] = replace(running, url=server.url)
    desk.target.endpoints.key = lambda _name: KEY  # type: ignore[method-assign]
    return name


def test_a_question_is_answered_and_kept(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    page = open_page("chat")
    page.chat_input(key="chat_input").set_value("When does the Puffin leave?").run()
    assert not page.exception
    [conversation] = desk.chatting.list()
    messages = desk.chatting.get(conversation.id).messages
    assert [message.content for message in messages] == [
        "When does the Puffin leave?",
        "The Puffin leaves at **7:25**.",
    ]
    assert page.query_params["chat"] == conversation.id
    assert "The Puffin leaves at **7:25**." in texts(page)


def test_a_link_restores_the_conversation(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    conversation = desk.chatting.create(endpoint)
    list(desk.chatting.answer(conversation.id, "When?"))
    page = open_page("chat", chat=conversation.id)
    assert "The Puffin leaves" in texts(page)
    assert page.button(key=f"open_{conversation.id}")


def test_a_second_question_sends_the_first_turn_along(
    open_page: Open, desk: FakeDesk, endpoint: str, server: SmallEndpoint
) -> None:
    page = open_page("chat")
    page.chat_input(key="chat_input").set_value("One?").run()
    page.chat_input(key="chat_input").set_value("Two?").run()
    assert [message["content"] for message in server.bodies[-1]["messages"]] == [
        "One?",
        "The Puffin leaves at **7:25**.",
        "Two?",
    ]
    assert len(desk.chatting.list()) == 1


def test_the_settings_are_sent_with_the_question(
    open_page: Open, desk: FakeDesk, endpoint: str, server: SmallEndpoint
) -> None:
    page = open_page("chat")
    page.text_area(key="system_prompt_new").set_value("Be brief.")
    page.slider(key="temperature_new").set_value(0.5)
    page.slider(key="max_tokens_new").set_value(64)
    page.chat_input(key="chat_input").set_value("One?").run()
    assert server.bodies[-1]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert server.bodies[-1]["temperature"] == 0.5
    [conversation] = desk.chatting.list()
    assert desk.chatting.get(conversation.id).settings == ChatSettings("Be brief.", 0.5, 64, 1.0)


def test_suggestions_come_from_the_examples_and_are_asked_by_a_click(
    open_page: Open, desk: FakeDesk, endpoint: str
) -> None:
    page = open_page("chat")
    options = page.pills(key="suggestions").options
    assert len(options) == 3
    question = desk.datasets.preview(desk.datasets.list()[0].id)[0].messages[0].content
    page.pills(key="suggestions").set_value(question).run()
    assert not page.exception
    [conversation] = desk.chatting.list()
    assert desk.chatting.get(conversation.id).messages[0].content == question


def test_a_model_that_is_down_keeps_the_message_in_the_box(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    page = open_page("chat", endpoint=endpoint)
    desk.deployments.stop(endpoint)
    page.chat_input(key="chat_input").set_value("Keep me").run()
    assert page.chat_input(key="chat_input").disabled
    assert "The model is not running" in texts(page)
    assert page.chat_input(key="chat_input").proto.value == "Keep me"
    assert list(desk.chatting.list()) == []
    page.button(key="start_model").click().run()
    assert desk.deployments.get(endpoint).state == EndpointState.CREATING


def test_an_endpoint_that_breaks_off_is_explained_and_the_question_can_be_asked_again(
    open_page: Open, desk: FakeDesk, endpoint: str, server: SmallEndpoint
) -> None:
    server.behaviour = 500
    page = open_page("chat")
    page.chat_input(key="chat_input").set_value("When?").run()
    assert not page.exception
    assert page.error
    server.behaviour = "well"
    page.run()
    assert "This question has no answer yet" in texts(page)
    page.button(key="answer_again").click().run()
    assert "The Puffin leaves" in texts(page)


def test_a_stopped_answer_is_kept_and_marked(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    conversation = desk.chatting.create(endpoint)
    pieces = desk.chatting.answer(conversation.id, "When?")
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    shown = texts(open_page("chat", chat=conversation.id))
    assert "The Puffin" in shown
    assert "Stopped" in shown


def test_hostile_answers_and_titles_are_shown_as_text(
    open_page: Open, desk: FakeDesk, endpoint: str, server: SmallEndpoint
) -> None:
    server.pieces = ["![x](http://evil.example/x.png) ", "<script>alert(1)</script>"]
    page = open_page("chat")
    page.chat_input(key="chat_input").set_value("![q](http://evil.example/q.png)").run()
    assert not page.exception
    raw = [markdown.value for markdown in page.markdown] + [button.label for button in page.button]
    assert not any(re.search(r"(?<!\\)\]\(|(?<!\\)<script", text) for text in raw)


def test_thumbs_are_saved_and_can_be_taken_back(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    conversation = desk.chatting.create(endpoint)
    list(desk.chatting.answer(conversation.id, "When?"))
    message = desk.chatting.get(conversation.id).messages[-1]
    page = open_page("chat", chat=conversation.id)
    page.feedback(key=f"rating_{message.id}").set_value(1).run()
    assert desk.chatting.get(conversation.id).messages[-1].rating == 1
    page.feedback(key=f"rating_{message.id}").set_value(None).run()
    assert desk.chatting.get(conversation.id).messages[-1].rating is None


def test_a_conversation_is_renamed_and_deleted(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    conversation = desk.chatting.create(endpoint, title="Old")
    page = open_page("chat", chat=conversation.id)
    page.text_input(key=f"title_{conversation.id}").set_value("New").run()
    page.button(key="rename_chat").click().run()
    assert desk.chatting.get(conversation.id).title == "New"
    page.button(key="delete_chat").click().run()
    page.button(key="delete_chat_yes").click().run()
    assert list(desk.chatting.list()) == []
    assert not page.exception

"""The chat flow against the model server of this computer: a real (tiny, untrained) model behind each contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.chatting import CHAT_FLOW, Chatting
from backend.deployments import Deployments
from backend.domain import ChatSettings
from backend.errors import BadInput
from backend.flow_runner import ConnectionValues, run_flow
from backend.local.target import LocalTarget
from backend.settings import Settings
from tests.tiny_model import make_tiny_model

pytestmark = pytest.mark.slow
NAME = "tiny"
INPUTS = {"input_data": "Who keeps the lighthouse?", "temperature": 0.0, "max_new_tokens": 12}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    target = LocalTarget(Settings(home=tmp_path_factory.mktemp("home")))
    deployments = Deployments(target)
    deployments.create(NAME, str(make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")))
    try:
        deployments.wait_until_answering(NAME, 180)
        yield target
    finally:
        deployments.delete(NAME)


@pytest.fixture
def chatting(target: LocalTarget, tmp_path: Path) -> Chatting:
    return Chatting(target, tmp_path / "desk.db")


def ask(connection: ConnectionValues, home: Path, **inputs: object) -> list[str]:
    return list(run_flow(CHAT_FLOW, home, connection, {**INPUTS, **inputs}))


def test_a_conversation_streams_from_the_model(chatting: Chatting) -> None:
    conversation = chatting.create(NAME, ChatSettings(max_new_tokens=12))
    first = list(chatting.answer(conversation.id, "Who keeps the lighthouse?"))
    second = "".join(chatting.answer(conversation.id, "And when does the ferry leave?"))
    assert len(first) > 1
    assert [message.content for message in chatting.get(conversation.id).messages][1::2] == ["".join(first), second]


@pytest.mark.parametrize("contract", ["mlflow", "foundry"])
def test_the_scoring_contracts_give_the_same_greedy_answer(chatting: Chatting, tmp_path: Path, contract: str) -> None:
    streamed = "".join(ask(chatting.connection(NAME), tmp_path))
    (scored,) = ask(replace(chatting.connection(NAME), contract=contract), tmp_path)
    assert scored.strip() == streamed.strip()


def test_a_stopped_answer_leaves_the_server_ready_for_the_next(chatting: Chatting) -> None:
    conversation = chatting.create(NAME, ChatSettings(max_new_tokens=400))
    answer = chatting.answer(conversation.id, "Tell me everything.")
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert chatting.get(conversation.id).messages[1].is_stopped
    assert "".join(chatting.answer(conversation.id, "Still there?"))


def test_a_wrong_key_is_refused_by_the_server(chatting: Chatting, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        ask(replace(chatting.connection(NAME), key="wrong"), tmp_path)
    assert caught.value.code == "bad_key"

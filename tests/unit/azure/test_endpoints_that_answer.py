"""Endpoints of the emulated Azure with a real model behind them: registered, served each way, chatted with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from backend.azure.connection import Connection
from backend.azure.endpoints import AzureEndpoints
from backend.azure.flows import AzureFlows
from backend.azure.operations import Operations
from backend.chatting import Chatting
from backend.domain import ChatSettings, EndpointState, Hosting
from tests.azure_emulator.emulator import Emulator
from tests.contract.conftest import wait_until
from tests.tiny_model import make_tiny_model
from tests.unit.azure.test_endpoints import GPU, PHI, Desk, build, shares, until

QUESTION = "Who founded Microsoft?"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")

pytestmark = pytest.mark.slow


@pytest.fixture
def endpoints(connection: Connection, operations: Operations, emulator: Emulator) -> AzureEndpoints:
    return build(connection, operations)


@pytest.fixture(scope="session")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model as MLflow lays it out: weights and tokenizer in folders of their own."""
    folder = tmp_path_factory.mktemp("mlflow") / "model"
    tiny = make_tiny_model(folder / "model")
    (folder / "components" / "tokenizer").mkdir(parents=True)
    for name in TOKENIZER:
        if (tiny / name).exists():
            shutil.move(tiny / name, folder / "components" / "tokenizer" / name)
    flavours = {"transformers": {"model_binary": "model", "task": "llm/v1/chat"}}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavours, "mlflow_version": "3.15.0"}))
    return folder


@pytest.fixture
def registered(endpoints: AzureEndpoints, mlflow_folder: Path) -> str:
    from azure.ai.ml.entities import Model

    endpoints.connection.ml().models.create_or_update(
        Model(name="harbour", version="1", type="mlflow_model", path=str(mlflow_folder))
    )
    return "harbour:1"


def chat_with(endpoints: AzureEndpoints, name: str, folder: Path) -> str:
    chatting = Chatting(Desk(endpoints), folder / "chats.db")  # type: ignore[arg-type]
    chat = chatting.create(name, ChatSettings(temperature=0.0, max_new_tokens=12))
    return "".join(chatting.answer(chat.id, QUESTION))


def test_one_model_says_the_same_over_each_contract_and_through_the_published_flow(
    endpoints: AzureEndpoints, operations: Operations, registered: str, tmp_path: Path
) -> None:
    """Azure's own server, then the vLLM container beside it, then the flow as an endpoint of its own."""
    endpoints.create("harbour")
    endpoints.deploy("harbour", registered)
    running = until(endpoints, "harbour", EndpointState.RUNNING)
    assert (running.contract, running.model) == ("mlflow", registered)
    scored = chat_with(endpoints, "harbour", tmp_path)
    assert scored
    assert "POST /score" in endpoints.logs("harbour").text

    endpoints.deploy("harbour", registered, "fast", Hosting(GPU.size, serving="vllm", takes_traffic=False))
    until(endpoints, "harbour", EndpointState.RUNNING)
    assert endpoints.test("harbour", "fast", QUESTION)
    assert endpoints.set_traffic("harbour", {"fast": 100}).contract == "openai"
    assert chat_with(endpoints, "harbour", tmp_path) == scored

    flows = AzureFlows(endpoints.connection, operations, endpoints)
    flows.publish("harbour", deploy=True)
    wait_until(lambda: any(one.name == "harbour-flow" for one in endpoints.list()), "the flow has an endpoint")
    assert until(endpoints, "harbour-flow", EndpointState.RUNNING).contract == "flow"
    assert chat_with(endpoints, "harbour-flow", tmp_path) == scored
    assert flows.publications()[0].endpoint == "harbour-flow"


def test_a_catalogue_model_is_chatted_with_by_the_foundry_contract(endpoints: AzureEndpoints, tmp_path: Path) -> None:
    endpoints.create("phi")
    endpoints.deploy("phi", PHI)
    assert until(endpoints, "phi", EndpointState.RUNNING).contract == "foundry"
    assert chat_with(endpoints, "phi", tmp_path)


def test_a_model_that_can_not_be_loaded_fails_with_the_containers_own_words(
    endpoints: AzureEndpoints, registered: str, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model

    endpoints.create("harbour")
    endpoints.deploy("harbour", registered)
    until(endpoints, "harbour", EndpointState.RUNNING)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "MLmodel").write_text("flavors:\n  transformers: {}\n")
    endpoints.connection.ml().models.create_or_update(
        Model(name="harbour", version="2", type="mlflow_model", path=str(tmp_path / "broken"))
    )
    endpoints.deploy("harbour", "harbour:2")
    after = until(endpoints, "harbour", EndpointState.RUNNING, registered)
    assert shares(after) == {"blue": 100, "green": 0}
    failure = next(each.failure for each in after.deployments if each.name == "green")
    assert failure is not None
    assert "config.json" in failure.why
    assert "config.json" in endpoints.logs("harbour", since=0).text + failure.raw
    assert [each["name"] for each in endpoints.calls.deployments("harbour")] == ["blue"]

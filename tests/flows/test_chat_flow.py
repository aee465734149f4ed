"""The flow under prompt flow's own commands, headless: `pf connection create`, `pf flow test`, `pf flow serve`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.flows.small_endpoint import KEY, SmallEndpoint, serve

ROOT = Path(__file__).parents[2]
PF = str(Path(sys.executable).with_name("pf"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SmallEndpoint]:
    with serve(SmallEndpoint()) as running:
        yield running


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, endpoint: SmallEndpoint) -> dict[str, str]:
    """What flows/chat/README.md says, with a home of its own and no keyring."""
    home = tmp_path_factory.mktemp("promptflow")
    (home / "pf.yaml").write_text("telemetry:\n  enabled: false\ntrace:\n  destination: none\n")
    set_up = {
        **os.environ,
        "PF_HOME_DIRECTORY": str(home),
        "PF_DISABLE_TRACING": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "PYTHONPATH": "flows/chat",
        "PYTHON_KEYRING_BACKEND": "headless_keyring.FileKeyring",
        "PHIDESK_ENDPOINT_URL": endpoint.url,
        "PHIDESK_ENDPOINT_KEY": KEY,
    }
    run_pf(set_up, "connection", "create", "--file", "flows/chat/connection.yaml")
    return set_up


@pytest.fixture(scope="module")
def served(environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PF, "flow", "serve", "--source", "flows/chat", "--port", str(port), "--host", "127.0.0.1"]
    process = subprocess.Popen([*command, "--engine", "fastapi", "--skip-open-browser"], cwd=ROOT, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not answers(address):
            assert process.poll() is None and time.monotonic() < deadline, "pf flow serve did not start"
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def run_pf(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([PF, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout


def test_the_flow_has_the_tutorials_inputs_node_and_output() -> None:
    flow = yaml.safe_load((ROOT / "flows/chat/flow.dag.yaml").read_text())
    assert flow["inputs"]["input_data"]["default"] == "Who founded Microsoft?"
    assert flow["inputs"]["input_data"]["is_chat_input"] and flow["inputs"]["chat_history"]["is_chat_history"]
    assert flow["outputs"]["answer"]["reference"] == "${integrate_with_promptflow.output}"
    assert [node["name"] for node in flow["nodes"]] == ["integrate_with_promptflow"]


@pytest.mark.slow
def test_pf_flow_test_answers(environment: dict[str, str], endpoint: SmallEndpoint) -> None:
    endpoint.behaviour = "well"
    output = run_pf(environment, "flow", "test", "--flow", "flows/chat", "--inputs", "input_data=Who founded it?")
    assert json.loads(output[output.index("{\n") :]) == {"answer": endpoint.text}
    assert endpoint.bodies[-1]["messages"] == [{"role": "user", "content": "Who founded it?"}]
    assert endpoint.bodies[-1]["temperature"] == 0.7


@pytest.mark.slow
def test_pf_flow_serve_answers_in_one_piece(served: str, endpoint: SmallEndpoint) -> None:
    endpoint.behaviour = "well"
    history = [{"inputs": {"input_data": "a"}, "outputs": {"answer": "b"}}]
    response = requests.post(f"{served}/score", json={"input_data": "c", "chat_history": history}, timeout=60)
    assert response.json() == {"answer": endpoint.text}
    assert [message["content"] for message in endpoint.bodies[-1]["messages"]] == ["a", "b", "c"]


@pytest.mark.slow
def test_pf_flow_serve_streams_each_piece(served: str, endpoint: SmallEndpoint) -> None:
    endpoint.behaviour = "well"
    assert streamed(served) == endpoint.pieces


@pytest.mark.slow
def test_a_break_in_mid_stream_is_seen_by_the_caller_of_pf_flow_serve(served: str, endpoint: SmallEndpoint) -> None:
    endpoint.behaviour = "broken_off"
    *pieces, last = streamed(served)
    assert pieces == endpoint.pieces[:2]
    assert last.strip().startswith("[error] The answer broke off.")


@pytest.mark.slow
def test_a_refusal_is_an_error_of_pf_flow_serve_with_its_reason(served: str, endpoint: SmallEndpoint) -> None:
    endpoint.behaviour = 429
    response = requests.post(f"{served}/score", json={"input_data": "c"}, timeout=60)
    assert response.status_code == 400
    assert "busy with too many questions" in response.json()["error"]["message"]


def streamed(address: str) -> list[str]:
    headers = {"Accept": "text/event-stream"}
    with requests.post(
        f"{address}/score", json={"input_data": "c"}, headers=headers, stream=True, timeout=60
    ) as response:
        lines = response.iter_lines(chunk_size=1)
        return [json.loads(line.removeprefix(b"data: "))["answer"] for line in lines if line]

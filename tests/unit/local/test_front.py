"""The model server over a real socket: what it answers, what it refuses and how, and that leaving frees its place."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from backend.local import front as front_module
from tests.unit.local.conftest import Served

pytestmark = pytest.mark.slow
HELLO = [{"role": "user", "content": "Who keeps the lighthouse?"}]
CHAT = "/v1/chat/completions"


def post(served: Served, path: str, body: Any, **more: Any) -> requests.Response:
    return requests.post(served.url + path, json=body, headers=served.headers | more.pop("headers", {}), timeout=60)


def chat(served: Served, **values: Any) -> requests.Response:
    return post(served, CHAT, {"model": "facts:1", "messages": HELLO, "temperature": 0, "max_tokens": 12} | values)


def wait_until_idle(served: Served, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while served.engine.busy or served.engine.batching.batch_processor.scheduler.active_requests:
        assert time.monotonic() < deadline, "a generation went on after its caller had left"
        time.sleep(0.01)


def test_greedy_answers_are_those_of_plain_generate(served: Served) -> None:
    import torch

    engine = served.engine
    prompt = torch.tensor([engine.encode(HELLO)])
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(engine.model.name_or_path, dtype=torch.float32)
    ids = plain.generate(prompt, max_new_tokens=12, do_sample=False, eos_token_id=engine.end_tokens)
    expected = engine.tokenizer.decode(ids[0, prompt.shape[1] :], skip_special_tokens=True)
    assert chat(served).json()["choices"][0]["message"]["content"] == expected


def test_a_hot_request_does_not_warm_the_greedy_one_beside_it(served: Served) -> None:
    alone = chat(served).json()["choices"][0]["message"]["content"]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(chat, served, temperature=0 if number % 2 else 1.5) for number in range(8)]
        texts = [one.result().json()["choices"][0]["message"]["content"] for one in asked]
    assert set(texts[1::2]) == {alone}
    assert len(set(texts[0::2])) > 1


def test_a_stream_joins_to_the_whole_answer_and_ends_with_done(served: Served) -> None:
    whole = chat(served).json()
    response = chat(served, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    text = "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert events[-1]["usage"] == whole["usage"]
    assert [choice["finish_reason"] for event in events for choice in event["choices"]][-1] == "length"


def test_max_tokens_is_kept_and_no_end_token_is_in_the_text(served: Served) -> None:
    answer = chat(served, max_tokens=5).json()
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["choices"][0]["finish_reason"] == "length"
    texts = [chat(served, temperature=2, max_tokens=200).json()["choices"][0] for _ in range(5)]
    assert all("<|" not in text["message"]["content"] for text in texts)


def test_a_stop_text_ends_the_answer_and_is_no_part_of_it(served: Served) -> None:
    whole = chat(served, max_tokens=40).json()["choices"][0]["message"]["content"]
    stop = whole[5:8]
    answer = chat(served, max_tokens=40, stop=stop).json()["choices"][0]
    assert answer["message"]["content"] == whole[: whole.index(stop)]
    assert answer["finish_reason"] == "stop"


def test_both_scoring_contracts_give_the_chat_s_answer(served: Served) -> None:
    expected = chat(served).json()["choices"][0]["message"]["content"]
    text = HELLO[0]["content"]
    parameters = {"max_new_tokens": 12, "temperature": 0}
    mlflow = post(served, "/score", {"input_data": [text, HELLO], "params": parameters})
    assert mlflow.json() == [expected, expected]
    one = post(served, "/score", {"input_data": HELLO, "params": parameters})
    assert one.json() == [expected]
    full = post(served, "/score", {"input_data": [text], "params": parameters | {"return_full_text": True}})
    assert full.json() == [text + expected]
    foundry = post(served, "/score", {"input_data": {"input_string": HELLO, "parameters": parameters}})
    assert foundry.json() == {"output": expected}


def test_only_our_model_is_listed_and_health_wants_no_key(served: Served) -> None:
    listed = requests.get(served.url + "/v1/models", headers=served.headers, timeout=10).json()
    assert [model["id"] for model in listed["data"]] == ["facts:1"]
    assert requests.get(served.url + "/health", timeout=10).json() == {"status": "ok", "model": "facts:1"}


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "phd-test"}])
def test_without_the_key_nothing_is_answered(served: Served, header: dict[str, str]) -> None:
    for path in (CHAT, "/score", "/v1/models"):
        response = requests.request("GET" if path == "/v1/models" else "POST", served.url + path, headers=header)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/v1/completions", "/load_model", "/reset", "/health/"]
)
def test_there_is_nothing_else(served: Served, path: str) -> None:
    assert requests.get(served.url + path, headers=served.headers, timeout=10).status_code == 404
    assert post(served, path, {}).status_code == 404


def test_a_foreign_host_header_is_refused_and_no_origin_is_allowed(served: Served) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        response = requests.get(served.url + "/health", headers={"Host": host}, timeout=10)
        assert response.status_code == 400
    allowed = requests.get(served.url + "/health", headers={"Origin": "http://evil.example"}, timeout=10)
    assert "access-control-allow-origin" not in allowed.headers
    assert requests.options(served.url + CHAT, headers=served.headers, timeout=10).status_code == 405


BAD = [
    ({"messages": []}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    ({"temperature": -1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"stop": [""]}, "stop"),
    ({"stream": "yes"}, "stream"),
    ({"n": 2}, "n"),
    ({"tools": [{}]}, "tools"),
]


@pytest.mark.parametrize(("values", "param"), BAD)
def test_a_bad_field_is_named(served: Served, values: dict[str, Any], param: str) -> None:
    response = chat(served, **values)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "body", [[], {"input_data": []}, {"input_data": 5}, {"input_data": [5]}, {"input_data": ["x"] * 65}, {}]
)
def test_a_bad_scoring_body_is_refused(served: Served, body: Any) -> None:
    assert post(served, "/score", body).status_code == 400


def test_what_is_no_json_or_too_large_is_refused(served: Served) -> None:
    bad = requests.post(served.url + CHAT, data=b"{nope", headers=served.headers, timeout=10)
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "bad_json")
    large = chat(served, messages=[{"role": "user", "content": "x" * 5_000_000}])
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")
    pieces = (b"x" * 100_000 for _ in range(60))  # chunked: no Content-Length to look at
    chunked = requests.post(served.url + CHAT, data=pieces, headers=served.headers, timeout=30)
    assert chunked.status_code == 413


def test_another_model_is_not_found_but_earlier_names_are_known(served: Served) -> None:
    assert chat(served, model="other:1").status_code == 404
    assert chat(served, model="facts").json()["model"] == "facts:1"
    assert chat(served, model=None).status_code == 200


def test_a_conversation_that_is_too_long_is_refused_with_both_numbers(served: Served) -> None:
    response = chat(served, messages=[{"role": "user", "content": "word " * 2000}])
    assert response.status_code == 400
    failure = response.json()["error"]
    assert failure["code"] == "context_length_exceeded"
    assert str(served.engine.context - 1) in failure["message"]
    assert served.engine.fatal_error() is None


def test_a_conversation_that_just_fits_is_answered_within_the_room_left(served: Served) -> None:
    engine = served.engine
    content = "a"
    while len(engine.encode([{"role": "user", "content": content + " a"}])) < engine.context:
        content += " a"
    answer = chat(served, messages=[{"role": "user", "content": content}], max_tokens=100).json()
    assert answer["usage"]["total_tokens"] <= engine.context
    assert answer["usage"]["prompt_tokens"] >= engine.context - 2
    assert engine.fatal_error() is None


def test_more_chats_than_the_cache_holds_are_all_answered(served: Served) -> None:
    """Twice the cache: the engine must put some off, and must not die of it."""
    engine = served.engine
    content = " a" * (engine.context - 60)
    count = 2 * engine.cache_tokens // engine.context
    with ThreadPoolExecutor(count) as pool:
        messages = [[{"role": "user", "content": f"{number}{content}"}] for number in range(count)]
        answers = list(pool.map(lambda one: chat(served, messages=one, max_tokens=30), messages))
    assert [answer.status_code for answer in answers] == [200] * count
    assert engine.fatal_error() is None


def test_too_many_at_once_are_asked_to_come_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "BUSY_LIMIT", 0)
    response = chat(served)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_caller_who_leaves_frees_its_place(served: Served, is_stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[str] = []
    cancel = served.engine.batching.cancel_request
    monkeypatch.setattr(served.engine.batching, "cancel_request", lambda name: (cancelled.append(name), cancel(name)))
    monkeypatch.setattr(served.engine, "end_tokens", [])  # it would go on to the last token
    body = {"messages": HELLO, "max_tokens": 480, "temperature": 1.9, "stream": is_stream}
    data = json.dumps(body).encode()
    host, port = served.url.removeprefix("http://").split(":")
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {served.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    wait_until_idle(served)
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + data)
        deadline = time.monotonic() + 10
        while not served.engine.busy:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    wait_until_idle(served)
    assert len(cancelled) == 1


def test_a_dead_engine_is_told_by_health_and_by_requests(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    status = served.engine.batching.background_thread_status
    monkeypatch.setattr(status, "fatal_error", RuntimeError("broken"))
    assert requests.get(served.url + "/health", timeout=10).status_code == 503
    assert chat(served).status_code == 503

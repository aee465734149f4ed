"""The endpoint client over real sockets: three contracts, and every way in which an endpoint can misbehave."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.chat.endpoint_client import EndpointError, messages_of, query_endpoint, server_sent_data
from tests.flows.small_endpoint import KEY, SmallEndpoint, serve

QUESTION = [{"role": "user", "content": "Who founded Microsoft?"}]


def ask(endpoint: SmallEndpoint, **options: object) -> list[str]:
    return list(query_endpoint(endpoint.url, KEY, QUESTION, **options))  # type: ignore[arg-type]


def refusal(endpoint: SmallEndpoint, **options: object) -> EndpointError:
    with serve(endpoint), pytest.raises(EndpointError) as caught:
        ask(endpoint, **options)
    return caught.value


def test_an_openai_answer_comes_in_its_pieces() -> None:
    with serve(SmallEndpoint()) as endpoint:
        assert ask(endpoint, model="m", temperature=0, max_new_tokens=5, top_p=0.5) == endpoint.pieces
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.bodies == [
        {"messages": QUESTION, "temperature": 0, "top_p": 0.5, "max_tokens": 5, "stream": True, "model": "m"}
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_an_answer_is_the_same_however_the_server_cuts_its_bytes(size: int) -> None:
    with serve(SmallEndpoint(bytes_at_once=size)) as endpoint:
        assert ask(endpoint) == endpoint.pieces


def test_a_server_that_does_not_stream_answers_in_one_piece() -> None:
    with serve(SmallEndpoint(behaviour="whole")) as endpoint:
        assert ask(endpoint) == [endpoint.text]


def test_the_foundry_contract_sends_chat_messages() -> None:
    with serve(SmallEndpoint()) as endpoint:
        assert ask(endpoint, contract="foundry", temperature=0.7, max_new_tokens=9) == [endpoint.text]
    assert endpoint.paths == ["/score"]
    sent = endpoint.bodies[0]["input_data"]
    assert sent["input_string"] == QUESTION
    assert sent["parameters"] == {"temperature": 0.7, "max_new_tokens": 9, "top_p": 1.0}


def test_the_flow_contract_sends_what_the_flow_makes_the_same_turns_of() -> None:
    turn = {"inputs": {"input_data": "Hello?"}, "outputs": {"answer": "Hi."}}
    messages = messages_of("Who?", [turn], "Be brief.")
    with serve(SmallEndpoint()) as endpoint:
        answer = query_endpoint(endpoint.url, KEY, messages, contract="flow", temperature=0)
        assert list(answer) == [endpoint.text]
    (sent,) = endpoint.bodies
    assert endpoint.paths == ["/score"]
    assert messages_of(sent["input_data"], sent["chat_history"], sent["system_prompt"]) == messages


def test_the_mlflow_contract_sends_the_text_and_is_greedy_at_temperature_0() -> None:
    with serve(SmallEndpoint()) as endpoint:
        assert ask(endpoint, contract="mlflow", temperature=0) == [endpoint.text]
    assert endpoint.bodies[0]["input_data"] == ["Who founded Microsoft?"]
    assert endpoint.bodies[0]["params"] == {"max_new_tokens": 128, "do_sample": False, "return_full_text": False}


@pytest.mark.parametrize(
    ("status", "code"),
    list(
        {
            400: "refused",
            401: "bad_key",
            403: "bad_key",
            404: "not_found",
            408: "too_slow",
            424: "unreachable",
            500: "server_failed",
            502: "unreachable",
        }.items()
    ),
)
def test_each_http_status_becomes_words(status: int, code: str) -> None:
    error = refusal(SmallEndpoint(behaviour=status, refusal={"detail": "some words"}))
    assert error.code == code
    assert error.what and error.how_to_fix


def test_a_busy_endpoint_says_when_to_try_again() -> None:
    error = refusal(SmallEndpoint(behaviour=429, headers={"Retry-After": "7"}))
    assert (error.code, error.how_to_fix) == ("too_many", "Try again in 7 s.")


@pytest.mark.parametrize(("inner", "code"), [("400", "refused"), ("500", "server_failed"), ("503", "unreachable")])
def test_behind_azures_424_is_what_the_models_own_server_said(inner: str, code: str) -> None:
    headers = {"ms-azureml-model-error-statuscode": inner, "ms-azureml-model-error-reason": "too many tokens"}
    error = refusal(SmallEndpoint(behaviour=424, headers=headers))
    assert error.code == code
    assert code == "unreachable" or "too many tokens" in str(error)


def test_a_wrong_key_is_named() -> None:
    with serve(SmallEndpoint()) as endpoint, pytest.raises(EndpointError) as caught:
        list(query_endpoint(endpoint.url, "wrong", QUESTION))
    assert caught.value.code == "bad_key"
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("behaviour", ["broken_off", "error_event"])
def test_an_answer_that_breaks_off_is_an_error_after_what_came(behaviour: str) -> None:
    with serve(SmallEndpoint(behaviour=behaviour)) as endpoint:
        answer = query_endpoint(endpoint.url, KEY, QUESTION)
        assert [next(answer), next(answer)] == endpoint.pieces[:2]
        with pytest.raises(EndpointError) as caught:
            next(answer)
    assert caught.value.code == "broken_off"


@pytest.mark.parametrize("contract", ["openai", "mlflow", "foundry", "flow"])
def test_an_answer_in_another_form_is_an_error(contract: str) -> None:
    assert refusal(SmallEndpoint(behaviour="garbage"), contract=contract).code == "unreadable"


def test_an_endpoint_that_is_asleep_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointError) as caught:
        list(query_endpoint(f"http://127.0.0.1:{port}", KEY, QUESTION))
    assert caught.value.code == "unreachable"
    assert "asleep" in caught.value.how_to_fix


def test_an_endpoint_that_says_nothing_is_too_slow() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(EndpointError) as caught:
        list(query_endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY, QUESTION, read_seconds=0.2))
    assert caught.value.code == "too_slow"


@pytest.mark.parametrize("address", ["", "nonsense", "ftp://host", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(EndpointError) as caught:
        list(query_endpoint(address, KEY, QUESTION))
    assert caught.value.code == "bad_endpoint"


def test_an_unknown_contract_is_refused() -> None:
    with pytest.raises(EndpointError) as caught:
        list(query_endpoint("http://127.0.0.1:1", KEY, QUESTION, contract="soap"))
    assert caught.value.code == "bad_contract"


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_the_base_and_the_full_address_both_work(ending: str) -> None:
    with serve(SmallEndpoint()) as endpoint:
        list(query_endpoint(endpoint.url + ending, KEY, QUESTION))
    assert endpoint.paths == ["/v1/chat/completions"]


def test_closing_the_answer_lets_the_server_know() -> None:
    with serve(SmallEndpoint(behaviour="endless")) as endpoint:
        answer = query_endpoint(endpoint.url, KEY, QUESTION)
        next(answer)
        answer.close()  # type: ignore[attr-defined]
        assert endpoint.caller_left.wait(10)


def test_history_becomes_messages_and_unanswered_questions_are_left_out() -> None:
    history = [
        {"inputs": {"input_data": "a"}, "outputs": {"answer": "b"}},
        {"inputs": {"input_data": "lost"}, "outputs": {"answer": ""}},
        {"inputs": {}, "outputs": {}},
    ]
    roles = [(one["role"], one["content"]) for one in messages_of("c", history, "Be brief.")]
    assert roles == [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c")]


TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(st.lists(TEXT, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_events_are_the_same_at_any_cut(texts: list[str], end: str, data: st.DataObject) -> None:
    stream = "".join(f": note{end}data: {text}{end}{end}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert list(server_sent_data(pieces)) == texts


@given(st.lists(st.binary(), max_size=10))
def test_no_bytes_make_the_event_reader_fail(pieces: list[bytes]) -> None:
    for text in server_sent_data(pieces):
        assert isinstance(text, str)

"""One plain function that asks a model endpoint, whatever hosts it. Knows neither prompt flow nor any cloud.

The contracts: `openai` (`/v1/chat/completions`, streamed), the two scoring bodies of Azure ML's endpoints, `mlflow` and
`foundry`, and `flow`, this very flow served by prompt flow (these three give one answer in one piece).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

CONNECT_SECONDS = 10
READ_SECONDS = 180
MAX_ERROR_BYTES = 4_000


class EndpointError(Exception):
    """The endpoint gave no (whole) answer. `code` is stable; the text says what happened and what to do."""

    def __init__(self, code: str, what: str, how_to_fix: str = "", raw: str = "") -> None:
        super().__init__(f"{what} {how_to_fix}".strip())
        self.code = code
        self.what = what
        self.how_to_fix = how_to_fix
        self.raw = raw


def messages_of(question: str, history: Sequence[Mapping[str, Any]] = (), system_prompt: str = "") -> list[dict]:
    """Prompt flow's chat history and the new question as chat messages.

    A turn without an answer (it failed, or was stopped at once) is left out: the roles must take turns.
    """
    messages = [{"role": "system", "content": system_prompt}] if system_prompt.strip() else []
    for turn in history or ():
        asked = turn.get("inputs", {}).get("input_data")
        answered = turn.get("outputs", {}).get("answer")
        if asked and answered:
            messages.append({"role": "user", "content": str(asked)})
            messages.append({"role": "assistant", "content": str(answered)})
    return [*messages, {"role": "user", "content": question}]


def query_endpoint(
    endpoint: str,
    key: str,
    messages: Sequence[Mapping[str, str]],
    *,
    contract: str = "openai",
    model: str = "",
    temperature: float = 0.7,
    max_new_tokens: int = 128,
    top_p: float = 1.0,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    more_headers: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The answer in pieces as they arrive. Closing the iterator closes the connection, so that the server stops.

    Greedy at temperature 0. `more_headers` go along, such as the one that picks a deployment behind an endpoint.
    Raises EndpointError, also in the middle of an answer.
    """
    url, body = _request(endpoint, contract, messages, model, temperature, max_new_tokens, top_p)
    accepted = "text/event-stream, application/json" if contract == "openai" else "application/json"
    headers = {"Authorization": f"Bearer {key}", "Accept": accepted, **(more_headers or {})}
    try:
        with requests.post(
            url, json=body, headers=headers, stream=True, timeout=(connect_seconds, read_seconds)
        ) as response:
            if response.status_code != 200:
                raise _refusal(response)
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                yield from _deltas(response)
            else:
                yield _whole_answer(response.content, contract)
    except requests.exceptions.ConnectTimeout as error:
        raise EndpointError("unreachable", "The endpoint does not answer.", _WAKE, str(error)) from error
    except requests.exceptions.ReadTimeout as error:
        raise _too_slow(read_seconds, error) from error
    except requests.exceptions.ConnectionError as error:
        if "Read timed out" in str(error):  # how requests names a timeout in the middle of a stream
            raise _too_slow(read_seconds, error) from error
        raise EndpointError("unreachable", "The endpoint can't be reached.", _WAKE, str(error)) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise EndpointError("broken_off", "The answer broke off.", "Ask again; see the endpoint's log.") from error
    except requests.exceptions.RequestException as error:
        raise EndpointError("bad_endpoint", "The endpoint's address can't be used.", _ADDRESS, str(error)) from error


_WAKE = "It may be asleep or still starting: start it, wait until it is running, then ask again."
_ADDRESS = "Check the connection's `endpoint`; it begins with http:// or https://."


def _request(
    endpoint: str,
    contract: str,
    messages: Sequence[Mapping[str, str]],
    model: str,
    temperature: float,
    max_new_tokens: int,
    top_p: float,
) -> tuple[str, dict[str, Any]]:
    turns = [{"role": message["role"], "content": message["content"]} for message in messages]
    if contract == "openai":
        body: dict[str, Any] = {
            "messages": turns,
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_new_tokens,
            "stream": True,
        }
        if model:
            body["model"] = model
        return _url(endpoint, "/v1/chat/completions"), body
    sampling: dict[str, Any] = {"temperature": temperature, "max_new_tokens": max_new_tokens, "top_p": top_p}
    if temperature == 0:
        sampling = {"max_new_tokens": max_new_tokens, "do_sample": False}
    if contract == "foundry":
        return _url(endpoint, "/score"), {"input_data": {"input_string": turns, "parameters": sampling}}
    if contract == "mlflow":
        params = {"do_sample": True, **sampling, "return_full_text": False}
        return _url(endpoint, "/score"), {"input_data": [turns[-1]["content"]], "params": params}
    if contract == "flow":
        settings = {"temperature": temperature, "max_new_tokens": max_new_tokens, "top_p": top_p}
        return _url(endpoint, "/score"), {**_flow_inputs(turns), **settings}
    raise EndpointError(
        "bad_contract",
        f'The connection names the unknown contract "{contract}".',
        "Use openai, mlflow, foundry or flow.",
    )


def _flow_inputs(turns: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The inputs of the flow, of which `messages_of` makes these turns again."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    said = [turn["content"] for turn in turns if turn["role"] != "system"]
    history = [
        {"inputs": {"input_data": asked}, "outputs": {"answer": answered}}
        for asked, answered in zip(said[:-1:2], said[1::2], strict=True)
    ]
    return {"input_data": said[-1], "chat_history": history, "system_prompt": "\n".join(system)}


def _url(endpoint: str, path: str) -> str:
    """The base's address with the contract's path; an address that has the path already stays as it is."""
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise EndpointError("bad_endpoint", f'"{endpoint}" is not an address.', _ADDRESS)
    base = parts.path.rstrip("/")
    if base.endswith(("/chat/completions", "/score", "/invocations")):
        path = base
    elif path.startswith("/v1/") and base.endswith("/v1"):
        path = base + path.removeprefix("/v1")
    else:
        path = base + path
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _deltas(response: requests.Response) -> Iterator[str]:
    is_finished = False
    # without chunks, requests would hold the pieces back until the end
    pieces = response.iter_content(chunk_size=None if response.raw.chunked else 1)
    for data in server_sent_data(pieces):
        if data == "[DONE]":
            return
        event = _parse(data.encode())
        if "error" in event:
            raise EndpointError("broken_off", "The server broke off the answer.", _words(event), data[:MAX_ERROR_BYTES])
        for choice in event.get("choices") or ():
            text = (choice.get("delta") or {}).get("content")
            if text:
                yield text
            is_finished = is_finished or bool(choice.get("finish_reason"))
    if not is_finished:
        raise EndpointError("broken_off", "The answer broke off.", "The server may have ended; see the endpoint's log.")


def server_sent_data(chunks: Iterable[bytes]) -> Iterator[str]:
    """The data of each server-sent event, however the bytes were cut (also within a character or a line end).

    As in the HTML standard's "event stream interpretation": lines end with LF, CR or CRLF, the data lines of one
    event are joined, an event without its closing empty line is dropped.
    """
    buffer = b""
    data: list[str] = []
    for chunk in chunks:
        buffer += chunk
        # a CR at the very end may be half of a CRLF: it waits for the next piece
        ready, buffer = _whole_lines(buffer)
        for line in ready:
            if line:
                name, _, value = line.partition(b":")
                if name == b"data":
                    data.append(value.removeprefix(b" ").decode("utf-8", errors="replace"))
            elif data:
                yield "\n".join(data)
                data = []
    if buffer == b"\r" and data:
        yield "\n".join(data)


def _whole_lines(buffer: bytes) -> tuple[list[bytes], bytes]:
    held = b""
    if buffer.endswith(b"\r"):
        buffer, held = buffer[:-1], b"\r"
    lines = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return lines[:-1], lines[-1] + held


def _whole_answer(content: bytes, contract: str) -> str:
    answer = _parse(content)
    try:
        if contract == "openai":
            text = answer["choices"][0]["message"]["content"]
        elif contract == "foundry":
            text = answer["output"]
        elif contract == "flow":
            text = answer["answer"]
        else:
            text = answer[0]
            if isinstance(text, Mapping):  # some MLflow servers wrap it
                text = next(iter(text.values()))
    except (KeyError, IndexError, TypeError, StopIteration) as error:
        raise _unreadable(content) from error
    if not isinstance(text, str):
        raise _unreadable(content)
    return text


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _unreadable(content) from error


def _unreadable(content: bytes) -> EndpointError:
    return EndpointError(
        "unreadable",
        "The endpoint answers in another form than expected.",
        "Check the connection's `contract`: openai, mlflow or foundry.",
        content[:MAX_ERROR_BYTES].decode(errors="replace"),
    )


def _refusal(response: requests.Response) -> EndpointError:
    raw = next(response.iter_content(MAX_ERROR_BYTES), b"").decode(errors="replace")
    status = response.status_code
    words = _words_of(raw)
    if status == 424:  # Azure ML's "the model's own server answered": its status is in a header
        inner = response.headers.get("ms-azureml-model-error-statuscode", "")
        status = int(inner) if inner.isdigit() else 502
        words = words or response.headers.get("ms-azureml-model-error-reason", "")
    if status in {401, 403}:
        return EndpointError(
            "bad_key", "The endpoint refuses the key.", "Copy the endpoint's key into the connection again.", raw
        )
    if status == 404:
        return EndpointError(
            "not_found", "There is no such endpoint or model at this address.", "Check the connection's endpoint.", raw
        )
    if status == 429:
        after = response.headers.get("retry-after", "")
        wait = f"Try again in {after} s." if after.isdigit() else "Try again in a minute."
        return EndpointError("too_many", "The endpoint is busy with too many questions.", wait, raw)
    if status == 408:
        return EndpointError(
            "too_slow", "The endpoint broke off: the answer took too long.", "Ask for fewer tokens, or try again.", raw
        )
    if status in {502, 503, 504}:
        return EndpointError("unreachable", f"The endpoint is not ready (HTTP {status}).", _WAKE, raw)
    if status >= 500:
        return EndpointError("server_failed", f"The server failed (HTTP {status}).", words or "See its log.", raw)
    return EndpointError("refused", f"The endpoint refuses the question (HTTP {status}).", words, raw)


def _words_of(raw: str) -> str:
    try:
        return _words(json.loads(raw))
    except (ValueError, RecursionError):
        return ""


def _words(answer: Any) -> str:
    """The message in an error body: OpenAI's, FastAPI's or Azure ML's shape."""
    for name in ("error", "detail", "message"):
        if isinstance(answer, Mapping) and name in answer:
            answer = answer[name]
    if isinstance(answer, Mapping):
        answer = answer.get("message", "")
    return answer[:500] if isinstance(answer, str) else ""


def _too_slow(seconds: float, error: Exception) -> EndpointError:
    return EndpointError(
        "too_slow",
        f"The endpoint said nothing for {seconds:g} s.",
        "Ask for fewer tokens, or try again; see the endpoint's log.",
        str(error),
    )

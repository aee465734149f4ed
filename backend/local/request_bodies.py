"""The bodies that callers send, checked: OpenAI's chat completions and Azure ML's two scoring contracts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from backend.domain import ROLES
from backend.local.engine import Sampling

DEFAULT_TOKENS = 256
MOST_ITEMS = 64
UNSUPPORTED = ("tools", "tool_choice", "functions", "function_call", "logprobs", "response_format", "audio")


class RequestError(Exception):
    """`param` names the field; `status` is the HTTP status."""

    def __init__(self, message: str, param: str = "", status: int = 400, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


@dataclass(frozen=True)
class ChatRequest:
    messages: list[dict[str, str]]
    sampling: Sampling
    is_stream: bool = False
    has_usage: bool = False


@dataclass(frozen=True)
class ScoreRequest:
    """One conversation an answer. `is_foundry` says in which form the answer goes back."""

    conversations: list[list[dict[str, str]]]
    sampling: Sampling
    is_foundry: bool
    prefixes: tuple[str, ...] = ()


def read_chat(body: Any, models: Collection[str]) -> ChatRequest:
    body = _object(body, "the body")
    asked = body.get("model")
    if asked and asked not in models:
        served = ", ".join(sorted(models))
        raise RequestError(f"This endpoint serves {served}, not {asked!r}.", "model", 404, "model_not_found")
    for name in UNSUPPORTED:
        if body.get(name):
            raise RequestError(f"{name} is not supported by this endpoint.", name)
    if body.get("n") not in (None, 1):
        raise RequestError("n must be 1.", "n")
    for name in ("presence_penalty", "frequency_penalty"):
        if body.get(name) not in (None, 0):
            raise RequestError(f"{name} must be 0.", name)
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    options = body.get("stream_options") or {}
    return ChatRequest(
        messages=read_messages(body.get("messages"), "messages"),
        sampling=_sampling(body, limit, "", temperature=1.0),
        is_stream=_flag(body, "stream", ""),
        has_usage=bool(isinstance(options, dict) and options.get("include_usage")),
    )


def read_score(body: Any) -> ScoreRequest:
    """`{"input_data": [...], "params": {...}}` (mlflow) or `{"input_data": {"input_string": [...], ...}}` (foundry)."""
    body = _object(body, "the body")
    data = body.get("input_data")
    if isinstance(data, dict) and "input_string" in data:
        parameters = _object(data.get("parameters") or {}, "input_data.parameters")
        messages = read_messages(data["input_string"], "input_data.input_string")
        where = "input_data.parameters."
        return ScoreRequest([messages], _sampling(parameters, "max_new_tokens", where), is_foundry=True)
    if not isinstance(data, list) or not data:
        raise RequestError(
            "input_data must be a list of texts or conversations, or an object with input_string.", "input_data"
        )
    parameters = _object(body.get("params") or {}, "params")
    if all(isinstance(item, dict) for item in data):
        data = [data]  # the messages of one conversation
    if len(data) > MOST_ITEMS:
        raise RequestError(
            f"input_data has {len(data)} items; at most {MOST_ITEMS} are answered at once.", "input_data"
        )
    conversations = []
    for index, item in enumerate(data):
        where = f"input_data[{index}]"
        messages = [{"role": "user", "content": item}] if isinstance(item, str) else item
        conversations.append(read_messages(messages, where))
    is_full = _flag(parameters, "return_full_text", "params.")
    prefixes = tuple(item if is_full and isinstance(item, str) else "" for item in data)
    return ScoreRequest(conversations, _sampling(parameters, "max_new_tokens", "params."), False, prefixes)


def read_messages(value: Any, where: str) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise RequestError(f"{where} must be a list of at least one message.", where)
    messages = []
    for index, message in enumerate(value):
        at = f"{where}[{index}]"
        message = _object(message, at)
        if message.get("role") not in ROLES:
            raise RequestError(f"{at}.role must be one of {', '.join(ROLES)}.", f"{at}.role")
        messages.append({"role": message["role"], "content": _content(message.get("content"), f"{at}.content")})
    if all(message["role"] == "system" for message in messages):
        raise RequestError(f"{where} has no message to answer.", where)
    return messages


def _content(value: Any, where: str) -> str:
    """A text, or OpenAI's list of text parts."""
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value]
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    if not isinstance(value, str):
        raise RequestError(f"{where} must be a text.", where)
    return value


def _sampling(values: dict[str, Any], limit: str, where: str, temperature: float | None = None) -> Sampling:
    """Without a temperature, Azure's contracts sample only when `do_sample` says so."""
    if temperature is None:
        temperature = 1.0 if _flag(values, "do_sample", where) else 0.0
    temperature = _number(values, "temperature", where, 0.0, 2.0, temperature)
    if values.get("do_sample") is False:
        temperature = 0.0
    stop = values.get("stop") or ()
    stop = (stop,) if isinstance(stop, str) else stop
    if not isinstance(stop, list | tuple) or len(stop) > 4 or not all(isinstance(text, str) and text for text in stop):
        raise RequestError(f"{where}stop must be a text or a list of at most 4 texts.", f"{where}stop")
    return Sampling(
        max_tokens=int(_number(values, limit, where, 1, 100_000, DEFAULT_TOKENS, is_whole=True)),
        temperature=temperature,
        top_p=_number(values, "top_p", where, 0.0, 1.0, 1.0) or 1e-6,
        stop=tuple(stop),
    )


def _number(
    values: dict[str, Any], name: str, where: str, least: float, most: float, default: float, *, is_whole: bool = False
) -> float:
    value = values.get(name)
    if value is None:
        return default
    is_number = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        kind = "a whole number" if is_whole else "a number"
        raise RequestError(f"{where}{name} must be {kind} from {least:g} to {most:g}.", f"{where}{name}")
    return float(value)


def _flag(values: dict[str, Any], name: str, where: str) -> bool:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{where}{name} must be true or false.", f"{where}{name}")
    return bool(value)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{where} must be a JSON object.", where)
    return value

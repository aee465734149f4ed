"""The flow's one node: prompt flow's inputs and connection become one call of `query_endpoint`.

The connection is a custom one: `endpoint` (and `contract`, `model` where they are needed), and the secret `key`. Azure
keeps the endpoint's address as a secret, too.
Prompt flow reads the annotations as objects: no `from __future__ import annotations` here.
"""

import os
import re
from collections.abc import Iterator

from endpoint_client import EndpointError, messages_of, query_endpoint
from promptflow.connections import CustomConnection
from promptflow.core import tool


class ErrorText(str):
    """The last piece of an answer that broke off: prompt flow's server drops an exception raised in mid-stream."""


@tool
def integrate_with_promptflow(
    input_data: str,
    connection: CustomConnection,
    chat_history: list = [],  # noqa: B006  prompt flow reads the default for its schema, and never changes it
    system_prompt: str = "",
    temperature: float = 0.7,
    max_new_tokens: int = 128,
    top_p: float = 1.0,
) -> Iterator[str]:
    values = {**connection.configs, **connection.secrets}
    configs = {name: from_environment(value) for name, value in values.items()}
    answer = query_endpoint(
        configs["endpoint"],
        configs["key"],
        messages_of(input_data, chat_history, system_prompt),
        contract=configs.get("contract") or "openai",
        model=configs.get("model") or "",
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        top_p=top_p,
    )
    # a refusal is raised here, where prompt flow still reports it
    return pieces(next(answer, ""), answer)


def pieces(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    try:
        yield from rest
    except EndpointError as error:
        yield ErrorText(f"\n\n[error] {error}")
        raise


def from_environment(value: str) -> str:
    """`${env:NAME}` is that variable's value: `pf flow serve` resolves it by itself, `pf flow test` does not."""
    match = re.fullmatch(r"\$\{env:(\w+)\}", value.strip())
    return os.environ.get(match.group(1), "") if match else value

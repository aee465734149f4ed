"""The flow's one node: prompt flow's inputs and connection become one call of `query_endpoint`.

The connection is a custom one: configs `endpoint` (and `contract`, `model` where they are needed), secret `key`.
Prompt flow reads the annotations as objects: no `from __future__ import annotations` here.
"""

from collections.abc import Iterator

from endpoint_client import messages_of, query_endpoint
from promptflow.connections import CustomConnection
from promptflow.core import tool


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
    configs = connection.configs
    yield from query_endpoint(
        configs["endpoint"],
        connection.secrets["key"],
        messages_of(input_data, chat_history, system_prompt),
        contract=configs.get("contract") or "openai",
        model=configs.get("model") or "",
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        top_p=top_p,
    )

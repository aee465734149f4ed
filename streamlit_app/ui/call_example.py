"""How a program calls an endpoint: its address and a request, in the contract that the endpoint takes."""

from __future__ import annotations

import json
from typing import Any

from backend.domain import Endpoint
from backend.i18n import _

QUESTION = "Hello"


def address(endpoint: Endpoint) -> tuple[str, str]:
    """What to call it, and the address itself."""
    base = endpoint.url.rstrip("/")
    if endpoint.contract == "openai":
        return _("Address, in the form OpenAI's clients take"), base if base.endswith("/v1") else f"{base}/v1"
    return _("Address that takes the questions"), base if base.endswith("/score") else f"{base}/score"


def curl_example(endpoint: Endpoint) -> str:
    url = address(endpoint)[1]
    return "\n".join(
        [
            f"curl {url}/chat/completions \\" if endpoint.contract == "openai" else f"curl {url} \\",
            '  -H "Authorization: Bearer $PHIDESK_KEY" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d '{json.dumps(_body(endpoint))}'",
        ]
    )


def _body(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.contract == "openai":
        messages = [{"role": "user", "content": QUESTION}]
        return {"model": endpoint.model, "messages": messages, "max_tokens": 128}
    if endpoint.contract == "foundry":
        turns = [{"role": "user", "content": QUESTION}]
        return {"input_data": {"input_string": turns, "parameters": {"temperature": 0, "max_new_tokens": 128}}}
    if endpoint.contract == "flow":
        return {"input_data": QUESTION, "chat_history": []}
    return {"input_data": [QUESTION], "params": {"max_new_tokens": 128, "return_full_text": False}}

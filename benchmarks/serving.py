"""Eight chats at once against the same eight one after another, on one model server with the built-in model."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import requests

from backend import bootstrap
from backend.domain import BUILT_IN_MODEL
from backend.settings import Settings

CLIENTS, TOKENS, ROUNDS = 8, 64, 5


def ask(url: str, key: str, client: int) -> tuple[float, int]:
    """Seconds to the first token, and tokens received. Hot sampling, so that answers run to their full length."""
    body = {
        "messages": [{"role": "user", "content": f"Tell me the story of number {client}."}],
        "max_tokens": TOKENS,
        "temperature": 1.5,
        "stream": True,
    }
    started, first, tokens = time.perf_counter(), 0.0, 0
    headers = {"Authorization": f"Bearer {key}"}
    with requests.post(f"{url}/v1/chat/completions", json=body, headers=headers, stream=True, timeout=120) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines(chunk_size=1):
            if line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter() - started
                tokens += 1
    return first, tokens


def main() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as home:
        desk = bootstrap.build(Settings(home=Path(home)))
        started = time.perf_counter()
        desk.deployments.create("bench", BUILT_IN_MODEL)
        try:
            endpoint = desk.deployments.wait_until_answering("bench", timeout=180)
            ready = time.perf_counter() - started
            key = desk.deployments.key("bench")
            ask(endpoint.url, key, 0)
            one_by_one, together, first_tokens = [], [], []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                answers = [ask(endpoint.url, key, client) for client in range(CLIENTS)]
                one_by_one.append(sum(tokens for _, tokens in answers) / (time.perf_counter() - started))
                first_tokens += [first for first, _ in answers]
                started = time.perf_counter()
                with ThreadPoolExecutor(CLIENTS) as pool:
                    answers = list(pool.map(lambda client: ask(endpoint.url, key, client), range(CLIENTS)))
                together.append(sum(tokens for _, tokens in answers) / (time.perf_counter() - started))
            memory = max(
                process.memory_info().rss
                for process in psutil.process_iter(["cmdline"])
                if "backend.local.model_server" in " ".join(process.info["cmdline"] or [])
            )
        finally:
            desk.deployments.delete("bench")
    alone, joined = statistics.median(one_by_one), statistics.median(together)
    return {
        "what": f"{CLIENTS} chats at once against one after another (baseline)",
        "chunks_per_second": {"together": round(joined), "one after another": round(alone)},
        "ratio": round(joined / alone, 2),
        "first_token_ms": round(statistics.median(first_tokens) * 1000),
        "ready_s": round(ready, 1),
        "server_memory_mb": round(memory / 1e6),
    }

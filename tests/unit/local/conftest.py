"""One tiny model behind the real front on a real socket, in this process so that its engine can be looked at."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from backend.local import engine as engine_module
from backend.local.engine import Engine
from backend.local.front import Front
from tests.tiny_model import make_tiny_model

KEY = "phd-test"


@dataclass
class Served:
    url: str
    front: Front
    headers: dict[str, str]

    @property
    def engine(self) -> Engine:
        return self.front.engine


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"), hidden_size=128)


@pytest.fixture(scope="session")
def served(model_folder: Path) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "CACHE_TOKENS", 1536)  # three whole contexts: more than that must be put off
        front = Front(Engine(str(model_folder)), "facts:1", ["facts", "harbour"])
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(front.app(KEY), log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = listener.getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", front, {"Authorization": f"Bearer {KEY}"})
    server.should_exit = True
    thread.join(10)
    front.engine.batching.stop(block=True, timeout=5, hard_stop=True)

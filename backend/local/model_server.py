"""`python -m backend.local.model_server FOLDER`: one model, one process, one loopback port, until it is told to end.

FOLDER is one server's folder inside an endpoint's; its spec.json says what to serve. It writes who and where it is
(server.json, at once) and that it answers (ready.json). The key comes by environment, never by argument.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

from backend.local.files import file_lock, read_json, write_json
from backend.local.processes import ProcessId

KEY_VARIABLE = "PHIDESK_ENDPOINT_KEY"
LAST_ANSWERS = 30.0
"""Seconds that running answers have to end when the server is told to."""


def bind(ports_lock: Path, preferred: int, *, is_shared: bool) -> socket.socket:
    """A socket on loopback: the port it had before where that is free, else one that the system chooses.

    It is bound so that the next server of the same endpoint can join (SO_REUSEPORT). Whether somebody else has the
    port is therefore tried without that first, under a lock that all our servers take. `is_shared`: the predecessor
    still holds it, and is meant to.
    """
    with file_lock(ports_lock):
        port = preferred if is_shared else free_port(preferred)
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", port))
        return bound


def free_port(preferred: int, patience: float = 3.0) -> int:
    """The preferred one if it is free within `patience` seconds: a server just killed frees it a moment later."""
    deadline = time.monotonic() + patience
    while preferred and time.monotonic() < deadline:
        if try_port(preferred):
            return preferred
        time.sleep(0.05)
    return try_port(0)


def try_port(port: int) -> int:
    """The port (one that the system chooses for 0), or 0 when somebody has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not port:
                raise
            return 0
        return int(probe.getsockname()[1])


async def serve(folder: Path, key: str) -> None:
    import uvicorn

    from backend.local.engine import Engine
    from backend.local.front import Front

    spec = read_json(folder / "spec.json") or {}
    here = ProcessId.here().to_json()
    old = ProcessId.from_json(spec.get("replaces"))
    listener = bind(folder.parents[2] / ".ports.lock", int(spec.get("port", 0)), is_shared=bool(old and old.is_alive()))
    port = listener.getsockname()[1]
    write_json(folder / "server.json", here | {"port": port, "at": time.time()})
    print(f"Loading {spec['model']} from {spec['path']}.", flush=True)  # noqa: T201
    started = time.monotonic()
    engine = Engine(spec["path"])
    front = Front(engine, spec["model"], spec.get("other_names", ()))
    config = uvicorn.Config(
        front.app(key), log_level="info", server_header=False, timeout_graceful_shutdown=int(LAST_ANSWERS)
    )
    # Whoever looks at the endpoint asks /health each time; the log is for what callers asked.
    logging.getLogger("uvicorn.access").addFilter(lambda record: "/health" not in record.getMessage())
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    write_json(folder / "ready.json", here | {"port": port, "at": time.time()})
    print(  # noqa: T201
        f"Answering on 127.0.0.1:{port} after {time.monotonic() - started:.1f} s: {engine.device}, {engine.dtype}, "
        f"{engine.context} tokens of context, {engine.cache_tokens} tokens of cache.",
        flush=True,
    )
    if old:
        # Both listen now, so nobody finds the door shut; the old one takes no more and ends its running answers.
        old.send(signal.SIGTERM)
    while not serving.done() and engine.fatal_error() is None:
        await asyncio.wait({serving}, timeout=1.0)
    if engine.fatal_error() is not None:
        sys.exit(f"The engine died: {engine.fatal_error()}")
    engine.batching.stop(block=True, timeout=2, hard_stop=True)


def main() -> None:
    key = os.environ.pop(KEY_VARIABLE, "")
    if not key:
        sys.exit(f"{KEY_VARIABLE} is not set.")
    asyncio.run(serve(Path(sys.argv[1]).resolve(), key))
    # Threads of the engine and of torch may linger; everything is answered and written.
    os._exit(0)


if __name__ == "__main__":
    main()

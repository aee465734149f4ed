"""Waiting for the next piece of a stream without being held by it."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextvars import copy_context
from queue import Empty, Queue

SECONDS = 0.25
_AHEAD = 64
"""Pieces that are taken from the stream before the caller asks for them; then the stream waits."""


def with_heartbeat(pieces: Generator[str, None, None], seconds: float = SECONDS) -> Generator[str, None, None]:
    """The pieces as they come, and an empty one whenever none came for `seconds`. Raises what they raise.

    They are read by a thread. Closing this returns at once; the thread closes `pieces` when the next one comes, or
    at their end.
    """
    arrived: Queue[str | Exception | None] = Queue(_AHEAD)
    is_left = threading.Event()

    def read() -> None:
        end: Exception | None = None
        try:
            for piece in pieces:
                if is_left.is_set():
                    break
                if piece:
                    arrived.put(piece)
        except Exception as error:  # noqa: BLE001  it is raised again in the thread that waits
            end = error
        finally:
            pieces.close()
            arrived.put(end)

    threading.Thread(target=copy_context().run, args=(read,), name="stream", daemon=True).start()
    try:
        while True:
            try:
                piece = arrived.get(timeout=seconds)
            except Empty:
                yield ""
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        is_left.set()
        while not arrived.empty():  # room for the thread's last two puts, so that it never waits for good
            arrived.get()

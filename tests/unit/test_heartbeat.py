"""Waiting for pieces that come late, or never: the caller hears of it, and may leave."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heartbeat import with_heartbeat

TOO_LONG = 30


class Stream:
    """Gives a piece each time it is let go on, and tells when it is closed."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.go_on = threading.Semaphore(0)
        self.is_closed = threading.Event()
        self.given = 0
        self.pieces = self._give(pieces)

    def _give(self, pieces: Iterable[str]) -> Generator[str, None, None]:
        try:
            for piece in pieces:
                assert self.go_on.acquire(timeout=TOO_LONG)
                self.given += 1
                yield piece
        finally:
            self.is_closed.set()


@given(st.lists(st.text()))
def test_all_pieces_come_in_order(pieces: list[str]) -> None:
    heard = with_heartbeat((piece for piece in pieces), seconds=TOO_LONG)
    assert list(heard) == [piece for piece in pieces if piece]


def test_silence_is_heard_and_then_the_next_piece() -> None:
    stream = Stream(["one", "two"])
    heard = with_heartbeat(stream.pieces, seconds=0.01)
    assert [next(heard), next(heard)] == ["", ""]
    stream.go_on.release()
    assert next(piece for piece in heard if piece) == "one"
    assert next(heard) == ""
    stream.go_on.release()
    assert [piece for piece in heard if piece] == ["two"]
    assert stream.is_closed.wait(TOO_LONG)


def test_who_leaves_does_not_wait_and_the_stream_ends_at_its_next_piece() -> None:
    stream = Stream(["one", "two", "three"])
    heard = with_heartbeat(stream.pieces, seconds=0.01)
    assert next(heard) == ""
    heard.close()
    assert not stream.is_closed.is_set()
    stream.go_on.release()
    assert stream.is_closed.wait(TOO_LONG)
    assert stream.given == 1


def test_a_stream_that_is_never_left_alone_ends_when_its_reader_does() -> None:
    """It is far ahead of the reader, who goes away without a word."""
    is_closed = threading.Event()

    def endless() -> Generator[str, None, None]:
        try:
            while True:
                yield "piece"
        finally:
            is_closed.set()

    heard = with_heartbeat(endless())
    assert next(heard) == "piece"
    del heard
    assert is_closed.wait(TOO_LONG)


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("no")])
def test_what_the_stream_raises_is_raised_after_what_came(error: Exception) -> None:
    def broken() -> Generator[str, None, None]:
        yield "one"
        raise error

    heard = with_heartbeat(broken(), seconds=TOO_LONG)
    assert next(heard) == "one"
    with pytest.raises(type(error)) as caught:
        next(heard)
    assert caught.value is error


def test_the_stream_sees_the_context_of_who_asked() -> None:
    asked_by: ContextVar[str] = ContextVar("asked_by")
    asked_by.set("me")

    def stream() -> Generator[str, None, None]:
        yield asked_by.get()

    assert list(with_heartbeat(stream(), seconds=TOO_LONG)) == ["me"]

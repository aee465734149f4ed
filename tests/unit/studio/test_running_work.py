"""Work in a thread: one of a name at a time, looked at from elsewhere, its errors kept for who asks."""

from __future__ import annotations

import threading

import pytest

from backend.errors import Conflict, NotFound
from backend.studio.running_work import OnProgress, RunningWork, Stopped
from tests.contract.waiting import wait_until


def test_its_progress_is_seen_while_it_goes_on_and_its_result_after() -> None:
    work, go_on = RunningWork(), threading.Event()

    def action(tell: OnProgress) -> str:
        tell(0.5)
        go_on.wait(60)
        return "done"

    running = work.begin("ferries", action)
    wait_until(lambda: running.done == 0.5, "it tells")
    assert not running.wait(0) and work.get("ferries") is running and work.get("trams") is None
    with pytest.raises(Conflict, match="goes on already"):
        work.begin("ferries", action)
    go_on.set()
    assert running.wait(60) and running.result() == "done" and work.get("ferries") is None
    assert work.begin("ferries", lambda tell: 2).wait(60)


@pytest.mark.parametrize("error", [NotFound("gone"), ZeroDivisionError()])
def test_what_it_raised_is_raised_where_its_result_is_asked_for(error: Exception) -> None:
    def action(tell: OnProgress) -> None:
        raise error

    running = RunningWork().begin("ferries", action)
    assert running.wait(60)
    with pytest.raises(type(error)):
        running.result()


def test_what_is_stopped_ends_at_its_next_word() -> None:
    left: list[str] = []

    def action(tell: OnProgress) -> None:
        try:
            while True:
                tell(0.1)
        finally:
            left.append("tidy")

    running = RunningWork().begin("ferries", action)
    running.stop()
    assert running.wait(60) and left == ["tidy"]
    with pytest.raises(Stopped, match="was stopped"):
        running.result()

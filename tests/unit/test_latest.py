"""The last answer at once, the next one meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from streamlit_app.latest import Latest
from tests.contract.waiting import wait_until


def answers(*values: object) -> Callable[[], object]:
    left = list(values)

    def fetch() -> object:
        value = left.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    return fetch


def test_the_first_look_waits_and_a_fresh_answer_is_not_asked_for_again() -> None:
    latest: Latest[object] = Latest(fresh=60)
    fetch = answers("first", "second")
    assert [latest.get("run", fetch) for _ in range(3)] == ["first"] * 3
    assert latest.get("other run", fetch) == "second"


def test_an_older_answer_is_given_at_once_while_the_next_is_fetched() -> None:
    latest: Latest[str] = Latest(fresh=0)
    latest.put("run", "old")
    may_end, asked = threading.Event(), []

    def slow() -> str:
        asked.append(1)
        may_end.wait(10)
        return "new"

    assert [latest.get("run", slow) for _ in range(3)] == ["old"] * 3
    assert len(asked) <= 1
    may_end.set()
    wait_until(lambda: latest.get("run", lambda: "new") == "new", "the new answer is there")


def test_an_answer_that_nobody_asked_for_long_is_not_given() -> None:
    latest: Latest[str] = Latest(fresh=0, usable=0)
    latest.put("run", "old")
    assert latest.get("run", lambda: "new") == "new"


def test_an_error_is_told_once_and_the_last_answer_stays() -> None:
    latest: Latest[object] = Latest(fresh=0)
    latest.put("run", "old")
    fetch = answers(ConnectionError("gone"), "new", "new", "new")
    told = []

    def is_new() -> bool:
        try:
            return latest.get("run", fetch) == "new"
        except ConnectionError as error:
            told.append(error)
            return False

    wait_until(is_new, "the new answer is there")
    assert len(told) == 1


def test_the_first_look_raises_what_its_fetch_raises() -> None:
    latest: Latest[object] = Latest(fresh=60)
    with pytest.raises(ConnectionError):
        latest.get("run", answers(ConnectionError("gone")))
    assert latest.get("run", answers("there")) == "there"


def test_what_is_forgotten_does_not_come_back_from_a_fetch_under_way() -> None:
    latest: Latest[str] = Latest(fresh=0)
    latest.put("run", "old")
    may_end, ended = threading.Event(), threading.Event()

    def slow() -> str:
        may_end.wait(10)
        ended.set()
        return "before the change"

    assert latest.get("run", slow) == "old"
    latest.forget()
    latest.fresh = 60
    assert latest.get("run", lambda: "after") == "after"
    may_end.set()
    assert ended.wait(10)
    assert latest.get("run", lambda: "never asked") == "after"

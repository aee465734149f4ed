"""Errors that travel: told by one process as a failure, raised by another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.domain import Failure
from backend.errors import NotFound, PhiDeskError
from backend.studio.background_process import failure_of

TOLD = st.builds(Failure, *[st.text()] * 5)


@given(TOLD)
def test_an_error_of_a_failure_says_the_same(told: Failure) -> None:
    error = NotFound.of(told)
    assert isinstance(error, PhiDeskError) and error.exit_code == NotFound.exit_code
    assert error.failure() == told


def test_a_failure_that_was_written_in_part_is_read_all_the_same() -> None:
    told = failure_of({"phase": "failed", "failure": {"what": "No room.", "code": "disk_full", "since": 3}})
    assert told == Failure("disk_full", "No room.", why="", how_to_fix="")
    assert failure_of({"phase": "done", "failure": {}}) is None

"""Operations survive: nothing is begun twice, nothing is lost when a process dies or a sign-in ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backend.azure.errors import SignedOut
from backend.azure.operations import Operations, Report
from backend.domain_setup import Operation, OperationState
from backend.errors import Conflict, NotFound
from tests.contract.conftest import wait_until

Ended = Callable[[Operation], Operation]

CHILD = """
import sys, time
from pathlib import Path
from backend.azure.operations import Operations
database, folder = Path(sys.argv[1]), Path(sys.argv[2])
def work(arguments, report):
    report(1, "Making it")
    (folder / f"begun-{arguments['name']}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    (folder / f"ended-{arguments['name']}").touch()
operations = Operations(database)
operations.handler("make", work)
operations.start("make", "thing", "Making the thing", {"name": "one"}, steps=3)
print("the main thread is through", flush=True)
"""


def start_child(operations: Operations, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(operations.database), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )


def test_work_is_reported_and_ends(operations: Operations, ended: Ended) -> None:
    told = threading.Event()

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        report(1, f"Making {arguments['name']}")
        assert told.wait(10)

    operations.handler("make", work)
    begun = operations.start("make", "a", "Making a", {"name": "a"}, steps=2)
    assert begun.state == OperationState.RUNNING
    wait_until(lambda: operations.get(begun.id).step == 1, "the first step")
    assert operations.get(begun.id).detail == "Making a"
    told.set()
    done = ended(begun)
    assert (done.state, done.step, done.failure) == (OperationState.DONE, 2, None)
    assert done.ended_at is not None


def test_eight_starts_at_once_are_one_operation(operations: Operations, ended: Ended, in_threads: Any) -> None:
    calls: list[str] = []
    go = threading.Event()

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        calls.append(report.id)
        go.wait(10)

    operations.handler("make", work)
    begun = in_threads(lambda: operations.start("make", "a", "Making a", {}))
    go.set()
    ended(begun[0])
    assert len({operation.id for operation in begun}) == 1
    assert len(calls) == 1
    assert operations.start("make", "a", "Making a", {}).id != begun[0].id


def test_a_failure_is_kept_and_a_retry_heals(operations: Operations, ended: Ended) -> None:
    is_there = threading.Event()

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        report(1, "Looking")
        if not is_there.is_set():
            raise NotFound("It is not there.", how_to_fix="Make it.", code="missing")

    operations.handler("look", work)
    failed = ended(operations.start("look", "a", "Looking at a", {}, steps=2))
    assert failed.state == OperationState.FAILED
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.how_to_fix) == ("missing", "Make it.")
    is_there.set()
    healed = ended(operations.retry(failed.id))
    assert (healed.id, healed.state, healed.failure) == (failed.id, OperationState.DONE, None)


def test_a_bug_ends_the_operation_and_is_logged(
    operations: Operations, ended: Ended, caplog: pytest.LogCaptureFixture
) -> None:
    def work(arguments: Mapping[str, Any], report: Report) -> None:
        raise ZeroDivisionError("by zero")

    operations.handler("break", work)
    failed = ended(operations.start("break", "a", "Breaking a", {}))
    assert failed.failure is not None
    assert failed.failure.code == "unexpected"
    assert "Traceback" in caplog.text
    assert failed.id in caplog.text


def test_an_ended_sign_in_keeps_the_work_until_the_next(operations: Operations, ended: Ended) -> None:
    is_signed_in = threading.Event()

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        if not is_signed_in.is_set():
            raise SignedOut("The sign-in has ended.")

    operations.handler("make", work)
    begun = operations.start("make", "a", "Making a", {})
    wait_until(lambda: operations.at_work == 0, "the thread ended")
    assert operations.get(begun.id).state == OperationState.RUNNING
    assert "sign in" in operations.get(begun.id).detail
    is_signed_in.set()
    operations.resume_all()
    assert ended(begun).state == OperationState.DONE


def test_dismissed_work_stops_and_leaves_the_list(operations: Operations) -> None:
    ends: list[str] = []

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        try:
            while True:
                report.check_stop()
        finally:
            ends.append(report.id)

    operations.handler("wait", work)
    first = operations.start("wait", "a", "Waiting", {})
    operations.dismiss(first.id)
    second = operations.start("wait", "a", "Waiting", {})
    assert second.id != first.id
    wait_until(lambda: ends == [first.id], "the first stopped")
    assert [operation.id for operation in operations.list()] == [second.id]
    found = operations.find("wait", "a")
    assert found is not None and found.id == second.id
    operations.dismiss(second.id)
    assert operations.find("wait", "a") is None


def test_the_same_work_is_never_done_twice_at_once(operations: Operations, ended: Ended) -> None:
    at_once: list[int] = []
    working = threading.Semaphore(1)

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        alone = working.acquire(blocking=False)
        at_once.append(1 if alone else 2)
        wait_until(lambda: len(at_once) >= arguments["until"], "enough have begun", 10)
        if alone:
            working.release()

    operations.handler("make", work)
    first = operations.start("make", "a", "Making", {"until": 1})
    operations.dismiss(first.id)
    ended(operations.start("make", "a", "Making", {"until": 1}))
    assert 2 not in at_once


def test_different_work_at_one_place_goes_one_after_the_other_in_the_order_of_its_start(
    operations: Operations, ended: Ended
) -> None:
    told, order = threading.Event(), []

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        if arguments["name"] == "first":
            assert told.wait(10)
        order.append(arguments["name"])

    for kind in ("build", "tear down"):
        operations.handler(kind, work, lambda arguments: str(arguments["place"]))
    operations.start("build", "1", "Building it", {"name": "first", "place": "here"})
    second = operations.start("tear down", "2", "Tearing it down", {"name": "second", "place": "here"})
    ended(operations.start("tear down", "3", "Elsewhere", {"name": "elsewhere", "place": "there"}))
    wait_until(lambda: operations.get(second.id).detail == "Waits for the end of: Building it", "it says what it is")
    told.set()
    ended(second)
    assert order == ["elsewhere", "first", "second"]


def test_what_was_done_long_ago_is_told_no_longer_and_a_failure_stays(
    operations: Operations, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(arguments: Mapping[str, Any], report: Report) -> None:
        if arguments["fails"]:
            raise Conflict("No.", code="no")

    operations.handler("make", work)
    done = ended(operations.start("make", "a", "Making a", {"fails": False}))
    failed = ended(operations.start("make", "b", "Making b", {"fails": True}))
    assert [one.id for one in operations.list()] == [failed.id, done.id]
    assert [(one.id, arguments) for one, arguments in operations.not_done("make")] == [(failed.id, {"fails": True})]
    assert operations.not_done("other") == []
    monkeypatch.setattr("backend.azure.operations.DONE_KEPT", timedelta(0))
    assert [one.id for one in operations.list()] == [failed.id]
    with pytest.raises(NotFound):
        Operations(operations.database).get(done.id)  # the next start of the app forgets it


def test_what_a_killed_process_began_goes_on_here(operations: Operations, ended: Ended, tmp_path: Path) -> None:
    child = start_child(operations, tmp_path)
    wait_until((tmp_path / "begun-one").exists, "the child began")
    (left,) = operations.list()
    done_here: list[str] = []
    operations.handler("make", lambda arguments, report: done_here.append(arguments["name"]))
    operations.resume_all()
    assert done_here == [], "it belongs to the child while that lives"
    assert operations.start("make", "thing", "Making the thing", {"name": "two"}).id == left.id
    child.kill()
    child.wait()
    wait_until(lambda: "interrupted" in operations.get(left.id).detail, "the death is seen")
    operations.resume_all()
    assert ended(left).state == OperationState.DONE
    assert done_here == ["one"]


def test_a_command_ends_only_when_its_operation_has(operations: Operations, tmp_path: Path) -> None:
    child = start_child(operations, tmp_path)
    assert child.stdout is not None
    assert child.stdout.readline() == "the main thread is through\n"
    wait_until((tmp_path / "begun-one").exists, "the child began")
    assert child.poll() is None
    (tmp_path / "go").touch()
    assert child.wait(20) == 0
    assert (tmp_path / "ended-one").exists()
    assert operations.list()[0].state == OperationState.DONE


def test_a_reused_pid_is_not_taken_for_the_worker(operations: Operations, ended: Ended) -> None:
    import sqlite3

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        if arguments["out"]:
            raise SignedOut("Out.")

    operations.handler("make", work)
    begun = operations.start("make", "a", "Making", {"out": True})
    wait_until(lambda: operations.at_work == 0, "it waits for a sign-in")
    with sqlite3.connect(operations.database) as db:  # another process has the pid of the one that worked on it
        db.execute("UPDATE azure_operation SET pid = ?, process_started = 1.0, arguments = '{\"out\": false}'", [1])
    operations.resume_all()
    assert ended(begun).state == OperationState.DONE


def test_unknown_operations_are_not_found(operations: Operations) -> None:
    with pytest.raises(NotFound):
        operations.get("nothing")
    with pytest.raises(NotFound):
        operations.retry("nothing")
    operations.dismiss("nothing")


def test_a_retry_waits_for_its_twin(operations: Operations, ended: Ended) -> None:
    go = threading.Event()

    def work(arguments: Mapping[str, Any], report: Report) -> None:
        if arguments["fails"]:
            raise Conflict("No.")
        go.wait(10)

    operations.handler("make", work)
    failed = ended(operations.start("make", "a", "Making", {"fails": True}))
    twin = operations.start("make", "a", "Making", {"fails": False})
    with pytest.raises(Conflict, match="goes on already"):
        operations.retry(failed.id)
    go.set()
    ended(twin)


def test_a_bug_tells_no_secret(operations: Operations, ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    def work(arguments: Mapping[str, Any], report: Report) -> None:
        raise ConnectionError("https://x?sig=s3cret")

    operations.handler("leak", work)
    ended(operations.start("leak", "a", "Leaking", {}))
    files = operations.database.parent.glob(f"{operations.database.name}*")
    assert not any(b"s3cret" in file.read_bytes() for file in files)
    assert "s3cret" not in caplog.text


class OperationLife(RuleBasedStateMachine):
    """Whatever happens in whatever order: one unfinished operation per key, and each ends as its work did."""

    KEYS = ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.database = Path(self.folder.name) / "desk.db"
        self.gates: dict[str, tuple[threading.Event, list[str]]] = {}
        self.expected: dict[str, str] = {}  # operation: running, waiting, done, failed
        self.keys: dict[str, str] = {}
        self.dismissed: set[str] = set()
        self.open()

    def open(self) -> None:
        self.operations = Operations(self.database)
        self.operations.handler("make", self.work)

    def work(self, arguments: Mapping[str, Any], report: Report) -> None:
        gate, outcome = self.gates.setdefault(report.id, (threading.Event(), []))
        while not gate.wait(0.01):
            report.check_stop()
        gate.clear()
        if outcome[-1] == "failed":
            raise Conflict("It failed.")
        if outcome[-1] == "waiting":
            raise SignedOut("Out.")

    def in_state(self, *states: str) -> list[str]:
        return [id for id, state in self.expected.items() if state in states and id not in self.dismissed]

    @rule(key=st.sampled_from(KEYS))
    def start(self, key: str) -> None:
        unfinished = [id for id in self.in_state("running", "waiting") if self.keys[id] == key]
        started = self.operations.start("make", key, "Making", {})
        assert not unfinished or unfinished == [started.id]
        if not unfinished:  # what failed before is told no longer
            self.dismissed |= {id for id in self.in_state("failed") if self.keys[id] == key}
        self.expected[started.id] = "running"
        self.keys[started.id] = key

    @precondition(lambda self: self.in_state("running"))
    @rule(data=st.data(), outcome=st.sampled_from(["done", "failed", "waiting"]))
    def let_end(self, data: st.DataObject, outcome: str) -> None:
        id = data.draw(st.sampled_from(self.in_state("running")))
        wait_until(lambda: id in self.gates, "it works", 10)
        gate, outcomes = self.gates[id]
        outcomes.append(outcome)
        gate.set()
        self.expected[id] = outcome
        wait_until(lambda: not gate.is_set(), "it saw that", 10)
        if outcome == "waiting":
            wait_until(lambda: "sign in" in self.operations.get(id).detail, "it waits", 10)

    @rule()
    def resume(self) -> None:
        """As after a sign-in, or a start of the app."""
        self.operations.resume_all()
        for id in self.in_state("waiting"):
            self.expected[id] = "running"

    @precondition(lambda self: self.in_state("failed"))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.in_state("failed")))
        wait_until(lambda: self.operations.get(id).state == OperationState.FAILED, "it failed", 10)
        if [other for other in self.in_state("running", "waiting") if self.keys[other] == self.keys[id]]:
            with pytest.raises(Conflict):
                self.operations.retry(id)
        else:
            self.operations.retry(id)
            self.expected[id] = "running"

    @precondition(lambda self: self.in_state("running", "waiting", "done", "failed"))
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.in_state("running", "waiting", "done", "failed")))
        self.operations.dismiss(id)
        self.dismissed.add(id)

    @invariant()
    def the_list_says_what_happened(self) -> None:
        states = {"running": "running", "waiting": "running", "done": "done", "failed": "failed"}

        def as_expected() -> bool:
            seen = {operation.id: operation.state.value for operation in self.operations.list()}
            return seen == {id: states[self.expected[id]] for id in self.expected if id not in self.dismissed}

        wait_until(as_expected, "the list is as expected", 10)

    def teardown(self) -> None:
        for id in self.expected:
            self.operations.dismiss(id)
        wait_until(lambda: self.operations.at_work == 0, "all threads ended", 10)
        self.folder.cleanup()


TestOperationLife = OperationLife.TestCase
TestOperationLife.settings = hypothesis_settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_a_terminated_process_frees_its_work(operations: Operations, ended: Ended, tmp_path: Path) -> None:
    child = start_child(operations, tmp_path)
    wait_until((tmp_path / "begun-one").exists, "the child began")
    os.kill(child.pid, signal.SIGTERM)
    child.wait(20)
    operations.handler("make", lambda arguments, report: None)
    (left,) = operations.list()
    operations.resume_all()
    assert ended(left).state == OperationState.DONE

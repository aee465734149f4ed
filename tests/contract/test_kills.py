"""What is killed without warning: the trainer, its supervisor, whoever submitted, and what only looks alive."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.domain import JobState
from backend.errors import Conflict, NoRoom
from backend.local import jobs as jobs_module
from backend.local.jobs import LocalJobs
from backend.local.processes import ProcessId
from tests.contract.conftest import STAND_IN, LocalHarness, wait_until

ROOT = Path(__file__).parents[2]


def process(local: LocalHarness, job_id: str, name: str, attempt: int = 1) -> ProcessId:
    values = json.loads((local.folder(job_id) / f"attempt-{attempt}" / f"{name}.json").read_text())
    return ProcessId(values["pid"], values["started"])


def test_a_killed_trainer_reads_failed_with_the_reason_and_goes_on_when_resumed(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    os.kill(process(local, "run-1", "trainer").pid, signal.SIGKILL)
    failed = local.until_failed("run-1")
    assert failed.failure is not None
    assert failed.failure.code == "killed"
    assert "out of memory" in failed.failure.why
    local.target.jobs.resume("run-1")
    done = local.until_completed("run-1")
    assert done.attempt == 2
    assert "begins at step 15" in local.target.jobs.logs("run-1", since=0).text


def test_a_trainer_goes_on_without_its_supervisor_and_completes(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    os.kill(process(local, "run-1", "supervisor").pid, signal.SIGKILL)
    wait_until(lambda: not process(local, "run-1", "supervisor").is_alive(), "the supervisor is dead")
    orphan = local.target.jobs.get("run-1")
    assert orphan.state == JobState.RUNNING
    assert "supervisor is gone" in orphan.detail
    done = local.until_completed("run-1")
    assert done.result["trained_tokens"] == 100


def test_an_orphaned_trainer_keeps_its_turn(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    os.kill(process(local, "run-1", "supervisor").pid, signal.SIGKILL)
    local.target.jobs.submit(local.spec("run-2"))
    supervisor = local.folder("run-2") / "attempt-1" / "supervisor.json"
    wait_until(supervisor.exists, "the second run's supervisor is there")
    assert local.target.jobs.get("run-2").state == JobState.QUEUED
    local.until_completed("run-1")
    local.until_completed("run-2")


def test_an_orphaned_trainer_can_be_cancelled(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    os.kill(process(local, "run-1", "supervisor").pid, signal.SIGKILL)
    wait_until(lambda: not process(local, "run-1", "supervisor").is_alive(), "the supervisor is dead")
    local.target.jobs.cancel("run-1")
    assert local.until_canceled("run-1").can_resume


def test_both_killed_is_an_end_without_a_word(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    for name in ("supervisor", "trainer"):
        os.kill(process(local, "run-1", name).pid, signal.SIGKILL)
    failed = local.until_failed("run-1")
    assert failed.failure is not None
    assert "without a word" in failed.failure.why
    assert failed.can_resume


def test_a_trainer_that_ignores_the_request_to_stop_is_killed_after_the_grace(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1", deaf=True))
    local.until_halfway("run-1")
    local.target.jobs.cancel("run-1")
    assert local.until_canceled("run-1").state == JobState.CANCELED
    assert not process(local, "run-1", "trainer").is_alive()


def test_a_reused_pid_is_not_our_process(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    for name in ("supervisor", "trainer"):
        os.kill(process(local, "run-1", name).pid, signal.SIGKILL)
    local.until_failed("run-1")
    # The same pids now belong to somebody else: this very process, which lives.
    other = {"pid": os.getpid(), "started": ProcessId.here().started - 100, "at": 0}
    for name in ("supervisor", "trainer"):
        (local.folder("run-1") / "attempt-1" / f"{name}.json").write_text(json.dumps(other))
    assert local.target.jobs.get("run-1").state == JobState.FAILED
    local.target.jobs.cancel("run-1")
    ProcessId(os.getpid(), other["started"]).send(signal.SIGKILL)  # would end the tests were it not for the start time


SUBMIT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from backend.domain import JobKind, JobSpec
from backend.local.jobs import LocalJobs
from backend.local.target import LocalTarget
from backend.settings import Settings
target = LocalTarget(Settings(home=Path({home!r})))
jobs = LocalJobs(Path({home!r}) / "runs", target.bases, scripts=Path({scripts!r}))
jobs.submit(JobSpec("run-1", "n", JobKind.FINE_TUNE, {base!r}, "d", "d", "t", "e", "abc", {{"wait_at": 15}}))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_outlives_the_process_that_submitted_it(local: LocalHarness) -> None:
    code = SUBMIT.format(root=str(ROOT), home=str(local.target.home), scripts=str(STAND_IN), base=str(local.base))
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -signal.SIGKILL
    local.until_halfway("run-1")
    assert local.until_completed("run-1").state == JobState.COMPLETED


def test_a_submitter_that_died_before_the_start_leaves_a_run_that_submitting_again_starts(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(jobs_module, "start_detached", die)
        with pytest.raises(KeyboardInterrupt):
            local.target.jobs.submit(local.spec("run-1"))
    assert local.target.jobs.get("run-1").state == JobState.QUEUED
    old = local.folder("run-1") / "attempt-1"
    os.utime(old, (1, 1))
    lost = local.target.jobs.get("run-1")
    assert lost.state == JobState.UNKNOWN
    assert lost.can_resume
    local.target.jobs.submit(local.spec("run-1"))
    assert local.until_completed("run-1").attempt == 1


def test_runs_take_turns_in_the_order_of_their_submission(local: LocalHarness) -> None:
    for number in range(3):
        local.target.jobs.submit(local.spec(f"run-{number}"))
        wait_until(
            lambda number=number: (local.folder(f"run-{number}") / "attempt-1" / "supervisor.json").exists(), "started"
        )
    local.until_halfway("run-0")
    assert [local.target.jobs.get(f"run-{number}").state.value for number in (1, 2)] == ["queued", "queued"]
    local.until_completed("run-0")
    local.until_halfway("run-1")
    assert local.target.jobs.get("run-2").state == JobState.QUEUED
    local.target.jobs.cancel("run-2")
    canceled = local.until_canceled("run-2")
    assert canceled.started_at is None
    local.until_completed("run-1")


def submit_at_once(home: str, base: str, barrier: object) -> str:
    from backend.domain import JobKind, JobSpec
    from backend.local.target import LocalTarget
    from backend.settings import Settings

    target = LocalTarget(Settings(home=Path(home)))
    jobs = LocalJobs(Path(home) / "runs", target.bases, scripts=STAND_IN, stop_grace=1.0)
    barrier.wait(30)  # type: ignore[attr-defined]
    return jobs.submit(JobSpec("run-1", "n", JobKind.FINE_TUNE, base, "d", "d", "t", "e", "abc", {})).id


def test_two_processes_that_submit_one_spec_at_once_make_one_run(local: LocalHarness) -> None:
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        barrier = manager.Barrier(4)
        with context.Pool(4) as pool:
            arguments = [(str(local.target.home), str(local.base), barrier)] * 4
            assert pool.starmap(submit_at_once, arguments) == ["run-1"] * 4
    local.until_completed("run-1")
    assert local.target.jobs.logs("run-1", since=0).text.count("begins at step 1") == 1
    assert [path.name for path in local.target.jobs.runs.iterdir() if path.name.startswith(".new-")] == []


def test_resuming_twice_at_once_is_one_attempt(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1", fail_at=5))
    local.until_failed("run-1")

    def resume(_number: int) -> str:
        try:
            return str(local.target.jobs.resume("run-1").attempt)
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(resume, range(4)))
    assert answers == ["2", "conflict", "conflict", "conflict"]
    local.until_completed("run-1")


def test_a_full_disk_is_told_before_anything_is_written(local: LocalHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = dataclasses.make_dataclass("Usage", ["total", "used", "free"])
    monkeypatch.setattr(jobs_module.shutil, "disk_usage", lambda _folder: usage(10, 9, 1))
    with pytest.raises(NoRoom) as caught:
        local.target.jobs.submit(local.spec("run-1"))
    assert "0.0 GB are free" in str(caught.value)
    assert local.target.jobs.list() == []
    assert list(local.target.jobs.runs.glob(".new-*")) == []


def test_a_torn_last_line_of_the_metrics_is_passed_over(local: LocalHarness) -> None:
    local.target.jobs.submit(local.spec("run-1"))
    local.until_halfway("run-1")
    with (local.folder("run-1") / "output" / "metrics.jsonl").open("a") as file:
        file.write('{"time": 1, "kind": "train", "st')
        file.flush()
        assert len(local.target.jobs.metrics("run-1")) == 15
        assert local.target.jobs.get("run-1").step == 15
        file.write("\n")
    local.until_completed("run-1")


def test_a_second_supervisor_steps_back_in_the_queue_at_work_and_after_the_end(local: LocalHarness) -> None:
    jobs = local.target.jobs
    for name in ("run-1", "run-2"):
        jobs.submit(local.spec(name))
        wait_until((local.folder(name) / "attempt-1" / "supervisor.json").exists, f"{name} has its supervisor")
    local.until_halfway("run-1")
    for name in ("run-2", "run-1"):
        first = process(local, name, "supervisor")
        command = [sys.executable, "-m", "backend.local.supervisor", str(local.folder(name))]
        subprocess.run(command, cwd=ROOT, check=True, timeout=20)
        assert process(local, name, "supervisor") == first
    local.until_completed("run-1")
    subprocess.run([*command[:-1], str(local.folder("run-1"))], cwd=ROOT, check=True, timeout=20)
    assert jobs.logs("run-1", since=0).text.count("begins at step") == 1
    local.until_completed("run-2")

"""The state of a run from facts: every combination has one, and a final one only with evidence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain import Failure, JobState
from backend.local.job_state import START_GRACE, Facts, derive_state, explain_failure

maybe = st.sampled_from([None, True, False])
statuses = st.sampled_from([None, 0, 1, 2, 143, -9, -15, -11, -6])
all_facts = st.builds(
    Facts,
    age=st.floats(0, 100),
    supervisor=maybe,
    trainer=maybe,
    has_turn=st.booleans(),
    cancel_requested=st.booleans(),
    has_exit=st.booleans(),
    exit_status=statuses,
    was_stopped=st.booleans(),
    has_result=st.booleans(),
    error=st.sampled_from([None, Failure("x", "what", "why", "fix")]),
    phase=st.sampled_from(["", "loading", "training", "saving"]),
    silence=st.floats(0, 1000),
)


@given(all_facts)
@settings(max_examples=2000, deadline=None)
def test_every_combination_of_facts_has_exactly_one_state(facts: Facts) -> None:
    state, detail = derive_state(facts)
    assert isinstance(state, JobState)
    assert isinstance(detail, str)
    assert derive_state(facts) == (state, detail)


@given(all_facts)
@settings(max_examples=2000, deadline=None)
def test_nothing_is_final_while_a_trainer_lives(facts: Facts) -> None:
    state, _detail = derive_state(facts)
    if facts.trainer:
        assert state in (JobState.PREPARING, JobState.RUNNING, JobState.CANCELING)


@given(all_facts)
@settings(max_examples=2000, deadline=None)
def test_complete_needs_a_result_and_failed_or_canceled_need_dead_processes(facts: Facts) -> None:
    state, _detail = derive_state(facts)
    if state == JobState.COMPLETED:
        assert facts.has_result
        assert not facts.trainer
    if state == JobState.FAILED:
        assert not facts.has_result
        assert facts.has_exit or (facts.supervisor is False or facts.trainer is False)
    if state == JobState.CANCELED:
        assert not facts.has_result
        assert facts.was_stopped or facts.cancel_requested
    if state == JobState.UNKNOWN:
        assert facts.supervisor is None
        assert facts.trainer is None
        assert facts.age >= START_GRACE


@given(all_facts)
@settings(max_examples=500, deadline=None)
def test_every_failed_run_is_explained_in_words(facts: Facts) -> None:
    if derive_state(facts)[0] == JobState.FAILED:
        failure = explain_failure(facts)
        assert failure.what
        assert failure.why
        assert failure.how_to_fix


def test_the_ordinary_course_is_queued_preparing_running_complete() -> None:
    course = [
        Facts(),
        Facts(supervisor=True),
        Facts(supervisor=True, has_turn=True),
        Facts(supervisor=True, has_turn=True, trainer=True, phase="loading"),
        Facts(supervisor=True, has_turn=True, trainer=True, phase="training"),
        Facts(supervisor=True, has_turn=True, trainer=False, has_result=True),
        Facts(supervisor=False, trainer=False, has_exit=True, exit_status=0, has_result=True),
    ]
    assert [derive_state(facts)[0].value for facts in course] == [
        "queued",
        "queued",
        "preparing",
        "preparing",
        "running",
        "running",
        "completed",
    ]


def test_a_trainer_killed_by_signal_9_may_have_run_out_of_memory() -> None:
    facts = Facts(supervisor=False, trainer=False, has_exit=True, exit_status=-9)
    assert derive_state(facts)[0] == JobState.FAILED
    assert "out of memory" in explain_failure(facts).why


def test_exit_0_without_a_result_is_a_failure() -> None:
    facts = Facts(supervisor=False, trainer=False, has_exit=True, exit_status=0)
    assert derive_state(facts)[0] == JobState.FAILED
    assert explain_failure(facts).code == "no_result"


def test_a_computer_that_shut_down_is_a_failure_and_no_cancel() -> None:
    facts = Facts(supervisor=False, trainer=False, has_exit=True, exit_status=143, was_stopped=False)
    assert derive_state(facts)[0] == JobState.FAILED
    assert "shut down" in explain_failure(facts).why


def test_an_orphaned_trainer_still_runs_and_it_is_said() -> None:
    state, detail = derive_state(Facts(supervisor=False, trainer=True, phase="training"))
    assert state == JobState.RUNNING
    assert "supervisor is gone" in detail


def test_silence_is_told_but_is_no_failure() -> None:
    state, detail = derive_state(Facts(supervisor=True, trainer=True, phase="training", silence=300))
    assert state == JobState.RUNNING
    assert "300" in detail

"""The service's words for the state of a job, each with ours. A word that is not here is UNKNOWN, never FAILED."""

from __future__ import annotations

from backend.domain import JobState

JOB_STATES: dict[str, JobState] = {
    "NotStarted": JobState.QUEUED,
    "Scheduled": JobState.QUEUED,
    "Queued": JobState.QUEUED,
    "Starting": JobState.PREPARING,
    "Provisioning": JobState.PREPARING,
    "Preparing": JobState.PREPARING,
    "Running": JobState.RUNNING,
    "Finalizing": JobState.RUNNING,
    "CancelRequested": JobState.CANCELING,
    "Completed": JobState.COMPLETED,
    "Failed": JobState.FAILED,
    "Canceled": JobState.CANCELED,
    "NotResponding": JobState.UNKNOWN,  # the run may answer again
    "Paused": JobState.UNKNOWN,
    "Unknown": JobState.UNKNOWN,
}


def job_state(word: str) -> JobState:
    return JOB_STATES.get(word, JobState.UNKNOWN)

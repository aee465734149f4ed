"""Every word that the service has for a job's state is ours too."""

from __future__ import annotations

import importlib

import pytest
from azure.ai.ml import _restclient
from azure.ai.ml.operations._run_history_constants import RunHistoryConstants

from backend.azure.states import JOB_STATES, job_state
from backend.domain import JobState

VERSIONS = ("v2024_01_01_preview", "v2024_10_01_preview", "v2025_01_01_preview", "arm_ml_service")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_word_of_the_sdk_is_in_the_table(version: str) -> None:
    models = importlib.import_module(f"{_restclient.__name__}.{version}.models")
    assert {status.value for status in models.JobStatus} <= set(JOB_STATES)


def test_the_words_of_the_run_history_are_in_the_table() -> None:
    assert set(RunHistoryConstants.ALL_STATUSES) <= set(JOB_STATES)


def test_only_the_words_for_an_end_end_a_job() -> None:
    final = {word for word, state in JOB_STATES.items() if state.is_final}
    assert final == {"Completed", "Failed", "Canceled"}
    assert job_state("Finalizing") == JobState.RUNNING
    assert job_state("Paused") == job_state("NotResponding") == JobState.UNKNOWN


def test_a_word_that_nobody_knows_is_no_failure() -> None:
    assert job_state("Hibernating") == job_state("") == JobState.UNKNOWN

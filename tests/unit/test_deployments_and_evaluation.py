"""Endpoints made of models, and comparisons of tuned and base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.datasets import Datasets
from backend.deployments import Deployments
from backend.domain import BUILT_IN_MODEL, EndpointState, JobKind, Message
from backend.errors import BadInput, Conflict, JobFailed, NotFound, PhiDeskError, Unavailable
from backend.evaluation import Evaluation, Scores
from backend.training import Training
from tests.fakes import FakeTarget
from tests.unit.conversations import jsonl, rows

SIDE = {"loss": 1.0, "perplexity": 2.7, "exact_match": 0.5}
RESULT = {
    "rows": 1,
    "base": SIDE,
    "tuned": {**SIDE, "exact_match": 1.0},
    "answers": [
        {
            "messages": [{"role": "user", "content": "Q"}],
            "question": "Q",
            "expected": "E",
            "base": "B",
            "tuned": "E",
            "base_loss": 2.0,
            "tuned_loss": 1.0,
            "verdict": "better",
        }
    ],
}


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


@pytest.fixture
def model(target: FakeTarget, tmp_path: Path) -> str:
    training = Training(target, Datasets(tmp_path))
    dataset = training.datasets.create_from_file(jsonl(*rows(9)), "Data")
    job = training.start(training.spec("Run", dataset.id, BUILT_IN_MODEL))
    target.jobs.complete(job.id)
    return training.register(job.id).ref


@pytest.fixture
def evaluation(target: FakeTarget, tmp_path: Path) -> Evaluation:
    return Evaluation(target, Datasets(tmp_path))


@pytest.mark.parametrize(
    ("model", "name"),
    [("my-phi:2", "my-phi-2"), (BUILT_IN_MODEL, "tiny-phi3"), ("A" * 64 + ":12", "a" * 29 + "-12"), ("x:1", "x-1")],
)
def test_an_endpoints_name_is_made_of_its_models(target: FakeTarget, model: str, name: str) -> None:
    assert Deployments(target).name_for(model) == name


@given(st.text(), st.integers(0, 10**12))
def test_every_model_gives_a_name_that_an_endpoint_may_have(name: str, version: int) -> None:
    for model in (name, f"{name}:{version}"):
        FakeTarget().endpoints.create(Deployments(FakeTarget()).name_for(model))


def test_creating_deploys_and_waiting_ends_when_it_answers(target: FakeTarget, model: str) -> None:
    deployments = Deployments(target)
    assert deployments.create("", model).state is EndpointState.CREATING
    with pytest.raises(Unavailable):
        deployments.wait_until_answering("run-1", timeout=0)
    target.endpoints.make_ready("run-1")
    assert deployments.wait_until_answering("run-1").model == model


def test_waiting_for_an_endpoint_that_fails_gives_its_reason(target: FakeTarget, model: str) -> None:
    Deployments(target).create("mine", model)
    target.endpoints.make_fail("mine")
    with pytest.raises(JobFailed) as caught:
        Deployments(target).wait_until_answering("mine")
    assert (caught.value.what, caught.value.code) == ("The model server ended.", "killed")


def test_an_evaluation_compares_a_model_with_its_base_on_its_data(
    evaluation: Evaluation, target: FakeTarget, model: str
) -> None:
    spec = evaluation.spec(model, max_rows=7)
    run = target.jobs.list(kind=JobKind.FINE_TUNE)[0]
    assert (spec.kind, spec.base_model, spec.tuned_model) == (JobKind.EVALUATE, BUILT_IN_MODEL, model)
    assert (spec.eval_path, spec.source_job) == (run.spec.eval_path, run.id)
    assert spec.arguments == {"max_rows": 7, "max_new_tokens": 64}
    assert evaluation.spec("run").tuned_model == model


def test_a_result_is_read_when_it_is_there(evaluation: Evaluation, target: FakeTarget, model: str) -> None:
    job = evaluation.start(evaluation.spec(model))
    with pytest.raises(Conflict):
        evaluation.result(job.id)
    target.jobs.complete(job.id, **{"evaluation.json": json.dumps(RESULT).encode()})
    result = evaluation.result(job.id)
    assert (result.rows, result.base, result.tuned.exact_match) == (1, Scores(1.0, 2.7, 0.5), 1.0)
    assert result.answers[0].messages == (Message("user", "Q"),)
    assert [one.id for one in evaluation.list()] == [job.id]


def test_a_failed_stopped_or_damaged_evaluation_says_so(evaluation: Evaluation, target: FakeTarget, model: str) -> None:
    failed = target.jobs.fail(evaluation.start(evaluation.spec(model)).id)
    with pytest.raises(JobFailed) as caught:
        evaluation.result(failed.id)
    assert caught.value.code == "no_memory"
    stopped = evaluation.start(evaluation.spec(model))
    evaluation.stop(stopped.id)
    target.jobs.end_cancel(stopped.id)
    with pytest.raises(JobFailed):
        evaluation.result(stopped.id)
    damaged = evaluation.start(evaluation.spec(model))
    target.jobs.complete(damaged.id, **{"evaluation.json": b'{"rows": 1'})
    with pytest.raises(PhiDeskError) as unreadable:
        evaluation.result(damaged.id)
    assert unreadable.value.code == "unreadable_result"


def test_what_cannot_be_evaluated_is_refused(evaluation: Evaluation, target: FakeTarget, model: str) -> None:
    with pytest.raises(NotFound):
        evaluation.spec("nothing:1")
    for wrong in ({"max_rows": 0}, {"max_new_tokens": 10_000}):
        with pytest.raises(BadInput):
            evaluation.spec(model, **wrong)
    evaluation.datasets.delete(evaluation.datasets.list()[0].id)
    with pytest.raises(NotFound):
        evaluation.spec(model)

"""Evaluate, Deploy and Home with a registered model."""

from __future__ import annotations

import json

import pytest

from backend.domain import EndpointState, Model
from backend.evaluation import EvaluationResult, Scores
from streamlit_app.ui.comparison import in_words
from tests.pages.conftest import FakeDesk, Open, primary_buttons, texts

EVALUATION = {
    "rows": 3,
    "base": {"loss": 3.0, "perplexity": 20.1, "exact_match": 0.0},
    "tuned": {"loss": 0.7, "perplexity": 2.0, "exact_match": 0.34},
    "answers": [
        {
            "messages": [{"role": "user", "content": "When?"}],
            "question": "When?",
            "expected": "At nine.",
            "base": "![x](http://evil.example/x.png)",
            "tuned": "At nine.",
            "base_loss": 3.0,
            "tuned_loss": 0.1,
            "verdict": verdict,
        }
        for verdict in ("better", "better", "worse")
    ],
}


def evaluation(desk: FakeDesk, model: Model) -> str:
    return desk.evaluation.start(desk.evaluation.spec(model.ref, max_rows=3)).id


def test_a_model_not_compared_yet_can_be(open_page: Open, desk: FakeDesk, model: Model) -> None:
    page = open_page("evaluate")
    assert "Not compared yet" in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Compare with base model"]
    page.button(key="compare").click().run()
    [job] = desk.evaluation.list()
    assert job.spec.tuned_model == model.ref
    assert page.query_params["job"] == job.id
    assert "Waiting for its turn" in texts(page)
    assert "Comparing" in str([link.proto.label for link in page.get("page_link")])


def test_a_comparison_is_told_in_words_numbers_and_answers(open_page: Open, desk: FakeDesk, model: Model) -> None:
    job_id = evaluation(desk, model)
    desk.target.jobs.complete(job_id, None, **{"evaluation.json": json.dumps(EVALUATION).encode()})
    page = open_page("evaluate", model=model.ref)
    assert {metric.label: metric.value for metric in page.metric} == {
        "Less surprised": "2",
        "As surprised": "0",
        "More surprised": "1",
    }
    shown = texts(page)
    assert "10 times more certain" in shown
    assert "mostly by heart" in shown
    assert "kept aside" in shown
    assert not any("![x]" in markdown.value for markdown in page.markdown)
    page.segmented_control(key="verdict_filter").set_value("same").run()
    assert "None of this kind" in texts(page)


def test_a_failed_comparison_says_why_and_can_be_repeated(open_page: Open, desk: FakeDesk, model: Model) -> None:
    desk.target.jobs.fail(evaluation(desk, model))
    page = open_page("evaluate", model=model.ref)
    assert "It failed." in texts(page)
    assert page.button(key="compare")


@pytest.mark.parametrize(
    ("base", "tuned", "words"),
    [(20.0, 2.0, "10 times more certain"), (2.0, 20.0, "does worse than its base"), (2.0, 2.01, "changed little")],
)
def test_scores_in_words_are_honest_in_both_directions(base: float, tuned: float, words: str) -> None:
    assert words in in_words(EvaluationResult(5, Scores(1, base, 0), Scores(1, tuned, 0), ()))


@pytest.fixture
def endpoint(desk: FakeDesk, model: Model) -> str:
    return desk.deployments.create("", model.ref).name


def test_creating_an_endpoint_goes_through_the_dialog(open_page: Open, desk: FakeDesk, model: Model) -> None:
    page = open_page("deploy", model=model.ref)
    page.button(key="create_endpoint").click().run()
    assert "Cost" in texts(page)
    page.button(key="create_endpoint_yes").click().run()
    [endpoint] = desk.deployments.list()
    assert endpoint.model == model.ref
    assert "Starting" in texts(page)


def test_a_wrong_endpoint_name_is_explained(open_page: Open, desk: FakeDesk, model: Model) -> None:
    page = open_page("deploy")
    page.button(key="create_endpoint").click().run()
    page.text_input(key=f"endpoint_name_{desk.deployments.name_for(model.ref)}").set_value("A B")
    page.button(key="create_endpoint_yes").click().run()
    assert not page.exception
    assert page.error
    assert list(desk.deployments.list()) == []


def test_a_running_endpoint_shows_its_address_and_keeps_its_key_hidden(
    open_page: Open, desk: FakeDesk, endpoint: str
) -> None:
    running = desk.target.endpoints.make_ready(endpoint)
    key = desk.deployments.key(endpoint)
    page = open_page("deploy")
    code = "\n".join(block.value for block in page.code)
    assert f"{running.url}/v1" in code
    assert "$PHIDESK_KEY" in code
    assert key not in code
    page.session_state[f"key_of_{endpoint}"] = True
    page.run()
    assert key not in "\n".join(block.value for block in page.code)
    assert f"It ends in …{key[-4:]}" in texts(page)
    page.toggle(key=f"key_{endpoint}").set_value(True).run()
    assert key in "\n".join(block.value for block in page.code)
    assert "1 endpoint on, no cost" in texts(page)


def test_an_endpoint_is_stopped_started_and_deleted(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    desk.target.endpoints.make_ready(endpoint)
    page = open_page("deploy")
    page.button(key=f"stop_{endpoint}").click().run()
    assert desk.deployments.get(endpoint).state == EndpointState.STOPPED
    assert "Off" in texts(page)
    page.button(key=f"start_{endpoint}").click().run()
    assert desk.deployments.get(endpoint).state == EndpointState.CREATING
    page.button(key=f"delete_{endpoint}").click().run()
    page.text_input(key=f"delete_endpoint_{endpoint}_typed").set_value(endpoint)
    page.button(key=f"delete_endpoint_{endpoint}_yes").click().run()
    assert list(desk.deployments.list()) == []


def test_a_dead_model_server_is_explained(open_page: Open, desk: FakeDesk, endpoint: str) -> None:
    desk.target.endpoints.make_fail(endpoint)
    page = open_page("deploy")
    assert "The model server ended." in texts(page)
    assert page.button(key=f"start_{endpoint}")


def test_home_leads_a_trained_model_to_its_endpoint_and_then_to_chat(
    open_page: Open, desk: FakeDesk, model: Model
) -> None:
    assert [button.label for button in primary_buttons(open_page("home"))] == ["Start your model"]
    name = desk.deployments.create("", model.ref).name
    desk.target.endpoints.make_ready(name)
    assert [button.label for button in primary_buttons(open_page("home"))] == ["Open Chat"]
    desk.chatting.create(name)
    page = open_page("home")
    assert [button.label for button in primary_buttons(page)] == ["Chat with your model"]

"""A new run, and a run in each of its states."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain import Failure, JobSpec, JobState
from streamlit_app.ui.run_monitor import SILENCE_SECONDS
from tests.pages.conftest import FakeDesk, Open, primary_buttons, texts


@pytest.fixture
def run(desk: FakeDesk, spec: JobSpec) -> str:
    return desk.training.start(spec).id


def set_job(desk: FakeDesk, run: str, **changes: object) -> None:
    fake = desk.target.jobs.runs[run]
    fake.job = replace(fake.job, **changes)  # type: ignore[arg-type]


def test_with_data_and_no_runs_the_list_offers_a_new_run(open_page: Open, sample: str) -> None:
    page = open_page("train")
    assert "No runs yet" in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["New run"]


def test_the_list_shows_each_run_with_its_state(open_page: Open, run: str) -> None:
    page = open_page("train")
    assert "Waiting" in texts(page)
    assert not page.exception


def test_the_list_has_pages(open_page: Open, desk: FakeDesk, sample: str) -> None:
    for number in range(30):
        desk.training.start(desk.training.spec(f"Run {number}", sample, "phidesk/tiny-phi3"))
    page = open_page("train")
    assert len([badge for badge in page.markdown if "Waiting" in badge.value]) == 25


def test_a_new_run_is_reviewed_and_started(open_page: Open, desk: FakeDesk, sample: str) -> None:
    page = open_page("train", new="1", dataset=sample)
    shown = texts(page)
    for words in ("360 examples of Larkhaven Ferries", "This computer", "steps (estimate)", "Cost", "Memory"):
        assert words in shown
    page.text_input(key=f"run_name_{sample}").set_value("My ferries").run()
    page.button(key="start_training").click().run()
    [job] = desk.training.list()
    assert job.spec.name == "My ferries"
    assert page.query_params["job"] == job.id
    assert page.title[0].value == "My ferries"


def test_a_second_click_on_start_is_no_second_run(open_page: Open, desk: FakeDesk, sample: str) -> None:
    page = open_page("train", new="1")
    spec_id = page.session_state["_new_run_id"]
    page.button(key="start_training").click().run()
    desk.training.start(replace(desk.training.list()[0].spec, id=spec_id))
    assert len(desk.training.list()) == 1


def test_parameters_that_were_changed_are_in_the_run(open_page: Open, desk: FakeDesk, sample: str) -> None:
    page = open_page("train", new="1")
    recipe = desk.training.recipes()[0].id
    page.number_input(key=f"parameter_{recipe}_seed").set_value(7).run()
    page.button(key="start_training").click().run()
    assert desk.training.list()[0].spec.arguments["seed"] == 7


def test_every_parameter_of_the_tutorial_is_in_advanced(open_page: Open, sample: str) -> None:
    page = open_page("train", new="1")
    kinds = (page.number_input, page.selectbox, page.toggle, page.text_input)
    names = {str(one.key).split("_", 2)[2] for kind in kinds for one in kind if str(one.key).startswith("parameter_")}
    assert {
        "learning_rate",
        "lr_scheduler_type",
        "num_train_epochs",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "warmup_ratio",
        "max_length",
        "packing",
        "gradient_checkpointing",
        "seed",
    } <= names


def test_a_base_model_that_is_not_named_or_wrong_is_explained(open_page: Open, desk: FakeDesk, sample: str) -> None:
    page = open_page("train", new="1")
    page.selectbox(key="run_base").set_value("").run()
    assert page.error
    assert page.button(key="start_training").disabled
    page.text_input(key="run_custom_base").set_value("owner/model").run()
    assert not page.error
    page.button(key="start_training").click().run()
    assert desk.training.list()[0].spec.base_model == "owner/model"


def test_a_waiting_run_says_so(open_page: Open, run: str) -> None:
    shown = texts(open_page("train", job=run))
    assert "Waiting for its turn" in shown
    assert "Stop run" in shown


def test_a_running_run_shows_step_loss_and_time_left(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.advance(run, 12)
    set_job(desk, run, heartbeat_at=datetime.now(UTC), seconds_left=532.4)
    page = open_page("train", job=run)
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Step"] == "12 / 30"
    assert metrics["Training loss"] == "0.08"
    assert metrics["Time left"] == "9 minutes"
    assert "Updated" in texts(page)
    assert not page.warning


def test_under_ten_steps_the_time_left_is_not_guessed(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.advance(run, 3)
    assert {metric.label: metric.value for metric in open_page("train", job=run).metric}["Time left"] == "…"


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.UNKNOWN])
def test_a_silent_run_is_lost_contact_and_not_a_failure(
    open_page: Open, desk: FakeDesk, run: str, state: JobState
) -> None:
    desk.target.jobs.advance(run, 12)
    set_job(desk, run, state=state, heartbeat_at=datetime.now(UTC) - timedelta(seconds=SILENCE_SECONDS + 5))
    page = open_page("train", job=run)
    assert "No sign of life for" in texts(page)
    assert not page.error
    page.button(key="check_now").click().run()
    assert not page.exception


def test_stopping_asks_and_then_stops(open_page: Open, desk: FakeDesk, run: str) -> None:
    page = open_page("train", job=run)
    page.button(key="stop_run").click().run()
    assert desk.training.get(run).state == JobState.QUEUED
    page.button(key="stop_run_yes").click().run()
    assert desk.training.get(run).state == JobState.CANCELING
    assert "Stopping before it has begun." in texts(page)
    fake = desk.target.jobs.runs[run]
    fake.job = replace(fake.job, started_at=datetime.now(UTC))
    assert "Stopping after the step" in texts(open_page("train", job=run))


def test_a_failed_run_says_what_why_and_what_to_do_and_can_be_resumed(
    open_page: Open, desk: FakeDesk, run: str
) -> None:
    desk.target.jobs.advance(run, 3)
    desk.target.jobs.fail(run, Failure("oom", "Out of memory.", "It needs 21 GB.", "Use a smaller batch.", "raw words"))
    page = open_page("train", job=run)
    for words in ("Out of memory.", "It needs 21 GB.", "Use a smaller batch."):
        assert words in texts(page)
    assert "raw words" in page.code[0].value
    assert [button.label for button in primary_buttons(page)] == ["Resume from step 3"]
    page.button(key="resume_run").click().run()
    assert desk.training.get(run).state == JobState.QUEUED


def test_a_stopped_run_says_where_and_can_be_resumed(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.advance(run, 12)
    desk.training.stop(run)
    desk.target.jobs.end_cancel(run)
    page = open_page("train", job=run)
    assert "Stopped by you at step 12" in texts(page)
    assert page.button(key="resume_run")


def test_a_finished_run_is_registered_and_leads_on(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.complete(run)
    page = open_page("train", job=run)
    assert "the loss went from 2.00 to 0.50" in texts(page)
    page.text_input(key="model_name").set_value("ferries").run()
    page.button(key="register_model").click().run()
    assert [model.ref for model in desk.target.models.list()] == ["ferries:1"]
    assert [button.label for button in primary_buttons(page)] == ["Evaluate this model"]
    assert "delete_run" not in {button.key for button in page.button}


def test_a_model_name_that_the_registry_refuses_is_explained(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.complete(run)
    page = open_page("train", job=run)
    page.text_input(key="model_name").set_value("../x y").run()
    page.button(key="register_model").click().run()
    assert page.error
    assert not page.exception


def test_a_run_is_deleted_after_a_question(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.fail(run)
    page = open_page("train", job=run)
    page.button(key="delete_run").click().run()
    page.button(key="delete_run_yes").click().run()
    assert list(desk.training.list()) == []
    assert not page.exception


def test_the_log_is_shown_when_it_is_opened(open_page: Open, desk: FakeDesk, run: str) -> None:
    desk.target.jobs.advance(run, 3)
    page = open_page("train", job=run)
    page.session_state["run_log"] = True
    page.run()
    assert any("step 3" in code.value for code in page.code)


def test_a_hostile_run_name_stays_text(open_page: Open, desk: FakeDesk, sample: str) -> None:
    spec = desk.training.spec("![x](http://evil.example/x.png)", sample, "phidesk/tiny-phi3")
    page: AppTest = open_page("train", job=desk.training.start(spec).id)
    assert page.title[0].value.startswith("\\!\\[x\\]")


def test_home_leads_to_the_run_that_goes_on(open_page: Open, run: str) -> None:
    page = open_page("home")
    assert "A run goes on. You need not wait for it here." in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Watch the run"]

"""A new run on machines that cost, and its page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backend.azure.catalogue_job import HYPERPARAMETERS
from backend.domain import BaseModel, JobState, Machine
from backend.domain_setup import Price
from backend.errors import Unavailable
from streamlit_app import session
from streamlit_app.ui.parameter_fields import OF_A_CATALOGUE
from streamlit_app.ui.run_monitor import cost_so_far
from streamlit_app.ui.size_select import quota_in_words, title
from tests.fake_cloud import A100, CPU, NO_QUOTA, RETIRED, UNPRICED
from tests.pages.conftest import CloudDesk, Open, texts


@pytest.fixture
def data(connected: CloudDesk) -> str:
    return connected.datasets.create_from_sample().id


def test_sizes_are_told_with_gpu_and_price() -> None:
    assert title(A100) == "Standard_NC24ads_A100_v4 · 1 × A100 80 GB · $3.67/h"
    assert title(CPU) == "Standard_E16s_v3 · no GPU · $1.01/h"
    assert title(UNPRICED).endswith("price unknown")
    assert title(NO_QUOTA).endswith("can't be used now")
    assert title(RETIRED).endswith("retired 2025-09-30")
    assert A100.quota
    assert quota_in_words(A100.quota) == "quota NCADSA100v4: 24 of 48 cores free"
    assert "20 % are kept in reserve" in quota_in_words(replace(A100.quota, reserve=0.2))


def test_the_default_size_is_chosen_and_its_price_is_in_the_review(
    open_page: Open, connected: CloudDesk, data: str
) -> None:
    page = open_page("train", new="1")
    assert page.selectbox(key="run_size_any").value == A100.name
    shown = texts(page)
    assert "Cloud, 1 × Standard_NC24ads_A100_v4" in shown
    assert "$3.67/h, in all unknown" in shown
    assert "so its time is not known" in shown


def test_the_machine_that_was_chosen_is_in_the_run(open_page: Open, connected: CloudDesk, data: str) -> None:
    page = open_page("train", new="1")
    page.selectbox(key="run_base").set_value("phidesk/tiny-phi3").run()
    page.number_input(key="run_nodes").set_value(2).run()
    page.toggle(key="run_low_priority").set_value(True).run()
    page.selectbox(key="run_cluster").set_value("gpu-cluster").run()
    page.text_input(key="run_image").set_value("example/image:1").run()
    assert "$1.46/h" in texts(page)
    page.button(key="start_training").click().run()
    [job] = connected.training.list()
    assert job.spec.machine == Machine(
        A100.name, nodes=2, cluster="gpu-cluster", is_low_priority=True, image="example/image:1"
    )


def test_a_known_time_gives_a_cost(open_page: Open, connected: CloudDesk, data: str) -> None:
    earlier = connected.training.spec(
        "x", data, connected.target.models.base_models()[0].id, "lora", machine=Machine(A100.name)
    )
    connected.training.start(earlier)
    run = connected.target.jobs
    run.complete(earlier.id, {"train_seconds": 3600.0})
    ended = run.runs[earlier.id].job
    assert ended.started_at
    run.runs[earlier.id].job = replace(ended, ended_at=ended.started_at + timedelta(hours=1))
    assert "$3.67/h, about $3.67 in all (estimate)" in texts(open_page("train", new="1"))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (NO_QUOTA.name, "The quota of this family is 0 cores; it needs 4."),
        (RETIRED.name, "Use Standard_NC4as_T4_v3 instead"),
    ],
)
def test_a_size_that_can_not_be_used_says_why_and_starts_nothing(
    open_page: Open, connected: CloudDesk, data: str, size: str, words: str
) -> None:
    page = open_page("train", new="1")
    page.selectbox(key="run_size_any").set_value(size).run()
    assert words in texts(page)
    assert page.button(key="start_training").disabled


def test_a_machine_that_is_too_small_is_told_before_the_run(
    open_page: Open, connected: CloudDesk, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = connected.target.models.base_models()[1].id
    page = open_page("train", new="1")
    page.selectbox(key="run_base").set_value(large).run()
    assert not page.warning
    page.selectbox(key="run_size_any").set_value(CPU.name).run()
    assert f"{CPU.name} has no GPU" in texts(page)
    assert not page.button(key="start_training").disabled
    page.selectbox(key="run_base").set_value("phidesk/tiny-phi3").run()
    assert not page.warning
    session.forget()
    small = replace(A100, gpu="A10", gpu_memory_gb=8.0)
    monkeypatch.setattr(connected.target.machines, "sizes", lambda purpose: [small])
    page = open_page("train", new="1")
    page.selectbox(key="run_base").set_value(large).run()
    assert f"This may not fit the memory of {small.name}" in texts(page)


def test_without_cores_for_a_gpu_the_form_begins_with_what_can_be_trained(
    open_page: Open, connected: CloudDesk, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = replace(A100, why_not="The limit of the family is 0 cores.")
    monkeypatch.setattr(connected.target.machines, "sizes", lambda purpose: [refused, CPU])
    page = open_page("train", new="1")
    assert page.selectbox(key="run_size_any").value == CPU.name
    assert page.selectbox(key="run_base").value == "phidesk/tiny-phi3"
    assert not page.warning


def test_a_small_model_on_a_gpu_is_told_to_cost_more_than_it_must(
    open_page: Open, connected: CloudDesk, data: str
) -> None:
    page = open_page("train", new="1")
    page.selectbox(key="run_base").set_value("phidesk/tiny-phi3").run()
    assert "needs no GPU. A machine without one costs less." in texts(page)
    page.selectbox(key="run_size_any").set_value(CPU.name).run()
    assert "costs less" not in texts(page)


def test_a_run_that_is_stopped_before_it_began_gets_not_ready_any_more(
    open_page: Open, connected: CloudDesk, data: str
) -> None:
    job_id = connected.training.start(connected.training.spec("Run", data, "phidesk/tiny-phi3")).id
    fake = connected.target.jobs.runs[job_id]
    fake.job = replace(fake.job, state=JobState.CANCELING, link="", detail="Uploading train.jsonl.")
    page = open_page("train", job=job_id)
    shown = texts(page)
    assert "Stopping before it has begun." in shown
    assert "Uploading" not in shown
    assert not page.get("progress")


def test_a_run_of_the_catalogue_is_told_by_the_models_title(
    open_page: Open, connected: CloudDesk, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[BaseModel]:
        raise Unavailable("The catalogue does not answer.", code="no_network")

    base = connected.target.models.base_models()[0].id
    job_id = connected.training.start(connected.training.spec("Run", data, base, "lora")).id
    assert "Phi-4 mini instruct · catalogue learns from" in texts(open_page("train", job=job_id))
    monkeypatch.setattr(connected.target.models, "base_models", fail)
    session.forget()
    page = open_page("train", job=job_id)
    assert f"{base} learns from" in texts(page)
    assert not page.error


def test_an_end_that_is_far_away_is_no_news(open_page: Open, connected: CloudDesk, data: str) -> None:
    today = datetime.now(UTC).date()
    assert "retires" not in title(replace(CPU, retired_on=today + timedelta(days=800)))
    assert "retires" in title(replace(CPU, retired_on=today + timedelta(days=80)))


def test_what_phi_desk_itself_does_for_a_run_is_not_the_services_word(
    open_page: Open, connected: CloudDesk, data: str
) -> None:
    job_id = connected.training.start(connected.training.spec("Run", data, "phidesk/tiny-phi3")).id
    fake = connected.target.jobs.runs[job_id]
    fake.job = replace(fake.job, state=JobState.PREPARING, link="", detail="Uploading train.jsonl.")
    shown = texts(open_page("train", job=job_id))
    assert "Uploading train.jsonl." in shown
    assert "own words" not in shown
    assert "The first run often waits 10 to 30 minutes" in shown


def test_a_model_of_the_catalogue_has_the_services_recipe(open_page: Open, connected: CloudDesk, data: str) -> None:
    page = open_page("train", new="1")
    assert page.selectbox(key="run_base").value == connected.target.models.base_models()[0].id
    assert "service's own recipe" in texts(page)
    names = {str(one.key) for one in page.number_input}
    assert any(name.endswith("_learning_rate") for name in names)
    assert not any(name.endswith("_save_steps") for name in names)
    assert "run_image" not in {one.key for one in page.text_input}
    page.selectbox(key="run_base").set_value("phidesk/tiny-phi3").run()
    assert "service's own recipe" not in texts(page)
    assert "run_image" in {one.key for one in page.text_input}


def test_the_preset_suits_the_size_of_the_base_model(open_page: Open, connected: CloudDesk, data: str) -> None:
    page = open_page("train", new="1")
    assert page.radio(key="run_recipe").value == "lora"
    page.selectbox(key="run_base").set_value("phidesk/tiny-phi3").run()
    assert page.radio(key="run_recipe").value == "quick"
    page.radio(key="run_recipe").set_value("thorough").run()
    assert page.radio(key="run_recipe").value == "thorough"
    page.selectbox(key="run_base").set_value(connected.target.models.base_models()[1].id).run()
    assert page.radio(key="run_recipe").value == "lora"


def test_a_comparison_takes_a_machine_as_the_run_had_and_says_what_it_costs(
    open_page: Open, connected: CloudDesk, data: str
) -> None:
    spec = connected.training.spec("x", data, "phidesk/tiny-phi3", machine=Machine(CPU.name, nodes=2))
    connected.training.start(spec)
    connected.target.jobs.complete(spec.id)
    model = connected.training.register(spec.id, "ferries")
    page = open_page("evaluate", model=model.ref)
    assert f"It runs on 1 × {CPU.name}, $1.01/h" in texts(page)
    page.button(key="compare").click().run()
    [job] = connected.evaluation.list()
    assert job.spec.machine == Machine(CPU.name)


def test_the_form_of_a_catalogues_model_has_what_the_recipe_of_azure_takes() -> None:
    assert OF_A_CATALOGUE - {"method"} == set(HYPERPARAMETERS)


def test_the_run_is_shown_as_code(open_page: Open, connected: CloudDesk, data: str) -> None:
    page = open_page("train", new="1")
    page.session_state["run_code"] = True
    page.run()
    code = "\n".join(block.value for block in page.code)
    assert "phidesk train start" in code
    assert f"compute: {A100.name}" in code
    assert {button.proto.label.replace("\\", "") for button in page.get("download_button")} >= {"Download job.yml"}


def test_a_run_shows_the_services_words_its_cost_and_where_it_runs(
    open_page: Open, connected: CloudDesk, data: str
) -> None:
    spec = connected.training.spec("Run", data, "phidesk/tiny-phi3", machine=Machine(A100.name, nodes=2))
    job_id = connected.training.start(spec).id
    page = open_page("train", job=job_id)
    assert "In the service's own words: NotStarted" in texts(page)
    assert [link.proto.url for link in page.get("link_button")] == [f"https://studio.example/runs/{job_id}"]
    connected.target.jobs.advance(job_id, 12)
    fake = connected.target.jobs.runs[job_id]
    fake.job = replace(fake.job, started_at=datetime.now(UTC) - timedelta(hours=1), heartbeat_at=datetime.now(UTC))
    page = open_page("train", job=job_id)
    assert {metric.label: metric.value for metric in page.metric}["Cost so far"].startswith("$7.3")


def test_the_cost_of_a_run_is_not_guessed(open_page: Open, connected: CloudDesk, data: str) -> None:
    spec = connected.training.spec("Run", data, "phidesk/tiny-phi3", machine=Machine(UNPRICED.name))
    job = replace(connected.training.start(spec), started_at=datetime.now(UTC), state=JobState.RUNNING)
    open_page("home")
    assert cost_so_far(job) == ""
    assert Price(1, "USD") != UNPRICED.price


def test_the_outputs_of_an_ended_run_are_downloaded(open_page: Open, connected: CloudDesk, data: str) -> None:
    job = connected.training.start(connected.training.spec("Run", data, "phidesk/tiny-phi3"))
    connected.target.jobs.complete(job.id)
    page = open_page("train", job=job.id)
    page.button(key="download_run").click().run()
    folder = connected.settings.home / "downloads" / f"phidesk-{job.id}"
    assert (folder / "result.json").is_file()
    assert str(folder) in [code.value for code in page.code]
    page.button(key="download_run").click().run()
    assert page.error
    assert not page.exception


def test_runs_that_wait_are_not_counted_as_running(open_page: Open, connected: CloudDesk, data: str) -> None:
    jobs = [connected.training.start(connected.training.spec(f"Run {n}", data, "phidesk/tiny-phi3")) for n in range(2)]
    connected.target.jobs.advance(jobs[0].id, 1)
    page = open_page("home")
    [label] = [link.proto.label for link in page.get("page_link") if "running" in link.proto.label]
    assert "1 running, 1 waiting" in label

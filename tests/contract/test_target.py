"""What every target promises (backend/target.py), over the fake and over this computer with real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.deployments import Deployments
from backend.domain import BUILT_IN_MODEL, EndpointState, Feature, Hosting, JobKind, JobState
from backend.errors import BadInput, Conflict, NotFound
from backend.target import Target
from tests.contract.conftest import Harness


def test_submitting_the_same_spec_twice_is_one_job(harness: Harness, target: Target) -> None:
    first = target.jobs.submit(harness.spec("run-1"))
    second = target.jobs.submit(harness.spec("run-1"))
    assert first.id == second.id == "run-1"
    assert first.created_at == second.created_at
    assert [job.id for job in target.jobs.list()] == ["run-1"]


def test_a_submitted_job_returns_before_it_has_run(harness: Harness, target: Target) -> None:
    job = target.jobs.submit(harness.spec("run-1"))
    assert not job.state.is_final
    assert job.spec == harness.spec("run-1")


def test_jobs_are_listed_newest_first_and_in_pages(harness: Harness, target: Target) -> None:
    for number in range(5):
        kind = JobKind.EVALUATE if number == 2 else JobKind.FINE_TUNE
        target.jobs.submit(harness.spec(f"run-{number}", kind=kind))
    assert [job.id for job in target.jobs.list()] == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    assert [job.id for job in target.jobs.list(limit=2, offset=1)] == ["run-3", "run-2"]
    assert [job.id for job in target.jobs.list(kind=JobKind.EVALUATE)] == ["run-2"]
    assert target.jobs.list(offset=10) == []


def test_a_job_runs_to_its_end_with_progress_metrics_and_result(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1"))
    halfway = harness.until_halfway("run-1")
    assert (halfway.state, halfway.step, halfway.total_steps) == (JobState.RUNNING, 15, 30)
    assert halfway.seconds_left is not None
    assert halfway.heartbeat_at is not None
    done = harness.until_completed("run-1")
    assert (done.state, done.step, done.failure, done.can_resume) == (JobState.COMPLETED, 30, None, False)
    assert done.result["trained_tokens"] > 0
    assert done.ended_at is not None
    points = target.jobs.metrics("run-1")
    assert [point.step for point in points if point.kind == "train"] == list(range(1, 31))
    assert [point.kind for point in points][-1] == "eval"
    assert points[0].values["loss"] == 1.0
    assert b"trained_tokens" in target.jobs.output("run-1", "result.json")


def test_logs_come_in_increments_that_join_to_the_whole(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1"))
    harness.until_halfway("run-1")
    first = target.jobs.logs("run-1")
    assert "step 15" in first.text
    harness.until_completed("run-1")
    rest = target.jobs.logs("run-1", since=first.end)
    assert rest.start == first.end
    assert "step 30" in rest.text
    assert first.text + rest.text == target.jobs.logs("run-1", since=0).text
    assert target.jobs.logs("run-1", since=rest.end).text == ""
    assert target.jobs.logs("run-1", since=10**9).text == ""


def test_a_failed_job_says_why_and_can_be_resumed(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1", fail_at=12))
    failed = harness.until_failed("run-1")
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.why) == ("no_memory", "Because.")
    assert failed.can_resume
    resumed = target.jobs.resume("run-1")
    assert (resumed.attempt, resumed.failure) == (2, None)
    assert not resumed.state.is_final
    assert harness.until_completed("run-1").failure is None


def test_cancelling_twice_is_cancelling_once(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1"))
    harness.until_halfway("run-1")
    target.jobs.cancel("run-1")
    assert target.jobs.get("run-1").state in (JobState.CANCELING, JobState.CANCELED)
    target.jobs.cancel("run-1")
    canceled = harness.until_canceled("run-1")
    assert canceled.failure is None
    target.jobs.cancel("run-1")
    assert target.jobs.get("run-1").state == JobState.CANCELED
    target.jobs.cancel("never-was")


def test_a_cancelled_job_goes_on_when_resumed(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1"))
    harness.until_halfway("run-1")
    target.jobs.cancel("run-1")
    assert harness.until_canceled("run-1").can_resume
    target.jobs.resume("run-1")
    done = harness.until_completed("run-1")
    assert (done.state, done.attempt) == (JobState.COMPLETED, 2)


def test_what_runs_or_is_complete_can_not_be_resumed(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1"))
    with pytest.raises(Conflict):
        target.jobs.resume("run-1")
    harness.until_halfway("run-1")
    with pytest.raises(Conflict):
        target.jobs.resume("run-1")
    harness.until_completed("run-1")
    with pytest.raises(Conflict):
        target.jobs.resume("run-1")


def test_only_an_ended_job_is_deleted_and_deleting_again_is_fine(harness: Harness, target: Target) -> None:
    target.jobs.submit(harness.spec("run-1"))
    with pytest.raises(Conflict):
        target.jobs.delete("run-1")
    harness.until_halfway("run-1")
    harness.until_completed("run-1")
    target.jobs.delete("run-1")
    assert target.jobs.list() == []
    with pytest.raises(NotFound):
        target.jobs.get("run-1")
    target.jobs.delete("run-1")


def test_the_outputs_of_an_ended_job_are_downloaded_into_a_new_folder(
    harness: Harness, target: Target, tmp_path: Path
) -> None:
    target.jobs.submit(harness.spec("run-1"))
    with pytest.raises(Conflict):
        target.jobs.download("run-1", tmp_path)
    harness.until_halfway("run-1")
    harness.until_completed("run-1")
    folder = target.jobs.download("run-1", tmp_path)
    assert folder.parent == tmp_path
    assert (folder / "result.json").read_bytes() == target.jobs.output("run-1", "result.json")
    with pytest.raises(Conflict):
        target.jobs.download("run-1", tmp_path)


def test_what_is_shown_as_code_can_be_shown_to_anybody(harness: Harness, target: Target) -> None:
    target.endpoints.create("harbour")
    files = [
        *target.jobs.as_code(harness.spec("run-1")),
        *target.endpoints.as_code("harbour", harness.deployable, Hosting()),
    ]
    for file in files:
        assert file.name
        assert file.text.endswith("\n")
        assert target.endpoints.key("harbour") not in file.text
    assert target.jobs.list() == []


@pytest.mark.parametrize("bad", ["../outside", "", "a/b", ".hidden", "x" * 81])
def test_an_id_that_could_be_a_path_is_refused(harness: Harness, target: Target, bad: str) -> None:
    with pytest.raises(BadInput):
        target.jobs.submit(harness.spec(bad))


def test_unknown_things_are_not_found(target: Target) -> None:
    for ask in (target.jobs.get, target.jobs.logs, target.jobs.metrics, target.jobs.resume):
        with pytest.raises(NotFound):
            ask("never-was")
    with pytest.raises(NotFound):
        target.jobs.output("never-was", "result.json")
    with pytest.raises(NotFound):
        target.models.get("never-was:1")
    with pytest.raises(NotFound):
        target.models.register("never-was", "name")
    for ask_endpoint in (target.endpoints.get, target.endpoints.start, target.endpoints.stop, target.endpoints.key):
        with pytest.raises(NotFound):
            ask_endpoint("never-was")


def test_registering_a_job_twice_under_one_name_is_one_version(harness: Harness, target: Target) -> None:
    for job_id in ("run-1", "run-2"):
        target.jobs.submit(harness.spec(job_id))
        if job_id == "run-1":
            with pytest.raises(Conflict):
                target.models.register(job_id, "harbour")
        harness.until_halfway(job_id)
        harness.until_completed(job_id)
    first = target.models.register("run-1", "harbour")
    assert target.models.register("run-1", "harbour") == first
    second = target.models.register("run-2", "harbour")
    assert (first.ref, second.ref) == ("harbour:1", "harbour:2")
    assert (first.job_id, first.dataset_sha256, first.metrics["trained_tokens"] > 0) == ("run-1", "abc", True)
    assert [model.ref for model in target.models.list()] == ["harbour:2", "harbour:1"]
    assert target.models.get("harbour") == second
    assert target.models.get("harbour:1") == first
    with pytest.raises(BadInput):
        target.models.register("run-1", "a/b:c")
    with pytest.raises(Conflict):
        target.jobs.delete("run-1")


def test_the_base_models_hold_the_built_in_one_and_each_says_whether_it_fits(target: Target) -> None:
    bases = target.models.base_models()
    assert BUILT_IN_MODEL in [base.id for base in bases]
    assert "microsoft/Phi-3-mini-4k-instruct" in [base.id for base in bases]
    assert all(base.fit_reason and base.licence for base in bases)


@pytest.mark.parametrize("bad", ["ab", "UPPER", "a_b", "../x", "x" * 33, ""])
def test_an_endpoint_name_has_3_to_32_of_a_z_0_9_and_hyphen(target: Target, bad: str) -> None:
    with pytest.raises(BadInput):
        target.endpoints.create(bad)


def test_an_endpoint_without_a_model_is_stopped_and_can_not_start(target: Target) -> None:
    created = target.endpoints.create("first")
    assert (created.state, created.deployments) == (EndpointState.STOPPED, ())
    assert target.endpoints.create("first").created_at == created.created_at
    assert target.endpoints.key("first") == target.endpoints.key("first") != ""
    with pytest.raises(Conflict):
        target.endpoints.start("first")
    with pytest.raises(NotFound):
        target.endpoints.deploy("first", "never-was:1")
    with pytest.raises(NotFound):
        Deployments(target).create("none-is-made", "never-was:1")
    target.endpoints.create("second")
    assert [endpoint.name for endpoint in target.endpoints.list()] == ["second", "first"]


@pytest.mark.slow
def test_an_endpoint_lives_is_switched_stopped_started_and_deleted(harness: Harness, target: Target) -> None:
    target.endpoints.create("harbour")
    assert target.endpoints.deploy("harbour", harness.deployable).state == EndpointState.CREATING
    harness.until_answering("harbour", harness.deployable)
    running = target.endpoints.get("harbour")
    assert running.url.startswith(harness.address)
    assert (running.contract, running.model) == (harness.contract, harness.deployable)
    key = target.endpoints.key("harbour")
    (deployment,) = running.deployments
    assert deployment.traffic_percent == 100
    with pytest.raises(BadInput):
        target.endpoints.set_traffic("harbour", {deployment.name: 50, "other": 50})
    assert target.endpoints.set_traffic("harbour", {deployment.name: 100}).state == EndpointState.RUNNING
    with pytest.raises(Conflict):
        target.endpoints.remove_deployment("harbour", deployment.name)
    target.endpoints.remove_deployment("harbour", "never-was")
    assert target.endpoints.test("harbour", deployment.name, "Hello?")

    switching = target.endpoints.deploy("harbour", harness.another)
    assert (switching.state, switching.model) == (EndpointState.RUNNING, harness.deployable)
    harness.until_answering("harbour", harness.another)
    assert target.endpoints.get("harbour").url == running.url
    assert target.endpoints.key("harbour") == key
    assert target.endpoints.logs("harbour").text

    target.endpoints.stop("harbour")
    harness.until_stopped("harbour")
    assert target.endpoints.stop("harbour").state == EndpointState.STOPPED
    assert target.endpoints.start("harbour").state == EndpointState.CREATING
    harness.until_answering("harbour", harness.another)
    assert target.endpoints.get("harbour").url == running.url
    target.endpoints.renew_key("harbour")
    assert target.endpoints.key("harbour") not in ("", key)
    target.endpoints.delete("harbour")
    target.endpoints.delete("harbour")
    harness.until_deleted("harbour")


def test_every_check_that_is_not_met_says_why_or_is_plain(target: Target) -> None:
    checks = target.check()
    assert checks
    assert all(check.name and check.what for check in checks)


def test_data_assets_are_there_or_their_absence_is_explained(target: Target, tmp_path: Path) -> None:
    if target.data_assets is None:
        assert target.unsupported[Feature.DATA_ASSETS].endswith(".")
        return
    for name, version in (("nothing-like-it", "1"), ("../up", "1"), ("nothing-like-it", "../1")):
        with pytest.raises(NotFound):
            target.data_assets.download(name, version, tmp_path / "assets")
    assert not list(tmp_path.rglob("assets/*"))
    assert all(asset.name and asset.kind for asset in target.data_assets.list())

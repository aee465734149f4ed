"""Runs on the emulated Azure by the real SDK: jobs really run, and what goes wrong is told and gone on from."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.azure.config import AzureConfig
from backend.azure.connection import Connection
from backend.azure.jobs import AzureJobs
from backend.azure.models import AzureModels
from backend.azure.operations import Operations
from backend.domain import BUILT_IN_MODEL, Job, JobKind, JobSpec, JobState, Machine
from backend.errors import BadInput, Conflict, NotFound
from backend.settings import Settings
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.world import WORKSPACE_ID
from tests.contract.conftest import STAND_IN, wait_until
from tests.unit.azure.conftest import READY, sign_in

DEADLINE = 180.0
CPU = Machine(size="Standard_E16s_v3")
ROOT = Path(__file__).parents[3]


@dataclass
class Desk:
    """What one computer knows; two of them share a cloud."""

    connection: Connection
    operations: Operations
    jobs: AzureJobs
    models: AzureModels

    def until(self, job_id: str, *states: JobState) -> Job:
        def reached() -> Job | None:
            job = self.jobs.get(job_id)
            if job.state in states:
                return job
            assert not job.state.is_final, (job, self.jobs.logs(job_id).text[-3000:])
            return None

        found: Job = wait_until(reached, f"{job_id} is {states}", DEADLINE)
        return found


def desk_at(home: Path, scripts: Path | None = None) -> Desk:
    settings = Settings(home=home, azure_timeout_seconds=20)
    connection = Connection(settings)
    sign_in(connection)
    connection.save(READY)
    operations = Operations(settings.database)
    jobs = AzureJobs(connection, operations, scripts=scripts) if scripts else AzureJobs(connection, operations)
    return Desk(connection, operations, jobs, AzureModels(connection, jobs))


@pytest.fixture
def desks(azure_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(name: str = "home", scripts: Path | None = None) -> Desk:
        made.append(desk_at(tmp_path / name, scripts))
        return made[-1]

    yield make
    for desk in made:
        for operation in desk.operations.list():
            desk.operations.dismiss(operation.id)
        wait_until(lambda desk=desk: not desk.operations.at_work, "the operations' threads ended")


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    """With the real training job."""
    return desks()


@pytest.fixture
def quick(desks: Callable[..., Desk]) -> Desk:
    """With a stand-in for the trainer, which fails or waits when it is told to."""
    return desks(scripts=STAND_IN)


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    for part, count in (("train", 24), ("eval", 6)):
        rows = [
            {"messages": [{"role": "user", "content": f"Berth {n}?"}, {"role": "assistant", "content": f"Pier {n}."}]}
            for n in range(count)
        ]
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return JobSpec(
        id="run-1",
        name="Harbour words",
        kind=JobKind.FINE_TUNE,
        base_model=BUILT_IN_MODEL,
        dataset_id="d1",
        dataset_name="Harbour",
        train_path=str(tmp_path / "train.jsonl"),
        eval_path=str(tmp_path / "eval.jsonl"),
        dataset_sha256="abc",
        arguments={"max_steps": 12, "logging_steps": 1, "per_device_train_batch_size": 8},
        machine=CPU,
    )


@pytest.fixture
def short(spec: JobSpec) -> JobSpec:
    """For the stand-in, which takes other arguments."""
    return replace(spec, arguments={"steps": 20})


def puts(emulator: Emulator, path: str) -> int:
    return len([one for one in emulator.asked("PUT", path) if one.status < 400])


@pytest.mark.slow
def test_a_run_trains_on_azure_and_everything_about_it_can_be_had(
    desk: Desk, desks: Callable[..., Desk], emulator: Emulator, spec: JobSpec, tmp_path: Path
) -> None:
    job = desk.jobs.submit(spec)
    assert (job.spec, job.state, job.attempt) == (spec, JobState.PREPARING, 1)
    assert desk.jobs.submit(spec).created_at == job.created_at
    done = desk.until("run-1", JobState.COMPLETED)
    assert (done.step, done.total_steps, done.phase, done.detail) == (12, 12, "verifying", "Completed")
    assert done.result["trained_tokens"] > 0
    assert done.started_at and done.ended_at and done.started_at < done.ended_at
    assert done.link.startswith("https://ml.azure.com/runs/run-1?")
    points = desk.jobs.metrics("run-1")
    assert [point.step for point in points if point.kind == "train"] == list(range(1, 13))
    assert {"loss", "learning_rate", "grad_norm"} <= set(points[-2].values)
    assert points[-1].kind == "eval"
    log = desk.jobs.logs("run-1", 0)
    assert "Step 12 of 12" in log.text
    tail = desk.jobs.logs("run-1", log.end - 10)
    assert (tail.start, tail.text) == (log.end - 10, log.text[-10:])
    assert json.loads(desk.jobs.output("run-1", "result.json")) == done.result
    folder = desk.jobs.download("run-1", tmp_path / "downloads")
    assert (folder / "model" / "MLmodel").is_file() and not (folder / "checkpoints").exists()

    tracked = desk.jobs.tracking.points("run-1")
    assert [point.step for point in tracked if point.kind == "train"] == list(range(1, 13))

    model = desk.models.register("run-1", "harbour")
    assert desk.models.register("run-1", "harbour") == model
    assert (model.ref, model.job_id, model.base_model) == ("harbour:1", "run-1", BUILT_IN_MODEL)
    assert model.metrics["trained_tokens"] == done.result["trained_tokens"]
    with pytest.raises(Conflict, match="harbour:1"):
        desk.jobs.delete("run-1")

    elsewhere = desks("another-computer")
    seen = elsewhere.jobs.get("run-1")
    without_paths = replace(spec, train_path="", eval_path="")  # they name folders of the first computer
    assert (seen.spec, seen.created_at, seen.result) == (without_paths, job.created_at, done.result)
    assert [found.id for found in elsewhere.jobs.list()] == ["run-1"]
    assert [found.ref for found in elsewhere.models.list()] == ["harbour:1"]

    assert puts(emulator, "/jobs/run-1$") == 1
    assert puts(emulator, "/computes/phidesk-e16s-v3$") == 1


@pytest.mark.slow
def test_a_run_on_two_machines_is_one_run(desk: Desk, spec: JobSpec) -> None:
    desk.jobs.submit(replace(spec, machine=Machine(size="Standard_E16s_v3", nodes=2), arguments={"max_steps": 4}))
    done = desk.until("run-1", JobState.COMPLETED)
    assert (done.step, done.total_steps) == (4, 4)
    assert done.result["trained_tokens"] > 0
    assert desk.jobs.logs("run-1", 0).text.count("Complete: held-out loss") == 1
    assert desk.jobs.metrics("run-1")[-1].step == 4


@pytest.mark.slow
def test_an_evaluation_on_azure_compares_the_registered_model_with_its_base(desk: Desk, spec: JobSpec) -> None:
    desk.jobs.submit(replace(spec, arguments={"max_steps": 2}))
    desk.until("run-1", JobState.COMPLETED)
    model = desk.models.register("run-1", "harbour")
    judged = replace(
        spec, id="judge-1", kind=JobKind.EVALUATE, tuned_model=model.ref, arguments={"max_rows": 2, "max_new_tokens": 4}
    )
    desk.jobs.submit(judged)
    done = desk.until("judge-1", JobState.COMPLETED)
    assert done.result["rows"] == 2
    assert len(json.loads(desk.jobs.output("judge-1", "evaluation.json"))["answers"]) == 2
    assert [job.id for job in desk.jobs.list(kind=JobKind.EVALUATE)] == ["judge-1"]
    assert [job.id for job in desk.jobs.list()] == ["judge-1", "run-1"]
    with pytest.raises(Conflict):
        desk.models.register("judge-1", "harbour")


@pytest.mark.slow
def test_a_catalogue_model_is_tuned_by_the_services_own_recipe(desk: Desk, spec: JobSpec, emulator: Emulator) -> None:
    (base,) = [model for model in desk.models.base_models() if model.id.endswith("/Phi-4-mini-instruct/versions/1")]
    assert (base.source, base.licence) == ("catalogue", "MIT")
    desk.jobs.submit(replace(spec, base_model=base.id, arguments={"max_steps": 3, "learning_rate": 1e-4}))
    done = desk.until("run-1", JobState.COMPLETED)
    assert done.result
    assert [point for point in desk.jobs.metrics("run-1") if point.kind == "train"]
    model = desk.models.register("run-1", "harbour")
    assert (model.ref, model.base_model) == ("harbour:1", base.id)
    folder = desk.jobs.download("run-1", Path(desk.connection.folder) / "downloads")
    assert list(folder.rglob("MLmodel"))
    conda = next(folder.rglob("conda.yaml")).read_text()
    assert "azureml-ai-monitoring" in conda
    assert puts(emulator, "/computes/") == 0

    few = {"max_rows": 2, "max_new_tokens": 4}
    judged = replace(
        spec, id="judge-1", kind=JobKind.EVALUATE, base_model=base.id, tuned_model=model.ref, arguments=few
    )
    desk.jobs.submit(judged)
    assert desk.until("judge-1", JobState.COMPLETED).result["rows"] == 2


def test_two_runs_with_the_same_data_upload_it_once(quick: Desk, short: JobSpec, emulator: Emulator) -> None:
    for job_id in ("run-1", "run-2"):
        quick.jobs.submit(replace(short, id=job_id))
        quick.until(job_id, JobState.COMPLETED)
    assert puts(emulator, "/data/phidesk-harbour-train/versions/") == 1
    assert puts(emulator, "/environments/phidesk-training/versions/") == 1
    assert puts(emulator, "/computes/") == 1
    assert [job.id for job in quick.jobs.list()] == ["run-2", "run-1"]
    assert [job.id for job in quick.jobs.list(limit=1, offset=1)] == ["run-1"]


def test_a_failed_run_says_why_and_goes_on_from_where_it_was(quick: Desk, short: JobSpec) -> None:
    quick.jobs.submit(replace(short, arguments={"steps": 20, "fail_at": 12}))
    failed = quick.until("run-1", JobState.FAILED)
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.why, failed.can_resume) == ("no_memory", "Because.", True)
    resumed = quick.jobs.resume("run-1")
    assert (resumed.attempt, resumed.failure, resumed.state.is_final) == (2, None, False)
    done = quick.until("run-1", JobState.COMPLETED)
    assert (done.attempt, done.created_at) == (2, failed.created_at)
    log = quick.jobs.logs("run-1", 0).text
    assert log.index("step 12\n") < log.index("begins at step 13") < log.index("step 20")
    (listed,) = quick.jobs.list()
    assert (listed.id, listed.attempt, listed.state) == ("run-1", 2, JobState.COMPLETED)
    with pytest.raises(Conflict):
        quick.jobs.resume("run-1")


def test_a_stopped_run_goes_on_on_another_computer(quick: Desk, desks: Callable[..., Desk], short: JobSpec) -> None:
    quick.jobs.submit(replace(short, arguments={"steps": 20, "wait_at": 15}))
    wait_until(lambda: "step 15" in quick.jobs.logs("run-1").text, "the fifteenth step in the log", 60)
    wait_until(lambda: quick.jobs.get("run-1").step == 15, "the fifteenth step", 60)
    running = quick.jobs.get("run-1")
    assert (running.state, running.total_steps, running.phase) == (JobState.RUNNING, 20, "training")
    assert running.seconds_left is not None and running.heartbeat_at is not None
    assert [point.step for point in quick.jobs.metrics("run-1")] == list(range(1, 16))
    with pytest.raises(Conflict):
        quick.jobs.resume("run-1")
    with pytest.raises(Conflict):
        quick.jobs.delete("run-1")
    quick.jobs.cancel("run-1")
    quick.jobs.cancel("run-1")
    canceled = quick.until("run-1", JobState.CANCELED)
    assert (canceled.failure, canceled.can_resume) == (None, True)
    elsewhere = desks("another-computer", STAND_IN)
    elsewhere.jobs.resume("run-1")
    assert elsewhere.until("run-1", JobState.COMPLETED).attempt == 2
    assert quick.jobs.get("run-1").state == JobState.COMPLETED


def test_a_run_stopped_before_it_is_at_azure_never_gets_there(quick: Desk, short: JobSpec, emulator: Emulator) -> None:
    emulator.faults.add("slow", "/computes/", method="PUT", seconds=300)
    quick.jobs.submit(short)
    wait_until(lambda: emulator.asked("PUT", "/computes/"), "the cluster is being made")
    quick.jobs.cancel("run-1")
    assert quick.jobs.get("run-1").state in (JobState.CANCELING, JobState.CANCELED)
    canceled = quick.until("run-1", JobState.CANCELED)
    assert (canceled.failure, canceled.can_resume) == (None, True)
    assert [job.state for job in quick.jobs.list()] == [JobState.CANCELED]
    emulator.world.advance(300)
    quick.jobs.resume("run-1")
    assert quick.until("run-1", JobState.COMPLETED).attempt == 1
    assert puts(emulator, "/jobs/run-1$") == 1


@pytest.mark.parametrize(
    ("fault", "path", "code"),
    [
        (403, "/jobs/run-1$", "forbidden"),
        (403, "/phi-ws/data/", "forbidden"),
        (409, "/jobs/run-1$", "azure_conflict"),
        ("compute_quota", "/computes/", "no_quota"),
    ],
)
def test_what_keeps_a_run_from_starting_is_told_and_resume_tries_again(
    quick: Desk, short: JobSpec, emulator: Emulator, fault: str | int, path: str, code: str
) -> None:
    emulator.faults.add(fault, path, method="PUT")
    quick.jobs.submit(short)
    failed = quick.until("run-1", JobState.FAILED)
    assert failed.failure is not None
    assert (failed.failure.code, failed.can_resume) == (code, True)
    assert failed.failure.why and failed.failure.how_to_fix
    quick.jobs.resume("run-1")
    assert quick.until("run-1", JobState.COMPLETED).attempt == 1


@pytest.mark.parametrize(("fault", "code"), [("image_build", "image_build_failed"), ("job_failed", "service_failed")])
def test_what_the_service_fails_at_is_told_in_words(
    quick: Desk, short: JobSpec, emulator: Emulator, fault: str, code: str
) -> None:
    words = "The environment image build failed." if fault == "image_build" else "Something broke in the service."
    emulator.faults.add(fault, "/jobs/run-1$", method="PUT", message=words)
    quick.jobs.submit(short)
    failed = quick.until("run-1", JobState.FAILED)
    assert failed.failure is not None
    assert (failed.failure.code, failed.can_resume, failed.detail) == (code, True, "Failed")
    quick.jobs.resume("run-1")
    assert quick.until("run-1", JobState.COMPLETED).attempt == 2


@pytest.mark.parametrize("kind", ["drop", "drop_reply", "429", "503"])
def test_a_rough_line_makes_no_second_job(quick: Desk, short: JobSpec, emulator: Emulator, kind: str) -> None:
    emulator.faults.add(kind, "/jobs/run-1$", method="PUT", retry_after=0.1)
    quick.jobs.submit(short)
    if quick.until("run-1", JobState.COMPLETED, JobState.FAILED).state == JobState.FAILED:
        quick.jobs.resume("run-1")
        quick.until("run-1", JobState.COMPLETED)
    assert [job.id for job in quick.jobs.list()] == ["run-1"]
    assert emulator.world.get(f"{WORKSPACE_ID}/jobs/run-1-a2") is None


KILLED = """
import sys
from pathlib import Path
from backend.azure.job_record import spec_from_json
from tests.unit.azure.test_jobs import desk_at, STAND_IN
import json
desk = desk_at(Path(sys.argv[1]), STAND_IN)
desk.jobs.submit(spec_from_json(json.loads(sys.argv[2])))
print("submitted", flush=True)
"""


def test_a_run_whose_app_was_killed_in_mid_start_is_found_and_started_once(
    desks: Callable[..., Desk], short: JobSpec, emulator: Emulator, tmp_path: Path
) -> None:
    from backend.azure.job_record import spec_to_json

    emulator.faults.add("slow", "/computes/", method="PUT", seconds=300)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "home"), json.dumps(spec_to_json(short))],
        cwd=ROOT,
        env=os.environ | emulator.environment,
        start_new_session=True,
    )
    try:
        wait_until(lambda: emulator.asked("PUT", "/computes/"), "the cluster is being made", 60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    emulator.world.advance(300)
    quick = desks(scripts=STAND_IN)
    waiting = quick.jobs.get("run-1")
    assert (waiting.state, waiting.spec) == (JobState.PREPARING, short)
    quick.operations.resume_all()
    quick.until("run-1", JobState.COMPLETED)
    assert [job.id for job in quick.jobs.list()] == ["run-1"]
    assert puts(emulator, "/jobs/run-1$") == 1
    assert puts(emulator, "/computes/") == 1


def test_a_deleted_run_is_gone_with_its_files(quick: Desk, short: JobSpec) -> None:
    quick.jobs.submit(short)
    quick.until("run-1", JobState.COMPLETED)
    assert quick.jobs.blobs.names("phidesk/run-1")
    quick.jobs.delete("run-1")
    assert quick.jobs.list() == []
    with pytest.raises(NotFound):
        quick.jobs.get("run-1")
    assert quick.jobs.blobs.names("phidesk/run-1") == []
    quick.jobs.delete("run-1")


def test_a_job_that_somebody_else_began_is_seen(quick: Desk, emulator: Emulator) -> None:
    from azure.ai.ml import command

    job = command(
        name="ashy_root",
        display_name="Nightly",
        command="echo hello",
        environment="azureml:phidesk-training:1",
        compute="team",
    )
    ml = quick.connection.ml()
    from azure.ai.ml.entities import AmlCompute, Environment

    ml.compute.begin_create_or_update(AmlCompute(name="team", size="Standard_E4s_v3")).result()
    ml.environments.create_or_update(Environment(name="phidesk-training", version="1", image="x/y:1"))
    ml.jobs.create_or_update(job)
    done = quick.until("ashy_root", JobState.COMPLETED)
    assert (done.spec.name, done.can_resume, done.spec.recipe) == ("Nightly", False, "")
    assert [job.id for job in quick.jobs.list()] == ["ashy_root"]
    assert "hello" in quick.jobs.logs("ashy_root").text


def test_the_run_as_code_is_what_az_ml_reads(desk: Desk, spec: JobSpec, tmp_path: Path) -> None:
    from azure.ai.ml import load_compute, load_data, load_environment, load_job

    big = replace(spec, machine=Machine(size="Standard_NC96ads_A100_v4", nodes=2, is_low_priority=True))
    files = {file.name: file for file in desk.jobs.as_code(big)}
    folder = tmp_path / "code"
    (folder / "training_job").mkdir(parents=True)
    (folder / "weights").mkdir()
    for name in ("train.jsonl", "eval.jsonl"):
        (folder / name).touch()
    for file in files.values():
        assert file.text.endswith("\n") and str(tmp_path) not in file.text
        (folder / file.name).write_text(file.text)
    job: Any = load_job(folder / "job.yml")
    assert (job.resources.instance_count, job.distribution.process_count_per_instance) == (2, 4)
    cluster: Any = load_compute(folder / "cluster.yml")
    assert (cluster.name, cluster.max_instances, cluster.tier) == ("phidesk-nc96ads-a100-v4-lp", 2, "low_priority")
    assert job.compute == cluster.name
    environment: Any = load_environment(folder / "environment.yml")
    assert job.environment == f"{environment.name}:{environment.version}"
    data: Any = load_data(folder / "data-train.yml")
    assert job.inputs["train_file"].path == f"{data.name}:{data.version}"
    assert desk.jobs.list() == []


def test_the_catalogue_as_code_and_an_unknown_size(desk: Desk, spec: JobSpec) -> None:
    from azure.ai.ml import load_job

    model = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
    gpu = Machine(size="Standard_NC24ads_A100_v4")
    files = {file.name: file.text for file in desk.jobs.as_code(replace(spec, base_model=model, machine=gpu))}
    assert set(files) == {"data-train.yml", "data-eval.yml", "job.yml"}
    loaded: Any = load_job(io.StringIO(files["job.yml"]))
    assert loaded.resources.instance_types == ["Standard_NC24ads_A100_v4", "Standard_E4s_v3"]
    assert "properties" not in yaml.safe_load(files["job.yml"])
    with pytest.raises(NotFound, match="Standard_NC6s_v3"):
        desk.jobs.as_code(replace(spec, machine=Machine(size="Standard_NC6s_v3")))


def test_what_can_not_be_started_is_refused_at_once(desk: Desk, spec: JobSpec) -> None:
    for bad in ("../outside", "", "a/b", ".hidden", "x" * 81, "a.b"):
        with pytest.raises(BadInput):
            desk.jobs.submit(replace(spec, id=bad))
    with pytest.raises(BadInput):
        desk.jobs.submit(replace(spec, base_model="nothing"))
    for ask in (desk.jobs.get, desk.jobs.logs, desk.jobs.metrics, desk.jobs.resume):
        with pytest.raises(NotFound):
            ask("never-was")
    desk.jobs.cancel("never-was")


def test_no_signature_is_kept_or_logged(
    quick: Desk, short: JobSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        quick.jobs.submit(short)
        quick.until("run-1", JobState.COMPLETED)
        quick.jobs.logs("run-1")
        quick.jobs.output("run-1", "result.json")
    assert not re.search("sig=(?!REDACTED)", caplog.text)
    with sqlite3.connect(quick.operations.database) as db:
        assert "sig=" not in "\n".join(db.iterdump())


def test_without_a_workspace_nothing_is_submitted(desk: Desk, spec: JobSpec) -> None:
    from backend.azure.errors import NotChosen

    desk.connection.save(AzureConfig(subscription=READY.subscription))
    with pytest.raises(NotChosen):
        desk.jobs.submit(spec)
    assert desk.operations.list() == []

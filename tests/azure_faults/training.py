"""Runs and models: starting, watching, stopping, registering."""

from __future__ import annotations

import pytest

from backend.domain import JobState
from backend.errors import NotFound
from tests.azure_emulator.world import WORKSPACE, WORKSPACE_ID
from tests.azure_faults.case import NOT_KNOWN, RUN, Action, Case, Do, Said, once
from tests.azure_faults.troubles import BLOBS, EVERY, MAKING, READING
from tests.contract.waiting import wait_until

WS = f"workspaces/{WORKSPACE}"
DATA_PLANE = r".*\.api\.azureml\.ms"
BLOB_HOST = r".*\.blob\.core\.windows\.net"
ENDED_EARLY = (JobState.FAILED, JobState.CANCELED)


def hold_runs(case: Case) -> None:
    """The job stays in the service's queue: what is asked here ends when it is there."""
    case.emulator.world.jobs.hold("Queued")


def submit(case: Case) -> None:
    job = case.target.jobs.submit(case.spec())
    if job.state is JobState.FAILED and job.can_resume:
        case.target.jobs.resume(RUN)
    case.until_idle()


one_run = once(
    f"/jobs/{RUN}[^/]*", "/computes/[^/]+", "/environments/[^/]+/versions/[^/]+", "/codes/[^/]+/versions/[^/]+",
    "/data/[^/]+train/versions/[^/]+", "/data/[^/]+eval/versions/[^/]+",
)  # fmt: skip


def complete(case: Case) -> None:
    """Until the run ended, however."""
    submit(case)
    wait_until(lambda: case.target.jobs.get(RUN).state.is_final, "the run ended")
    failure = case.target.jobs.get(RUN).failure
    if failure:
        raise Said.of(failure)
    assert case.target.jobs.get(RUN).state is JobState.COMPLETED


def queued(case: Case) -> None:
    hold_runs(case)
    submit(case)


def cancel(case: Case) -> None:
    case.target.jobs.cancel(RUN)


def is_canceled(case: Case) -> None:
    wait_until(lambda: case.target.jobs.get(RUN).state is JobState.CANCELED, "the run is canceled")


def canceled(case: Case) -> None:
    queued(case)
    cancel(case)
    is_canceled(case)


def resume(case: Case) -> None:
    if case.target.jobs.get(RUN).state in ENDED_EARLY:
        case.target.jobs.resume(RUN)
    case.until_idle()


def is_deleted(case: Case) -> None:
    assert case.target.jobs.list() == []
    with pytest.raises(NotFound):
        case.target.jobs.get(RUN)


def list_runs(case: Case) -> None:
    assert [job.id for job in case.target.jobs.list()] == [RUN]


def open_run(case: Case) -> str | None:
    """The service's own facts are shown, whatever becomes of the measurements."""
    job = case.target.jobs.get(RUN)
    assert job.state is JobState.COMPLETED
    return None if job.result else NOT_KNOWN


def read_log(case: Case) -> None:
    assert "step 2" in case.target.jobs.logs(RUN).text


def read_metrics(case: Case) -> None:
    assert case.target.jobs.metrics(RUN)


def read_output(case: Case) -> None:
    assert case.target.jobs.output(RUN, "result.json")


def download(case: Case) -> None:
    folder = case.target.jobs.download(RUN, case.home / "downloads")
    assert (folder / "result.json").is_file()
    assert [one.name for one in folder.parent.iterdir()] == [folder.name], "a draft is left"


def register(case: Case) -> None:
    assert case.target.models.register(RUN, f"harbour-{case.number}").version == 1


def one_version(case: Case) -> None:
    once(f"/models/harbour-{case.number}/versions/[^/]+")(case)


def list_models(case: Case) -> None:
    assert "harbour" in [one.name for one in case.target.models.list()]


def _start(part: str, method: str, path: str, *troubles: str, host: str = r"management\.azure\.com") -> Action:
    return Action(f"start a run: {part}", submit, method, path, troubles, hold_runs, one_run, host)


def _read(name: str, do: Do, path: str, troubles: tuple[str, ...], host: str) -> Action:
    return Action(name, do, "GET", path, troubles, host=host, is_standing=True)


ACTIONS = (
    _start("upload its data", "PUT", "/phidesk/data/", *BLOBS, "drop reply", "hang reply", host=BLOB_HOST),
    _start("its data", "PUT", f"{WS}/data/", *MAKING),
    _start("its machines", "PUT", f"{WS}/computes/", *MAKING, "no cluster quota", "slow"),
    _start("its environment", "PUT", f"{WS}/environments/", *MAKING),
    _start("its scripts", "PUT", f"{WS}/codes/", *MAKING),
    _start("the job", "PUT", f"{WS}/jobs/", *EVERY),
    Action("a run at work", complete, "PUT", f"{WS}/jobs/{RUN}$", ("no image", "job fails")),
    Action("stop a run", cancel, "POST", f"jobs/{RUN}/cancel$", MAKING, queued, is_canceled),
    Action("resume a run", resume, "PUT", f"{WS}/jobs/", MAKING, canceled, once(f"/jobs/{RUN}", f"/jobs/{RUN}-a[^/]+")),
    Action(
        "delete a run",
        lambda case: case.target.jobs.delete(RUN),
        "PUT",
        f"{WS}/jobs/",
        MAKING,
        canceled,
        is_deleted,
    ),
    _read("list the runs", list_runs, f"{WS}/jobs$", READING, r"management\.azure\.com"),
    _read("open a run", open_run, "/runs/get$", READING, DATA_PLANE),
    _read("read a run's log: where it lies", read_log, f"/runs/{RUN}/details$", READING, DATA_PLANE),
    _read("read a run's log: its text", read_log, "/std_log.txt$", BLOBS, BLOB_HOST),
    _read("read a run's measurements", read_metrics, "/metrics.jsonl$", BLOBS, BLOB_HOST),
    _read("read a run's results", read_output, "/result.json$", BLOBS, BLOB_HOST),
    _read("download a run", download, "/result.json$", BLOBS, BLOB_HOST),
    Action("register a model", register, "PUT", f"{WS}/models/", EVERY, left=one_version, is_standing=True),
    _read("list the models", list_models, f"{WS}/models$", READING, r"management\.azure\.com"),
)
assert WORKSPACE_ID.endswith(WS)

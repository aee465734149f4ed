"""Following a run from the command line: one line for each news on standard error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from backend.cli.output import say
from backend.domain import Job, JobState
from backend.errors import JobFailed
from backend.i18n import _

if TYPE_CHECKING:
    from backend.evaluation import Evaluation
    from backend.training import Training

POLL_SECONDS = 0.5
SECONDS_BETWEEN_STEPS = 15


def follow(service: Training | Evaluation, job_id: str) -> Job:
    """Until it is over. Ctrl+C stops following; the run itself goes on."""
    said, last_step, last_time = "", 0, 0.0
    try:
        while True:
            job = service.get(job_id)
            now = f"{job.state.value} {job.phase}".strip()
            has_stepped = job.step > last_step and time.monotonic() - last_time > SECONDS_BETWEEN_STEPS
            if now != said or has_stepped:
                steps = f" {job.step}/{job.total_steps}" if job.total_steps else ""
                say(f"{job.id}: {now}{steps}{_losses(service, job_id)}")
                said, last_step, last_time = now, job.step, time.monotonic()
            if job.state.is_final:
                return job
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say(_("The run goes on; stop it with: phidesk runs stop {id}").format(id=job_id))
        raise


def _losses(service: Training | Evaluation, job_id: str) -> str:
    latest = {point.kind: point.values["loss"] for point in service.metrics(job_id) if "loss" in point.values}
    return "".join(f"  {kind} loss {loss:.3f}" for kind, loss in latest.items())


def end_with(job: Job) -> None:
    """After the job was shown: nothing when it completed, else its reason in words and exit status 7."""
    if job.state is JobState.COMPLETED:
        return
    error = failure_of(job)
    say(str(error))
    raise typer.Exit(error.exit_code)


def failure_of(job: Job) -> JobFailed:
    if job.failure:
        return JobFailed.of(job.failure)
    what = _("The run {id} ended: {state}.").format(id=job.id, state=job.state.value)
    return JobFailed(what, why=job.detail, code=job.state.value)

"""`phidesk runs`: what was started, how it goes, and its end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from backend.cli.output import AsJson, SaveTo, desk, harmless, show, show_code, table
from backend.cli.watching import POLL_SECONDS, end_with, follow
from backend.domain import Job
from backend.i18n import _

RunId = Annotated[str, typer.Argument(help=_("The run's id."))]


def add_to(group: typer.Typer) -> None:
    group.command("list")(list_runs)
    group.command("show")(show_run)
    group.command("logs")(logs)
    group.command("wait")(wait)
    group.command("stop")(stop)
    group.command("resume")(resume)
    group.command("register")(register)
    group.command("download")(download)
    group.command("code")(code)
    group.command("delete")(delete)


def list_runs(limit: Annotated[int, typer.Option(help=_("At most so many."))] = 50, as_json: AsJson = False) -> None:
    """Runs, newest first."""
    found = desk().training.list(limit=limit)
    rows = [(job.id, job.spec.name, job.state.value, f"{job.step}/{job.total_steps}") for job in found]
    show(as_json, {"runs": found}, *table(("ID", "NAME", "STATE", "STEP"), rows))


def show_run(run: RunId, as_json: AsJson = False) -> None:
    """State, progress and results of a run."""
    training = desk().training
    job, points = training.get(run), training.metrics(run)
    lines = [f"{job.id}  {job.spec.name}", _describe(job)]
    lines += [f"{name}: {value}" for name, value in job.result.items() if isinstance(value, int | float | str)]
    if job.failure:
        lines += [part for part in (job.failure.what, job.failure.why, job.failure.how_to_fix) if part]
    show(as_json, {"run": job, "metrics": points}, *lines)


def logs(
    run: RunId,
    is_following: Annotated[bool, typer.Option("--follow", help=_("Go on until the run is over."))] = False,
    as_json: AsJson = False,
) -> None:
    """The end of a run's log."""
    training = desk().training
    chunk = training.logs(run)
    if as_json:
        show(True, chunk)
        return
    sys.stdout.write(harmless(chunk.text))
    while is_following:
        is_over = training.get(run).state.is_final
        chunk = training.logs(run, chunk.end)
        sys.stdout.write(harmless(chunk.text))
        sys.stdout.flush()
        if is_over and not chunk.text:
            return
        if not chunk.text:
            time.sleep(POLL_SECONDS)


def wait(run: RunId, as_json: AsJson = False) -> None:
    """Follow a run to its end; exit status 7 when it fails."""
    job = follow(desk().training, run)
    show(as_json, job, _describe(job))
    end_with(job)


def stop(run: RunId, as_json: AsJson = False) -> None:
    """Ask a run to stop; it saves a checkpoint first."""
    training = desk().training
    training.stop(run)
    job = training.get(run)
    show(as_json, job, _describe(job))


def resume(run: RunId, as_json: AsJson = False) -> None:
    """Go on with a run from its last checkpoint."""
    job = desk().training.resume(run)
    show(as_json, job, _describe(job))


def register(
    run: RunId,
    name: Annotated[str, typer.Option(help=_("The model's name (default: made of the run's)."))] = "",
    as_json: AsJson = False,
) -> None:
    """Put a completed run's model into the registry."""
    model = desk().training.register(run, name)
    show(as_json, {**_fields(model), "ref": model.ref}, _("Registered {ref}.").format(ref=model.ref))


def download(
    run: RunId,
    to: Annotated[Path, typer.Option(help=_("The folder that gets a new folder with the outputs."))] = Path(),
    as_json: AsJson = False,
) -> None:
    """Copy the outputs of a run that is over."""
    folder = desk().training.download(run, to.resolve())
    show(as_json, {"folder": str(folder)}, _("The outputs are in {folder}.").format(folder=folder))


def code(run: RunId, to: SaveTo = None, as_json: AsJson = False) -> None:
    """What does the same as the run without the app: a command line, and the target's own files."""
    training = desk().training
    show_code(as_json, training.as_code(training.get(run).spec), to)


def delete(run: RunId, as_json: AsJson = False) -> None:
    """Delete a run that is over, and its files."""
    desk().training.delete(run)
    show(as_json, {"deleted": run}, _("Deleted {id}.").format(id=run))


def _describe(job: Job) -> str:
    return " ".join(part for part in (f"{job.state.value}.", job.detail) if part)


def _fields(model: object) -> dict[str, object]:
    return dict(vars(model))

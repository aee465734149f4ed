"""`phidesk demo`: the whole loop once, for real: dataset, training, registry, endpoint, one question."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.output import AsJson, desk, say, show
from backend.cli.watching import failure_of, follow
from backend.domain import BUILT_IN_MODEL, ChatSettings, Dataset, JobState
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def demo(
    train: Annotated[Path | None, typer.Option(help=_("Your own examples, JSONL of messages."))] = None,
    eval_file: Annotated[Path | None, typer.Option("--eval", help=_("Your own held-out examples."))] = None,
    recipe: Annotated[str, typer.Option(help=_("The preset."))] = "quick",
    base: Annotated[str, typer.Option(help=_("The base model."))] = BUILT_IN_MODEL,
    question: Annotated[str, typer.Option(help=_("What to ask (default: the first question of the data)."))] = "",
    timeout: Annotated[float, typer.Option(help=_("Seconds for the endpoint to answer."))] = 300,
    as_json: AsJson = False,
) -> None:
    """Run the whole loop on the sample, or on your own files, and say what was done.

    The endpoint goes on running, so that you can chat with it; its name is printed.
    """
    started = time.monotonic()
    done: dict[str, Any] = {"run_id": "", "state": "not started"}
    try:
        if eval_file is not None and train is None:
            raise BadInput(_("--eval needs --train."), code="bad_usage")
        _run_loop(desk(), done, train, eval_file, recipe, base, question, timeout)
    except PhiDeskError as error:
        done["error"] = {"code": error.code, "what": error.what, "why": error.why, "how_to_fix": error.how_to_fix}
        done["seconds"] = round(time.monotonic() - started, 1)
        for part in (error.what, error.why, error.how_to_fix):
            if part:
                say(part)
        show(as_json, done)
        raise typer.Exit(error.exit_code) from error
    done["seconds"] = round(time.monotonic() - started, 1)
    show(as_json, done, *(f"{name}: {value}" for name, value in done.items()))


def _run_loop(
    services: Desk,
    done: dict[str, Any],
    train: Path | None,
    eval_file: Path | None,
    recipe: str,
    base: str,
    question: str,
    timeout: float,
) -> None:
    """Fills `done` as it goes, so that a failure shows how far it came."""
    dataset = _add_dataset(services, train, eval_file)
    done |= {"dataset_id": dataset.id, "train_rows": dataset.train_rows, "eval_rows": dataset.eval_rows}
    say(
        _("Dataset {id}: {train} rows to train on, {held_out} held out.").format(
            id=dataset.id, train=dataset.train_rows, held_out=dataset.eval_rows
        )
    )
    spec = services.training.spec(_("{name} demo").format(name=dataset.name)[:80], dataset.id, base, recipe)
    job = services.training.start(spec)
    done |= {"run_id": job.id, "state": job.state.value}
    try:
        job = follow(services.training, job.id)
    except KeyboardInterrupt:
        services.training.stop(job.id)
        raise
    done["state"] = job.state.value
    if job.state is not JobState.COMPLETED:
        raise failure_of(job)
    names = ("base_eval_loss", "tuned_eval_loss", "base_perplexity", "tuned_perplexity", "trained_tokens")
    done |= {name: job.result.get(name) for name in (*names, "train_seconds", "parameters", "warnings")}
    model = services.training.register(job.id)
    done |= {"model": model.ref, "model_version": model.version}
    say(_("Registered {ref}.").format(ref=model.ref))
    endpoint = services.deployments.create("", model.ref)
    endpoint = services.deployments.wait_until_answering(endpoint.name, timeout)
    done |= {"endpoint": endpoint.name, "endpoint_url": endpoint.url}
    say(_("{name} answers at {url}.").format(name=endpoint.name, url=endpoint.url))
    first = services.datasets.preview(dataset.id, "train", 0, 1)[0].messages
    asked = next(place for place, message in enumerate(first) if message.role == "user")
    system = first[0].content if asked else ""
    expected = "" if question else first[asked + 1].content
    question = question or first[asked].content
    conversation = services.chatting.create(endpoint.name, ChatSettings(system_prompt=system))
    answer = "".join(services.chatting.answer(conversation.id, question))
    done |= {"conversation_id": conversation.id, "question": question, "answer": answer, "expected": expected}
    say(_("Stop the endpoint with: phidesk deploy stop {name}").format(name=endpoint.name))


def _add_dataset(services: Desk, train: Path | None, eval_file: Path | None) -> Dataset:
    if train is None:
        return services.datasets.create_from_sample()
    return services.datasets.create_from_file(
        train,
        train.stem,
        filename=train.name,
        eval_source=eval_file,
        eval_filename=eval_file.name if eval_file else "",
    )

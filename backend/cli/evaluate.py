"""`phidesk evaluate`: a tuned model against its base on held-out rows."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, show, table
from backend.cli.watching import follow
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("start")(start)
    group.command("list")(list_evaluations)
    group.command("show")(show_evaluation)


def start(
    model: Annotated[str, typer.Argument(help=_("name:version of a registered model."))],
    dataset: Annotated[str, typer.Option(help=_("Another dataset than the model's own."))] = "",
    max_rows: Annotated[int, typer.Option(help=_("At most so many rows."))] = 50,
    max_new_tokens: Annotated[int, typer.Option(help=_("Longest answer."))] = 64,
    wait: Annotated[bool, typer.Option("--wait", help=_("Follow it and show the result."))] = False,
    as_json: AsJson = False,
) -> None:
    """Start a comparison and return at once, or with --wait show its result."""
    evaluation = desk().evaluation
    job = evaluation.start(evaluation.spec(model, dataset_id=dataset, max_rows=max_rows, max_new_tokens=max_new_tokens))
    if not wait:
        show(as_json, job, _("Evaluation {id}: {state}.").format(id=job.id, state=job.state.value))
        return
    follow(evaluation, job.id)
    show_evaluation(job.id, as_json)


def list_evaluations(as_json: AsJson = False) -> None:
    """Evaluations, newest first."""
    found = desk().evaluation.list()
    rows = [(job.id, job.spec.tuned_model, job.state.value) for job in found]
    show(as_json, {"evaluations": found}, *table(("ID", "MODEL", "STATE"), rows))


def show_evaluation(
    evaluation: Annotated[str, typer.Argument(help=_("The evaluation's id."))], as_json: AsJson = False
) -> None:
    """The result: losses, perplexities, exact answers, and all answers side by side (with --json)."""
    result = desk().evaluation.result(evaluation)
    rows = [
        (name, f"{of.loss:.3f}", f"{of.perplexity:.2f}", f"{of.exact_match:.0%}")
        for name, of in ((_("base"), result.base), (_("tuned"), result.tuned))
    ]
    head = (_("{rows} ROWS").format(rows=result.rows), _("LOSS"), _("PERPLEXITY"), _("EXACT"))
    show(as_json, {"evaluation_id": evaluation, **vars(result)}, *table(head, rows))

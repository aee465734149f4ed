"""`phidesk data`: check a file, add it as a dataset, look at what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, show, table
from backend.i18n import _

SHOWN_PROBLEMS = 20


def add_to(group: typer.Typer) -> None:
    group.command("check")(check)
    group.command("add")(add)
    group.command("list")(list_datasets)
    group.command("show")(show_dataset)
    group.command("delete")(delete)


def check(file: Annotated[Path, typer.Argument(help=_("JSONL of messages."))], as_json: AsJson = False) -> None:
    """Read a file and say what is wrong in it, line by line. Exit status 2 when anything is, or no row is usable."""
    from backend.datasets import Datasets

    report = Datasets(file.parent).check(file, file.name)
    lines = [
        _("{good} of {rows} rows can be used (format: {format}).").format(
            good=report.good_rows, rows=report.rows, format=report.format
        )
    ]
    for problem in report.problems[:SHOWN_PROBLEMS]:
        place = _("Line {line}").format(line=problem.line) if problem.line else _("The file")
        lines.append(f"{place}: {problem.message} {problem.fix}")
    if report.problem_count > SHOWN_PROBLEMS:
        lines.append(_("... and {count} more.").format(count=report.problem_count - SHOWN_PROBLEMS))
    show(as_json, report, *lines)
    if report.problem_count or not report.good_rows:
        raise typer.Exit(2)


def add(
    file: Annotated[Path | None, typer.Argument(help=_("JSONL of messages."))] = None,
    name: Annotated[str, typer.Option(help=_("What to call it (default: the file's name)."))] = "",
    eval_file: Annotated[
        Path | None, typer.Option("--eval", help=_("Held-out rows of your own, instead of a split."))
    ] = None,
    eval_fraction: Annotated[float, typer.Option(help=_("Share of rows to hold out."))] = 0.2,
    seed: Annotated[int, typer.Option(help=_("Of the split: the same seed, the same rows."))] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=_("Leave out rows that can't be used."))] = False,
    sample: Annotated[bool, typer.Option("--sample", help=_("Add the sample that comes with Phi Desk."))] = False,
    hub: Annotated[str, typer.Option(help=_("Id of a Hugging Face dataset, or a folder laid out like one."))] = "",
    config: Annotated[str, typer.Option(help=_("Its configuration."))] = "default",
    split: Annotated[str, typer.Option(help=_("Its split, or a part such as train[:1%]."))] = "train",
    as_json: AsJson = False,
) -> None:
    """Add a dataset from a file, the sample or the Hugging Face Hub."""
    from backend.errors import BadInput

    if (file is not None) + sample + bool(hub) != 1:
        raise BadInput(
            _("Name one source: a file, --sample or --hub."),
            how_to_fix=_("For example: phidesk data add examples.jsonl"),
            code="bad_usage",
        )
    datasets = desk().datasets
    if sample:
        dataset = datasets.create_from_sample()
    elif file is not None:
        dataset = datasets.create_from_file(
            file,
            name or file.stem,
            filename=file.name,
            eval_source=eval_file,
            eval_filename=eval_file.name if eval_file else "",
            eval_fraction=eval_fraction,
            seed=seed,
            skip_bad=skip_bad,
        )
    else:
        hub_id = str(Path(hub).resolve()) if Path(hub).is_dir() else hub
        from backend.studio.hub_request import HubRequest

        request = HubRequest(hub_id, config, split, name=name, eval_fraction=eval_fraction, seed=seed)
        dataset = datasets.create_from_hub(request)
    show(
        as_json,
        dataset,
        _("Added {id}: {train} rows to train on, {held_out} held out.").format(
            id=dataset.id, train=dataset.train_rows, held_out=dataset.eval_rows
        ),
    )


def list_datasets(as_json: AsJson = False) -> None:
    """All datasets, newest first."""
    found = desk().datasets.list()
    rows = [(one.id, one.name, one.train_rows, one.eval_rows, one.source) for one in found]
    show(as_json, {"datasets": found}, *table(("ID", "NAME", "TRAIN", "EVAL", "SOURCE"), rows))


def show_dataset(
    dataset: Annotated[str, typer.Argument(help=_("The dataset's id."))],
    rows: Annotated[int, typer.Option(help=_("How many rows to show."))] = 3,
    as_json: AsJson = False,
) -> None:
    """A dataset's figures and first rows."""
    datasets = desk().datasets
    found, figures = datasets.get(dataset), datasets.statistics(dataset)
    preview = datasets.preview(dataset, "train", 0, max(0, rows))
    lines = [f"{found.id}  {found.name}"]
    for part, of_part in (("train", figures.train), ("eval", figures.eval)):
        lines.append(
            _("{part}: {rows} rows, {turns} messages, about {tokens} tokens, longest about {longest}").format(
                part=part,
                rows=of_part.rows,
                turns=of_part.turns,
                tokens=of_part.tokens,
                longest=of_part.longest_tokens,
            )
        )
    for row in preview:
        lines += ["", *(f"{message.role}: {message.content}" for message in row.messages)]
    show(as_json, {"dataset": found, "statistics": figures, "rows": preview}, *lines)


def delete(dataset: Annotated[str, typer.Argument(help=_("The dataset's id."))], as_json: AsJson = False) -> None:
    """Delete a dataset; one that is gone already is fine."""
    desk().datasets.delete(dataset)
    show(as_json, {"deleted": dataset}, _("Deleted {id}.").format(id=dataset))

"""`phidesk data`: the commands, and what there is: list, show, delete. The others have files of their own."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.data_add import add
from backend.cli.data_check import check
from backend.cli.data_convert import convert, split
from backend.cli.data_forget import forget
from backend.cli.data_stats import stats
from backend.cli.data_versions import DatasetName, diff, export, list_versions, undo
from backend.cli.output import AsJson, desk, show, table
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("check")(check)
    group.command("convert")(convert)
    group.command("stats")(stats)
    group.command("split")(split)
    group.command("add")(add)
    group.command("list")(list_datasets)
    group.command("show")(show_dataset)
    group.command("versions")(list_versions)
    group.command("diff")(diff)
    group.command("undo")(undo)
    group.command("forget")(forget)
    group.command("export")(export)
    group.command("delete")(delete)


def list_datasets(as_json: AsJson = False) -> None:
    """All datasets, newest first."""
    found = desk().datasets.list()
    rows = [(one.id, one.name, one.train_rows, one.eval_rows, one.source) for one in found]
    show(as_json, {"datasets": found}, *table(("ID", "NAME", "TRAIN", "EVAL", "SOURCE"), rows))


def show_dataset(
    dataset: DatasetName,
    rows: Annotated[int, typer.Option(help=_("How many rows to show."))] = 3,
    as_json: AsJson = False,
) -> None:
    """A dataset's figures and first rows."""
    datasets = desk().datasets
    found = datasets.find(dataset)
    figures = datasets.statistics(found.id)
    preview = datasets.preview(found.id, "train", 0, max(0, rows))
    lines = [_("{id}  {name}, version {version}").format(id=found.id, name=found.name, version=found.version)]
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


def delete(dataset: DatasetName, as_json: AsJson = False) -> None:
    """Delete a dataset with all its versions."""
    from backend.errors import NotFound
    from backend.studio.dataset_folder import is_there

    datasets = desk().datasets
    try:
        found = datasets.find(dataset).id
    except NotFound:
        if not is_there(datasets.folder, dataset):
            raise
        found = dataset  # it is damaged, and goes all the same
    datasets.delete(found)
    show(as_json, {"deleted": found}, _("Deleted {id}.").format(id=found))

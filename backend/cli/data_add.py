"""`phidesk data add`: from files, the sample or the Hub to a saved dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from backend.cli.data_convert import EvalFraction, EvalRows, Seed, Together
from backend.cli.data_files import REFUSED, Choices, Fix, MapTo, Skip, mappings_of, progress, read_files, require_use
from backend.cli.output import AsJson, desk, say, show
from backend.domain import Dataset
from backend.domain_datasets import SplitChoice
from backend.i18n import _


def add(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help=_("JSONL, JSON, CSV, Parquet, also packed; a folder of such; - is standard input.")),
    ] = None,
    name: Annotated[str, typer.Option(help=_("What to call it (default: the first file's name)."))] = "",
    eval_file: Annotated[
        Path | None, typer.Option("--eval", help=_("Held-out rows of your own, instead of a split."))
    ] = None,
    eval_fraction: EvalFraction = 0.2,
    eval_rows: EvalRows = None,
    seed: Seed = 0,
    together: Together = True,
    mapping: MapTo = None,
    fix: Fix = None,
    skip: Skip = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=_("Leave out rows that can't be used."))] = False,
    weight: Annotated[
        list[str] | None,
        typer.Option(help=_("How often a file is taken, such as --weight big.jsonl=0.5; for each file again.")),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help=_("Add the sample that comes with Phi Desk."))] = False,
    hub: Annotated[str, typer.Option(help=_("Id of a Hugging Face dataset, or a folder laid out like one."))] = "",
    config: Annotated[str, typer.Option(help=_("With --hub: which of its configurations."))] = "default",
    split: Annotated[
        str, typer.Option(help=_("With --hub: which of its splits, or a part such as train[:1%]."))
    ] = "train",
    as_json: AsJson = False,
) -> None:
    """Add a dataset from files, the sample or the Hugging Face Hub."""
    from backend.errors import BadInput

    if bool(files) + sample + bool(hub) != 1:
        raise BadInput(
            _("Name one source: files, --sample or --hub."),
            how_to_fix=_("For example: phidesk data add examples.jsonl"),
            code="bad_usage",
        )
    names = {one.name for one in desk().datasets.list()}
    if sample:
        dataset = desk().datasets.create_from_sample()
    elif files:
        choices = Choices.of(fix, [*(skip or []), *([REFUSED] if skip_bad else [])])
        choice = SplitChoice(eval_fraction, eval_rows, seed, together)
        weights = _weights(weight, files)
        dataset = _from_files(files, eval_file, name or _title(files[0]), choice, mapping, choices, weights)
    else:
        dataset = _from_hub(hub, config, split, name, eval_fraction, seed, mapping)
    if dataset.name in names:
        say(
            _("Another dataset is called {name}, too. Name this one by its id: {id}").format(
                name=dataset.name, id=dataset.id
            )
        )
    show(
        as_json,
        dataset,
        _("Added {id}: {train} rows to train on, {held_out} held out.").format(
            id=dataset.id, train=dataset.train_rows, held_out=dataset.eval_rows
        ),
    )


def _from_files(
    files: Sequence[Path],
    eval_file: Path | None,
    name: str,
    choice: SplitChoice,
    mapping: Sequence[str] | None,
    choices: Choices,
    weights: Mapping[Path, float],
) -> Dataset:
    """With weights each file is a set of its own, else all are one."""
    from backend.studio import saving

    folder = desk().datasets.folder
    with_content = bool(choices.fix or choices.skip - {REFUSED})
    groups = [[file] for file in files] if weights else [list(files)]
    with ExitStack() as stack:
        given = [*groups, *([[eval_file]] if eval_file else [])]
        read = [
            stack.enter_context(
                read_files(group, mapping, choices, with_content=with_content, is_one_of_several=len(given) > 1)
            )
            for group in given
        ]
        require_use(mappings_of(mapping), [form for one in read for form in one.report.formats])
        sets = [
            one.rows(_title(group[0]), weights.get(group[0], 1.0)) for one, group in zip(read, groups, strict=False)
        ]
        detail = {"files": [file.name for file in files]}
        tell = stack.enter_context(progress())
        if eval_file is None:
            saving_now = _("Saving")
            return saving.save_split(
                folder, sets, name, "file", choice, detail=detail, on_progress=lambda done: tell(saving_now, done)
            )
        held_out = read[-1].rows(_title(eval_file))
        return saving.save_pair(folder, sets, held_out, name, "file", seed=choice.seed, detail=detail)


def _from_hub(
    hub: str, config: str, split: str, name: str, eval_fraction: float, seed: int, mapping: Sequence[str] | None
) -> Dataset:
    from backend.studio.hub_request import HubRequest

    hub_id = str(Path(hub).resolve()) if Path(hub).is_dir() else hub
    mappings = mappings_of(mapping)
    request = HubRequest(hub_id, config, split, name=name, eval_fraction=eval_fraction, seed=seed, mappings=mappings)
    return desk().datasets.create_from_hub(request)


def _title(file: Path) -> str:
    return "stdin" if str(file) == "-" else file.name.removesuffix(".gz").rsplit(".", 1)[0] or file.name


def _weights(given: Sequence[str] | None, files: Sequence[Path]) -> Mapping[Path, float]:
    """By file; raises BadInput for a file that isn't named, or a weight that is no number above 0."""
    from backend.errors import BadInput

    weights: dict[Path, float] = {}
    for pair in given or ():
        text, _equals, value = pair.rpartition("=")
        named = [file for file in files if text in {str(file), file.name}]
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if len(named) != 1 or not 0 < number <= 1000:
            raise BadInput(
                _("{pair} is no weight.").format(pair=pair),
                how_to_fix=_("Write it as {example}, for a file that is added.").format(
                    example="--weight big.jsonl=0.5"
                ),
                code="bad_weight",
            )
        weights[named[0]] = number
    return weights

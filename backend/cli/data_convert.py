"""`phidesk data convert` and `split`: from files of any kind to one of conversations, or to two, without saving."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import typer

from backend.cli.data_files import Choices, Files, FilesRead, Fix, MapTo, Skip, progress, read_files
from backend.cli.output import AsJson, show
from backend.domain_datasets import SplitChoice
from backend.i18n import _

Layout = Annotated[
    str, typer.Option("--format", help=_("Layout of the rows: messages, sharegpt, prompt_completion or alpaca."))
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=_("Replace a file that is there already."))]
EvalFraction = Annotated[float, typer.Option(help=_("Share of rows to hold out."))]
EvalRows = Annotated[int | None, typer.Option(help=_("How many rows to hold out, instead of a share."))]
Seed = Annotated[int, typer.Option(help=_("Number that the choice of rows depends on: the same seed, the same rows."))]
Together = Annotated[
    bool, typer.Option("--keep-similar-together/--split-similar", help=_("Nearly equal rows stay on one side."))
]


def convert(
    files: Files,
    output: Annotated[Path, typer.Option("--output", "-o", help=_("A name that ends in .jsonl or .parquet."))],
    layout: Layout = "messages",
    mapping: MapTo = None,
    fix: Fix = None,
    skip: Skip = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write all usable rows of some files into one. Refused findings must be fixed or skipped."""
    kind = require_outputs([output], layout, overwrite, files)[0]
    choices = Choices.of(fix, skip)
    with read_files(files, mapping, choices, with_content=bool(choices.fix or choices.skip)) as read:
        made = _exported(_decided(read), output, kind, layout, overwrite)
    show(as_json, made, _("Wrote {rows} rows to {path}.").format(rows=f"{made['rows']:,}", path=made["path"]))


def split(
    files: Files,
    train: Annotated[Path, typer.Option(help=_("Where the rows to train on go: .jsonl or .parquet."))],
    held_out: Annotated[Path, typer.Option("--eval", help=_("Where the held-out rows go."))],
    eval_fraction: EvalFraction = 0.2,
    eval_rows: EvalRows = None,
    seed: Seed = 0,
    together: Together = True,
    layout: Layout = "messages",
    mapping: MapTo = None,
    fix: Fix = None,
    skip: Skip = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Split files into rows to train on and rows held out, the same on every machine."""
    from backend.studio.saving import save_split

    kinds = dict(zip(("train", "eval"), require_outputs([train, held_out], layout, overwrite, files), strict=True))
    choices = Choices.of(fix, skip)
    with (
        read_files(files, mapping, choices, with_content=bool(choices.fix or choices.skip)) as read,
        tempfile.TemporaryDirectory(prefix="phidesk-") as folder,
        progress() as tell,
    ):
        choice = SplitChoice(eval_fraction, eval_rows, seed, together)
        splitting = _("Splitting")
        made = save_split(
            Path(folder),
            [read.rows(read.names[0])],
            "split",
            "file",
            choice,
            on_progress=lambda done: tell(splitting, done),
        )
        written = {
            "train": _exported(Path(made.train_path), train, kinds["train"], layout, overwrite),
            "eval": _exported(Path(made.eval_path), held_out, kinds["eval"], layout, overwrite),
        }
    show(
        as_json,
        {**written, "sha256": made.sha256, "seed": seed},
        *(
            _("{part}: {rows} rows in {path}").format(part=part, rows=f"{one['rows']:,}", path=one["path"])
            for part, one in written.items()
        ),
    )


def kind_of(path: Path) -> str:
    """By the end of the name. Raises BadInput for another one."""
    from backend.errors import BadInput

    kinds = {".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
    if path.suffix.lower() not in kinds:
        raise BadInput(
            _("The name {path} doesn't say which format to write.").format(path=path),
            how_to_fix=_("Let it end in .jsonl or .parquet."),
            code="no_such_format",
        )
    return kinds[path.suffix.lower()]


def require_outputs(outputs: Sequence[Path], layout: str, overwrite: bool, inputs: Sequence[Path] = ()) -> list[str]:
    """The kind of each file, before anything is read or written. Raises BadInput, Conflict or NotFound; BadInput also
    where an output is one of the files that are read, or in a folder of them: its rows would be lost.
    """
    from backend.errors import BadInput
    from backend.studio.export import require_target

    kinds = [kind_of(output) for output in outputs]
    if any(is_same_file(one, two) for one, two in combinations(outputs, 2)):
        raise BadInput(
            _("Both parts can't be written to {path}.").format(path=outputs[0]),
            how_to_fix=_("Give each a name of its own."),
            code="bad_usage",
        )
    for output in outputs:
        if any(_is_read(file, output) for file in inputs if str(file) != "-"):
            raise BadInput(
                _("{path} is one of the files that are read.").format(path=output),
                why=_("Rows that are left out or held out would be lost."),
                how_to_fix=_("Write to another file."),
                code="output_is_input",
            )
    for output, kind in zip(outputs, kinds, strict=True):
        require_target(output, kind, layout, overwrite=overwrite)
    return kinds


def is_same_file(one: Path, two: Path) -> bool:
    """Whatever way leads to it: another spelling, a link; also of files that aren't there yet."""
    try:
        return one.resolve() == two.resolve() or (one.exists() and two.exists() and one.samefile(two))
    except (OSError, RuntimeError, ValueError):  # links in a circle, a name that can't be: said when it is opened
        return False


def _is_read(given: Path, output: Path) -> bool:
    try:
        in_folder = given.is_dir() and output.exists() and output.resolve().is_relative_to(given.resolve())
    except (OSError, RuntimeError, ValueError):
        return False
    return in_folder or is_same_file(given, output)


def _decided(read: FilesRead) -> Path:
    """The rows as decided about, in a file beside those that were read."""
    rows = read.rows(read.names[0])
    if rows.is_as_read:
        return rows.path
    place = read.copy.folder / "decided.jsonl"
    with place.open("wb") as file:
        file.writelines(line for _number, line in rows.decided())
    return place


def _exported(part: Path, target: Path, kind: str, layout: str, overwrite: bool) -> dict[str, Any]:
    from backend.studio.export import export_part

    with progress() as tell:
        writing = _("Writing")
        done = export_part(
            part,
            target,
            kind=kind,
            layout=layout,
            overwrite=overwrite,
            on_progress=lambda share: tell(writing, share),
        )
    return {"path": str(done.path), "rows": done.rows, "bytes": done.bytes}

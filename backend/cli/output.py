"""What commands print: words for people, or with --json one object on standard output. All else goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.i18n import _

if TYPE_CHECKING:
    from backend.bootstrap import Desk
    from backend.domain_setup import CodeFile

SaveTo = Annotated[Path | None, typer.Option("--to", help=_("Write the files into this folder."))]
AsJson = Annotated[bool, typer.Option("--json", help=_("One JSON object on standard output."))]


def desk() -> Desk:
    """The services, built for this command. Raises BadInput for a setting that can't be used."""
    from pydantic import ValidationError

    from backend.bootstrap import build
    from backend.errors import BadInput
    from backend.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise BadInput(
            _("The environment variable {name} can't be used.").format(name=name),
            why=first["msg"],
            how_to_fix=_("See .env.example for what it may be."),
            code="bad_setting",
        ) from error
    return build(settings)


def show(as_json: bool, value: Any, *lines: str) -> None:
    """`value` is a dataclass or a mapping: the one object; `lines` are the same in words."""
    if as_json:
        import orjson

        sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
    else:
        for line in lines:
            typer.echo(harmless(line))


def show_code(as_json: bool, files: Sequence[CodeFile], folder: Path | None) -> None:
    """Print the files, or write them into a folder."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            (folder / Path(file.name).name).write_text(file.text, encoding="utf-8")
        names = [str(folder / Path(file.name).name) for file in files]
        show(as_json, {"files": names}, *names)
        return
    lines = [line for file in files for line in (f"# {file.name}", file.text)]
    show(as_json, {"files": list(files)}, *lines)


def say(text: str) -> None:
    """Progress and remarks: standard error, whatever the form of the result."""
    typer.echo(harmless(text), err=True)


def harmless(text: str) -> str:
    """Without control characters: a model's or a file's text must not drive the terminal."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Aligned columns; no rows is the head alone."""
    text = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in text) for place in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in text]


def read_settings(pairs: Sequence[str]) -> Mapping[str, str]:
    """`name=value` arguments. Raises BadInput for another form."""
    from backend.errors import BadInput

    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadInput(
                _("{pair} is not a setting.").format(pair=pair),
                how_to_fix=_("Write it as {example}.").format(example="--set learning_rate=0.001"),
                code="bad_setting",
            )
        values[name.strip().replace("-", "_")] = value.strip()
    return values

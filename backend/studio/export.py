"""A part of a dataset as a file for other tools: JSON Lines or Parquet, in the layout that they read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from backend.errors import BadInput, Conflict, NotFound
from backend.i18n import _
from backend.studio.atomic_files import say_no_room
from backend.studio.layouts import LAYOUTS, Layout
from backend.studio.row_index import messages_of

if TYPE_CHECKING:
    import pyarrow

KINDS = ("jsonl", "parquet")
_BLOCK = 8 << 20

OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class Exported:
    path: Path
    rows: int
    bytes: int


def export_part(
    part: Path,
    target: Path,
    *,
    kind: str = "jsonl",
    layout: str = "messages",
    overwrite: bool = False,
    on_progress: OnProgress = lambda done: None,
) -> Exported:
    """Write all rows of a part to `target`, all or nothing. `kind` is one of KINDS, `layout` one of LAYOUTS.

    Raises BadInput for a row that doesn't fit the layout (none is left out silently), Conflict for a file that is
    there already unless `overwrite`, NotFound for a folder that isn't, NoRoom for a full disk.
    """
    require_target(target, kind, layout, overwrite=overwrite)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(3)}")
    with say_no_room(_("Free some space, or choose another place.")):
        try:
            write = _write_lines if kind == "jsonl" else _write_parquet
            rows = write(part, temporary, LAYOUTS[layout], on_progress)
            size = temporary.stat().st_size
            if overwrite:
                temporary.replace(target)
            else:
                _put_where_nothing_is(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return Exported(target, rows, size)


def require_target(target: Path, kind: str, layout: str, *, overwrite: bool) -> None:
    """What can be known before anything is read. Raises as `export_part`."""
    _require_choice(kind, layout)
    _require_place(target, overwrite=overwrite)


def _require_choice(kind: str, layout: str) -> None:
    if kind not in KINDS:
        raise BadInput(
            _("There is no file format {name}.").format(name=kind),
            how_to_fix=_("Use one of: {names}.").format(names=", ".join(KINDS)),
            code="no_such_format",
        )
    if layout not in LAYOUTS:
        raise BadInput(
            _("There is no layout {name}.").format(name=layout),
            how_to_fix=_("Use one of: {names}.").format(names=", ".join(LAYOUTS)),
            code="no_such_layout",
        )


def _require_place(target: Path, *, overwrite: bool) -> None:
    if not target.name or target.is_dir():
        raise BadInput(
            _("{path} is a folder.").format(path=target),
            how_to_fix=_("Give the name of a file in it."),
            code="is_a_folder",
        )
    if not target.parent.is_dir():
        raise NotFound(
            _("There is no folder {path}.").format(path=target.parent),
            how_to_fix=_("Make it first, or choose another one."),
            code="no_such_folder",
        )
    if target.exists() and not overwrite:
        raise _exists(target)


def _exists(target: Path) -> Conflict:
    return Conflict(
        _("{path} is there already.").format(path=target),
        how_to_fix=_("Choose another name, or allow to replace it (on the command line: --overwrite)."),
        code="file_exists",
    )


def _put_where_nothing_is(temporary: Path, target: Path) -> None:
    """A link fails where a file came in the meantime; a rename would replace it."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a disk without links
        temporary.replace(target)
    else:
        temporary.unlink()


def _write_lines(part: Path, target: Path, layout: Layout, on_progress: OnProgress) -> int:
    rows = 0
    with target.open("xb") as file:
        for block, count in _blocks(part, layout, on_progress):
            file.write(block)
            rows += count
        file.flush()
        os.fsync(file.fileno())
    return rows


def _write_parquet(part: Path, target: Path, layout: Layout, on_progress: OnProgress) -> int:
    """By Arrow's own reader of JSON, twice as fast as by Python's objects; a block of rows is a row group."""
    import pyarrow
    import pyarrow.json
    import pyarrow.parquet

    schema = _schema(layout.columns)
    parse = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    rows = 0
    with pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for block, count in _blocks(part, layout, on_progress):
            whole = pyarrow.json.ReadOptions(block_size=len(block) + 1, use_threads=False)
            table = pyarrow.json.read_json(pyarrow.BufferReader(block), whole, parse)
            writer.write_table(table.cast(schema))
            rows += count
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return rows


def _schema(columns: Any) -> pyarrow.Schema:
    import pyarrow

    def arrow_type(shape: Any) -> pyarrow.DataType:
        if isinstance(shape, list):
            return pyarrow.list_(arrow_type(shape[0]))
        if isinstance(shape, dict):
            return pyarrow.struct([(name, arrow_type(inner)) for name, inner in shape.items()])
        return pyarrow.string()

    return pyarrow.schema([(name, arrow_type(shape)) for name, shape in columns.items()])


def _blocks(part: Path, layout: Layout, on_progress: OnProgress) -> Iterator[tuple[bytes, int]]:
    """Some MB of lines in the layout at a time, and how many."""
    size, read, number = part.stat().st_size, 0, 0
    with part.open("rb") as file:
        while lines := file.readlines(_BLOCK):
            read += sum(map(len, lines))
            if layout.record is not None:
                lines = [_line(layout, line, number + place) for place, line in enumerate(lines)]
            number += len(lines)
            yield b"".join(lines), len(lines)
            on_progress(read / size if size else 1.0)


def _line(layout: Layout, line: bytes, number: int) -> bytes:
    record = layout.record(messages_of(line)) if layout.record else None
    if record is None:
        raise BadInput(
            _("Example {number} doesn't fit the layout {name}.").format(number=number + 1, name=layout.name),
            why=layout.limit,
            how_to_fix=_("Choose another layout, such as messages."),
            code="does_not_fit",
        )
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)

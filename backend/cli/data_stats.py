"""`phidesk data stats`: tokens per conversation and per answer as bars, and the maximum length that they suggest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.data_check import BaseModel, MaxLength, count_tokens
from backend.cli.data_files import Choices, MapTo, read_files
from backend.cli.output import AsJson, desk, show
from backend.domain import BUILT_IN_MODEL
from backend.i18n import _, ngettext

if TYPE_CHECKING:
    from backend.studio.token_table import Bin, TokenTable

BAR = 40
BINS = 16


def stats(
    source: Annotated[str, typer.Argument(help=_("A file, a folder, - for standard input, or a dataset."))],
    mapping: MapTo = None,
    max_length: MaxLength = None,
    base_model: BaseModel = BUILT_IN_MODEL,
    as_json: AsJson = False,
) -> None:
    """Rows, turns and tokens, and what a maximum length would cut (default: the one suggested)."""
    from backend.studio.examination import Part

    if source == "-" or Path(source).exists():
        with read_files([Path(source)], mapping, Choices(), with_content=False) as read:
            read.require_clear()
            if not read.copy.rows:
                read.require_usable()
            left_out = read.report.rows - read.report.good_rows
            _show([Part("rows", read.copy.path)], source, base_model, max_length, as_json, left_out)
        return
    found = desk().datasets.find(source)
    parts = [Part("train", Path(found.train_path)), Part("eval", Path(found.eval_path))]
    _show(parts, found.name, base_model, max_length, as_json)


def _show(
    parts: Sequence[Any], name: str, base_model: str, max_length: int | None, as_json: bool, left_out: int = 0
) -> None:
    table = count_tokens(parts, base_model)
    suggested = table.suggestion()
    length = max_length or suggested
    cut = table.cut(length)
    value = {
        "name": name,
        "base_model": base_model,
        "rows": table.rows,
        "rows_left_out": left_out,
        "tokens": table.total_tokens(),
        "answer_tokens": table.answer_tokens(),
        "longest": table.quantile(1.0),
        "half": table.quantile(0.5),
        "suggested_max_length": suggested,
        "conversations": [_bin(one) for one in table.lengths(BINS)],
        "answers": [_bin(one) for one in table.answer_lengths(BINS)],
        "turns": [{"messages": turns, "rows": rows} for turns, rows in table.turn_counts()],
        "cut": {
            "max_length": length,
            "rows_too_long": cut.rows_too_long,
            "answers_cut": cut.answers_cut,
            "answer_tokens_cut": cut.answer_tokens_cut,
            "rows_without_trainable": cut.rows_without_trainable,
        },
    }
    show(as_json, value, *_in_words(table, value))


def _in_words(table: TokenTable, value: dict[str, Any]) -> Iterator[str]:
    cut = value["cut"]
    yield f"{value['name']}  ({value['base_model']})"
    if left_out := value["rows_left_out"]:
        yield ngettext(
            "{n} row can't be used and is not counted. See it with: phidesk data check",
            "{n} rows can't be used and are not counted. See them with: phidesk data check",
            left_out,
        ).format(n=f"{left_out:,}")
    yield _(
        "{rows} rows, {tokens} tokens, {answers} of them in answers; longest {longest}, half have {half} or less."
    ).format(
        rows=f"{value['rows']:,}",
        tokens=f"{value['tokens']:,}",
        answers=f"{value['answer_tokens']:,}",
        longest=f"{value['longest']:,}",
        half=f"{value['half']:,}",
    )
    yield _("Suggested maximum length: {length} (99 of 100 answers stay whole).").format(
        length=value["suggested_max_length"]
    )
    yield _(
        "At {length}: {rows} rows are longer, {answers} answers lose {tokens} tokens, "
        "{empty} rows have nothing to learn."
    ).format(
        length=cut["max_length"],
        rows=f"{cut['rows_too_long']:,}",
        answers=f"{cut['answers_cut']:,}",
        tokens=f"{cut['answer_tokens_cut']:,}",
        empty=f"{cut['rows_without_trainable']:,}",
    )
    for title, bins in (
        (_("Tokens per conversation"), table.lengths(BINS)),
        (_("Tokens per answer"), table.answer_lengths(BINS)),
    ):
        yield ""
        yield title
        yield from bars(bins)


def bars(bins: Sequence[Bin]) -> Iterator[str]:
    """One line a bin, from the first with a count: from, to, a bar as long as its share of the largest, the count."""
    bins = list(dropwhile(lambda one: not one.count, bins))
    most = max((one.count for one in bins), default=0)
    ends = [_ends(one) for one in bins]
    width = max(map(len, ends), default=0)
    for one, text in zip(bins, ends, strict=True):
        filled = "█" * round(BAR * one.count / most) if most else ""
        yield f"  {text:>{width}}  {filled or ('▏' if one.count else ''):<{BAR}}  {one.count:,}"


def _ends(one: Bin) -> str:
    if not one.high:
        return _("{start} and more").format(start=f"{one.low:,}")
    return f"{one.low:,}" if one.high == one.low + 1 else f"{one.low:,} - {one.high - 1:,}"


def _bin(one: Bin) -> dict[str, int | None]:
    return {"from": one.low, "to": one.high, "rows": one.count}

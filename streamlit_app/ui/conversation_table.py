"""Conversations as a table: one row each, the first question and the answer to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend.domain_datasets import Row
from backend.i18n import _

CELL = 300
HEIGHT = 400
LINE = 38


def choose_row(
    rows: Sequence[tuple[int, Row]], chosen: int | None, choose: Callable[[int | None], None], *, key: str
) -> None:
    """Rows with their numbers, from 0. `choose` gets, in a callback, the number of the selected one."""
    numbers = [number for number, _row in rows]
    place = numbers.index(chosen) if chosen in numbers else None
    wanted: Any = [] if place is None else [place]
    if key in st.session_state and list(_selected_places(key)) != wanted:
        st.session_state[key] = {"selection": {"rows": wanted}}

    def selected() -> None:
        places = _selected_places(key)
        choose(numbers[places[0]] if places and places[0] < len(numbers) else None)

    st.dataframe(
        _table(_("Example"), [number + 1 for number in numbers], [row for _number, row in rows]),
        hide_index=True,
        key=key,
        height=min(LINE * (len(rows) + 1), HEIGHT),
        column_config=_columns(_("Example")),
        on_select=selected,
        selection_mode="single-row",
        selection_default={"selection": {"rows": wanted}},
        alt=_("{n} examples, one in a row").format(n=len(rows)),
    )


def _selected_places(key: str) -> Sequence[int]:
    """Of what the browser sent, or of what was set here and not drawn yet: a plain dict."""
    places: Sequence[int] = st.session_state[key]["selection"]["rows"]
    return places


def _table(numbered: str, numbers: Sequence[int], rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            numbered: numbers,
            _("Turns"): [sum(message.role == "user" for message in row.messages) for row in rows],
            _("First question"): [_first(row, "user") for row in rows],
            _("Answer to it"): [_first(row, "assistant") for row in rows],
        }
    )


def _columns(numbered: str) -> dict[str, Any]:
    return {
        numbered: st.column_config.NumberColumn(width=75),
        _("Turns"): st.column_config.NumberColumn(width=55),
        _("First question"): st.column_config.TextColumn(width=275),
        _("Answer to it"): st.column_config.TextColumn(width=275),
    }


def _first(row: Row, role: str) -> str:
    return next((message.content[:CELL] for message in row.messages if message.role == role), "")

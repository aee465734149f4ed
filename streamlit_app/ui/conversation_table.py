"""Conversations as a table: one row each, the first question and the last answer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend.domain_datasets import Row
from backend.i18n import _

CELL = 300


def show_rows(rows: Sequence[Row], *, key: str) -> None:
    """A dataframe, because its cells never read Markdown."""
    table = pd.DataFrame(
        {
            _("Line"): [row.line for row in rows],
            _("Turns"): [sum(message.role == "user" for message in row.messages) for row in rows],
            _("First question"): [_first(row, "user") for row in rows],
            _("Answer to it"): [_first(row, "assistant") for row in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        key=key,
        height=min(38 * (len(rows) + 1), 400),
        column_config={
            _("Line"): st.column_config.NumberColumn(width=55),
            _("Turns"): st.column_config.NumberColumn(width=55),
            _("First question"): st.column_config.TextColumn(width=285),
            _("Answer to it"): st.column_config.TextColumn(width=285),
        },
        alt=_("The first {n} conversations").format(n=len(rows)),
    )


def _first(row: Row, role: str) -> str:
    return next((message.content[:CELL] for message in row.messages if message.role == role), "")

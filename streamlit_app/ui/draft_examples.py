"""The examples of a draft as a table, a page at a time; what is read so far can be looked at while the rest is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from backend.datasets import Datasets
from backend.domain_datasets import Draft, Finding, Row, RowPage
from backend.i18n import _, ngettext
from backend.studio.draft_lengths import LengthChoice
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.draft_mapping import show_chat
from streamlit_app.ui.safe_text import plain

A_PAGE = 50
CELL = 90
"""Letters of a text that a cell has room for, on a phone too; of a longer one the grid shows the middle."""
ROW_HEIGHT = 92
"""The grid wraps texts in rows higher than 4 rem only."""
SEARCH, PAGE, TABLE = "draft_search", "draft_page", "draft_table"


@dataclass(frozen=True)
class LookedAt:
    """The finding whose examples alone are shown, and the lengths that it was found with."""

    draft_id: str
    code: str
    title: str
    lengths: LengthChoice | None = None


def look_at(draft: Draft, finding: Finding, lengths: LengthChoice | None = None) -> None:
    """In a button's callback: from now on only the examples of this finding."""
    st.session_state[session.LOOKED_AT_FINDING] = LookedAt(draft.id, finding.code, finding.title, lengths)
    _first_page()


def show_examples(datasets: Datasets, draft: Draft) -> None:
    is_reading = draft.phase == "reading"
    if not draft.report.good_rows and not is_reading:
        return
    st.header(_("Examples"))
    among = None if is_reading else _of_finding(datasets, draft)
    query = st.text_input(
        _("Search in the examples"),
        key=SEARCH,
        icon=":material/search:",
        placeholder=_("A word or a part of a sentence"),
        on_change=_first_page,
    )
    with errors.shown():
        number = int(st.session_state.get(PAGE, 1) or 1)
        found = datasets.drafts.page(draft.id, (number - 1) * A_PAGE, A_PAGE, query or "", among)
        if not found.rows:
            st.info(_("No example says that. Try another word."), icon=":material/search_off:")
            return
        chosen = _show_table(found, has_files=len(draft.files) > 1)
        _show_pages(found.total, query or "", is_reading=is_reading)
        if chosen is not None:
            with st.container(border=True, key="draft_example"):
                show_chat(chosen.messages)


def _of_finding(datasets: Datasets, draft: Draft) -> Sequence[int] | None:
    """The rows of the finding that is looked at; None for all rows."""
    wanted: LookedAt | None = st.session_state.get(session.LOOKED_AT_FINDING)
    if wanted is None or wanted.draft_id != draft.id:
        return None
    with errors.shown():
        rows = datasets.draft_rows_of(draft.id, wanted.code, wanted.lengths)
        with st.container(horizontal=True, vertical_alignment="center", key="draft_of_finding"):
            st.markdown(_("Only the examples of: **{title}**").format(title=plain(wanted.title)), width="stretch")
            st.button(_("Show all examples"), key="draft_leave_finding", on_click=_show_all)
        return rows
    return None


def _show_all() -> None:
    st.session_state.pop(session.LOOKED_AT_FINDING, None)
    _first_page()


def _first_page() -> None:
    st.session_state[PAGE] = 1


def _show_table(found: RowPage, *, has_files: bool) -> Row | None:
    """A dataframe, because its cells never read Markdown. The row that was clicked, or None."""
    rows = [row for _number, row in found.rows]
    columns: dict[str, list[object]] = {}
    if has_files:
        columns[_("File")] = [row.file for row in rows]
    columns[_("Line")] = [row.line for row in rows]
    columns[_("First question")] = [_first(row, "user") for row in rows]
    columns[_("Answer to it")] = [_first(row, "assistant") for row in rows]
    event = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key=TABLE,
        height=min(ROW_HEIGHT * len(rows) + 40, 440),
        row_height=ROW_HEIGHT,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            _("File"): st.column_config.TextColumn(width=70),
            _("Line"): st.column_config.NumberColumn(width=40),
            _("First question"): st.column_config.TextColumn(width=150),
            _("Answer to it"): st.column_config.TextColumn(width=150),
        },
        alt=_("{n} of {all} conversations: line, first question, answer").format(n=len(rows), all=found.total),
    )
    selected = event.selection.rows
    return rows[selected[0]] if selected and selected[0] < len(rows) else None


def _show_pages(total: int, query: str, *, is_reading: bool) -> None:
    pages = max(1, -(-total // A_PAGE))
    if pages > 1:
        if (st.session_state.get(PAGE) or 1) > pages:
            st.session_state[PAGE] = pages
        st.pagination(pages, key=PAGE)
    if query:
        told = ngettext("{n} example says that.", "{n} examples say that.", total).format(n=numbers.count(total))
    elif is_reading:
        told = _("{n} of what is read so far.").format(n=numbers.count(total))
    else:
        told = _("Click a row to read all of it.")
    st.caption(told)


def _first(row: Row, role: str) -> str:
    text = next((message.content for message in row.messages if message.role == role), "")
    return text if len(text) <= CELL else text[: CELL - 1] + "…"

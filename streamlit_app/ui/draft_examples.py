"""The examples of a draft as a table, a page at a time; what is read so far can be looked at while the rest is read."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from backend.datasets import Datasets
from backend.domain_datasets import Draft, Finding, Row, RowPage
from backend.i18n import _, ngettext
from backend.studio.draft_lengths import LengthChoice
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.column_form import show_chat

A_PAGE = 50
FOUND_A_PAGE = 20
CELL = 90
"""Letters of a text that a cell has room for, on a phone too; of a longer one the grid shows the middle."""
ROW_HEIGHT = 92
"""The grid wraps texts in rows higher than 4 rem only."""
SEARCH, PAGE, TABLE = "draft_search", "draft_page", "draft_table"


def show_examples(datasets: Datasets, draft: Draft) -> None:
    is_reading = draft.phase == "reading"
    if not draft.report.good_rows and not is_reading:
        return
    st.header(_("Examples"))
    query = st.text_input(
        _("Search in the examples"),
        key=SEARCH,
        icon=":material/search:",
        placeholder=_("A word or a part of a sentence"),
        on_change=_first_page,
    )
    with errors.shown():
        number = int(st.session_state.get(PAGE, 1) or 1)
        found = datasets.drafts.page(draft.id, (number - 1) * A_PAGE, A_PAGE, query or "")
        if not found.rows:
            st.info(_("No example says that. Try another word."), icon=":material/search_off:")
            return
        chosen = _show_table(found, TABLE, has_files=len(draft.files) > 1)
        _show_pages(found.total, PAGE)
        st.caption(_what_is_shown(found.total, query or "", is_reading=is_reading))
        _show_chosen(chosen, "draft_example")


def show_found(datasets: Datasets, draft: Draft, finding: Finding, lengths: LengthChoice | None = None) -> None:
    """All examples of a finding, a page at a time; `lengths` is what one about lengths was found with."""
    key = f"draft_found_{finding.code}"
    with errors.shown():
        rows = datasets.draft_rows_of(draft.id, finding.code, lengths)
        number = int(st.session_state.get(f"{key}_page") or 1)
        found = datasets.drafts.page(draft.id, (number - 1) * FOUND_A_PAGE, FOUND_A_PAGE, among=rows)
        chosen = _show_table(found, key, has_files=len(draft.files) > 1)
        _show_pages(found.total, f"{key}_page", FOUND_A_PAGE)
        st.caption(_("Click a row to read all of it."))
        _show_chosen(chosen, f"{key}_example")


def _show_chosen(row: Row | None, key: str) -> None:
    if row is not None:
        with st.container(border=True, key=key):
            show_chat(row.messages)


def _first_page() -> None:
    st.session_state[PAGE] = 1


def _show_table(found: RowPage, key: str, *, has_files: bool) -> Row | None:
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
        key=key,
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


def _show_pages(total: int, key: str, a_page: int = A_PAGE) -> None:
    pages = max(1, -(-total // a_page))
    if pages > 1:
        if (st.session_state.get(key) or 1) > pages:
            st.session_state[key] = pages
        st.pagination(pages, key=key)


def _what_is_shown(total: int, query: str, *, is_reading: bool) -> str:
    if query:
        return ngettext("{n} example says that.", "{n} examples say that.", total).format(n=numbers.count(total))
    if is_reading:
        return _("{n} of what is read so far.").format(n=numbers.count(total))
    return _("Click a row to read all of it.")


def _first(row: Row, role: str) -> str:
    text = next((message.content for message in row.messages if message.role == role), "")
    return text if len(text) <= CELL else text[: CELL - 1] + "…"

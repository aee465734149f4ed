"""The base model and the maximum length that a dataset is looked at with; both are remembered for the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import BUILT_IN_MODEL
from backend.errors import PhiDeskError
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import numbers
from streamlit_app.ui.choice_labels import readable

if TYPE_CHECKING:
    from backend.studio.token_table import TokenTable

LENGTHS = tuple(64 * 2**power for power in range(12))


def choose_base() -> str:
    """Its id; at first that of the newest run, else the built-in one's."""
    titles = _titles()
    ids = list(titles)
    last = _used_last()
    return st.selectbox(
        _("Base model"),
        ids,
        index=ids.index(last) if last in ids else ids.index(BUILT_IN_MODEL) if BUILT_IN_MODEL in ids else 0,
        format_func=lambda one: titles.get(one, one),
        key="dataset_base",
        persist_state="session",
        help=_("Each base model cuts text into tokens in its own way."),
    )


def choose_length(table: TokenTable) -> int:
    """Tokens; at first what is suggested for these examples."""
    suggested = table.suggestion()
    lengths = lengths_for(int(table.totals.max()) if len(table.totals) else 0, suggested)
    length = st.session_state.get(session.CHOSEN_LENGTH, suggested)
    if length not in lengths:  # it was chosen for another base model or another dataset
        length = suggested

    def label(length: int) -> str:
        text = numbers.count(length)
        return readable(_("{n} (suggested)").format(n=text) if length == suggested else text)

    def changed() -> None:
        st.session_state[session.CHOSEN_LENGTH] = st.session_state["dataset_length"]

    st.session_state["dataset_length"] = length
    st.segmented_control(
        _("Maximum length, tokens"),
        lengths,
        format_func=label,
        required=True,
        key="dataset_length",
        on_change=changed,
        help=_("So many tokens of an example a run reads. The rest is cut off and not learnt."),
    )
    return length


def lengths_for(longest: int, suggested: int) -> list[int]:
    """Those that cut something, and the first one that doesn't; the suggested one always."""
    cutting = [one for one in LENGTHS if one < longest]
    return sorted({*cutting, *LENGTHS[len(cutting) : len(cutting) + 1], suggested})


def _titles() -> dict[str, str]:
    try:
        found = {model.id: model.title for model in session.base_models()}
    except PhiDeskError:  # a place far away that can't be asked: the built-in one is always here
        found = {}
    return found or {BUILT_IN_MODEL: _("Built-in model")}


def _used_last() -> str:
    try:
        runs = session.overview().runs
    except PhiDeskError:
        return BUILT_IN_MODEL
    return runs[0].spec.base_model if runs else BUILT_IN_MODEL

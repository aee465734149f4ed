"""How long a draft's examples are in the tokens of a base model, and what a maximum length would cut off: counted in
the background once all is read, told as findings that can be decided before anything is saved.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from backend.datasets import Datasets
from backend.domain_datasets import Draft
from backend.errors import PhiDeskError
from backend.i18n import _, ngettext
from backend.studio.draft_lengths import LengthChoice
from streamlit_app.ui import draft_state, errors, numbers, token_charts
from streamlit_app.ui.dataset_base import choose_base, choose_length
from streamlit_app.ui.dataset_statistics import say_suggestion
from streamlit_app.ui.draft_examples import show_found
from streamlit_app.ui.draft_state import DraftState, Lengths
from streamlit_app.ui.findings_view import show_findings

if TYPE_CHECKING:
    from backend.studio.token_table import TokenTable

QUIET_SECONDS = 3.0
"""Each fix reads the files anew: counting begins when nothing has changed for so long."""


def show(datasets: Datasets, state: DraftState) -> Lengths:
    """Draws the section, where there is something to count; what it found is for the button that saves."""
    draft = state.draft
    if draft.phase != "ready" or not draft.report.good_rows or state.needs_mapping or not state.is_examined:
        return Lengths()
    st.header(_("Lengths"))
    st.caption(_("A model reads tokens: short pieces of words. What goes beyond the maximum length is cut off."))
    with errors.shown():
        return _show(datasets, state)
    return Lengths()


def _show(datasets: Datasets, state: DraftState) -> Lengths:
    """Raises PhiDeskError where the base model's tokenizer can't be had here."""
    draft = state.draft
    base = choose_base()
    if _is_new(datasets, draft):
        _watch(datasets, draft, base)
        return Lengths(is_counting=True)
    counted = datasets.measure_draft_tokens(draft.id, base)
    if counted.failure:
        errors.show_failure_with_retry(
            counted.failure, _("Count again"), datasets.measure_draft_tokens, draft.id, base, key="draft_count_again"
        )
        return Lengths()
    if not counted.is_final or counted.table is None:
        _watch(datasets, draft, base)
        return Lengths(is_counting=True)
    choice = LengthChoice(base, choose_length(counted.table))
    found = tuple(replace(one, fix="") for one in datasets.draft_length_findings(draft.id, choice))
    _show_histogram(counted.table, choice.max_length)
    if found:
        show_findings(
            found,
            lambda choices: draft_state.decide(datasets, draft, choices),
            key="draft_lengths",
            has_files=len(draft.files) > 1,
            look=lambda finding: show_found(datasets, draft, finding, choice),
        )
    else:
        st.success(
            _("With {n} tokens nothing is cut off.").format(n=numbers.count(choice.max_length)),
            icon=":material/check_circle:",
        )
    return Lengths(choice, found)


def _is_new(datasets: Datasets, draft: Draft) -> bool:
    read_at = datasets.drafts.working_copy(draft.id).path.stat().st_mtime
    return 0 <= time.time() - read_at < QUIET_SECONDS


@st.fragment(run_every="1s")
def _watch(datasets: Datasets, draft: Draft, base: str) -> None:
    done = 0.0
    try:
        if not _is_new(datasets, draft):
            counted = datasets.measure_draft_tokens(draft.id, base)
            if counted.is_final:
                st.rerun()
            done = counted.done
    except PhiDeskError:
        st.rerun()  # the page says it
    rows = draft.report.good_rows
    told = ngettext("Counting the tokens of {n} example…", "Counting the tokens of {n} examples…", rows)
    st.progress(done, told.format(n=numbers.count(rows)))
    st.caption(_("Updated {time}. You can save before it is done.").format(time=numbers.clock()))


def _show_histogram(table: TokenTable, max_length: int) -> None:
    st.caption(say_suggestion(table, table.suggestion()))
    corner = st.expander(
        _("How long the examples are"), key="draft_histogram", on_change="rerun", icon=":material/bar_chart:"
    )
    bins = table.lengths()
    if not corner.open or not bins:
        return
    end = token_charts.bars(bins)[-1]["high"]
    ink = "#fafafa" if st.context.theme.type == "dark" else "#141414"
    with corner:
        st.vega_lite_chart(
            token_charts.bars(bins),
            token_charts.spec(_("Conversations"), max_length, end, ink=ink),
            width="stretch",
            alt=token_charts.alt(_("Tokens of a conversation"), bins),
        )

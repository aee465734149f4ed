"""How far the reading and the checks of a draft are, and the verdict in one line."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.domain_datasets import Severity
from backend.errors import NotFound
from backend.i18n import _, ngettext
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.draft_state import DraftState, look_at
from streamlit_app.ui.findings_view import undecided


def watch(datasets: Datasets, state: DraftState) -> None:
    """Looks once a second while something goes on, and runs the page again when there is something new to see."""
    if state.is_live:
        st.fragment(_tick, run_every=1)(datasets, state.draft.id, state.look)


def _tick(datasets: Datasets, draft_id: str, seen: tuple[object, ...]) -> None:
    try:
        state = look_at(datasets, datasets.drafts.get(draft_id))
    except NotFound:  # saved or discarded in another tab
        st.rerun()
    if state.look != seen:
        st.rerun()
    if state.is_reading:
        rows = state.draft.report.rows
        text = _("Reading {size}…").format(size=numbers.size(state.draft.total_bytes))
        if rows:
            text += " " + ngettext("{n} example so far.", "{n} examples so far.", rows).format(n=numbers.count(rows))
        st.progress(_share(state.draft.done), text=text)
    else:
        st.progress(_share(state.examination.done), text=_("Checking what the examples say…"))
    st.caption(_("Updated {time}. It goes on when you leave this page.").format(time=numbers.clock()))


def _share(done: float) -> float:
    return min(1.0, max(0.0, done))


def show_verdict(datasets: Datasets, state: DraftState) -> None:
    """One line on top: how many examples can teach, and what to do about the rest."""
    report = state.draft.report
    if state.is_reading or state.needs_mapping:
        return
    if state.draft.failure:
        errors.show_failure(state.draft.failure)
        st.button(
            _("Read it again"),
            key="draft_read_again",
            icon=":material/refresh:",
            on_click=errors.act,
            args=(datasets.drafts.read_again, state.draft.id),
        )
        return
    if state.examination.failure:
        errors.show_failure_with_retry(
            state.examination.failure, _("Check again"), datasets.examine_draft, state.draft.id, key="draft_check_again"
        )
    too_late = sum(one.count for one in undecided(state.lengths.findings))
    good, bad = report.good_rows - too_late, report.bad_rows + too_late
    open_findings = undecided(state.all_findings)
    if not good:
        st.error(
            _(
                "What is wrong is listed below. Fix it here where that is offered, or correct the file and add it "
                "again."
            ),
            title=_("No example in here can teach the model"),
            icon=":material/error:",
        )
    elif open_findings and bad:
        st.warning(
            ngettext(
                "{good} can teach, {n} can't: fix or skip it below.",
                "{good} can teach, {n} can't: fix or skip them below.",
                bad,
            ).format(good=_examples(good), n=numbers.count(bad)),
            icon=":material/rule:",
        )
    elif good == 1 and report.rows == 1:
        st.warning(
            _(
                "One example can't be split: a dataset needs one to learn from and one to check with. Add more, or "
                "bring a check file of your own below."
            ),
            title=_("Only one example"),
            icon=":material/rule:",
        )
    else:
        st.success(_in_order(state), icon=":material/check_circle:")


def _examples(count: int) -> str:
    return ngettext("{n} example", "{n} examples", count).format(n=numbers.count(count))


def _in_order(state: DraftState) -> str:
    report = state.draft.report
    parts = []
    if report.fixed_rows:
        parts.append(_("{n} of them fixed").format(n=numbers.count(report.fixed_rows)))
    if state.skipped:
        parts.append(_("{n} skipped").format(n=numbers.count(state.skipped)))
    if parts:
        return _("{examples} can teach, {rest}.").format(examples=_examples(state.good), rest=", ".join(parts))
    noticed = [one for one in state.all_findings if one.severity is Severity.WARNING and one.decision is None]
    if noticed:
        return ngettext(
            "{examples} can teach. {n} thing is worth a look below.",
            "{examples} can teach. {n} things are worth a look below.",
            len(noticed),
        ).format(examples=_examples(state.good), n=len(noticed))
    return ngettext("{n} example, all good.", "{n} examples, all good.", state.good).format(n=numbers.count(state.good))

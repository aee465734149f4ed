"""A draft: what was found in the files, what to do about it, and saving it as a dataset (?draft=)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import Draft
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import confirm, draft_lengths, draft_state, errors, numbers
from streamlit_app.ui.draft_examples import show_examples, show_found
from streamlit_app.ui.draft_mapping import needs_mapping, show_format
from streamlit_app.ui.draft_progress import show_verdict, watch
from streamlit_app.ui.draft_save import Wish, show_save
from streamlit_app.ui.findings_view import show_findings
from streamlit_app.ui.link_rows import back_link
from streamlit_app.ui.safe_text import plain

SHOWN_FILES = 3


def show_draft(datasets: Datasets, draft_id: str, *, max_upload_mb: int) -> None:
    """Raises NotFound."""
    draft = datasets.drafts.get(draft_id)
    wish = _show(datasets, draft, max_upload_mb)
    if wish is None:
        return
    with errors.shown():
        with st.spinner(_("Saving…"), show_time=True):
            dataset = wish.save(datasets, draft_id)
        _open(dataset)


def _show(datasets: Datasets, draft: Draft, max_upload_mb: int) -> Wish | None:
    """The examples are drawn before the checks above them, which may take a moment."""
    back_link(_("All datasets"))
    st.title(plain(draft.name) or _("New examples"))
    if draft.phase == "damaged" and draft.failure:
        errors.show_failure(draft.failure)
        _show_discard(datasets, draft)
        return None
    st.caption(_facts(draft))
    above = st.container(key="draft_above")
    if not needs_mapping(draft):
        show_examples(datasets, draft)
    with above:
        with st.spinner(_("Checking what the examples say…"), show_time=True):
            state = draft_state.look_at(datasets, draft)
        watch(datasets, state)
        verdict = st.container(key="draft_verdict")
        with errors.shown():
            show_format(datasets, draft)
        if state.findings and not state.needs_mapping:
            st.header(_("Checks"))
            show_findings(
                state.findings,
                lambda choices: draft_state.decide(datasets, draft, choices),
                key="draft",
                has_files=len(draft.files) > 1,
                look=lambda finding: show_found(datasets, draft, finding),
            )
        state = draft_state.counted(datasets, replace(state, lengths=draft_lengths.show(datasets, state)))
        with verdict:
            show_verdict(datasets, state)
    wish = show_save(datasets, state, max_upload_mb)
    _show_discard(datasets, draft)
    return wish


def _show_discard(datasets: Datasets, draft: Draft) -> None:
    if st.button(_("Discard"), key="discard_draft", icon=":material/delete:", type="tertiary"):
        ask_to_discard(datasets, draft)


def _facts(draft: Draft) -> str:
    named = ", ".join(plain(name) for name in draft.files[:SHOWN_FILES])
    more = len(draft.files) - SHOWN_FILES
    if more > 0:
        named += " " + ngettext("and {n} more file", "and {n} more files", more).format(n=numbers.count(more))
    return _("{files} · {size} · not saved yet").format(files=named, size=numbers.size(draft.total_bytes))


def ask_to_discard(datasets: Datasets, draft: Draft) -> None:
    confirm.ask(
        _("Discard {name}?").format(name=draft.name),
        _("What you decided about it is lost. Files that you added stay where they are."),
        _("Discard"),
        lambda: _discard(datasets, draft.id),
        key="discard",
        toast=_("Discarded."),
    )


def ask_to_discard_all(datasets: Datasets, drafts: Sequence[Draft]) -> None:
    confirm.ask(
        _("Discard all that is not saved?"),
        _("What you decided about these is lost. Files that you added stay where they are."),
        _("Discard all"),
        lambda: _discard(datasets, *(draft.id for draft in drafts)),
        key="discard_all",
        toast=_("Discarded."),
        lines=[draft.name for draft in drafts],
    )


def _discard(datasets: Datasets, *draft_ids: str) -> None:
    for draft_id in draft_ids:
        datasets.drafts.discard(draft_id)
    st.query_params.clear()


def _open(dataset: Dataset) -> None:
    st.session_state[session.PENDING_TOAST] = _("{name} is ready.").format(name=dataset.name)
    st.switch_page("app_pages/dataset.py", query_params={session.DATASET_PARAMETER: dataset.id})

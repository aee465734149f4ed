"""Dataset: the list and ways to add one; else a saved dataset (?dataset=), a draft (?draft=), an import (?import=)."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.domain_datasets import Draft
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import add_dataset, errors, numbers
from streamlit_app.ui.dataset_view import show_dataset
from streamlit_app.ui.draft_view import ask_to_discard, ask_to_discard_all, show_draft
from streamlit_app.ui.hub_import import show_import
from streamlit_app.ui.link_rows import back_link, link_row
from streamlit_app.ui.turned_page import page_of

LISTED = 50
DRAFTS_SHOWN = 3

desk = session.services()


def show_list() -> None:
    st.title(_("Dataset"))
    st.caption(_("Conversations that show how your model should answer."))
    drafts = desk.datasets.drafts.list()
    if drafts:
        show_drafts(drafts)
    datasets = desk.datasets.list()
    if not datasets and not drafts:
        st.info(_("No examples yet. Upload a file of conversations, or try the sample first."), icon=":material/forum:")
    if datasets:
        st.header(_("Your datasets"))
    for one in datasets[:LISTED]:
        facts = _("{train} to learn from, {check} to check with · {when}").format(
            train=numbers.count(one.train_rows),
            check=numbers.count(one.eval_rows),
            when=numbers.local_time(one.created_at),
        )
        link_row(
            "app_pages/dataset.py",
            one.name,
            facts,
            {session.DATASET_PARAMETER: one.id},
            key=f"dataset_{one.id}",
        )
    if len(datasets) > LISTED:
        st.caption(_("The newest {n} of {all}.").format(n=LISTED, all=numbers.count(len(datasets))))
    st.header(_("Add examples"))
    add_dataset.show(desk)


def show_drafts(drafts: Sequence[Draft]) -> None:
    st.header(_("Not saved yet"))
    for draft in drafts[:DRAFTS_SHOWN]:
        show_draft_row(draft)
    if more := drafts[DRAFTS_SHOWN:LISTED]:
        label = ngettext("{n} more that is not saved", "{n} more that are not saved", len(more))
        with st.expander(label.format(n=numbers.count(len(more))), key="more_drafts"):
            for draft in more:
                show_draft_row(draft)
    if len(drafts) > 1 and st.button(
        _("Discard all that is not saved"), key="discard_all", type="tertiary", icon=":material/delete_sweep:"
    ):
        ask_to_discard_all(desk.datasets, drafts)


def show_draft_row(draft: Draft) -> None:
    rows = draft.report.rows
    label = _("Continue with {name}").format(name=draft.name)
    facts = ngettext("{n} example", "{n} examples", rows).format(n=numbers.count(rows))
    if len(draft.files) > 1:
        facts += " · " + _("{file} and {n} more").format(file=draft.files[0], n=numbers.count(len(draft.files) - 1))
    if draft.phase == "damaged":
        label, facts = draft.name, _("They can only be discarded.")
    if draft.phase == "reading":
        facts = _("{size}, still being read").format(size=numbers.size(draft.total_bytes))
    link_row(
        "app_pages/dataset.py",
        label,
        facts,
        {session.DRAFT_PARAMETER: draft.id},
        key=f"draft_row_{draft.id}",
        end=lambda: discard_button(draft),
    )


def discard_button(draft: Draft) -> None:
    if st.button(_("Discard"), key=f"discard_{draft.id}", type="tertiary", icon=":material/delete:"):
        ask_to_discard(desk.datasets, draft)


chosen = st.query_params.get(session.DATASET_PARAMETER)
draft_id = st.query_params.get(session.DRAFT_PARAMETER)
import_id = st.query_params.get(session.IMPORT_PARAMETER)

with page_of((chosen, draft_id, import_id)):
    if chosen or draft_id or import_id:
        with errors.shown():
            if chosen:
                show_dataset(desk.datasets, desk.datasets.get(chosen))
            elif draft_id:
                show_draft(desk.datasets, draft_id, max_upload_mb=desk.settings.max_upload_mb)
            else:
                show_import(desk.datasets, import_id or "")
            st.stop()
        back_link(_("All datasets"))
    else:
        show_list()

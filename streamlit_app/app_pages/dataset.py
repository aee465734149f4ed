"""Dataset: the list and ways to add one; else a saved dataset (?dataset=), a draft (?draft=), an import (?import=)."""

from __future__ import annotations

import streamlit as st

from backend.domain_datasets import Draft
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import add_dataset, errors, numbers
from streamlit_app.ui.dataset_view import show_dataset
from streamlit_app.ui.draft_view import ask_to_discard, show_draft
from streamlit_app.ui.hub_import import show_import
from streamlit_app.ui.link_rows import back_link, link_row
from streamlit_app.ui.turned_page import page_of

LISTED = 50

desk = session.services()


def show_list() -> None:
    st.title(_("Dataset"))
    st.caption(_("Conversations that show how your model should answer."))
    drafts = desk.datasets.drafts.list()
    if drafts:
        st.header(_("Not saved yet"))
        for draft in drafts[:LISTED]:
            show_draft_row(draft)
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


def show_draft_row(draft: Draft) -> None:
    rows = draft.report.rows
    facts = ngettext("{n} example", "{n} examples", rows).format(n=numbers.count(rows))
    if draft.phase == "reading":
        facts = _("{size}, still being read").format(size=numbers.size(draft.total_bytes))
    link_row(
        "app_pages/dataset.py",
        _("Continue with {name}").format(name=draft.name),
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

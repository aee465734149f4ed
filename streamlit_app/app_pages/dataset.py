"""Dataset: the list of datasets, one dataset in detail (?dataset=), and the three ways to add one."""

from __future__ import annotations

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import add_dataset, errors, numbers
from streamlit_app.ui.dataset_view import show_dataset
from streamlit_app.ui.link_rows import back_link, link_row

LISTED = 50

desk = session.services()
chosen = st.query_params.get(session.DATASET_PARAMETER)


def show_list() -> None:
    st.title(_("Dataset"))
    st.caption(_("Conversations that show how your model should answer."))
    datasets = desk.datasets.list()
    if not datasets:
        st.info(_("No examples yet. Upload a file of conversations, or try the sample first."), icon=":material/forum:")
    else:
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
    add_dataset.show(desk.datasets, max_upload_mb=desk.settings.max_upload_mb, is_first=not datasets)


if chosen:
    with errors.shown():
        show_dataset(desk.datasets, desk.datasets.get(chosen))
        st.stop()
    back_link(_("All datasets"))
else:
    show_list()

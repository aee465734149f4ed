"""Dataset: the list of datasets, one dataset in detail (?dataset=), and the three ways to add one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import add_dataset, errors, numbers
from streamlit_app.ui.dataset_view import show_dataset
from streamlit_app.ui.safe_text import plain

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
        table = pd.DataFrame(
            {
                _("Name"): [one.name for one in datasets],
                _("Training"): [one.train_rows for one in datasets],
                _("Check"): [one.eval_rows for one in datasets],
                _("Added"): [numbers.local_time(one.created_at) for one in datasets],
            }
        )
        selection = st.dataframe(
            table,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key="dataset_table",
            alt=_("Your datasets, newest first"),
        )
        rows = selection["selection"]["rows"]
        if rows and rows[0] < len(datasets):
            st.query_params[session.DATASET_PARAMETER] = datasets[rows[0]].id
            st.rerun()
        with st.container(horizontal=True, key="dataset_links"):
            for one in datasets[:6]:
                st.page_link(
                    "app_pages/dataset.py",
                    label=plain(one.name),
                    icon=":material/open_in_new:",
                    query_params={session.DATASET_PARAMETER: one.id},
                )
    st.header(_("Add examples"))
    add_dataset.show(desk.datasets, max_upload_mb=desk.settings.max_upload_mb, is_first=not datasets)


if chosen:
    with errors.shown():
        show_dataset(desk.datasets, desk.datasets.get(chosen))
        st.stop()
    st.page_link("app_pages/dataset.py", label=_("All datasets"), icon=":material/arrow_back:")
else:
    show_list()

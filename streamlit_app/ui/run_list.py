"""The list of runs, newest first, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.i18n import _
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.link_rows import run_row

if TYPE_CHECKING:
    from backend.bootstrap import Desk

PAGE_SIZE = 25


def show_runs(desk: Desk) -> None:
    st.title(_("Train"))
    st.caption(_("A run teaches a base model from your examples. It goes on when you close this page."))
    page = int(st.session_state.get("run_page", 1))
    jobs = desk.training.list(limit=PAGE_SIZE + 1, offset=(page - 1) * PAGE_SIZE)
    has_data = bool(desk.datasets.list())
    if not jobs and page == 1:
        if not has_data:
            st.info(_("Training needs a dataset."), icon=":material/forum:")
            if st.button(_("Add examples"), key="add_examples", type="primary", shortcut=primary_shortcut()):
                st.switch_page("app_pages/dataset.py")
            return
        st.info(_("No runs yet. A run teaches the model from your examples."), icon=":material/model_training:")
    if st.button(
        _("New run"),
        key="new_run",
        type="primary",
        icon=":material/add:",
        shortcut=primary_shortcut(),
        disabled=not has_data,
    ):
        st.switch_page("app_pages/train.py", query_params={"new": "1"})
    if not jobs:
        return
    st.header(_("Runs"))
    for job in jobs[:PAGE_SIZE]:
        run_row(job)
    more = len(jobs) > PAGE_SIZE
    if more or page > 1:
        st.pagination(page + more, key="run_page")

"""The list of runs, newest first, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from backend.domain import Job
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import numbers
from streamlit_app.ui.states import JOB_LOOKS

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
            if st.button(_("Add examples"), key="add_examples", type="primary", shortcut="Mod+Enter"):
                st.switch_page("app_pages/dataset.py")
            return
        st.info(_("No runs yet. A run teaches the model from your examples."), icon=":material/model_training:")
    if st.button(
        _("New run"), key="new_run", type="primary", icon=":material/add:", shortcut="Mod+Enter", disabled=not has_data
    ):
        st.switch_page("app_pages/train.py", query_params={"new": "1"})
    if not jobs:
        return
    st.header(_("Runs"))
    selection = st.dataframe(
        _table(jobs[:PAGE_SIZE]),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="run_table",
        alt=_("Runs, newest first"),
    )
    rows = selection["selection"]["rows"]
    if rows and rows[0] < len(jobs):
        st.query_params[session.JOB_PARAMETER] = jobs[rows[0]].id
        st.rerun()
    st.caption(_("Click the box at the left of a run to open it."))
    more = len(jobs) > PAGE_SIZE
    if more or page > 1:
        st.pagination(page + more, key="run_page")


def _table(jobs: list[Job]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            _("Run"): [job.spec.name for job in jobs],
            _("State"): [JOB_LOOKS[job.state].label for job in jobs],
            _("Loss"): [_losses(job) for job in jobs],
            _("Made"): [numbers.local_time(job.created_at) for job in jobs],
        }
    )


def _losses(job: Job) -> str:
    before, after = job.result.get("base_eval_loss"), job.result.get("tuned_eval_loss")
    if before is None or after is None:
        return numbers.UNKNOWN
    return f"{before:.2f} → {after:.2f}"

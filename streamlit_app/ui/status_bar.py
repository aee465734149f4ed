"""The bar at the bottom of every page: where work happens, who is signed in, what runs, what costs."""

from __future__ import annotations

import streamlit as st

from backend.domain import EndpointState
from backend.errors import PhiDeskError
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui.states import ACTIVE_STATES


@st.fragment(run_every="5s")
def status_bar() -> None:
    desk = session.services()
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="status_bar"):
        st.badge(_("Target: {title}").format(title=desk.target.title), icon=":material/computer:", color="gray")
        try:
            running = desk.training.list(states=ACTIVE_STATES, limit=20)
            comparing = [job for job in desk.evaluation.list(10) if job.state in ACTIVE_STATES]
            endpoints = [one for one in desk.deployments.list() if one.state == EndpointState.RUNNING]
        except PhiDeskError as error:  # the page itself says more; the bar must not take its place
            st.badge(error.what, icon=":material/error:", color="red")
            return
        if running:
            text = ngettext("{n} running", "{n} running", len(running)).format(n=len(running))
            st.page_link(
                "app_pages/train.py",
                label=f":blue-badge[:material/progress_activity: {text}]",
                query_params={session.JOB_PARAMETER: running[0].id},
            )
        elif comparing:
            st.page_link(
                "app_pages/evaluate.py",
                label=_(":blue-badge[:material/progress_activity: Comparing]"),
                query_params={"model": comparing[0].spec.tuned_model, session.JOB_PARAMETER: comparing[0].id},
            )
        else:
            st.badge(_("Nothing running"), icon=":material/pause_circle:", color="gray")
        if endpoints:
            text = ngettext("{n} endpoint on, no cost", "{n} endpoints on, no cost", len(endpoints))
            st.badge(text.format(n=len(endpoints)), icon=":material/dns:", color="green")
        else:
            st.badge(_("No cost now"), icon=":material/savings:", color="gray")

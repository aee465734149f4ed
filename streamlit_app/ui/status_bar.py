"""The bar at the bottom of every page: where work happens, who is signed in, what runs, what costs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.domain import EndpointState, Job, JobState
from backend.domain_setup import Operation, OperationState, SignInState
from backend.errors import PhiDeskError
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.garbage import spare_libraries
from streamlit_app.session import Overview
from streamlit_app.ui import money
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.states import ACTIVE_STATES


@st.fragment(run_every="5s")
def status_bar() -> None:
    spare_libraries()  # on every page, soon after a library was loaded
    target = session.services().target
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="status_bar"):
        icon = ":material/computer:" if target.setup is None else ":material/cloud:"
        st.badge(_("Target: {title}").format(title=plain(target.title)), icon=icon, color="gray")
        try:
            if target.setup is not None:
                _account(target.setup.sign_in_state().state, target.setup.sign_in_state().account)
            overview = session.overview()
            is_known = session.is_connected()
            at_work = [one for one in session.operations() if one.state is OperationState.RUNNING]
        except PhiDeskError as error:  # the page itself says more; the bar must not take its place
            st.badge(plain(error.what), icon=":material/error:", color="red")
            return
        if is_known or at_work:
            _running(overview, at_work)
        if is_known:
            _costs(overview, has_costs=target.costs is not None)
        else:  # what runs there goes on, and costs
            st.badge(_("Runs and cost not known"), icon=":material/help:", color="gray")


def _account(state: SignInState, account: str) -> None:
    if state is SignInState.SIGNED_IN:
        st.badge(plain(account) or _("Signed in"), icon=":material/person:", color="gray")
    else:
        st.badge(_("Not signed in"), icon=":material/person_off:", color="orange")


def _running(overview: Overview, operations: Sequence[Operation]) -> None:
    runs = [job for job in overview.runs if job.state in ACTIVE_STATES]
    comparisons = [job for job in overview.comparisons if job.state in ACTIVE_STATES]
    if runs:
        first = next((job for job in runs if job.state != JobState.QUEUED), runs[0])
        st.page_link(
            "app_pages/train.py",
            label=f":blue-badge[:material/progress_activity: {running_in_words(runs)}]",
            query_params={session.JOB_PARAMETER: first.id},
        )
    elif comparisons:
        st.page_link(
            "app_pages/evaluate.py",
            label=_(":blue-badge[:material/progress_activity: Comparing]"),
            query_params={"model": comparisons[0].spec.tuned_model, session.JOB_PARAMETER: comparisons[0].id},
        )
    elif operations:
        st.page_link(
            "app_pages/setup.py", label=f":blue-badge[:material/progress_activity: {plain(operations[0].title)}]"
        )
    else:
        st.badge(_("Nothing running"), icon=":material/pause_circle:", color="gray")


def running_in_words(jobs: Sequence[Job]) -> str:
    """ "1 running, 2 waiting"; a part that is zero is left out."""
    waiting = sum(job.state == JobState.QUEUED for job in jobs)
    running = len(jobs) - waiting
    parts = [
        ngettext("{n} running", "{n} running", running).format(n=running) if running else "",
        ngettext("{n} waiting", "{n} waiting", waiting).format(n=waiting) if waiting else "",
    ]
    return ", ".join(part for part in parts if part)


def _costs(overview: Overview, *, has_costs: bool) -> None:
    on = sum(endpoint.state == EndpointState.RUNNING for endpoint in overview.endpoints)
    price = money.now_per_hour(overview.costs)
    if price:
        text = (
            ngettext("{n} endpoint on, {price} (estimate)", "{n} endpoints on, {price} (estimate)", on)
            if on
            else _("{price} now (estimate)")
        )
        label = text.format(n=on, price=plain(price))
        st.page_link("app_pages/deploy.py", label=f":orange-badge[:material/payments: {label}]")
    elif on and not has_costs:
        text = ngettext("{n} endpoint on, no cost", "{n} endpoints on, no cost", on)
        st.badge(text.format(n=on), icon=":material/dns:", color="green")
    elif on:
        text = ngettext("{n} endpoint on, price unknown", "{n} endpoints on, price unknown", on)
        st.page_link("app_pages/deploy.py", label=f":orange-badge[:material/payments: {text.format(n=on)}]")
    else:
        st.badge(_("No cost now"), icon=":material/savings:", color="gray")

"""One endpoint: its state, its deployments, how to call it, its end, and the buttons for what it can do now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Endpoint, EndpointState, Failure, Feature
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import (
    base_models,
    confirm,
    deployment_rows,
    endpoint_access,
    endpoint_expiry,
    errors,
    links,
    numbers,
    team_flow,
)
from streamlit_app.ui.log_view import show_log
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.states import endpoint_badge

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show(desk: Desk, endpoint: Endpoint) -> None:
    name = endpoint.name
    with st.container(border=True, key=f"endpoint_{name}"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"endpoint_head_{name}"):
            st.markdown(f"**{plain(name)}**  \n{plain(base_models.title_of(endpoint.model))}", width="stretch")
            endpoint_badge(endpoint.state)
        told = _told_elsewhere(endpoint)
        if endpoint.failure:
            if endpoint.failure not in told:
                errors.show_failure(endpoint.failure)
        elif endpoint.state == EndpointState.CREATING:
            st.progress(0.5, text=plain(endpoint.detail) or _("Loading the model…"))
        if Feature.TRAFFIC_SPLIT not in desk.target.unsupported:
            deployment_rows.show(desk, endpoint)
        if endpoint.state == EndpointState.RUNNING:
            endpoint_access.show(desk, endpoint)
        if desk.target.costs is not None:
            endpoint_expiry.show(desk, endpoint)
        _show_buttons(desk, endpoint)
        if desk.target.flows is not None and endpoint.state == EndpointState.RUNNING:
            team_flow.show(desk.target.flows, endpoint)
        log = st.expander(_("Log"), key=f"endpoint_log_{name}", icon=":material/terminal:", on_change="rerun")
        if log.open:
            with log:
                show_log(
                    lambda since: desk.deployments.logs(name, since), name=name, key=f"endpoint_log_download_{name}"
                )


def _told_elsewhere(endpoint: Endpoint) -> list[Failure | None]:
    """What its deployments say, and what the work that failed says at the top of the page."""
    return [*(part.failure for part in endpoint.deployments), *(one.failure for one in session.operations())]


def _show_buttons(desk: Desk, endpoint: Endpoint) -> None:
    name = endpoint.name
    reason = desk.target.unsupported.get(Feature.STOP_ENDPOINT, "")
    with st.container(horizontal=True, key=f"endpoint_buttons_{name}"):
        if endpoint.state == EndpointState.RUNNING and st.button(
            _("Chat with it"), key=f"chat_with_{name}", icon=":material/chat:"
        ):
            st.switch_page("app_pages/chat.py", query_params={"endpoint": name})
        if endpoint.state in {EndpointState.STOPPED, EndpointState.FAILED, EndpointState.UNKNOWN}:
            st.button(
                _("Start endpoint"),
                key=f"start_{name}",
                icon=":material/play_arrow:",
                on_click=errors.act,
                args=(desk.deployments.start, name),
            )
        if endpoint.state in {EndpointState.RUNNING, EndpointState.CREATING, EndpointState.UNKNOWN}:
            st.button(
                _("Stop endpoint"),
                key=f"stop_{name}",
                icon=":material/stop:",
                on_click=errors.act,
                args=(desk.deployments.stop, name),
                kwargs={"toast": _("Endpoint stopped.")},
                disabled=bool(reason),
                help=reason or None,
            )
        if endpoint.state == EndpointState.RUNNING and desk.target.machines is None:
            st.button(
                _("Restart"),
                key=f"restart_{name}",
                icon=":material/restart_alt:",
                on_click=_restart,
                args=(desk, name),
                disabled=bool(reason),
            )
        links.outside(_("Open where it runs"), endpoint.link, key=f"endpoint_link_{name}")
        if st.button(_("Delete"), key=f"delete_{name}", icon=":material/delete:"):
            confirm.ask(
                _("Delete {name}?").format(name=name),
                _("Programs that call it get no answer any more, and its key is gone. The model stays registered."),
                _("Delete endpoint"),
                lambda: desk.deployments.delete(name),
                key=f"delete_endpoint_{name}",
                type_name=name,
                toast=_("Endpoint deleted."),
            )


def _restart(desk: Desk, name: str) -> None:
    def restart() -> None:
        desk.deployments.stop(name)
        desk.deployments.start(name)

    errors.act(restart, toast=_("The endpoint starts again."))


def states_of(endpoints: Mapping[str, Endpoint]) -> dict[str, tuple[object, ...]]:
    return {
        name: (one.state, *((part.name, part.state, part.traffic_percent) for part in one.deployments))
        for name, one in endpoints.items()
    }


def wait_for_change(desk: Desk, states: Mapping[str, tuple[object, ...]]) -> None:
    """Look again and again, and run the page again when an endpoint or a deployment has changed its state."""

    @st.fragment(run_every=1 if desk.target.setup is None else 5)
    def tick() -> None:
        if states_of({one.name: one for one in desk.deployments.list()}) != states:
            st.rerun()
        st.caption(_("Updated {time}").format(time=numbers.clock()))

    tick()

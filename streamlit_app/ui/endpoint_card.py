"""One endpoint: its state, how to call it, its log, and the buttons for what it can do now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Endpoint, EndpointState, Feature
from backend.i18n import _
from streamlit_app.ui import confirm, errors, numbers
from streamlit_app.ui.log_view import show_log
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.states import endpoint_badge

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show(desk: Desk, endpoint: Endpoint) -> None:
    name = endpoint.name
    with st.container(border=True, key=f"endpoint_{name}"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"endpoint_head_{name}"):
            st.markdown(f"**{plain(name)}**  \n{plain(endpoint.model)}", width="stretch")
            endpoint_badge(endpoint.state)
        if endpoint.failure:
            errors.show_failure(endpoint.failure)
        elif endpoint.state == EndpointState.CREATING:
            st.progress(0.5, text=plain(endpoint.detail) or _("Loading the model…"))
        if endpoint.state == EndpointState.RUNNING:
            _show_address(desk, endpoint)
        _show_buttons(desk, endpoint)
        log = st.expander(_("Log"), key=f"endpoint_log_{name}", icon=":material/terminal:", on_change="rerun")
        if log.open:
            with log:
                show_log(
                    lambda since: desk.deployments.logs(name, since), name=name, key=f"endpoint_log_download_{name}"
                )


def _show_address(desk: Desk, endpoint: Endpoint) -> None:
    st.caption(_("Address, in the form OpenAI's clients take"))
    st.code(f"{endpoint.url}/v1", language=None)
    is_shown = st.toggle(_("Show the key"), key=f"key_{endpoint.name}")
    if is_shown:
        with errors.shown():
            st.code(desk.deployments.key(endpoint.name), language=None)
            st.caption(_("Anyone with this key can ask the model from this computer. Keep it out of files you share."))
    with st.expander(_("Call it from a program"), key=f"call_{endpoint.name}", icon=":material/code:"):
        st.code(curl_example(endpoint), language=None, wrap_lines=True)
        st.caption(_("Put the key into the variable PHIDESK_KEY first; that way it is in no command and no history."))


def curl_example(endpoint: Endpoint) -> str:
    body = json.dumps({"model": endpoint.model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 128})
    return "\n".join(
        [
            f"curl {endpoint.url}/v1/chat/completions \\",
            '  -H "Authorization: Bearer $PHIDESK_KEY" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d '{body}'",
        ]
    )


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
        if endpoint.state == EndpointState.RUNNING:
            st.button(
                _("Restart"),
                key=f"restart_{name}",
                icon=":material/restart_alt:",
                on_click=_restart,
                args=(desk, name),
                disabled=bool(reason),
            )
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


def wait_for_change(desk: Desk, states: Mapping[str, EndpointState]) -> None:
    """Look every second, and run the page again when an endpoint has changed its state."""

    @st.fragment(run_every=1)
    def tick() -> None:
        if {one.name: one.state for one in desk.deployments.list()} != dict(states):
            st.rerun()
        st.caption(_("Updated {time}").format(time=numbers.clock()))

    tick()

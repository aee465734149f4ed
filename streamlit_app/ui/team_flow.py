"""The chat flow of an endpoint for a team: a connection with its address and key, and the flow put beside it."""

from __future__ import annotations

import streamlit as st

from backend.domain import Endpoint
from backend.i18n import _
from backend.target import Flows
from streamlit_app.ui import confirm, errors, links, numbers
from streamlit_app.ui.safe_text import plain


def show(flows: Flows, endpoint: Endpoint) -> None:
    name = endpoint.name
    opened = st.expander(_("Flow for a team"), key=f"flow_{name}", icon=":material/groups:", on_change="rerun")
    if not opened.open:
        return
    with opened, errors.shown():
        st.caption(
            _(
                "Prompt flow in the cloud can't be changed any more from 20 April 2027 on, and no longer runs there. "
                "What you publish is for until then; the same flow goes on running on this computer."
            )
        )
        with st.container(horizontal=True, key=f"flow_buttons_{name}"):
            st.button(
                _("Make a connection"),
                key=f"connect_{name}",
                icon=":material/cable:",
                on_click=_connect,
                args=(flows, name),
                help=_(
                    "It holds the address and the key, is not shared to all, and is made anew when the key changes."
                ),
            )
            st.button(
                _("Publish flow"),
                key=f"publish_{name}",
                icon=":material/upload:",
                on_click=errors.act,
                args=(flows.publish, name),
                kwargs={"toast": _("The flow is being published.")},
            )
            if st.button(_("Publish as an endpoint…"), key=f"publish_deploy_{name}", icon=":material/dns:"):
                confirm.ask(
                    _("Publish the flow as an endpoint?"),
                    _("It gets a machine of its own, which costs by the hour until you delete it."),
                    _("Publish as an endpoint"),
                    lambda: flows.publish(name, deploy=True),
                    key=f"publish_deploy_{name}",
                    toast=_("The flow is being published."),
                )
        for number, one in enumerate(flows.publications()):
            with st.container(horizontal=True, vertical_alignment="center", key=f"publication_{name}_{number}"):
                facts = [one.detail, one.endpoint, numbers.local_time(one.created_at) if one.created_at else ""]
                st.markdown(
                    f"**{plain(one.name)}** · {plain(' · '.join(fact for fact in facts if fact))}", width="stretch"
                )
                links.outside(_("Open it"), one.link, key=f"publication_link_{name}_{number}")


def _connect(flows: Flows, name: str) -> None:
    made = errors.act(flows.connect, name)
    if made is not None:
        errors.say(_("The connection {name} is there.").format(name=made))

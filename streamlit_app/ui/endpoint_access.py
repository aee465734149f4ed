"""How to reach an endpoint: its address, its key (hidden until asked for, and renewed on demand), a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Endpoint, Feature
from backend.i18n import _
from streamlit_app.ui import confirm, errors
from streamlit_app.ui.call_example import address, curl_example

if TYPE_CHECKING:
    from backend.bootstrap import Desk

SHOWN_LETTERS = 4


def show(desk: Desk, endpoint: Endpoint) -> None:
    what, url = address(endpoint)
    st.caption(what)
    st.code(url, language=None)
    opened = st.expander(_("Key"), key=f"key_of_{endpoint.name}", icon=":material/key:", on_change="rerun")
    if opened.open:
        with opened, errors.shown():
            _show_key(desk, endpoint.name)
    with st.expander(_("Call it from a program"), key=f"call_{endpoint.name}", icon=":material/code:"):
        st.code(curl_example(endpoint), language=None, wrap_lines=True)
        st.caption(_("Put the key into the variable PHIDESK_KEY first; that way it is in no command and no history."))


def _show_key(desk: Desk, name: str) -> None:
    key = desk.deployments.key(name)
    with st.container(horizontal=True, vertical_alignment="center", key=f"key_row_{name}"):
        is_shown = st.toggle(_("Show the key"), key=f"key_{name}")
        st.caption(_("It ends in …{end}").format(end=key[-SHOWN_LETTERS:]), width="stretch")
        reason = desk.target.unsupported.get(Feature.NEW_KEY, "")
        if st.button(
            _("New key…"),
            key=f"renew_{name}",
            icon=":material/autorenew:",
            disabled=bool(reason),
            help=reason or None,
        ):
            confirm.ask(
                _("Make a new key for {name}?").format(name=name),
                _("Programs that use the old key get no answer any more until they have the new one."),
                _("Make a new key"),
                lambda: desk.deployments.renew_key(name),
                key=f"renew_{name}",
                toast=_("The old key no longer works."),
            )
    if is_shown:
        st.code(key, language=None)
        st.caption(
            _("Anyone with this key can ask the model from this computer. Keep it out of files you share.")
            if desk.target.setup is None
            else _(
                "Anyone with this key can ask the model, from anywhere, at your cost. Keep it out of files you share."
            )
        )

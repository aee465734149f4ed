"""The places where models can train and answer, a card each; one of them is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.domain_setup import SignInState
from backend.i18n import _
from backend.target import Target
from streamlit_app import session
from streamlit_app.ui import errors
from streamlit_app.ui.safe_text import plain

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show(desk: Desk) -> None:
    for target in desk.targets.values():
        is_in_use = target.name == desk.target.name
        with st.container(border=True, key=f"target_{target.name}"):
            with st.container(horizontal=True, vertical_alignment="center", key=f"target_head_{target.name}"):
                icon = ":material/computer:" if target.setup is None else ":material/cloud:"
                st.header(f"{icon} {plain(target.title)}", width="stretch")
                if is_in_use:
                    st.badge(_("In use"), icon=":material/check:", color="green")
                else:
                    st.button(
                        _("Use it"),
                        key=f"use_{target.name}",
                        on_click=errors.act,
                        args=(session.use_target, target.name),
                    )
            st.caption(plain(_in_words(target)))


def _in_words(target: Target) -> str:
    if target.setup is None:
        return _("Trains and answers with what is installed here. It costs nothing.")
    sign_in = target.setup.sign_in_state()
    if sign_in.state is SignInState.SIGNED_IN:
        return _("Signed in as {account}.").format(account=sign_in.account or _("somebody without a name"))
    if sign_in.state is SignInState.EXPIRED:
        return _("Your sign-in has expired.")
    if sign_in.state is SignInState.PENDING:
        return _("Waiting for you to sign in.")
    return _("Not signed in. Sign in with your own account; what is missing there is made from this page.")

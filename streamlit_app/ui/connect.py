"""Connecting a place that needs an account: sign in, then choose or create what is needed, one after the other."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from backend.domain_setup import SignIn, SignInState, SignInWay
from backend.i18n import _
from backend.target import Setup
from streamlit_app import session
from streamlit_app.ui import choice_fields, errors, links, numbers, operations
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

REFUSED = "sign_in_again"
"""Code of the failure that only says that a sign-in has ended."""


def show(setup: Setup) -> None:
    state = setup.sign_in_state()
    with st.container(border=True, key="sign_in"):
        st.header(_(":material/person: Your account"))
        if state.state is SignInState.SIGNED_IN:
            _show_account(setup, state)
        elif state.state is SignInState.PENDING:
            st.fragment(_wait, run_every=2)(setup)
        else:
            _show_ways(setup, state)
    operations.show_operations(setup)
    if state.state is SignInState.SIGNED_IN:
        choice_fields.show(setup)


def _show_account(setup: Setup, state: SignIn) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="account"):
        tenant = _("Organisation (tenant): {tenant}").format(tenant=plain(state.tenant)) if state.tenant else ""
        with st.container(width="stretch", gap="xxsmall", key="account_words"):
            st.markdown(f"**{plain(state.account)}**")
            if tenant:
                st.caption(tenant)
        _sign_out_button(setup)


def _sign_out_button(setup: Setup) -> None:
    st.button(
        _("Sign out"),
        key="sign_out",
        icon=":material/logout:",
        on_click=_act,
        args=(setup.sign_out,),
        help=_("Runs and endpoints go on without you, and cost."),
    )


def _show_ways(setup: Setup, state: SignIn) -> None:
    if state.state is SignInState.EXPIRED:
        _show_expired(state)
    elif state.failure:
        errors.show_failure(state.failure)
    ways = {way.id: way for way in setup.ways_to_sign_in()}
    usable = [way.id for way in ways.values() if not way.why_not]
    if usable:
        chosen = st.radio(
            _("How to sign in"),
            usable,
            index=usable.index(state.way) if state.way in usable else 0,
            format_func=lambda one: plain(ways[one].title),
            captions=[plain(ways[one].help) for one in usable],
            key="sign_in_way",
        )
        with st.container(horizontal=True, key="sign_in_buttons"):
            st.button(
                _("Sign in again") if state.state is SignInState.EXPIRED else _("Sign in"),
                key="sign_in_button",
                type="primary",
                icon=":material/login:",
                shortcut=primary_shortcut(),
                on_click=_act,
                args=(setup.sign_in, chosen),
            )
            if state.state is SignInState.EXPIRED:
                _sign_out_button(setup)
    unusable = [way for way in ways.values() if way.why_not]
    if unusable:
        with st.expander(_("Other ways to sign in"), expanded=not usable, key="other_ways"):
            for way in unusable:
                _show_unusable(way)


def _show_expired(state: SignIn) -> None:
    """One box for the refusal; a try after it that failed too has its own. Signing out leads to another account."""
    is_refusal = state.failure is not None and state.failure.code == REFUSED
    if state.failure and not is_refusal:
        errors.show_failure(state.failure)
    lines = [
        plain(state.failure.why) if state.failure and is_refusal else "",
        _("Sign in again. Nothing is lost, and what runs goes on."),
        _("For another account or organisation, sign out first."),
    ]
    st.warning("\n\n".join(line for line in lines if line), title=_("Your sign-in has expired"))


def _show_unusable(way: SignInWay) -> None:
    st.caption(_("{way} can't be used: {why}").format(way=plain(way.title), why=plain(way.why_not)))


def _wait(setup: Setup) -> None:
    """Drawn anew every two seconds until the person has signed in elsewhere."""
    errors.show_pending()
    state = setup.sign_in_state()
    if state.state is not SignInState.PENDING:
        session.forget()
        st.rerun()
    if state.code:
        st.markdown(_("Copy this code, open the sign-in page and enter the code there."))
        st.code(state.code, language=None)
    elif any(way.opens_window for way in setup.ways_to_sign_in() if way.id == state.way):
        st.markdown(_("Go on in the window that has opened. This page notices when you are done."))
    else:
        st.markdown(_("Signing in. This takes a moment."))
    with st.container(horizontal=True, vertical_alignment="center", key="sign_in_wait"):
        links.outside(_("Open the sign-in page"), state.url, key="sign_in_page")
        st.button(_("Stop waiting"), key="stop_sign_in", on_click=_act, args=(setup.sign_out,))
    st.caption(
        " ".join(
            part for part in (_code_life(state), _("Waiting, looked at {time}.").format(time=numbers.clock())) if part
        )
    )


def _code_life(state: SignIn) -> str:
    if state.code_expires_at is None:
        return ""
    seconds = (state.code_expires_at - datetime.now(UTC)).total_seconds()
    return _("The code is good for {time}.").format(time=numbers.duration(max(0, seconds // 60 * 60)))


def _act(action: object, *args: object) -> None:
    errors.act(action, *args)  # type: ignore[arg-type]
    session.forget()

"""When a person is reminded to delete an endpoint that costs, and the buttons that move that moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Endpoint, EndpointState
from backend.i18n import _
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain

if TYPE_CHECKING:
    from backend.bootstrap import Desk

HOURS = 8
WITHOUT_COST = (EndpointState.STOPPED, EndpointState.FAILED)


def show(desk: Desk, endpoint: Endpoint, now: datetime | None = None) -> None:
    name, end = endpoint.name, endpoint.expires_at
    left = (end - (now or datetime.now(UTC))).total_seconds() / 3600 if end else 0.0
    with st.container(horizontal=True, vertical_alignment="center", key=f"expiry_{name}"):
        st.caption(plain(in_words(end, left, is_on=endpoint.state not in WITHOUT_COST)), width="stretch")
        st.button(
            _("8 hours more") if end else _("Remind me in 8 hours"),
            key=f"extend_{name}",
            icon=":material/more_time:",
            type="tertiary",
            on_click=errors.act,
            args=(desk.deployments.set_expiry, name, max(0.0, left) + HOURS),
        )
        if end:
            st.button(
                _("Don't remind me"),
                key=f"no_end_{name}",
                type="tertiary",
                on_click=errors.act,
                args=(desk.deployments.set_expiry, name, None),
            )


def in_words(end: datetime | None, hours_left: float, *, is_on: bool) -> str:
    if end is None:
        return _("No reminder is set: it costs until you delete it.") if is_on else _("No reminder is set.")
    if hours_left <= 0:
        return _("It was to be deleted {when}.").format(when=numbers.local_time(end))
    words = _("You are reminded to delete it {when}, in {time}.")
    if is_on:
        words = _("You are reminded to delete it {when}, in {time}. It costs until you do.")
    return words.format(when=numbers.local_time(end), time=numbers.duration(hours_left * 3600))

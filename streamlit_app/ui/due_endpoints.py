"""On every page: endpoints that are past their time and still cost, each with a button that removes it."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from backend.errors import PhiDeskError
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain


def show() -> None:
    try:
        endpoints = session.overview().endpoints
    except PhiDeskError:  # the status bar and the page say so
        return
    now = datetime.now(UTC)
    for endpoint in endpoints:
        if endpoint.expires_at is None or endpoint.expires_at > now:
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"due_{endpoint.name}"):
            st.markdown(
                _(":orange[:material/timer_off:] **{name}** was to be deleted {when}, and still costs.").format(
                    name=plain(endpoint.name), when=plain(numbers.local_time(endpoint.expires_at))
                ),
                width="stretch",
            )
            st.button(
                _("Delete now"),
                key=f"due_delete_{endpoint.name}",
                icon=":material/delete:",
                on_click=errors.act,
                args=(session.services().deployments.delete, endpoint.name),
                kwargs={"toast": _("Endpoint deleted.")},
            )
            st.button(
                _("Keep 8 h more"),
                key=f"due_keep_{endpoint.name}",
                on_click=errors.act,
                args=(session.services().deployments.set_expiry, endpoint.name, 8),
            )

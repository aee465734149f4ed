"""One page that shows now a list and now one thing of it: each begins at its top."""

from __future__ import annotations

import time
from collections.abc import Hashable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from streamlit_app import session

SECONDS = 0.3
"""In which the browser draws the empty page, and so scrolls to its top. Streamlit itself leaves it where it was."""


def begin_at_top() -> None:
    """In a callback: what the page shows next is something else, though it is of the same thing."""
    st.session_state[session.SHOWN_PLACE] = None


def page_of(what: Hashable) -> DeltaGenerator:
    """The container for all of the page. `what` it shows is something else now: the one before is taken away first."""
    slot = st.empty()
    if st.session_state.get(session.SHOWN_PLACE, what) != what:
        time.sleep(SECONDS)
    st.session_state[session.SHOWN_PLACE] = what
    return slot.container()

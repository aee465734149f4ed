"""An answer while it comes: drawn ten times a second, finished paragraphs once.

Stop, a click elsewhere or leaving the page ends the script at the next drawing, which is also made while nothing comes;
closing the iterator then stops the model server too, and the backend keeps what came, marked as stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui.safe_text import formatted, split_finished

FLUSH_SECONDS = 0.1


def write_answer(pieces: Iterator[str]) -> str:
    """Draw the pieces as they come, and return the whole. Raises PhiDeskError, also in the middle."""
    is_kept = st.session_state[session.ANSWERING] = threading.Event()
    finished = st.container()
    rest = st.empty()
    rest.caption(_("Thinking…"))
    text = ""
    frozen = 0
    asked_at = drawn_at = time.monotonic()
    try:
        with closing(cast("Any", pieces)) as stream:
            for piece in stream:
                text += piece
                now = time.monotonic()
                if piece and now - drawn_at < FLUSH_SECONDS:
                    continue
                drawn_at = now
                if not text:
                    rest.caption(_("Thinking… {seconds} s").format(seconds=round(now - asked_at)))
                    continue
                cut = frozen + split_finished(text[frozen:])
                if cut > frozen:
                    finished.markdown(formatted(text[frozen:cut]))
                    frozen = cut
                rest.markdown(formatted(text[frozen:]))
    except Exception:
        del st.session_state[session.ANSWERING]
        raise
    finally:
        is_kept.set()
    rest.markdown(formatted(text[frozen:]) or _("*(no answer)*"))
    del st.session_state[session.ANSWERING]
    return text


@st.fragment(run_every=1)
def recover_after_stop() -> None:
    """Stop ends the script at its next drawing, so nothing after it draws what was kept: this has the page drawn again.

    Streamlit runs fragments beside a script that was told to stop and has not ended yet. So an answer that is found
    under way is waited for until what came of it is kept.
    """
    is_kept: threading.Event | None = st.session_state.get(session.ANSWERING)
    if is_kept and is_kept.is_set():
        st.session_state.pop(session.ANSWERING, None)
        st.rerun()

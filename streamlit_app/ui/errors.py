"""How errors look: what happened, why, what to do, and the raw text in a closed expander. Never a traceback."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from backend.domain import Failure
from backend.errors import PhiDeskError
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui.safe_text import plain

log = logging.getLogger(__name__)


def show_failure(failure: Failure) -> None:
    body = "\n\n".join(plain(part) for part in (failure.why, failure.how_to_fix) if part)
    st.error(body or _("There is no more to say about it."), title=plain(failure.what), icon=":material/error:")
    if failure.raw:
        with st.expander(_("Details to copy")):
            st.code(failure.raw, language=None, wrap_lines=True)


def show_failure_with_retry(failure: Failure, label: str, action: Callable[..., Any], *args: Any, key: str) -> None:
    """Of work in the background that ended in it: `action` begins it anew when it is called with `again`."""
    show_failure(failure)
    st.button(label, key=key, icon=":material/replay:", on_click=act, args=(action, *args), kwargs={"again": True})


def _lead_to_setup() -> None:
    """A sign-in that ends in the middle of a page must not end there."""
    try:
        is_missing = session.needs_sign_in()
    except PhiDeskError:  # not even the backend could be built
        return
    if is_missing:
        st.page_link("app_pages/setup.py", label=_("Open Setup to sign in"), icon=":material/login:")


@contextmanager
def page_shown(url_path: str) -> Iterator[None]:
    """Around a whole page: the error, and the way to Setup when it is the sign-in that is missing."""
    try:
        yield
    except PhiDeskError as error:
        show_failure(error.failure())
        if url_path != "setup":
            _lead_to_setup()


@contextmanager
def shown() -> Iterator[None]:
    """Show an expected error in the place where it happened, and go on after the block."""
    try:
        yield
    except PhiDeskError as error:
        show_failure(error.failure())


def act(action: Callable[..., Any], *args: Any, toast: str = "", **kwargs: Any) -> Any:
    """Run a button's action inside an `on_click` callback, where nothing can be drawn: what it has to say, an error
    or a toast, is shown by `show_pending` in the run that follows. Returns the action's result, None after an error."""
    try:
        result = action(*args, **kwargs)
    except PhiDeskError as error:
        st.session_state[session.PENDING_FAILURE] = error.failure()
        return None
    finally:
        session.forget_overview()
    if toast:
        st.session_state[session.PENDING_TOAST] = toast
    return result


def say(text: str) -> None:
    """A remark of a callback, shown as a toast in the run that follows."""
    st.session_state[session.PENDING_TOAST] = text


def show_pending() -> None:
    """What the last callback left to say. Called once, by the frame."""
    failure = st.session_state.pop(session.PENDING_FAILURE, None)
    if failure is not None:
        show_failure(failure)
    toast = st.session_state.pop(session.PENDING_TOAST, "")
    if toast:
        st.toast(plain(toast), icon=":material/check:")


def on_script_error(error: Exception) -> bool:
    """The app's last resort (`st.App`). Streamlit has just logged the traceback; the number ties the page to it."""
    if isinstance(error, PhiDeskError):
        show_failure(error.failure())
        _lead_to_setup()
        return True
    number = secrets.token_hex(4)
    log.error("The error above is number %s", number)
    st.error(
        _(
            "Nothing you saved is lost, and runs go on by themselves. Reload the page. If it happens again, the log in "
            "the window where you started Phi Desk tells more; look for number {number}."
        ).format(number=number),
        title=_("Phi Desk hit an error of its own"),
        icon=":material/bug_report:",
    )
    return True

"""What a page shows while the target is not connected: the one thing that is missing, and the way to Setup."""

from __future__ import annotations

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain


def required(title: str) -> None:
    """Unless the target is connected, the page is this and no more. Raises PhiDeskError when it can't be asked."""
    missing = session.missing_connection()
    if not missing:
        return
    st.title(title)
    st.info(plain(missing_in_words(missing)), icon=":material/cloud_off:")
    if st.button(_("Open Setup"), key="open_setup", type="primary", shortcut=primary_shortcut()):
        st.switch_page("app_pages/setup.py")
    st.stop()


def missing_in_words(missing: str) -> str:
    title = session.services().target.title
    if missing == session.SIGN_IN:
        return _("{target} is not connected. Sign in on Setup first.").format(target=title)
    return _("{target} is not connected. Choose this on Setup first: {what}.").format(target=title, what=missing)

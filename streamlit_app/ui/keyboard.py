"""The shortcut of a page's primary action."""

from __future__ import annotations

import streamlit as st


def primary_shortcut() -> str | None:
    """Ctrl+Enter (Command+Enter on a Mac); none in the dark theme.

    Streamlit prints the shortcut on the button at 60 % opacity. No colour that stands out from a dark page carries
    that hint at a contrast of 4.5 as well, so there the action is reached by Tab and Enter.
    """
    return None if st.context.theme.type == "dark" else "Mod+Enter"

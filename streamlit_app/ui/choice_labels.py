"""Labels of segmented controls and tabs that can be read in both themes."""

from __future__ import annotations

import streamlit as st


def readable(label: str) -> str:
    """The chosen one is written in the primary colour, which on the dark page has a contrast below 4.5."""
    return f":gray[{label}]" if st.context.theme.type == "dark" else label

"""A link to a place outside, as a button. Only https leaves the page; an address of another kind is not a link."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st


def outside(label: str, url: str, *, key: str) -> None:
    if urlsplit(url).scheme == "https":
        st.link_button(label, url, key=key, icon=":material/open_in_new:")

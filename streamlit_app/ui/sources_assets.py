"""Data assets of the target as examples, where the target keeps such things; else why there are none."""

from __future__ import annotations

import streamlit as st

from backend.bootstrap import Desk
from backend.i18n import _


def show_assets(desk: Desk) -> None:
    st.info(_("Data assets are kept by Azure ML. Choose it on Setup to use them here."), icon=":material/cloud:")
    st.page_link("app_pages/setup.py", label=_("Open Setup"), icon=":material/computer:")

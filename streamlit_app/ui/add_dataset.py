"""The ways to add examples, each on a tab of its own. All but the sample end in a draft, which is looked at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.i18n import _
from streamlit_app.ui.sources_assets import show_assets
from streamlit_app.ui.sources_files import show_paste, show_path, show_upload
from streamlit_app.ui.sources_hub import show_hub
from streamlit_app.ui.sources_own import show_rated_chats, show_sample

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show(desk: Desk) -> None:
    limit = desk.settings.max_upload_mb
    ways = {
        _(":material/upload_file: Your files"): lambda: show_upload(desk.datasets, limit),
        _(":material/local_library: Sample"): lambda: show_sample(desk.datasets),
        _(":material/hub: Hugging Face"): lambda: show_hub(desk.datasets),
        _(":material/content_paste: Paste text"): lambda: show_paste(desk.datasets, limit),
        _(":material/folder_open: From this computer"): lambda: show_path(desk.datasets),
        _(":material/thumb_up: Rated chats"): lambda: show_rated_chats(desk.datasets),
        _(":material/cloud: Azure data asset"): lambda: show_assets(desk),
    }
    tabs = st.tabs(list(ways), key="add_from", on_change="rerun")
    for tab, show_way in zip(tabs, ways.values(), strict=True):
        if tab.open:  # what is on the others may ask the network
            with tab:
                show_way()

"""Router and frame: the pages in the order of the work, what the last action has to say, and the status bar."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend.i18n import _
from streamlit_app.ui import due_endpoints, errors
from streamlit_app.ui.status_bar import status_bar

ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="Phi Desk", page_icon=str(ASSETS / "icon.png"), layout="centered")
st.logo(str(ASSETS / "logo.png"), size="large", icon_image=str(ASSETS / "icon.png"))

page = st.navigation(
    [
        st.Page("app_pages/home.py", title=_("Home"), icon=":material/home:", default=True, help=_("Where you are")),
        st.Page(
            "app_pages/setup.py", title=_("Setup"), icon=":material/computer:", help=_("Where models train and answer")
        ),
        st.Page("app_pages/dataset.py", title=_("Dataset"), icon=":material/forum:", help=_("Examples to learn from")),
        st.Page("app_pages/train.py", title=_("Train"), icon=":material/model_training:", help=_("Teach the model")),
        st.Page("app_pages/evaluate.py", title=_("Evaluate"), icon=":material/compare:", help=_("Before and after")),
        st.Page("app_pages/deploy.py", title=_("Deploy"), icon=":material/dns:", help=_("Make a model answer")),
        st.Page("app_pages/chat.py", title=_("Chat"), icon=":material/chat:", help=_("Talk with your model")),
    ],
    position="sidebar",
)

with st.bottom:
    status_bar()

# A link from a page to itself, as from a list's row, leaves the browser's address as it was; this puts it right.
st.query_params.from_dict(st.query_params.to_dict())
errors.show_pending()
due_endpoints.show()
with errors.page_shown(page.url_path):
    page.run()

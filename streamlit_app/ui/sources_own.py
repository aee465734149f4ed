"""Examples that are here already: the sample that Phi Desk ships, and chats that were rated in the app."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.column_form import show_chat
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.sources_files import go_to_draft

PREVIEWED = 3


def show_sample(datasets: Datasets) -> None:
    st.write(_("A few hundred short conversations that come with Phi Desk, to see the whole way in minutes."))
    if st.button(_("Try with sample data"), key="use_sample", icon=":material/local_library:"):
        with errors.shown():
            _open(datasets.create_from_sample())


def _open(dataset: Dataset) -> None:
    st.session_state[session.PENDING_TOAST] = _("{name} is ready.").format(name=dataset.name)
    st.switch_page("app_pages/dataset.py", query_params={session.DATASET_PARAMETER: dataset.id})


def show_rated_chats(datasets: Datasets) -> None:
    rated = datasets.rated_chats()
    words = [plain(one) for one in rated.words()]
    if not rated.rows:
        st.info("  \n".join(words), icon=":material/thumb_up:")
        st.page_link("app_pages/chat.py", label=_("Open Chat"), icon=":material/chat:")
        return
    count = len(rated.rows)
    st.write(
        ngettext("{n} answer with a thumbs up.", "{n} answers with a thumbs up.", count).format(n=numbers.count(count))
    )
    if words:
        st.caption("  \n".join(words))
    for number, messages in enumerate(rated.rows[:PREVIEWED], start=1):
        with st.container(border=True, gap="small", key=f"rated_{number}"):
            show_chat(messages)
    if st.button(_("Use rated chats"), key="use_rated", icon=":material/thumb_up:"):
        draft = None
        with errors.shown():
            draft = datasets.open_rated_chats()
        if draft is not None:
            go_to_draft(draft)

"""The messages of a conversation, with thumbs under each answer."""

from __future__ import annotations

import streamlit as st

from backend.chatting import Chatting
from backend.domain import Conversation, Message
from backend.i18n import _
from streamlit_app.ui import errors
from streamlit_app.ui.safe_text import formatted


def show_messages(chatting: Chatting, conversation: Conversation) -> None:
    for message in conversation.messages:
        if message.role == "system":
            continue
        with st.chat_message("user" if message.role == "user" else "assistant"):
            st.markdown(formatted(message.content) or _("*(no answer)*"))
            if message.role == "assistant":
                if message.is_stopped:
                    st.badge(_("Stopped"), icon=":material/stop_circle:", color="orange")
                _rating(chatting, message)


@st.fragment
def _rating(chatting: Chatting, message: Message) -> None:
    """A fragment of its own: a thumb must not run the page, which would end an answer that is being written."""
    rating = st.feedback("thumbs", key=f"rating_{message.id}", default=message.rating)
    kept = f"rated_{message.id}"
    if message.id is not None and rating != st.session_state.get(kept, message.rating):
        with errors.shown():
            chatting.rate(message.id, rating)
            st.session_state[kept] = rating

"""The kept conversations: the list in the sidebar, the one that the link names, its menu."""

from __future__ import annotations

import streamlit as st

from backend.chatting import Chatting
from backend.domain import ChatSettings, Conversation
from backend.errors import NotFound
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import confirm, errors
from streamlit_app.ui.safe_text import plain

LISTED = 30
TITLE_LENGTH = 34


def open_conversation(chatting: Chatting) -> Conversation | None:
    """The conversation in the link, or None for a new one."""
    wanted = st.query_params.get(session.CONVERSATION_PARAMETER)
    if not wanted:
        return None
    try:
        return chatting.get(wanted)
    except NotFound as error:
        errors.show_failure(error.failure())
        del st.query_params[session.CONVERSATION_PARAMETER]
        return None


def show_sidebar(chatting: Chatting, now: Conversation | None) -> None:
    with st.sidebar:
        st.button(
            _("New chat"), key="new_chat", icon=":material/add_comment:", width="stretch", on_click=_open, args=("",)
        )
        for conversation in chatting.list(LISTED):
            title = conversation.title or _("Untitled")
            short = title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"
            is_open = now is not None and conversation.id == now.id
            st.button(
                f"**{plain(short)}**" if is_open else plain(short),
                key=f"open_{conversation.id}",
                type="tertiary",
                icon=":material/chat_bubble:",
                on_click=_open,
                args=(conversation.id,),
            )


def _open(conversation_id: str) -> None:
    st.query_params.from_dict({session.CONVERSATION_PARAMETER: conversation_id} if conversation_id else {})


def show_menu(chatting: Chatting, conversation: Conversation) -> None:
    with st.popover(_("More"), icon=":material/more_horiz:", key="chat_menu"):
        title = st.text_input(_("Title"), value=conversation.title, max_chars=80, key=f"title_{conversation.id}")
        st.button(
            _("Rename"),
            key="rename_chat",
            on_click=_rename,
            args=(chatting, conversation.id),
            disabled=not title or title == conversation.title,
        )
        delete = st.button(_("Delete conversation"), key="delete_chat", icon=":material/delete:")
    if delete:
        confirm.ask(
            _("Delete this conversation?"),
            _("Its questions, answers and ratings are removed."),
            _("Delete conversation"),
            lambda: _delete(chatting, conversation.id),
            key="delete_chat",
            toast=_("Conversation deleted."),
        )


def _rename(chatting: Chatting, conversation_id: str) -> None:
    errors.act(chatting.rename, conversation_id, st.session_state.get(f"title_{conversation_id}") or "")


def _delete(chatting: Chatting, conversation_id: str) -> None:
    chatting.delete(conversation_id)
    _open("")


def keep_up(chatting: Chatting, conversation: Conversation, endpoint: str, settings: ChatSettings) -> None:
    """Carry a change of model or settings into the conversation before its next answer."""
    if endpoint != conversation.endpoint:
        chatting.set_endpoint(conversation.id, endpoint)
    if settings != conversation.settings:
        chatting.set_settings(conversation.id, settings)

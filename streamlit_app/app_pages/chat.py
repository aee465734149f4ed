"""Chat: one conversation (?chat=) with one model. The question and its answer are saved by the backend."""

from __future__ import annotations

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import chat_history, chat_model, chat_settings, connection, errors
from streamlit_app.ui.chat_messages import show_messages
from streamlit_app.ui.chat_stream import recover_after_stop, write_answer
from streamlit_app.ui.chat_suggestions import suggestion
from streamlit_app.ui.safe_text import formatted

desk = session.services()
connection.required(_("Chat"))
conversation = chat_history.open_conversation(desk.chatting)
chat_history.show_sidebar(desk.chatting, conversation)

st.title(_("Chat"))
with st.container(horizontal=True, vertical_alignment="bottom", key="chat_head"):
    choice = chat_model.choose(desk, conversation)
    settings = chat_settings.show(conversation)
    if conversation:
        chat_history.show_menu(desk.chatting, conversation)
if choice:
    chat_model.say_how_it_answers(choice)

recover_after_stop()
if conversation:
    show_messages(desk.chatting, conversation)

if session.DRAFT in st.session_state:
    st.session_state["chat_input"] = st.session_state.pop(session.DRAFT)
is_answering = choice is not None and choice.is_running
# What was typed before the page knew that the model went down is still taken, and goes back into the box.
was_answering = st.session_state.get(session.MODEL_WAS_ON, False)
st.session_state[session.MODEL_WAS_ON] = is_answering
typed = st.chat_input(
    _("Ask your model"),
    key="chat_input",
    max_chars=8000,
    submit_mode="stop",
    disabled=not (is_answering or was_answering),
)

if choice and not is_answering:
    chat_model.show_not_running(desk, choice)

question = typed or (suggestion(desk, choice) if is_answering and not conversation else None)
if question and choice and not is_answering:
    st.session_state[session.DRAFT] = question  # it goes back into the box
    st.rerun()
elif question and choice:
    with errors.shown():
        if conversation is None:
            conversation = desk.chatting.create(choice.endpoint, settings)
            st.query_params.from_dict({session.CONVERSATION_PARAMETER: conversation.id})
        else:
            chat_history.keep_up(desk.chatting, conversation, choice.endpoint, settings)
        with st.chat_message("user"):
            st.markdown(formatted(question))
        with st.chat_message("assistant"):
            write_answer(desk.chatting.answer(conversation.id, question))
        st.rerun()
elif conversation and conversation.messages and conversation.messages[-1].role == "user":
    st.caption(_("This question has no answer yet."))
    if st.button(_("Answer it"), key="answer_again", icon=":material/replay:", disabled=not is_answering) and choice:
        with errors.shown():
            chat_history.keep_up(desk.chatting, conversation, choice.endpoint, settings)
            with st.chat_message("assistant"):
                write_answer(desk.chatting.answer_again(conversation.id))
            st.rerun()

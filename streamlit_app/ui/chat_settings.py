"""How the model answers: system prompt, temperature, length, top p, in a closed popover."""

from __future__ import annotations

import streamlit as st

from backend.domain import ChatSettings, Conversation
from backend.i18n import _


def show(conversation: Conversation | None) -> ChatSettings:
    """What is set now; the next question uses it."""
    now = conversation.settings if conversation else ChatSettings()
    suffix = conversation.id if conversation else "new"
    with st.popover(_("Settings"), icon=":material/tune:", key="chat_settings"):
        system_prompt = st.text_area(
            _("System prompt"),
            value=now.system_prompt,
            max_chars=4000,
            key=f"system_prompt_{suffix}",
            placeholder=_("You answer for the city library."),
            help=_("What the model should keep in mind in every answer."),
        )
        temperature = st.slider(
            _("Temperature"),
            0.0,
            2.0,
            float(now.temperature),
            0.1,
            key=f"temperature_{suffix}",
            help=_("0 always gives the most likely answer. Higher is more varied, and more often wrong."),
        )
        max_new_tokens = st.slider(
            _("Longest answer, in tokens"), 16, 1024, int(now.max_new_tokens), 16, key=f"max_tokens_{suffix}"
        )
        top_p = st.slider(
            _("Top p"),
            0.05,
            1.0,
            float(now.top_p),
            0.05,
            key=f"top_p_{suffix}",
            help=_("Leaves out the least likely words. 1 leaves out none."),
        )
    return ChatSettings(
        system_prompt=system_prompt or "", temperature=temperature, max_new_tokens=max_new_tokens, top_p=top_p
    )

"""The steps from nothing to a chat. Only the first open one has a filled button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from backend.i18n import _
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain


@dataclass(frozen=True)
class Step:
    title: str
    text: str
    is_done: bool
    verb: str
    page: str
    query_params: Mapping[str, str] = field(default_factory=dict)


def show(steps: Sequence[Step]) -> None:
    next_step = next((step for step in steps if not step.is_done), None)
    for number, step in enumerate(steps, 1):
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"step_{number}"):
            icon = ":green[:material/check_circle:]" if step.is_done else ":material/radio_button_unchecked:"
            state = _(" · done") if step.is_done else ""
            st.markdown(f"{icon} **{number}. {step.title}**{state}  \n{plain(step.text)}", width="stretch")
            if step is next_step:
                if st.button(step.verb, key=f"go_{number}", type="primary", shortcut=primary_shortcut()):
                    st.switch_page(step.page, query_params=dict(step.query_params))
            else:
                st.page_link(step.page, label=_("Open"))

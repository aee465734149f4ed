"""Dialogs that ask before something is lost. The safe choice comes first; the action is an `on_click` callback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors
from streamlit_app.ui.safe_text import plain


def ask(
    title: str,
    text: str,
    verb: str,
    action: Callable[[], Any],
    *,
    key: str,
    type_name: str = "",
    toast: str = "",
    safe: str = "",
    lines: Sequence[str] = (),
) -> None:
    """Open the dialog. `lines` name everything that is hit; with `type_name` it acts only when that has been typed."""

    @st.dialog(plain(title), icon=":material/warning:")
    def dialog() -> None:
        if st.session_state.pop(session.CONFIRMED, False):
            st.rerun()
        st.write(plain(text))
        if lines:
            st.markdown("\n".join(f"- {plain(line)}" for line in lines))
        if type_name:
            st.text_input(_("Type {name} to confirm").format(name=plain(type_name)), key=f"{key}_typed")
            if st.session_state.pop(session.NAME_DIFFERS, False):
                st.warning(
                    _("That is not the name.") if not lines else _("That is not the word."), icon=":material/edit:"
                )
        with st.container(horizontal=True, key=f"{key}_buttons"):
            st.button(safe or _("Keep it"), key=f"{key}_no", on_click=_close, type="primary")
            st.button(
                f":red[{verb}]",
                key=f"{key}_yes",
                on_click=_confirm,
                args=(action, toast, f"{key}_typed", type_name),
            )

    dialog()


def _close() -> None:
    st.session_state[session.CONFIRMED] = True


def _confirm(action: Callable[[], Any], toast: str, typed_key: str, type_name: str) -> None:
    if type_name and (st.session_state.get(typed_key) or "").strip() != type_name:
        st.session_state[session.NAME_DIFFERS] = True
        return
    errors.act(action, toast=toast)
    _close()

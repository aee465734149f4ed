"""What a form does, as a command line and as files: shown when it is opened, and to be downloaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from backend.domain_setup import CodeFile
from backend.i18n import _
from streamlit_app.ui import errors
from streamlit_app.ui.safe_text import plain


def show_as_code(read: Callable[[], Sequence[CodeFile]], *, key: str) -> None:
    opened = st.expander(_("Show as code"), key=key, icon=":material/code:", on_change="rerun")
    if not opened.open:
        return
    with opened, errors.shown():
        for number, file in enumerate(read()):
            st.markdown(f"**{plain(file.name)}** · {plain(file.help)}" if file.help else f"**{plain(file.name)}**")
            st.code(file.text, language=None, wrap_lines=True)  # the colours of a language lack contrast
            st.download_button(
                _("Download {name}").format(name=plain(file.name)),
                data=file.text,
                file_name=file.name,
                mime="text/plain",
                key=f"{key}_{number}",
                icon=":material/download:",
                on_click="ignore",
            )

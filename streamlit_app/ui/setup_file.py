"""The set-up as a file: saved, and taken from one that was saved elsewhere. It holds no secret."""

from __future__ import annotations

import streamlit as st

from backend.errors import BadInput
from backend.i18n import _
from backend.target import Setup
from streamlit_app import session
from streamlit_app.ui import errors

MOST_BYTES = 100_000


def show(setup: Setup) -> None:
    opened = st.expander(_("Set-up as a file"), key="setup_file", icon=":material/description:", on_change="rerun")
    if not opened.open:
        return
    with opened:
        st.caption(
            _("The file names what you chose here, so that another computer can do the same. No secret is in it.")
        )
        st.download_button(
            _("Download the set-up"),
            data=lambda: setup.export().encode(),
            file_name="phidesk-setup.yml",
            mime="application/yaml",
            key="export_setup",
            icon=":material/download:",
            on_click="ignore",
        )
        uploaded = st.file_uploader(_("A set-up file"), type=["yml", "yaml"], key="setup_upload")
        if uploaded is not None:
            st.button(
                _("Set up as in this file"),
                key="apply_setup",
                icon=":material/upload_file:",
                on_click=_apply,
                args=(setup, uploaded.getvalue()),
            )


def _apply(setup: Setup, content: bytes) -> None:
    errors.act(lambda: setup.apply(_text(content)))
    session.forget()


def _text(content: bytes) -> str:
    try:
        if len(content) <= MOST_BYTES:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise BadInput(
        _("This is no set-up file."),
        how_to_fix=_("Use one that was downloaded from this page."),
        code="bad_setup_file",
    )

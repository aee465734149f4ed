"""Setup: where models train and answer, what that place has and lacks, and how to mend it."""

from __future__ import annotations

import streamlit as st

from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import base_models, connect, doctor, errors, setup_file, target_cards
from streamlit_app.ui.keyboard import primary_shortcut

desk = session.services()
setup = desk.target.setup
st.title(_("Setup"))
st.caption(_("Where models train and answer. Nothing leaves this computer unless you connect a cloud."))

target_cards.show(desk)
if setup is not None:
    connect.show(setup)
can_fix = False
with errors.shown():
    is_connected = session.is_connected()
    if is_connected:
        can_fix = doctor.show(desk.target)
        base_models.show()
        if setup is not None:
            setup_file.show(setup)
    base_models.show_hub(has_token=bool(desk.settings.hf_token))
    has_data = bool(desk.datasets.list())
    if (
        is_connected
        and not has_data
        and st.button(
            _("Add examples") if setup else _("Use this computer"),
            key="use_this",
            type="secondary" if can_fix else "primary",
            shortcut=None if can_fix else primary_shortcut(),
        )
    ):
        st.switch_page("app_pages/dataset.py")

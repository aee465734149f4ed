"""The dialog that makes an endpoint: which model, under which name, at which cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import BUILT_IN_MODEL
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors
from streamlit_app.ui.keyboard import primary_shortcut

if TYPE_CHECKING:
    from backend.bootstrap import Desk


@st.dialog(_("Create endpoint"), icon=":material/dns:")
def ask_to_create(desk: Desk, ref: str = "") -> None:
    if st.session_state.pop(session.CONFIRMED, False):
        st.rerun()
    errors.show_pending()
    refs = [model.ref for model in desk.target.models.list()]
    choices = [*refs, *(model.id for model in desk.target.models.base_models() if model.is_local)]
    wanted = ref or st.query_params.get("model", "")
    model = st.selectbox(
        _("Model"),
        choices,
        index=choices.index(wanted) if wanted in choices else 0,
        format_func=lambda one: _("Built-in base model") if one == BUILT_IN_MODEL else one.replace(":", ", version "),
        key="endpoint_model",
    )
    suggested = desk.deployments.name_for(model)
    name_key = f"endpoint_name_{suggested}"
    st.text_input(
        _("Name"), value=suggested, max_chars=32, key=name_key, help=_("3 to 32 small letters, digits and hyphens.")
    )
    st.markdown(
        _(
            "- **Where** this computer, reachable from this computer only\n"
            "- **Cost** none\n"
            "- **Until** you stop it; it goes on when Phi Desk is closed"
        )
    )
    st.button(
        _("Create endpoint"),
        key="create_endpoint_yes",
        type="primary",
        on_click=_create,
        args=(desk, name_key),
        shortcut=primary_shortcut(),
    )


def _create(desk: Desk, name_key: str) -> None:
    """Reads the fields, not what they held when the button was drawn: a quick click comes right after the typing."""
    name = (st.session_state.get(name_key) or "").strip()
    model = st.session_state["endpoint_model"]
    created = errors.act(desk.deployments.create, name, model, toast=_("The endpoint is starting."))
    if created is not None:  # else the dialog stays open, with what was typed
        st.session_state[session.CONFIRMED] = True

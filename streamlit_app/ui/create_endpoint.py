"""The dialog that makes an endpoint, or a deployment at one: which model, how it is hosted, at which cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import BUILT_IN_MODEL, Feature, Hosting
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import base_models, errors, hosting_fields
from streamlit_app.ui.code_view import show_as_code
from streamlit_app.ui.keyboard import primary_shortcut

if TYPE_CHECKING:
    from backend.bootstrap import Desk

NEW = ""


@st.dialog(_("Create endpoint"), icon=":material/dns:")
def ask_to_create(desk: Desk, ref: str = "") -> None:
    if st.session_state.pop(session.CONFIRMED, False):
        st.rerun()
    errors.show_pending()
    choices = _models(desk)
    wanted = ref or st.query_params.get("model", "")
    model = st.selectbox(
        _("Model"),
        choices,
        index=choices.index(wanted) if wanted in choices else 0,
        format_func=_title,
        key="endpoint_model",
    )
    if model is None:
        return
    name_key = _choose_endpoint(desk, model)
    is_usable = True
    if desk.target.machines is None:
        st.markdown(
            _(
                "- **Where** this computer, reachable from this computer only\n"
                "- **Cost** none\n"
                "- **Until** you stop it; it goes on when Phi Desk is closed"
            )
        )
    else:
        is_usable = hosting_fields.show_hosting(desk.target.machines, model)
    st.button(
        _("Create endpoint") if _is_new() else _("Create deployment"),
        key="create_endpoint_yes",
        type="primary",
        on_click=_create,
        args=(desk, name_key),
        disabled=not is_usable,
        shortcut=primary_shortcut(),
    )
    if desk.target.machines is not None:
        show_as_code(
            lambda: desk.deployments.as_code(_name(name_key), model, _hosting(desk, model)), key="endpoint_code"
        )


def _title(model: str) -> str:
    if model == BUILT_IN_MODEL:
        return _("Built-in base model")
    return base_models.title_of(model) if "/" in model else model.replace(":", ", version ")


def _models(desk: Desk) -> list[str]:
    """Registered ones, and base models that can answer here as they are."""
    machines = desk.target.machines
    bases = [
        model.id
        for model in session.base_models()
        if (model.is_local if machines is None else machines.ways_to_serve(model.id))
    ]
    return [*(model.ref for model in desk.target.models.list()), *bases]


def _choose_endpoint(desk: Desk, model: str) -> str:
    """A new one, or with split traffic one that is there. Returns the key of the field with the name."""
    splits = Feature.TRAFFIC_SPLIT not in desk.target.unsupported
    existing = [one.name for one in desk.deployments.list()] if splits else []
    if existing:
        chosen = st.selectbox(
            _("Endpoint"),
            [NEW, *existing],
            format_func=lambda one: one or _("A new one"),
            key="endpoint_existing",
        )
        if chosen:
            st.toggle(
                _("Start beside the one that answers"),
                value=True,
                key="endpoint_beside",
                help=_("It gets no questions until you have tested it and move traffic to it."),
            )
            return "endpoint_existing"
    suggested = _free_name(desk.deployments.name_for(model), existing)
    name_key = f"endpoint_name_{suggested}"
    st.text_input(
        _("Name"), value=suggested, max_chars=32, key=name_key, help=_("3 to 32 small letters, digits and hyphens.")
    )
    return name_key


def _free_name(name: str, taken: Sequence[str]) -> str:
    """With split traffic a second endpoint is meant to be another one: `ferries-1` becomes `ferries-1-b`."""
    if name not in taken:
        return name
    names = (f"{name[:30]}-{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")
    return next((one for one in names if one not in taken), name)


def _is_new() -> bool:
    return not st.session_state.get("endpoint_existing")


def _name(name_key: str) -> str:
    return (st.session_state.get("endpoint_existing") or st.session_state.get(name_key) or "").strip()


def _hosting(desk: Desk, model: str) -> Hosting:
    takes_traffic = _is_new() or not st.session_state.get("endpoint_beside", True)
    return hosting_fields.hosting_now(desk.target.machines, model, takes_traffic=takes_traffic)


def _create(desk: Desk, name_key: str) -> None:
    """Reads the fields, not what they held when the button was drawn: a quick click comes right after the typing."""
    model = st.session_state["endpoint_model"]
    created = errors.act(
        lambda: desk.deployments.create(_name(name_key), model, hosting=_hosting(desk, model)),
        toast=_("The endpoint is starting."),
    )
    if created is not None:  # else the dialog stays open, with what was typed
        st.session_state[session.CONFIRMED] = True

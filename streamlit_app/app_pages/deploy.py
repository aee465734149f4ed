"""Deploy: registered models, and the endpoints that make them answer (?model= opens the dialog's choice)."""

from __future__ import annotations

import streamlit as st

from backend.domain import EndpointState
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import connection, costs_view, endpoint_card, numbers, operations
from streamlit_app.ui.create_endpoint import ask_to_create
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

desk = session.services()
connection.required(_("Deploy"))
st.title(_("Deploy"))
st.caption(
    _("An endpoint makes a model answer: for Chat, and for your own programs on this computer.")
    if desk.target.costs is None
    else _(
        "An endpoint makes a model answer: for Chat, and for your own programs. It costs by the hour while it is on."
    )
)
if desk.target.setup is not None:
    operations.show_operations(desk.target.setup, with_done=False)  # what is done has its card below

endpoints = desk.deployments.list()
models = desk.target.models.list()

if not endpoints:
    st.info(
        (
            _("No endpoint yet. One on this computer costs nothing.")
            if desk.target.costs is None
            else _("No endpoint yet.")
        )
        if models
        else _("No endpoint yet, and no model of your own. Register one from a finished run, or try the base model."),
        icon=":material/dns:",
    )
if st.button(
    _("Create endpoint"),
    key="create_endpoint",
    type="primary",
    icon=":material/add:",
    shortcut=primary_shortcut(),
):
    ask_to_create(desk)

if endpoints:
    st.header(_("Endpoints"))
    changing = {EndpointState.CREATING, EndpointState.UNKNOWN}
    is_changing = any(
        one.state in changing or any(part.state in changing for part in one.deployments) for one in endpoints
    )
    for endpoint in endpoints:
        endpoint_card.show(desk, endpoint)
    if is_changing:
        endpoint_card.wait_for_change(desk, endpoint_card.states_of({one.name: one for one in endpoints}))

if models:
    st.header(_("Registered models"))
    deployed = {part.model for endpoint in endpoints for part in endpoint.deployments}
    for model in models:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"model_{model.ref}"):
            facts = [_("version {n}").format(n=model.version), numbers.local_time(model.created_at)]
            if "tuned_eval_loss" in model.metrics:
                facts.append(_("check loss {n}").format(n=numbers.decimals(model.metrics["tuned_eval_loss"])))
            st.markdown(f"**{plain(model.name)}**  \n{plain(' · '.join(facts))}", width="stretch")
            if model.ref in deployed:
                st.badge(_("Has an endpoint"), icon=":material/dns:", color="green")
            elif st.button(_("Deploy it"), key=f"deploy_{model.ref}", icon=":material/dns:"):
                ask_to_create(desk, model.ref)

if desk.target.costs is not None:
    costs_view.show(desk.target.costs)

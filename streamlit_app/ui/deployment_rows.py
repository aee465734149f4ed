"""The deployments of an endpoint: what each serves and costs, a question to try it, its share of the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Deployment, Endpoint, EndpointState
from backend.domain_setup import Purpose
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import base_models, confirm, errors, money
from streamlit_app.ui.safe_text import formatted, plain
from streamlit_app.ui.states import endpoint_badge

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show(desk: Desk, endpoint: Endpoint) -> None:
    for part in endpoint.deployments:
        _show_part(desk, endpoint, part)
    ready = [part for part in endpoint.deployments if part.state == EndpointState.RUNNING]
    if len(ready) > 1 or (ready and sum(part.traffic_percent for part in ready) < 100):
        _show_traffic(desk, endpoint.name, ready)


def _show_part(desk: Desk, endpoint: Endpoint, part: Deployment) -> None:
    key = f"{endpoint.name}_{part.name}"
    with st.container(horizontal=True, vertical_alignment="center", key=f"part_{key}"):
        st.markdown(f"**{plain(part.name)}** · {plain(facts(part))}", width="stretch")
        endpoint_badge(part.state)
        if st.button(
            _("Remove"),
            key=f"remove_{key}",
            icon=":material/remove_circle:",
            type="tertiary",
            disabled=part.traffic_percent > 0,
            help=_("It still has traffic. Move that first.") if part.traffic_percent else None,
        ):
            confirm.ask(
                _("Remove {name}?").format(name=part.name),
                _("It stops, and costs nothing any more. The model stays registered."),
                _("Remove deployment"),
                lambda: desk.deployments.remove_deployment(endpoint.name, part.name),
                key=f"remove_{key}",
                toast=_("Deployment removed."),
            )
    if part.failure:
        if part.failure not in [one.failure for one in session.operations()]:  # told at the top, with the way on
            errors.show_failure(part.failure)
    elif part.detail and part.state != EndpointState.RUNNING:
        st.caption(plain(part.detail))
    if part.state == EndpointState.RUNNING:
        _show_test(desk, endpoint.name, part)


def facts(part: Deployment) -> str:
    """ "ferries:1 · 1 × Standard_E4s_v3, $0.25/h · 100 % of the traffic"."""
    hosting = part.hosting
    size = next((one for one in session.sizes(Purpose.SERVING) if one.name == hosting.size), None)
    machines = f"{hosting.instances} × {hosting.size}" if hosting.size else ""
    if hosting.max_instances > hosting.instances:
        machines += _(", up to {n}").format(n=hosting.max_instances)
    if size is not None:
        machines += f", {money.per_hour(size.price, hosting.instances)}"
    traffic = _("{n} % of the traffic").format(n=part.traffic_percent) if part.traffic_percent else _("no traffic")
    return " · ".join(fact for fact in (base_models.title_of(part.model), machines, traffic) if fact)


def _show_test(desk: Desk, endpoint: str, part: Deployment) -> None:
    key = f"{endpoint}_{part.name}"
    with (
        st.expander(_("Try {name}").format(name=plain(part.name)), key=f"try_{key}", icon=":material/quiz:"),
        st.form(f"test_{key}", border=False),
    ):
        question = st.text_input(_("Question"), key=f"question_{key}", max_chars=2000)
        if st.form_submit_button(_("Ask it"), key=f"ask_{key}"):
            with errors.shown(), st.spinner(_("Waiting for the answer…"), show_time=True):
                st.markdown(formatted(desk.deployments.test(endpoint, part.name, question or "")) or _("*(no answer)*"))


def _show_traffic(desk: Desk, endpoint: str, parts: Sequence[Deployment]) -> None:
    """With two, one slider says it all; with one, it can only get everything."""
    with st.form(f"traffic_{endpoint}", border=False):
        shares = _shares(endpoint, parts)
        with st.container(horizontal=True, vertical_alignment="center", key=f"traffic_row_{endpoint}"):
            is_moving = st.form_submit_button(_("Move traffic"), key=f"move_{endpoint}", icon=":material/alt_route:")
            st.caption(_("Nothing is switched off by it, so you can move it back."), width="stretch")
        if is_moving:
            with errors.shown():
                desk.deployments.set_traffic(endpoint, shares)
                session.forget_overview()
                st.session_state[session.PENDING_TOAST] = _("The traffic has moved.")
                st.rerun()


def _shares(endpoint: str, parts: Sequence[Deployment]) -> dict[str, int]:
    if len(parts) == 1:
        return {parts[0].name: 100}
    if len(parts) == 2:
        old, new = parts
        share = st.slider(
            _("Share of {new} in percent; {old} gets the rest").format(new=plain(new.name), old=plain(old.name)),
            0,
            100,
            new.traffic_percent,
            5,
            key=f"share_{endpoint}_{new.name}",
        )
        return {old.name: 100 - share, new.name: share}
    return {
        part.name: st.slider(
            _("Share of {new} in percent").format(new=plain(part.name)),
            0,
            100,
            part.traffic_percent,
            5,
            key=f"share_{endpoint}_{part.name}",
        )
        for part in parts
    }

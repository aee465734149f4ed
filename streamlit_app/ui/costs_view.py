"""What is on and what it costs, counted while it runs; and everything Phi Desk made at the target, to be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from backend.domain_setup import CostLine, Resource
from backend.i18n import _
from backend.target import Costs
from streamlit_app.ui import confirm, errors, links, money, numbers
from streamlit_app.ui.safe_text import plain

SECONDS = 10
WORD = "delete"
"""What a person types to delete everything."""


def show(costs: Costs) -> None:
    st.header(_("Costs"))
    with errors.shown():
        is_on = any(money.is_on(line) for line in costs.lines())
        st.fragment(_counter, run_every=SECONDS if is_on else None)(costs)
    opened = st.expander(
        _("Everything that Phi Desk made there"), key="inventory", icon=":material/inventory_2:", on_change="rerun"
    )
    if opened.open:
        with opened, errors.shown():
            with st.spinner(_("Looking for everything…"), show_time=True):
                resources = costs.inventory()
            _show_inventory(costs, resources)


def _counter(costs: Costs) -> None:
    lines = costs.lines()
    if not lines:
        st.caption(_("Nothing is on, and nothing was in the last 30 days."))
        return
    on = [line for line in lines if money.is_on(line)]
    st.markdown(
        _("On now: **{now}**. Since their start: **{so_far}** (estimate).").format(
            now=plain(money.now_per_hour(on)), so_far=plain(money.so_far(on))
        )
        if on
        else _("Nothing is on now.")
    )
    for number, line in enumerate(lines):
        with st.container(horizontal=True, vertical_alignment="center", key=f"cost_{number}"):
            st.markdown(f"**{plain(line.name)}**  \n{plain(in_words(line))}", width="stretch")
            if money.is_on(line):
                st.badge(_("On"), icon=":material/payments:", color="orange")
    st.caption(_("Time × list price. Discounts, taxes, storage and traffic are not in it; the bill decides."))


def in_words(line: CostLine) -> str:
    cost = money.amount(line.so_far, line.price.currency) if line.so_far is not None and line.price else _("unknown")
    parts = [
        line.kind,
        money.per_hour(line.price, line.machines),
        _("since {when}").format(when=numbers.local_time(line.since)),
        _("until {when}").format(when=numbers.local_time(line.until)) if line.until else "",
        _("{cost} so far").format(cost=cost) if money.is_on(line) else _("{cost} in all").format(cost=cost),
    ]
    return " · ".join(part for part in parts if part)


def _show_inventory(costs: Costs, resources: Sequence[Resource]) -> None:
    if not resources:
        st.caption(_("There is nothing."))
        return
    for resource in resources:
        with st.container(horizontal=True, vertical_alignment="center", key=f"resource_{resource.id}"):
            st.markdown(f"**{plain(resource.name)}**  \n{plain(_facts(resource))}", width="stretch")
            links.outside(_("Open it"), resource.link, key=f"resource_link_{resource.id}")
            if resource.may_delete and st.button(
                _("Delete"), key=f"resource_delete_{resource.id}", icon=":material/delete:", type="tertiary"
            ):
                _ask_to_delete(costs, resource)
    deletable = [resource for resource in resources if resource.may_delete]
    if deletable and st.button(_("Delete all…"), key="delete_all", icon=":material/delete_forever:"):
        confirm.ask(
            _("Delete all of it?"),
            _("Endpoints stop answering. What is in this list does not come back, with the data and models in it."),
            _("Delete all"),
            costs.delete_all,
            key="delete_all",
            lines=[f"{resource.name} ({resource.kind})" for resource in deletable],
            type_name=WORD,
            toast=_("Everything is being deleted."),
        )


def _ask_to_delete(costs: Costs, resource: Resource) -> None:
    """Where more goes with it, its name must be typed."""
    text = _facts(resource)
    if resource.loss:
        text = _("{facts}. {loss} It does not come back.").format(facts=text, loss=resource.loss)
    confirm.ask(
        _("Delete {name}?").format(name=resource.name),
        text,
        _("Delete it"),
        partial(costs.delete, resource.id),
        key="resource_delete",
        type_name=resource.name if resource.loss else "",
        toast=_("{name} is being deleted.").format(name=resource.name),
    )


def _facts(resource: Resource) -> str:
    parts = [
        resource.kind,
        resource.detail,
        money.per_hour(resource.price) if resource.price else "",
        _("made {when}").format(when=numbers.local_time(resource.created_at)) if resource.created_at else "",
        "" if resource.may_delete else _("it stays, because it holds your data"),
    ]
    return " · ".join(part for part in parts if part)

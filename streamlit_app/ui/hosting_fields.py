"""How a deployment is hosted: way to serve, size, machines, end; on a target that lets a person choose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from backend.domain import DEFAULT_HOSTING, Hosting
from backend.domain_setup import MachineSize, Purpose, ServingWay
from backend.i18n import _
from backend.target import Machines
from streamlit_app import session
from streamlit_app.ui import money, size_select
from streamlit_app.ui.safe_text import plain

SIZE_KEY = "endpoint_size"
MOST_MACHINES = 20
DEFAULT_HOURS = 8
ENDS = {4: _("4 hours"), 8: _("8 hours"), 24: _("1 day"), 24 * 7: _("1 week"), 0: _("never")}


def show_hosting(machines: Machines, model: str) -> bool:
    """Draws the fields and what they cost. False when the size can't be used."""
    way = _choose_way(machines.ways_to_serve(model))
    size = size_select.choose_size(Purpose.SERVING, key=SIZE_KEY, sizes_with=way.sizes_with if way else "any")
    with st.container(horizontal=True, vertical_alignment="bottom", key="endpoint_machines"):
        instances = st.number_input(_("Machines"), 1, MOST_MACHINES, 1, key="endpoint_instances", width=150)
        most = st.number_input(
            _("At most, under load"),
            1,
            MOST_MACHINES,
            1,
            key="endpoint_max_instances",
            width=190,
            help=_("With more than the machines at the start, it scales by itself, and costs more while it does."),
        )
    if session.services().target.costs is not None:
        st.selectbox(
            _("Remind me to delete it after"),
            list(ENDS),
            index=list(ENDS).index(DEFAULT_HOURS),
            format_func=lambda hours: ENDS[hours],
            key="endpoint_hours",
            help=_("Then every page reminds you, and one click removes it. Nothing is deleted without you."),
        )
    if size is None:
        return False
    _show_cost(size, int(instances), int(most))
    return not size.why_not


def _choose_way(ways: Sequence[ServingWay]) -> ServingWay | None:
    found = {way.id: way for way in ways}
    if not found:
        return None
    chosen = st.radio(
        _("How it is served"),
        list(found),
        format_func=lambda one: plain(found[one].title) if one in found else one,
        captions=[plain(way.help) for way in found.values()],
        key="endpoint_serving",
    )
    return found[chosen]


def _show_cost(size: MachineSize, instances: int, most: int) -> None:
    lines = [
        _("- **Price** {price}, {month} a month if it is left on (estimate)").format(
            price=plain(money.per_hour(size.price, instances)), month=plain(money.per_month(size.price, instances))
        ),
        _("- **Until** you stop or delete it; it goes on, and costs, when Phi Desk is closed"),
    ]
    if most > instances:
        lines.append(_("- **At most** {price} under load").format(price=plain(money.per_hour(size.price, most))))
    st.markdown("\n".join(lines))


def hosting_now(machines: Machines | None, model: str, *, takes_traffic: bool) -> Hosting:
    """What the fields hold now, not when the button was drawn: a quick click comes right after the typing."""
    if machines is None:
        return DEFAULT_HOSTING
    state = st.session_state
    ways = {way.id: way for way in machines.ways_to_serve(model)}
    serving = str(state.get("endpoint_serving") or "")
    way = ways.get(serving) or next(iter(ways.values()), None)
    sizes_with = way.sizes_with if way else "any"
    size = state.get(f"{SIZE_KEY}_{sizes_with}") or _default_size(sizes_with)
    instances = int(state.get("endpoint_instances") or 1)
    hours = state.get("endpoint_hours")
    return Hosting(
        size=str(size),
        instances=instances,
        max_instances=max(instances, int(state.get("endpoint_max_instances") or 1)),
        serving=way.id if way else "",
        takes_traffic=takes_traffic,
        expires_at=datetime.now(UTC) + timedelta(hours=hours) if hours else None,
    )


def _default_size(sizes_with: str) -> str:
    sizes = [one for one in session.sizes(Purpose.SERVING) if size_select.fits_way(one, sizes_with)]
    return sizes[size_select.default_index(sizes)].name if sizes else ""

"""The select of a machine size, and its facts in words: GPU, memory, price, quota, why it can't be used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import streamlit as st

from backend.domain_setup import MachineSize, Purpose, Quota
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import money, numbers
from streamlit_app.ui.safe_text import plain

SOON = timedelta(days=365)
"""A size that goes later than this is good for any run of today, so its end is no news."""


def choose_size(purpose: Purpose, *, key: str, sizes_with: str = "any") -> MachineSize | None:
    """The size chosen, usable or not; None when the target offers none of this kind."""
    sizes = [size for size in session.sizes(purpose) if fits_way(size, sizes_with)]
    if not sizes:
        st.warning(_("The place offers no machine of this kind."), icon=":material/memory:")
        return None
    by_name = {size.name: size for size in sizes}
    chosen = st.selectbox(
        _("Machine size"),
        list(by_name),
        index=default_index(sizes),
        format_func=lambda name: title(by_name[name]) if name in by_name else name,
        key=f"{key}_{sizes_with}",
    )
    size = by_name[chosen]
    st.caption(plain(facts(size)))
    if _goes_soon(size):
        _show_retirement(size)
    elif size.why_not:
        st.warning(
            plain(size.why_not) + _(" Setup shows what to do about quota."),
            title=_("This size can't be used now"),
            icon=":material/block:",
        )
    return size


def fits_way(size: MachineSize, sizes_with: str) -> bool:
    return sizes_with == "any" or (size.gpus > 0) == (sizes_with == "gpu")


def default_index(sizes: Sequence[MachineSize]) -> int:
    """The target's default when it can be used, else the first that can."""
    usable = [number for number, size in enumerate(sizes) if not size.why_not]
    return next((number for number in usable if sizes[number].is_default), usable[0] if usable else 0)


def title(size: MachineSize) -> str:
    parts = [size.name, _gpu(size), money.per_hour(size.price)]
    if size.retired_on and _goes_soon(size):
        parts.append(_retired(size.retired_on))
    elif size.why_not:
        parts.append(_("can't be used now"))
    return " · ".join(part for part in parts if part)


def _gpu(size: MachineSize) -> str:
    if not size.gpus:
        return _("no GPU")
    memory = _(" {n} GB").format(n=numbers.count(size.gpu_memory_gb)) if size.gpu_memory_gb else ""
    return f"{size.gpus} × {size.gpu}{memory}"


def facts(size: MachineSize) -> str:
    parts = [
        _("{n} cores").format(n=size.cpus),
        _("{n} GB memory").format(n=numbers.count(size.memory_gb)),
        quota_in_words(size.quota) if size.quota else "",
    ]
    return " · ".join(part for part in parts if part)


def quota_in_words(quota: Quota) -> str:
    reserve = _(", of which {n} are kept in reserve").format(n=numbers.percent(quota.reserve)) if quota.reserve else ""
    return (
        _("quota {family}: {free} of {limit} cores free").format(
            family=quota.family, free=max(0, quota.limit - quota.used), limit=quota.limit
        )
        + reserve
    )


def _goes_soon(size: MachineSize) -> bool:
    """Gone already is soon too."""
    return size.retired_on is not None and size.retired_on <= datetime.now(UTC).date() + SOON


def _retired(day: date) -> str:
    return (_("retired {day}") if day <= datetime.now(UTC).date() else _("retires {day}")).format(day=day.isoformat())


def _show_retirement(size: MachineSize) -> None:
    words = _("{name} {retired}.").format(name=plain(size.name), retired=_retired(size.retired_on or date.max))
    successor = _(" Use {successor} instead.").format(successor=plain(size.successor)) if size.successor else ""
    if size.why_not:
        st.warning(words + successor, icon=":material/event_busy:")
    else:
        st.caption(words + successor)

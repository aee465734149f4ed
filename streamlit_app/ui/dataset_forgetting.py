"""Forgetting old versions, to free room: how many of the newest stay, what is in use, and how much it frees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.dataset_uses import uses_of
from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import Version
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import confirm, errors, numbers
from streamlit_app.ui.safe_text import plain

KEPT_AT_FIRST = 5
LISTED = 10


def show(datasets: Datasets, dataset: Dataset, versions: Sequence[Version]) -> None:
    """Nothing where there is but one version. Closed until it is asked for: runs and models elsewhere are asked."""
    if len(versions) < 2:
        return
    opened = st.expander(_("Forget old versions"), icon=":material/auto_delete:", key="forget", on_change="rerun")
    if opened.open:
        with opened, errors.shown():
            with st.spinner(_("Looking which versions are in use…")):
                uses = uses_of(session.services().targets.values(), dataset, versions)
            _show_choice(datasets, dataset, versions, uses)


def _show_choice(
    datasets: Datasets, dataset: Dataset, versions: Sequence[Version], uses: Mapping[int, Sequence[str]]
) -> None:
    most = len(versions) - 1
    keep = st.number_input(
        _("How many of the newest stay"), 1, most, min(KEPT_AT_FIRST, most), key="forget_keep", width=260
    )
    old = sorted(version.number for version in versions[int(keep) :])
    wanted = [number for number in old if number not in uses]
    spared = [number for number in old if number in uses]
    if spared:
        lines = [
            _("Version {number} stays too: {uses}.").format(number=number, uses=plain(", ".join(uses[number])))
            for number in spared[:LISTED]
        ]
        if len(spared) > LISTED:
            more = len(spared) - LISTED
            lines.append(ngettext("{n} more stays too.", "{n} more stay too.", more).format(n=numbers.count(more)))
        st.markdown("\n".join(f"- {line}" for line in lines))
    if not wanted:
        st.caption(_("So there is nothing to forget."))
        return
    room = numbers.size(datasets.versions(dataset.id).room_of(wanted, uses))
    label = ngettext("Forget {n} version, frees {size}", "Forget {n} versions, frees {size}", len(wanted))
    if st.button(
        label.format(n=numbers.count(len(wanted)), size=room), key="forget_versions", icon=":material/delete:"
    ):
        _ask(datasets, dataset, wanted, uses, room)


def _ask(
    datasets: Datasets, dataset: Dataset, wanted: Sequence[int], uses: Mapping[int, Sequence[str]], room: str
) -> None:
    label = ngettext(
        "Version {list} is removed from this computer for good. That frees {size}.",
        "Versions {list} are removed from this computer for good. That frees {size}.",
        len(wanted),
    )
    listed = ", ".join(map(str, wanted[:LISTED])) + (", …" if len(wanted) > LISTED else "")
    confirm.ask(
        _("Forget old versions of {name}?").format(name=dataset.name),
        label.format(list=listed, size=room) + " " + _("There is no way back to them."),
        ngettext("Forget {n} version", "Forget {n} versions", len(wanted)).format(n=numbers.count(len(wanted))),
        lambda: datasets.versions(dataset.id).forget(wanted, uses),
        key="forget",
        toast=_("Forgotten. That freed {size}.").format(size=room),
        safe=_("Keep them"),
    )

"""A change of a saved dataset makes a version at once. What was done last is said, with Undo beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import Version
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors
from streamlit_app.ui.safe_text import plain


@dataclass(frozen=True)
class LastChange:
    dataset_id: str
    version: int
    text: str


def changed(dataset: Dataset, version: Version, what: str) -> None:
    """Say it, in the callback that made the version. One that changed nothing is no version of its own."""
    if version.number == dataset.version:
        errors.say(_("Nothing was changed."))
        return
    text = _("{what} Version {number}.").format(what=what, number=version.number)
    st.session_state[session.LAST_CHANGE] = LastChange(dataset.id, version.number, text)
    errors.say(text)


def act(dataset: Dataset, action: Callable[[], Version], what: str) -> None:
    """For `on_click`: an error is shown at the top of the page."""
    version = errors.act(action)
    if version is not None:
        changed(dataset, version, what)


def show_last(datasets: Datasets, dataset: Dataset) -> None:
    """The last change of this session, as long as the dataset is as that change left it."""
    last: LastChange | None = st.session_state.get(session.LAST_CHANGE)
    if last is None or (last.dataset_id, last.version) != (dataset.id, dataset.version):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="last_change"):
        st.markdown(f":material/check: {plain(last.text)}", width="stretch")
        st.button(
            _("Undo"), key="undo_change", icon=":material/undo:", on_click=_undo, args=(datasets, dataset, last.version)
        )


def _undo(datasets: Datasets, dataset: Dataset, version: int) -> None:
    made = errors.act(datasets.versions(dataset.id).undo, based_on=version)
    st.session_state.pop(session.LAST_CHANGE, None)
    if made is not None:
        errors.say(_("Undone. Version {number}.").format(number=made.number))

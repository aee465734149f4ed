"""A change of a saved dataset makes a version: at once, or with progress where there is much to write.

What was done last is said, with Undo beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import Version
from backend.i18n import _
from backend.studio.running_work import OnProgress, Running, RunningWork
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain

AT_ONCE_BYTES = 32_000_000
"""Up to here a new version takes less than a second, and is waited for."""
AT_ONCE_SECONDS = 0.2

Action = Callable[[OnProgress], Version]
Finish = Callable[[Running[Version]], None]


@dataclass(frozen=True)
class LastChange:
    dataset_id: str
    version: int
    text: str


@dataclass(frozen=True)
class Pending:
    """A change that this session has begun, and what is to be done once it is over."""

    running: Running[Version]
    finish: Finish


@st.cache_resource(show_spinner=False)
def _work() -> RunningWork:
    """Of all sessions: another window sees that a dataset is being changed."""
    return RunningWork()


def begin(dataset: Dataset, action: Action, finish: Finish) -> None:
    """For callbacks. `finish` gets the change when it is over: now, or in a later run of the page."""
    running = errors.act(_work().begin, dataset.id, action)
    if running is None:
        return
    pending = Pending(running, finish)
    size = sum(Path(path).stat().st_size for path in (dataset.train_path, dataset.eval_path))
    if running.wait(None if size <= AT_ONCE_BYTES else AT_ONCE_SECONDS):
        _end(pending)
    else:
        _all_pending()[dataset.id] = pending


def act(dataset: Dataset, action: Action, what: str) -> None:
    """For callbacks: what was done is said, or the error is shown at the top of the page."""

    def finish(running: Running[Version]) -> None:
        version = errors.act(running.result)
        if version is not None:
            changed(dataset, version, what)

    begin(dataset, action, finish)


def changed(dataset: Dataset, version: Version, what: str) -> None:
    """Say it. A change that changed nothing is no version of its own."""
    if version.number == dataset.version:
        errors.say(_("Nothing was changed."))
        return
    text = _("{what} Version {number}.").format(what=what, number=version.number)
    st.session_state[session.LAST_CHANGE] = LastChange(dataset.id, version.number, text)
    errors.say(text)


def _all_pending() -> dict[str, Pending]:
    """By dataset."""
    found: dict[str, Pending] = st.session_state.setdefault(session.PENDING_CHANGES, {})
    return found


def _end(pending: Pending) -> None:
    session.forget_overview()
    pending.finish(pending.running)


def show_running(dataset: Dataset) -> bool:
    """Whether a change goes on, whoever began it; then its progress is shown."""
    goes_on = _work().get(dataset.id) is not None
    pending = _all_pending().get(dataset.id)
    if pending is not None and pending.running.is_over:
        del _all_pending()[dataset.id]
        _end(pending)
        st.rerun()
    if goes_on:
        _watch(dataset)
        st.button(_("Cancel"), key="cancel_change", icon=":material/close:", on_click=_cancel, args=(dataset,))
    return goes_on


def _cancel(dataset: Dataset) -> None:
    running = _work().get(dataset.id)
    if running is not None:
        running.stop()


@st.fragment(run_every="0.5s")
def _watch(dataset: Dataset) -> None:
    running = _work().get(dataset.id)
    if running is None:
        st.rerun()
    with st.container(border=True, key="running_change"):
        text = _("Writing version {number} of {n} examples…").format(
            number=dataset.version + 1, n=numbers.count(dataset.train_rows + dataset.eval_rows)
        )
        st.progress(min(1.0, running.done), text)
        st.caption(
            _(
                "Until it is done the examples stay as they are. It goes on when you leave this page. Updated {time}"
            ).format(time=numbers.clock())
        )


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
    versions = datasets.versions(dataset.id)

    def finish(running: Running[Version]) -> None:
        made = errors.act(running.result)
        st.session_state.pop(session.LAST_CHANGE, None)
        if made is not None:
            errors.say(_("Undone. Version {number}.").format(number=made.number))

    begin(dataset, lambda tell: versions.telling(tell).undo(based_on=version), finish)

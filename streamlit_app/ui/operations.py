"""Long operations of the target: each with its progress while it goes on, and what can be done when it has ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.domain_setup import Operation, OperationState
from backend.i18n import _
from backend.target import Setup
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain

SECONDS = 2


def show_operations(setup: Setup, *, with_done: bool = True) -> None:
    """Looks every two seconds while one goes on; when one has ended the page is run again."""
    operations = session.operations()
    if not operations:
        return
    is_busy = any(one.state is OperationState.RUNNING for one in operations)
    st.fragment(_tick, run_every=SECONDS if is_busy else None)(setup, _states(operations), with_done=with_done)


def _states(operations: Sequence[Operation]) -> dict[str, OperationState]:
    return {one.id: one.state for one in operations}


def _tick(setup: Setup, before: dict[str, OperationState], *, with_done: bool) -> None:
    errors.show_pending()
    operations = session.operations()
    if _states(operations) != before:
        st.rerun()
    for operation in operations:
        if operation.state is not OperationState.DONE:
            _show(setup, operation)
    done = [operation for operation in operations if operation.state is OperationState.DONE]
    if with_done and done:
        _show_done(setup, done)
    if any(one.state is OperationState.RUNNING for one in operations):
        st.caption(_("Updated {time}. You can leave this page; it goes on.").format(time=numbers.clock()))


def _show(setup: Setup, operation: Operation) -> None:
    with st.container(border=True, key=f"operation_{operation.id}"):
        if operation.state is OperationState.RUNNING:
            steps = (
                _("step {n} of {all}").format(n=min(operation.step + 1, operation.steps), all=operation.steps)
                if operation.steps > 1
                else ""
            )
            detail = operation.detail if operation.detail != operation.title else ""
            st.progress(
                min(1.0, operation.step / operation.steps) if operation.steps else 0.0,
                text=" · ".join(part for part in (f"**{plain(operation.title)}**", plain(detail), steps) if part),
            )
            return
        if not operation.failure or not operation.failure.what.startswith(operation.title):
            st.markdown(f":red[:material/error:] **{plain(operation.title)}**")
        if operation.failure:
            errors.show_failure(operation.failure)
        with st.container(horizontal=True, key=f"operation_buttons_{operation.id}"):
            st.button(
                _("Try again"),
                key=f"retry_{operation.id}",
                icon=":material/replay:",
                on_click=errors.act,
                args=(setup.retry, operation.id),
            )
            _dismiss_button(setup, operation)


def _show_done(setup: Setup, done: Sequence[Operation]) -> None:
    """One slim line, however many there are: they are no news for long."""
    if len(done) == 1:
        _show_line(setup, done[0])
        return
    label = _("{n} tasks done, {title} last").format(n=len(done), title=plain(done[0].title))
    with st.expander(label, icon=":material/check_circle:", key="operations_done"):
        for operation in done:
            _show_line(setup, operation)


def _show_line(setup: Setup, operation: Operation) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"operation_{operation.id}"):
        st.markdown(f":green[:material/check_circle:] {plain(operation.title)} · {_('Done')}", width="stretch")
        _dismiss_button(setup, operation)


def _dismiss_button(setup: Setup, operation: Operation) -> None:
    st.button(
        _("Dismiss"),
        key=f"dismiss_{operation.id}",
        type="tertiary",
        on_click=errors.act,
        args=(setup.dismiss, operation.id),
    )

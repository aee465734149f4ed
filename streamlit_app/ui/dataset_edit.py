"""Changing or adding an example, each turn a text. Saving makes a new version; a clash loses nothing typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset, Failure, Message, Role
from backend.domain_datasets import Version
from backend.errors import Conflict, PhiDeskError
from backend.i18n import _
from backend.studio.running_work import OnProgress, Running
from streamlit_app import session
from streamlit_app.ui import dataset_address, dataset_changes, errors
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import formatted

ROLES: dict[Role, str] = {"system": _("System prompt"), "user": _("Question"), "assistant": _("Answer")}


@dataclass
class Turn:
    """`id` names its widgets, which stay when a turn before it is removed."""

    id: int
    role: Role
    text: str


@dataclass
class Edited:
    """An example that is being written. `number` is None for a new one, `before` is what it was when it was opened."""

    dataset_id: str
    part: str
    number: int | None
    before: tuple[Message, ...]
    turns: list[Turn] = field(default_factory=list)
    made: int = 0
    failure: Failure | None = None
    theirs: tuple[Message, ...] | None = None

    def add(self, role: Role, text: str = "") -> None:
        self.turns.append(Turn(self.made, role, text))
        self.made += 1

    def messages(self) -> tuple[Message, ...]:
        return tuple(Message(turn.role, turn.text) for turn in self.turns)


def begin(dataset: Dataset, part: str, number: int | None = None, messages: Sequence[Message] = ()) -> None:
    """For `on_click`. A new example starts with a question and an answer."""
    edited = Edited(dataset.id, part, number, tuple(messages))
    for message in messages or (Message("user", ""), Message("assistant", "")):
        edited.add(message.role, message.content)
    st.session_state[session.EDITED_EXAMPLE] = edited


def _edited(dataset: Dataset) -> Edited | None:
    edited: Edited | None = st.session_state.get(session.EDITED_EXAMPLE)
    return edited if edited is not None and edited.dataset_id == dataset.id else None


def is_open(dataset: Dataset) -> bool:
    """Whether an example is being written, and the form for it is on the page."""
    return _edited(dataset) is not None and st.query_params.get(dataset_address.VIEW, "examples") == "examples"


def show(datasets: Datasets, dataset: Dataset) -> bool:
    """Whether an example of this dataset is being edited; then nothing else is shown."""
    edited = _edited(dataset)
    if edited is None:
        return False
    if edited.number is None:
        st.header(_("New example"))
    else:
        st.header(_("Change example {number}").format(number=edited.number + 1))
    if edited.failure:
        errors.show_failure(edited.failure)
    if edited.theirs is not None:
        _show_theirs(edited.theirs)
    with st.form("edit_example", enter_to_submit=False):
        for turn in edited.turns:
            _show_turn(edited, turn)
        with st.container(horizontal=True, key="edit_actions"):
            st.form_submit_button(
                _("Save as a new version"),
                key="save_example",
                type="primary",
                icon=":material/save:",
                shortcut=primary_shortcut(),
                on_click=_save,
                args=(datasets, dataset, edited),
            )
            st.form_submit_button(
                _("Add a turn"), key="add_turn", icon=":material/add:", on_click=_add_turn, args=(edited,)
            )
            st.form_submit_button(_("Cancel"), key="cancel_edit", on_click=_close)
    return True


def _show_turn(edited: Edited, turn: Turn) -> None:
    with st.container(border=True, gap="small", key=f"turn_{turn.id}"):
        with st.container(horizontal=True, vertical_alignment="bottom", key=f"turn_head_{turn.id}"):
            turn.role = st.selectbox(
                _("Who speaks"),
                list(ROLES),
                index=list(ROLES).index(turn.role),
                format_func=lambda role: ROLES[role],
                key=f"turn_role_{turn.id}",
                width=200,
            )
            st.form_submit_button(
                _("Remove this turn"),
                key=f"remove_turn_{turn.id}",
                icon=":material/remove:",
                type="tertiary",
                disabled=len(edited.turns) == 1,
                on_click=_remove_turn,
                args=(edited, turn.id),
            )
        turn.text = st.text_area(
            _("Text of the {role}").format(role=ROLES[turn.role].lower()),
            turn.text,
            key=f"turn_text_{turn.id}",
            height="content",
            label_visibility="collapsed",
        )


def _show_theirs(theirs: tuple[Message, ...]) -> None:
    with st.expander(_("How it is now"), expanded=True, key="their_example"):
        for message in theirs:
            st.markdown(f"**{ROLES[message.role]}**")
            st.markdown(formatted(message.content))


def _keep(edited: Edited) -> None:
    """What the form holds; its callbacks run before the widgets do."""
    for turn in edited.turns:
        turn.role = st.session_state.get(f"turn_role_{turn.id}", turn.role)
        turn.text = st.session_state.get(f"turn_text_{turn.id}", turn.text)


def _add_turn(edited: Edited) -> None:
    _keep(edited)
    edited.add("assistant" if edited.turns[-1].role == "user" else "user")


def _remove_turn(edited: Edited, turn_id: int) -> None:
    _keep(edited)
    edited.turns = [turn for turn in edited.turns if turn.id != turn_id]


def _close() -> None:
    st.session_state.pop(session.EDITED_EXAMPLE, None)


def _save(datasets: Datasets, dataset: Dataset, edited: Edited) -> None:
    _keep(edited)
    before = edited.theirs if edited.theirs is not None else edited.before
    edited.failure = edited.theirs = None
    messages = edited.messages()

    def save(tell: OnProgress) -> Version:
        return change_row(datasets, dataset, edited.part, edited.number, before, messages, tell)

    dataset_changes.begin(dataset, save, lambda running: _saved(datasets, dataset, edited, running))


def _saved(datasets: Datasets, dataset: Dataset, edited: Edited, running: Running[Version]) -> None:
    try:
        version = running.result()
    except Conflict as clash:
        edited.theirs = _row(datasets, dataset, edited.part, edited.number)
        if edited.theirs is None:  # it is gone: what was typed can still be saved as a new one
            edited.number, edited.before = None, ()
            what_now = _("Your text is still here. Save again to add it as a new example.")
        else:
            what_now = _("Your text is still here. Compare, then save again to put yours in its place.")
        edited.failure = replace(clash.failure(), how_to_fix=what_now)
    except PhiDeskError as error:
        edited.failure = error.failure()
    else:
        if edited.number is None:
            rows = version.train_rows if edited.part == "train" else version.eval_rows
            dataset_changes.changed(dataset, version, _("Example {number} added.").format(number=rows))
            dataset_address.go(part=edited.part, example=rows)
        else:
            dataset_changes.changed(dataset, version, _("Example {number} changed.").format(number=edited.number + 1))
        _close()


def change_row(
    datasets: Datasets,
    dataset: Dataset,
    part: str,
    number: int | None,
    before: Sequence[Message],
    after: Sequence[Message] | None,
    on_progress: OnProgress,
) -> Version:
    """Replace a row, leave it out (`after` is None) or add one (`number` is None).

    Raises Conflict when the row is no longer as it was looked at, BadInput for a conversation that breaks the rules.
    """
    versions = datasets.versions(dataset.id).telling(on_progress)
    current = versions.current.number
    if number is None:
        return versions.add(part, after or (), based_on=current)
    if _row(datasets, dataset, part, number) != tuple(before):
        raise Conflict(
            _("Example {number} was changed in another window.").format(number=number + 1),
            why=_("The dataset is at version {number} now.").format(number=current),
            how_to_fix=_("Look at it as it is now, then make your change again."),
            code="version_conflict",
        )
    if after is None:
        return versions.delete(part, [number], based_on=current)
    return versions.edit(part, number, after, based_on=current)


def _row(datasets: Datasets, dataset: Dataset, part: str, number: int | None) -> tuple[Message, ...] | None:
    if number is None:
        return None
    found = datasets.page(dataset.id, part, number, 1).rows
    return found[0][1].messages if found else None

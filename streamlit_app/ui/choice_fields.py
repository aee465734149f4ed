"""The dependent choices that connect a place, each a select; and the dialog that creates what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.domain_setup import Choice, FormField, OperationState, Option
from backend.i18n import _
from backend.target import Setup
from streamlit_app import session
from streamlit_app.ui import errors
from streamlit_app.ui.safe_text import plain

NEW = ""
"""Id of the option by which a form makes a new one."""


def show(setup: Setup) -> None:
    with st.container(border=True, key="choices"):
        st.header(_(":material/folder_open: Where it works"))
        st.caption(_("Each choice is filled by the one before it. What is not there yet can be created from here."))
        with errors.shown():
            with st.spinner(_("Asking what is there…"), show_time=True):
                choices = session.choices()
            being_made = {one.kind for one in session.operations() if one.state is OperationState.RUNNING}
            needed = [choice for choice in choices if not choice.is_optional]
            next_one = next((choice for choice in needed if not choice.chosen and not choice.waits_for), None)
            for choice in needed:
                is_made = _kind_of_making(choice) in being_made
                _show_choice(setup, choice, is_next=choice is next_one, is_being_made=is_made)
            optional = [choice for choice in choices if choice.is_optional]
            if optional:
                with st.expander(_("Not needed for training and chat"), key="optional_choices"):
                    for choice in optional:
                        _show_choice(setup, choice, is_being_made=_kind_of_making(choice) in being_made)


def _kind_of_making(choice: Choice) -> str:
    return f"create_{choice.id}"


def _show_choice(setup: Setup, choice: Choice, *, is_next: bool = False, is_being_made: bool = False) -> None:
    """The next one that has nothing to choose from offers to create it, as the one thing to do; not a second one
    while the first is being made, which takes minutes and ends by itself."""
    key = f"choice_{choice.id}"
    titles = {one.id: option_title(one) for one in choice.options}
    if choice.chosen:
        titles.setdefault(choice.chosen, choice.chosen)
    # The target decides what is chosen: a choice that it refused, or forgot with the one before, must not stay.
    st.session_state[key] = choice.chosen or None
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"choice_row_{choice.id}"):
        st.selectbox(
            choice.title,
            list(titles),
            format_func=lambda one: titles.get(one, one),
            index=0 if choice.chosen else None,  # what is chosen can be changed, not cleared
            key=key,
            placeholder=_("It is being made…") if is_being_made else _placeholder(choice),
            help=choice.help or None,
            disabled=bool(choice.waits_for) or not titles,
            on_change=_choose,
            args=(setup, choice.id, key),
        )
        if choice.form and st.button(
            _("Create…"),
            key=f"create_{choice.id}",
            icon=":material/add:",
            type="primary" if is_next and not titles and not choice.failure and not is_being_made else "secondary",
            disabled=bool(choice.waits_for) or is_being_made,
            help=_("Create: {what}").format(what=plain(choice.title)),
        ):
            _ask_to_create(setup, choice)
    if choice.failure:
        errors.show_failure(choice.failure)
        st.button(_("Look again"), key=f"look_{choice.id}", icon=":material/refresh:", on_click=session.forget)


def _placeholder(choice: Choice) -> str:
    if choice.waits_for:
        return choice.waits_for
    if choice.failure:
        return _("Nothing to choose from")
    return _("Choose…") if choice.options else _("Nothing there yet")


def option_title(option: Option) -> str:
    return f"{option.title} · {option.note}" if option.note else option.title


def _choose(setup: Setup, choice: str, key: str) -> None:
    errors.act(setup.choose, choice, st.session_state[key])
    session.forget()


def _ask_to_create(setup: Setup, choice: Choice) -> None:
    @st.dialog(_("Create: {what}").format(what=plain(choice.title)), icon=":material/add:")
    def dialog() -> None:
        if st.session_state.pop(session.CONFIRMED, False):
            st.rerun()
        errors.show_pending()
        if choice.help:
            st.caption(plain(choice.help))
        parts = [field for field in choice.form if _is_part(field)]
        for field in choice.form:
            if field not in parts:
                _show_field(choice.id, field)
        if parts:
            with st.expander(_("What it stands on: new ones are made, or choose your own"), key=f"parts_{choice.id}"):
                for field in parts:
                    _show_field(choice.id, field)
        st.button(
            _("Create"),
            key=f"create_{choice.id}_yes",
            type="primary",
            on_click=_create,
            args=(setup, choice.id, choice.form),
        )

    dialog()


def _is_part(field: FormField) -> bool:
    """Whether it asks what to take that is there already, and answers "a new one" when nobody cares."""
    return bool(field.options) and field.options[0].id == field.default == NEW


def _field_key(choice: str, field: FormField) -> str:
    return f"field_{choice}_{field.name}"


def _show_field(choice: str, field: FormField) -> None:
    key = _field_key(choice, field)
    if not field.options:
        st.text_input(field.title, value=field.default, key=key, help=field.help or None, max_chars=200)
        return
    titles = {one.id: option_title(one) for one in field.options}
    ids = list(titles)
    st.selectbox(
        field.title,
        ids,
        index=ids.index(field.default) if field.default in ids else 0,
        format_func=lambda one: titles.get(one, one),
        key=key,
        help=field.help or None,
    )


def _create(setup: Setup, choice: str, form: Sequence[FormField]) -> None:
    values = {field.name: str(st.session_state.get(_field_key(choice, field)) or "").strip() for field in form}
    if errors.act(setup.create, choice, values) is not None:  # else the dialog stays open, with what was typed
        st.session_state[session.CONFIRMED] = True
        session.forget()

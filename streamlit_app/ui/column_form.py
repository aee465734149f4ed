"""The form by which a person says what the columns of a file mean, with a live preview of its first rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Message
from backend.domain_datasets import FileFormat, FormatKind, RecordFormat
from backend.errors import BadInput
from backend.i18n import _
from backend.studio.format_words import PART_TITLES
from backend.studio.mapping import map_columns
from streamlit_app.ui import errors
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.turned_page import begin_at_top

PREVIEWED = 3
LOOKED_AT = 200
SHOWN_LETTERS = 700
NOTHING = ""
_NEEDED = ("messages", "question", "answer")
_PAIR = ("question", "answer", "system", "context", "history")


def show_form(datasets: Datasets, draft_id: str, file: FileFormat, *, is_asked: bool) -> None:
    """What is said holds for all files with these columns. `is_asked`: nothing else can be done before."""
    guesses = datasets.possible_formats(draft_id, file.number)
    is_said = file.format.kind is FormatKind.MAPPED
    current = file.format if is_said or not guesses else guesses[0]
    columns = guesses[0].columns if guesses else file.format.columns
    chosen = _fields(current, columns, guesses)
    form = _form_of(datasets, draft_id, file, chosen, columns)
    which = "use" if is_asked else "change"
    if form is not None:
        _show_preview(datasets, draft_id, form, file.number, f"draft_{which}_preview")
    remember = st.checkbox(_("Remember this for files with these columns"), value=True, key=f"draft_remember_{which}")
    with st.container(horizontal=True, key=f"draft_{which}_mapping_buttons"):
        st.button(
            _("Read it like this"),
            key=f"draft_{which}_mapping",
            type="primary" if is_asked else "secondary",
            icon=":material/check:",
            disabled=form is None,
            shortcut=primary_shortcut() if is_asked else None,
            on_click=errors.act,
            args=(_use, datasets, draft_id, form, remember, is_asked),
        )
        if is_said:
            st.button(
                _("As it was recognised"),
                key="draft_drop_mapping",
                icon=":material/undo:",
                on_click=errors.act,
                args=(_drop, datasets, draft_id, file.format),
            )


def column_key(part: str, columns: Sequence[str]) -> str:
    """The select of a part: each set of columns has its own, so that no choice is taken over from another file."""
    return f"draft_column_{part}_{_id_of(columns)}"


def _id_of(columns: Sequence[str]) -> str:
    names = "\0".join(sorted(columns)).encode(errors="replace")
    return hashlib.blake2b(names, digest_size=6).hexdigest()


def _use(datasets: Datasets, draft_id: str, form: RecordFormat, remember: bool, is_asked: bool) -> None:
    datasets.drafts.use_mapping(draft_id, form)  # which remembers it
    if not remember:
        datasets.mappings.forget(form.columns)
    if is_asked:  # the next file is asked about, or the verdict shown
        begin_at_top()


def _drop(datasets: Datasets, draft_id: str, form: RecordFormat) -> None:
    if datasets.drafts.drop_mapping(draft_id, form).unclear:
        begin_at_top()


def _form_of(
    datasets: Datasets, draft_id: str, file: FileFormat, chosen: dict[str, str], columns: Sequence[str]
) -> RecordFormat | None:
    """None, and what is missing said, where it can't be used."""
    if "messages" not in chosen and not {"question", "answer"} <= chosen.keys():
        st.caption(_("Choose a column for the question and one for the answer."))
        return None
    try:
        return map_columns(chosen, columns, datasets.drafts.first_records(draft_id, LOOKED_AT, file.number))
    except BadInput as error:
        errors.show_failure(error.failure())
        return None


def _fields(current: RecordFormat, columns: Sequence[str], guesses: Sequence[RecordFormat]) -> dict[str, str]:
    """The selects. The first guess that knows a part fills it."""
    is_list = st.radio(
        _("Each row holds"),
        [False, True],
        format_func=lambda one: _("A whole conversation in one column") if one else _("A question and an answer"),
        index=int("messages" in current.fields),
        key=f"draft_is_list_{_id_of(columns)}",
        horizontal=True,
    )
    parts = ("messages", "system") if is_list else _PAIR
    guessed: dict[str, str] = {}
    for guess in (current, *guesses):
        for part, column in guess.fields.items():
            guessed.setdefault(part, column)
    needed = [part for part in parts if part in _NEEDED]
    chosen = {part: _select(part, columns, guessed.get(part, NOTHING)) for part in needed}
    with st.expander(_("More columns that count"), key=f"draft_more_columns_{_id_of(columns)}"):
        for part in parts:
            if part not in _NEEDED:
                chosen[part] = _select(part, columns, current.fields.get(part, NOTHING))
    return {part: column for part, column in chosen.items() if column}


def _select(part: str, columns: Sequence[str], start: str) -> str:
    is_needed = part in _NEEDED
    options = list(columns) if is_needed else [NOTHING, *columns]
    column: str | None = st.selectbox(
        PART_TITLES[part],
        options,
        index=options.index(start) if start in options else (None if is_needed else 0),
        format_func=lambda one: one or _("none"),
        key=column_key(part, columns),
        placeholder=_("Choose a column"),
    )
    return column or NOTHING


def _show_preview(datasets: Datasets, draft_id: str, form: RecordFormat, file: int, key: str) -> None:
    """The first rows as the model would be taught them. What a file says is text, never Markdown."""
    with errors.shown():
        converted = datasets.preview_mapping(draft_id, form, PREVIEWED, file)
        for number, one in enumerate(converted, start=1):
            with st.container(border=True, gap="small", key=f"{key}_{number}"):
                st.caption(_("Row {n}").format(n=number))
                if one.messages is not None:
                    show_chat(one.messages)
                elif one.flaw is not None:
                    st.warning(plain(one.flaw.fix), title=plain(one.flaw.message), icon=":material/rule:")


def show_chat(messages: Sequence[Message]) -> None:
    speakers = {"system": _("System"), "user": _("User"), "assistant": _("Assistant")}
    for message in messages:
        is_cut = len(message.content) > SHOWN_LETTERS
        with st.container(horizontal=True, gap="small"):
            st.badge(speakers[message.role], color="blue" if message.role == "assistant" else "gray")
            st.text(message.content[:SHOWN_LETTERS] + ("…" if is_cut else ""), width="stretch")

"""What a file was recognised as; and the form by which a person says what its columns mean, with a live preview."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Message
from backend.domain_datasets import Draft, FormatKind, RecordFormat, UnclearFile
from backend.i18n import _, ngettext
from backend.studio.format_words import PART_TITLES, describe_format
from streamlit_app.ui import errors
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

PREVIEWED = 3
SHOWN_FORMATS = 5
SHOWN_LETTERS = 700
NOTHING = ""
_NEEDED = ("messages", "question", "answer")
_PAIR = ("question", "answer", "system", "context", "history")


def needs_mapping(draft: Draft) -> bool:
    """Whether a person must look before anything else makes sense."""
    return bool(draft.unclear)


def show_format(datasets: Datasets, draft: Draft) -> None:
    if draft.unclear:
        _ask(datasets, draft, draft.unclear[0])
        return
    form = draft.mapping or draft.report.format
    if form.kind is FormatKind.UNKNOWN:
        return
    _show_recognised(draft.report.formats or (form,))
    if draft.report.notes:
        st.caption("  \n".join(plain(note) for note in draft.report.notes))
    if len(form.columns) > 1:
        corner = st.expander(
            _("Read the columns in another way"), key="draft_mapping", on_change="rerun", icon=":material/view_column:"
        )
        if corner.open:
            with corner:
                _show_form(datasets, draft, None, is_primary=False)


def _ask(datasets: Datasets, draft: Draft, file: UnclearFile) -> None:
    """About one file alone; what the others were recognised as is said."""
    is_one_of_several = len(draft.files) > 1 and bool(file.name)
    if is_one_of_several:
        st.header(_("What do the columns of {file} mean?").format(file=plain(file.name)))
    else:
        st.header(_("What do the columns mean?"))
    if draft.mapping is not None:
        st.write(
            _(
                "You have said it of another file already, and only one such choice can be made here. Leave this file "
                "out, save the others, and then add it by itself: datasets can be mixed when they are saved."
            )
        )
    else:
        st.write(
            _("The file does not say it clearly. Choose, and look at the preview; the file itself stays as it is.")
        )
        _show_form(datasets, draft, file, is_primary=True)
    if not is_one_of_several:
        return
    st.button(
        _("Leave this file out"),
        key="draft_leave_out",
        icon=":material/remove_circle:",
        on_click=errors.act,
        args=(datasets.drafts.leave_out, draft.id, file.number),
    )
    recognised = [form for form in draft.report.formats if form.is_sure]
    if recognised:
        others = len(draft.files) - len(draft.unclear)
        st.caption(
            ngettext("The other file is recognised.", "The other {n} files are recognised.", others).format(n=others)
        )
        _show_recognised(recognised)


def _show_recognised(formats: Sequence[RecordFormat]) -> None:
    sentences = list(dict.fromkeys(describe_format(form) for form in formats))
    for sentence in sentences[:SHOWN_FORMATS]:
        st.markdown(f":material/fact_check: {plain(sentence)}")


def _show_form(datasets: Datasets, draft: Draft, file: UnclearFile | None, *, is_primary: bool) -> None:
    """For the columns of this file; of the whole draft where none is given."""
    number = file.number if file is not None else None
    is_known = number is None or number >= 0  # a file beyond those that were looked into has no preview
    guesses = datasets.possible_formats(draft.id, number) if is_known else []
    current = draft.mapping or (guesses[0] if guesses else file.format if file else draft.report.format)
    chosen = _fields(current, guesses)
    form = RecordFormat(FormatKind.MAPPED, chosen, current.columns)
    is_complete = "messages" in chosen or ("question" in chosen and "answer" in chosen)
    if is_complete and is_known:
        _show_preview(datasets, draft.id, form, number)
    elif not is_complete:
        st.caption(_("Choose a column for the question and one for the answer."))
    remember = st.checkbox(_("Remember this for files with these columns"), value=True, key="draft_remember")
    with st.container(horizontal=True, key="draft_mapping_buttons"):
        st.button(
            _("Read it like this"),
            key="draft_use_mapping",
            type="primary" if is_primary else "secondary",
            icon=":material/check:",
            disabled=not is_complete,
            shortcut=primary_shortcut() if is_primary else None,
            on_click=errors.act,
            args=(_use, datasets, draft.id, form, remember),
        )
        if draft.mapping is not None:
            st.button(
                _("As it was recognised"),
                key="draft_drop_mapping",
                icon=":material/undo:",
                on_click=errors.act,
                args=(_use, datasets, draft.id, None, False),
            )


def _use(datasets: Datasets, draft_id: str, form: RecordFormat | None, remember: bool) -> None:
    datasets.drafts.use_mapping(draft_id, form)  # which remembers it
    if form is not None and not remember:
        datasets.mappings.forget(form.columns)


def _fields(current: RecordFormat, guesses: Sequence[RecordFormat]) -> dict[str, str]:
    """The selects. The first guess that knows a part fills it."""
    is_list = st.radio(
        _("Each row holds"),
        [False, True],
        format_func=lambda one: _("A whole conversation in one column") if one else _("A question and an answer"),
        index=int("messages" in current.fields),
        key="draft_is_list",
        horizontal=True,
    )
    parts = ("messages", "system") if is_list else _PAIR
    guessed: dict[str, str] = {}
    for guess in (current, *guesses):
        for part, column in guess.fields.items():
            guessed.setdefault(part, column)
    needed = [part for part in parts if part in _NEEDED]
    chosen = {part: _select(part, current.columns, guessed.get(part, NOTHING)) for part in needed}
    with st.expander(_("More columns that count"), key="draft_more_columns"):
        for part in parts:
            if part not in _NEEDED:
                chosen[part] = _select(part, current.columns, current.fields.get(part, NOTHING))
    return {part: column for part, column in chosen.items() if column}


def _select(part: str, columns: Sequence[str], start: str) -> str:
    is_needed = part in _NEEDED
    options = list(columns) if is_needed else [NOTHING, *columns]
    column: str | None = st.selectbox(
        PART_TITLES[part],
        options,
        index=options.index(start) if start in options else (None if is_needed else 0),
        format_func=lambda one: one or _("none"),
        key=f"draft_column_{part}",
        placeholder=_("Choose a column"),
    )
    return column or NOTHING


def _show_preview(datasets: Datasets, draft_id: str, form: RecordFormat, file: int | None) -> None:
    """The first rows as the model would be taught them. What a file says is text, never Markdown."""
    with errors.shown():
        converted = datasets.preview_mapping(draft_id, form, PREVIEWED, file)
        for number, one in enumerate(converted, start=1):
            with st.container(border=True, gap="small", key=f"draft_preview_{number}"):
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

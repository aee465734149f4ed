"""One example of a saved dataset in full, with what can be done to it."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset, Message
from backend.domain_datasets import Row, Version
from backend.i18n import _
from backend.studio.running_work import OnProgress
from streamlit_app.ui import dataset_address, dataset_changes, dataset_edit, numbers
from streamlit_app.ui.safe_text import MAX_FORMATTED, formatted, plain


def show_row(datasets: Datasets, dataset: Dataset, part: str, number: int) -> None:
    rows = dataset.train_rows if part == "train" else dataset.eval_rows
    found = datasets.page(dataset.id, part, number, 1).rows
    if not found:
        return
    row = found[0][1]
    st.header(_("Example {number}").format(number=numbers.count(number + 1)))
    choose_number(number, rows)
    if row.file:
        st.caption(_("From {file}, line {line}").format(file=plain(row.file), line=numbers.count(row.line)))
    show_chat(row.messages)
    with st.container(horizontal=True, key="row_actions"):
        st.button(
            _("Edit"),
            key="edit_row",
            icon=":material/edit:",
            on_click=dataset_edit.begin,
            args=(dataset, part, number, row.messages),
        )
        st.button(
            _("Delete"),
            key="delete_row",
            icon=":material/delete:",
            on_click=_delete,
            args=(datasets, dataset, part, number, row),
        )
        st.button(
            _("As the model sees it"),
            key="see_row",
            icon=":material/visibility:",
            on_click=dataset_address.go,
            kwargs={"view": "model", "part": part, "example": number + 1},
        )


def choose_number(number: int, rows: int) -> None:
    """The number in the link, as a field with steps: the way through the examples by keyboard."""

    def changed() -> None:
        dataset_address.go(example=int(st.session_state["example_number"]))

    st.session_state["example_number"] = number + 1
    st.number_input(
        _("Number of the example, to {rows}").format(rows=numbers.count(rows)),
        min_value=1,
        max_value=rows,
        key="example_number",
        on_change=changed,
        width=260,
    )


def show_chat(messages: tuple[Message, ...]) -> None:
    for message in messages:
        with st.chat_message(
            {"user": "user", "assistant": "assistant"}.get(message.role, _("System prompt")),
            avatar=":material/settings:" if message.role == "system" else None,
        ):
            st.markdown(formatted(message.content[:MAX_FORMATTED]) or _("*(empty)*"))
            if len(message.content) > MAX_FORMATTED:
                st.caption(
                    _("The first {n} of {all} characters.").format(
                        n=numbers.count(MAX_FORMATTED), all=numbers.count(len(message.content))
                    )
                )


def _delete(datasets: Datasets, dataset: Dataset, part: str, number: int, row: Row) -> None:
    """A change by somebody else in the meantime counts only where it touched this row."""

    def delete(tell: OnProgress) -> Version:
        return dataset_edit.change_row(datasets, dataset, part, number, row.messages, None, tell)

    dataset_changes.act(dataset, delete, _("Example {number} deleted.").format(number=number + 1))
    dataset_address.go(example=None)

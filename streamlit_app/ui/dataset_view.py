"""One dataset: its figures, its first rows, what to do with it."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import confirm, numbers
from streamlit_app.ui.conversation_table import show_rows
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.link_rows import back_link
from streamlit_app.ui.safe_text import plain

PREVIEW_ROWS = 50


def show_dataset(datasets: Datasets, dataset: Dataset) -> None:
    back_link(_("All datasets"))
    st.title(plain(dataset.name))
    st.caption(
        _("{source}, added {when}").format(source=plain(dataset.source), when=numbers.local_time(dataset.created_at))
    )
    statistics = datasets.statistics(dataset.id)
    with st.grid(4, min_column_width=140, gap="small"):
        st.metric(_("To learn from"), numbers.count(dataset.train_rows), border=True)
        st.metric(
            _("To check with"),
            numbers.count(dataset.eval_rows),
            border=True,
            help=_("Kept aside: the model never trains on these, so they show what it really learned."),
        )
        tokens = statistics.train.tokens + statistics.eval.tokens
        st.metric(_("Tokens, estimate"), numbers.short_count(tokens), border=True)
        longest = max(statistics.train.longest_tokens, statistics.eval.longest_tokens)
        st.metric(_("Longest, tokens"), numbers.count(longest), border=True)

    st.header(_("Examples"))
    part = st.segmented_control(
        _("Part"),
        ["train", "eval"],
        format_func=lambda name: _("To learn from") if name == "train" else _("To check with"),
        default="train",
        required=True,
        key="dataset_part",
        label_visibility="collapsed",
    )
    show_rows(datasets.preview(dataset.id, part or "train", 0, PREVIEW_ROWS), key=f"preview_{part}")
    rows = dataset.train_rows if part != "eval" else dataset.eval_rows
    if rows > PREVIEW_ROWS:
        st.caption(_("The first {n} of {rows}.").format(n=PREVIEW_ROWS, rows=numbers.count(rows)))

    with st.container(horizontal=True, key="dataset_actions"):
        if st.button(
            _("Train with it"),
            key="train_with",
            type="primary",
            icon=":material/model_training:",
            shortcut=primary_shortcut(),
        ):
            st.switch_page("app_pages/train.py", query_params={"new": "1", session.DATASET_PARAMETER: dataset.id})
        if st.button(_("Delete dataset"), key="delete_dataset", icon=":material/delete:"):
            confirm.ask(
                _("Delete {name}?").format(name=dataset.name),
                _("Its {rows} examples are removed from this computer. Models trained with it stay.").format(
                    rows=numbers.count(dataset.train_rows + dataset.eval_rows)
                ),
                _("Delete dataset"),
                lambda: _delete(datasets, dataset.id),
                key="delete_dataset",
                type_name=dataset.name,
                toast=_("Dataset deleted."),
            )


def _delete(datasets: Datasets, dataset_id: str) -> None:
    datasets.delete(dataset_id)
    st.query_params.clear()

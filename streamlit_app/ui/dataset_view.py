"""The page of one saved dataset: what it is, what to do with it, and its sections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from backend.datasets import BYTES_PER_TOKEN, Datasets
from backend.domain import Dataset
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import (
    confirm,
    dataset_address,
    dataset_changes,
    dataset_checks,
    dataset_edit,
    dataset_examples,
    dataset_export,
    dataset_model_view,
    dataset_statistics,
    dataset_versions,
    errors,
    numbers,
)
from streamlit_app.ui.choice_labels import readable
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.link_rows import back_link
from streamlit_app.ui.safe_text import plain

SOURCES = {
    "file": _("From a file"),
    "sample": _("The sample"),
    "hub": _("From Hugging Face"),
    "chats": _("From rated chats"),
    "azure": _("From Azure"),
}
SECTIONS: dict[str, tuple[str, Callable[[Datasets, Dataset], None]]] = {
    "examples": (_("Examples"), dataset_examples.show),
    "model": (_("As the model sees it"), dataset_model_view.show),
    "statistics": (_("Statistics"), dataset_statistics.show),
    "checks": (_("Checks"), dataset_checks.show),
    "versions": (_("Versions"), dataset_versions.show),
    "export": (_("Export"), dataset_export.show),
}


def show_dataset(datasets: Datasets, dataset: Dataset) -> None:
    back_link(_("All datasets"))
    st.title(plain(dataset.name))
    st.caption(
        _("{source}, added {when}, version {version}").format(
            source=SOURCES.get(dataset.source) or plain(dataset.source),
            when=numbers.local_time(dataset.created_at),
            version=dataset.version,
        )
    )
    _show_figures(dataset)
    if dataset_changes.show_running(dataset):
        return
    _show_actions(datasets, dataset)
    section = _choose_section()
    dataset_changes.show_last(datasets, dataset)
    with errors.shown():
        SECTIONS[section][1](datasets, dataset)


def _show_figures(dataset: Dataset) -> None:
    with st.grid(3, min_column_width=140, gap="small"):
        st.metric(_("To learn from"), numbers.count(dataset.train_rows), border=True)
        st.metric(
            _("To check with"),
            numbers.count(dataset.eval_rows),
            border=True,
            help=_("Kept aside: the model never trains on these, so they show what it really learned."),
        )
        size = sum(Path(path).stat().st_size for path in (dataset.train_path, dataset.eval_path))
        st.metric(
            _("Tokens, estimate"),
            numbers.short_count(size / BYTES_PER_TOKEN),
            border=True,
            help=_("From the size of the texts. Statistics counts them."),
        )


def _show_actions(datasets: Datasets, dataset: Dataset) -> None:
    is_editing = dataset_edit.is_open(dataset)  # then saving is what the page is for
    with st.container(horizontal=True, key="dataset_actions"):
        if st.button(
            _("Train with it"),
            key="train_with",
            type="secondary" if is_editing else "primary",
            icon=":material/model_training:",
            shortcut=None if is_editing else primary_shortcut(),
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


def _choose_section() -> str:
    """The one in the link, which a choice changes first: so the widget always shows what the page shows."""
    section = dataset_address.chosen(dataset_address.VIEW, tuple(SECTIONS))

    def changed() -> None:
        dataset_address.go(view=st.session_state["dataset_view"])

    st.session_state["dataset_view"] = section
    st.segmented_control(
        _("Section"),
        list(SECTIONS),
        format_func=lambda name: readable(SECTIONS[name][0]),
        required=True,
        key="dataset_view",
        label_visibility="collapsed",
        on_change=changed,
    )
    return section


def _delete(datasets: Datasets, dataset_id: str) -> None:
    datasets.delete(dataset_id)
    st.query_params.clear()

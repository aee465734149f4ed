"""What a maximum length cuts off, and what the base model's template refuses, as findings that can be decided."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset, Failure
from backend.domain_datasets import Finding
from backend.errors import PhiDeskError
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import dataset_findings, errors, numbers
from streamlit_app.ui.dataset_base import choose_base, choose_length


def show(datasets: Datasets, dataset: Dataset) -> None:
    """Raises PhiDeskError where the base model's tokenizer can't be had here."""
    base = choose_base()
    counted = datasets.measure_tokens(dataset.id, base)
    if counted.failure:
        show_failed_count(datasets, dataset, base, counted.failure)
        return
    if not counted.is_final or counted.table is None:
        _watch(datasets, dataset, base)
        return
    length = choose_length(counted.table)
    st.session_state[session.CHECKED_LENGTH] = (base, length)
    found = datasets.length_findings(dataset.id, base, length)
    if not found:
        st.success(
            _("With {n} tokens nothing is cut off.").format(n=numbers.count(length)), icon=":material/check_circle:"
        )
        return
    dataset_findings.show(
        datasets,
        dataset,
        found,
        lambda chosen, tell: datasets.apply_length_decisions(dataset.id, base, length, chosen, tell),
        datasets.versions(dataset.id).kept_findings(f"{base} {length}"),
        key="lengths",
    )


def show_failed_count(datasets: Datasets, dataset: Dataset, base: str, failure: Failure) -> None:
    """Why the tokens could not be counted, and another try."""
    errors.show_failure_with_retry(
        failure, _("Count again"), datasets.measure_tokens, dataset.id, base, key="count_again"
    )


def finding(datasets: Datasets, dataset: Dataset, code: str) -> Finding | None:
    """The one that this session has just looked at, for the table of its examples."""
    base, length = st.session_state.get(session.CHECKED_LENGTH, ("", 0))
    if not base:
        return None
    return next((one for one in datasets.length_findings(dataset.id, base, length) if one.code == code), None)


@st.fragment(run_every="1s")
def _watch(datasets: Datasets, dataset: Dataset, base: str) -> None:
    try:
        counted = datasets.measure_tokens(dataset.id, base)
    except PhiDeskError:
        st.rerun()  # the page says it
    if counted.is_final:
        st.rerun()
    rows = numbers.count(dataset.train_rows + dataset.eval_rows)
    st.progress(counted.done, _("Counting the tokens of {n} examples…").format(n=rows))
    st.caption(_("Updated {time}").format(time=numbers.clock()))

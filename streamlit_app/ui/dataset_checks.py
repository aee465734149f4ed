"""What the checks found in the saved version: in the texts, and in their lengths for a base model."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import dataset_findings, dataset_lengths, errors, numbers
from streamlit_app.ui.dataset_versions import show_difference

FINAL = ("done", "failed")


def show(datasets: Datasets, dataset: Dataset) -> None:
    _show_what_changed(datasets, dataset)
    st.header(_("Texts"))
    with errors.shown():
        _show_texts(datasets, dataset)
    st.header(_("Lengths"))
    with errors.shown():
        dataset_lengths.show(datasets, dataset)


def _show_texts(datasets: Datasets, dataset: Dataset) -> None:
    found = datasets.examine(dataset.id)
    if found.phase not in FINAL:
        _watch(datasets, dataset)
    elif found.failure:
        errors.show_failure_with_retry(found.failure, _("Try again"), datasets.examine, dataset.id, key="examine_again")
    elif not found.findings:
        st.success(_("Nothing stands out. These examples are fit to train with."), icon=":material/check_circle:")
    else:
        label = ngettext("{n} finding in version {version}", "{n} findings in version {version}", len(found.findings))
        st.caption(label.format(n=len(found.findings), version=dataset.version))
        dataset_findings.show(
            datasets,
            dataset,
            found.findings,
            lambda chosen, tell: datasets.apply_decisions(dataset.id, chosen, tell),
            datasets.versions(dataset.id).kept_findings(),
            key="checks",
        )


@st.fragment(run_every="1s")
def _watch(datasets: Datasets, dataset: Dataset) -> None:
    with errors.shown():
        found = datasets.examine(dataset.id)
        if found.phase in FINAL:
            st.rerun()
        rows = numbers.count(dataset.train_rows + dataset.eval_rows)
        st.progress(found.done, _("Checking {n} examples…").format(n=rows))
        st.caption(_("Updated {time}").format(time=numbers.clock()))


def _show_what_changed(datasets: Datasets, dataset: Dataset) -> None:
    last = st.session_state.get(session.LAST_CHANGE)
    if last is None or (last.dataset_id, last.version) != (dataset.id, dataset.version):
        return
    before = datasets.versions(dataset.id).before(dataset.version)
    if before is None:
        return
    opened = st.expander(_("What changed"), key="checks_changed", on_change="rerun")
    if opened.open:
        with opened, errors.shown():
            show_difference(datasets, dataset, before, dataset.version, "checks")

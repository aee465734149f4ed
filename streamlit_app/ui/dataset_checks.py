"""What the checks found in the saved version. Fix and Skip make a new version, shown with what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import Decision, Examination, Finding
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import dataset_address, dataset_changes, errors, numbers
from streamlit_app.ui.dataset_examples import rows_of
from streamlit_app.ui.dataset_versions import show_difference
from streamlit_app.ui.findings_view import show_findings

FINAL = ("done", "failed")


def show(datasets: Datasets, dataset: Dataset) -> None:
    found = datasets.examine(dataset.id)
    if found.phase not in FINAL:
        _watch(datasets, dataset)
        return
    if found.failure:
        errors.show_failure(found.failure)
        return
    _show_what_changed(datasets, dataset)
    _show_found(datasets, dataset, found)


@st.fragment(run_every="1s")
def _watch(datasets: Datasets, dataset: Dataset) -> None:
    found = datasets.examine(dataset.id)
    if found.phase in FINAL:
        st.rerun()
    st.progress(found.done, _("Checking {n} examples…").format(n=numbers.count(dataset.train_rows + dataset.eval_rows)))
    st.caption(_("Updated {time}").format(time=numbers.clock()))


def _show_found(datasets: Datasets, dataset: Dataset, found: Examination) -> None:
    if not found.findings:
        st.success(_("Nothing stands out. These examples are fit to train with."), icon=":material/check_circle:")
        return
    label = ngettext("{n} finding in version {version}", "{n} findings in version {version}", len(found.findings))
    st.caption(label.format(n=len(found.findings), version=dataset.version))

    kept = _kept(dataset)

    def decide(decisions: Mapping[str, Decision | None]) -> None:
        for code, decision in decisions.items():
            (kept.add if decision is Decision.KEEP else kept.discard)(code)
        wanted = {code: one for code, one in decisions.items() if one in (Decision.FIX, Decision.SKIP)}
        if wanted:
            version = datasets.apply_decisions(dataset.id, wanted)
            dataset_changes.changed(dataset, version, _what(wanted, found.findings))

    show_findings([_with_kept(one, kept) for one in found.findings], decide, key="checks")
    for finding in found.findings:
        _show_link(finding)


def _kept(dataset: Dataset) -> set[str]:
    """The findings that this person left as they are, until another version is looked at."""
    all_kept: dict[tuple[str, int], set[str]] = st.session_state.setdefault(session.KEPT_FINDINGS, {})
    return all_kept.setdefault((dataset.id, dataset.version), set())


def _with_kept(finding: Finding, kept: set[str]) -> Finding:
    return replace(finding, decision=Decision.KEEP if finding.code in kept else None)


def _what(decisions: Mapping[str, Decision], findings: Sequence[Finding]) -> str:
    titles = {one.code: one.title.rstrip(".") for one in findings}
    named = {Decision.FIX: _("Fixed: {title}."), Decision.SKIP: _("Left out: {title}.")}
    if len(decisions) > 1:
        return ngettext("{n} finding fixed.", "{n} findings fixed.", len(decisions)).format(n=len(decisions))
    return " ".join(named[one].format(title=titles.get(code, code)) for code, one in decisions.items())


def _show_link(finding: Finding) -> None:
    """To these examples in the table, in the part that has the most of them."""
    rows = {part: len(rows_of(finding, part)) for part in dataset_address.PARTS}
    part = max(rows, key=lambda one: rows[one])
    if not rows[part]:
        return
    st.button(
        _("Show the examples of: {title}").format(title=finding.title),
        key=f"show_finding_{finding.code}",
        type="tertiary",
        icon=":material/table_rows:",
        on_click=dataset_address.go,
        kwargs={"view": "examples", "part": part, "finding": finding.code, "example": None},
    )


def _show_what_changed(datasets: Datasets, dataset: Dataset) -> None:
    last = st.session_state.get(session.LAST_CHANGE)
    if last is None or (last.dataset_id, last.version) != (dataset.id, dataset.version) or dataset.version < 2:
        return
    opened = st.expander(_("What changed"), key="checks_changed", on_change="rerun")
    if opened.open:
        with opened, errors.shown():
            show_difference(datasets, dataset, dataset.version - 1, dataset.version, "checks")

"""Findings of a saved dataset as cards: what is decided there makes a new version, or is kept as "left as it is"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import Decision, Finding, RowFilter, Version
from backend.i18n import _, ngettext
from backend.studio.kept_findings import KeptFindings
from backend.studio.running_work import OnProgress
from streamlit_app.ui import dataset_address, dataset_changes, numbers
from streamlit_app.ui.dataset_row import show_chat
from streamlit_app.ui.findings_view import show_findings

SHOWN_EXAMPLES = 3

Apply = Callable[[Mapping[str, Decision], OnProgress], Version]


def show(
    datasets: Datasets,
    dataset: Dataset,
    findings: Sequence[Finding],
    apply: Apply,
    kept: KeptFindings,
    *,
    key: str,
) -> None:
    by_code = {one.code: one for one in findings}

    def decide(decisions: Mapping[str, Decision | None]) -> None:
        for code, decision in decisions.items():
            if decision is Decision.KEEP:
                kept.keep(by_code[code])
            elif decision is None:
                kept.take_back(code)
        wanted = {code: one for code, one in decisions.items() if one in (Decision.FIX, Decision.SKIP)}
        if wanted:
            dataset_changes.act(dataset, lambda tell: apply(wanted, tell), _what(wanted, findings))

    with_kept = [replace(one, decision=Decision.KEEP if kept.holds(one) else None) for one in findings]
    show_findings(with_kept, decide, key=key, look=lambda finding: _show_examples(datasets, dataset, finding))


def rows_of(finding: Finding, part: str) -> tuple[int, ...]:
    """Their numbers, from 0; of a finding with very many rows, those of the first."""
    return tuple(sorted({row.number for row in finding.rows if row.part == part and row.number >= 0}))


def _show_examples(datasets: Datasets, dataset: Dataset, finding: Finding) -> None:
    """The first of them in full, and the way to all in the table, in the part that has the most of them."""
    rows = {part: rows_of(finding, part) for part in dataset_address.PARTS}
    part = max(rows, key=lambda one: len(rows[one]))
    for number, row in datasets.page(dataset.id, part, 0, SHOWN_EXAMPLES, where=RowFilter(numbers=rows[part])).rows:
        st.caption(_("Example {number}").format(number=numbers.count(number + 1)))
        show_chat(row.messages)
    st.button(
        _("See them in the table, to change them"),
        key=f"show_finding_{finding.code}",
        icon=":material/table_rows:",
        on_click=dataset_address.go,
        kwargs={"view": "examples", "part": part, "finding": finding.code, "example": None},
    )


def _what(decisions: Mapping[str, Decision], findings: Sequence[Finding]) -> str:
    titles = {one.code: one.title.rstrip(".") for one in findings}
    named = {Decision.FIX: _("Fixed: {title}."), Decision.SKIP: _("Left out: {title}.")}
    if len(decisions) > 1:
        return ngettext("{n} finding fixed.", "{n} findings fixed.", len(decisions)).format(n=len(decisions))
    return " ".join(named[one].format(title=titles.get(code, code)) for code, one in decisions.items())

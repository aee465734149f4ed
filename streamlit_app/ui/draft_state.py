"""What a draft's page knows at one moment: the draft, its checks, and in words what stands in the way of saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.datasets import Datasets
from backend.domain_datasets import Decision, Draft, Examination, Finding
from backend.i18n import _, ngettext
from streamlit_app.ui import numbers
from streamlit_app.ui.draft_mapping import needs_mapping
from streamlit_app.ui.findings_view import undecided

NOT_EXAMINED = Examination(phase="done", done=1.0)


@dataclass(frozen=True)
class DraftState:
    draft: Draft
    examination: Examination

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (*self.draft.report.findings, *self.examination.findings)

    @property
    def is_reading(self) -> bool:
        return self.draft.phase == "reading"

    @property
    def is_live(self) -> bool:
        return self.is_reading or self.examination.phase in {"waiting", "running"}

    @property
    def needs_mapping(self) -> bool:
        return needs_mapping(self.draft)

    @property
    def look(self) -> tuple[object, ...]:
        """What the whole page is drawn anew for, when it changes."""
        codes = tuple((one.code, one.decision) for one in self.findings)
        return (self.draft.phase, self.examination.phase, bool(self.draft.report.good_rows), codes, self.needs_mapping)

    @property
    def good(self) -> int:
        """How many examples would be saved: what is skipped by a content check is not among them.

        A row that several checks skip counts once, as far as the findings name their rows.
        """
        skipping = [one for one in self.examination.findings if one.decision is Decision.SKIP]
        named = {(row.part, row.number) for one in skipping for row in one.rows}
        unnamed = sum(max(0, one.count - len(one.rows)) for one in skipping)
        return max(0, self.draft.report.good_rows - len(named) - unnamed)

    @property
    def skipped(self) -> int:
        return self.draft.report.rows - self.good


def look_at(datasets: Datasets, draft: Draft) -> DraftState:
    """Content checks begin when all of it is read; those of a small draft are done when this returns."""
    if draft.phase != "ready" or not draft.report.good_rows or needs_mapping(draft):
        return DraftState(draft, NOT_EXAMINED)
    return DraftState(draft, datasets.examine_draft(draft.id))


def decide(datasets: Datasets, draft: Draft, choices: Mapping[str, Decision | None]) -> None:
    """Findings about the form of rows are decided by reading anew, those about what they say when they are saved."""
    known = {one.code for one in draft.report.findings}
    of_form = {code: decision for code, decision in choices.items() if code in known}
    if of_form:
        datasets.drafts.decide_all(draft.id, of_form)
    for code, decision in choices.items():
        if code not in known:
            datasets.decide_content(draft.id, code, decision)


def what_is_missing(state: DraftState, *, has_company: bool = False) -> str:
    """Why it can't be saved yet, as the words of the button; empty when it can. `has_company`: an own check file, or
    other datasets that are mixed in."""
    if state.is_reading:
        return _("Wait until all of it is read")
    open_rows = sum(one.count for one in undecided(state.findings))
    if open_rows:
        return ngettext("Decide about {n} example first", "Decide about {n} examples first", open_rows).format(
            n=numbers.count(open_rows)
        )
    if state.good < 1:
        return _("There is no example to save")
    if state.good < 2 and not has_company:
        return _("Two examples are needed")
    return ""

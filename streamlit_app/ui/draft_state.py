"""What a draft's page knows at one moment: the draft, its checks, and in words what stands in the way of saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backend.datasets import Datasets
from backend.domain_datasets import Decision, Draft, Examination, Finding
from backend.i18n import _, ngettext
from backend.studio.draft_lengths import LengthChoice
from streamlit_app.ui import numbers
from streamlit_app.ui.draft_mapping import needs_mapping
from streamlit_app.ui.findings_view import undecided

NOT_EXAMINED = Examination(phase="done", done=1.0)


@dataclass(frozen=True)
class Lengths:
    """What was found with the base model and the maximum length that the page shows. `choice` is None until all
    examples are counted.
    """

    choice: LengthChoice | None = None
    findings: tuple[Finding, ...] = ()
    is_counting: bool = False


@dataclass(frozen=True)
class DraftState:
    """`left_out` is how many usable examples the checks skip, as it was decided."""

    draft: Draft
    examination: Examination
    lengths: Lengths = Lengths()
    left_out: int = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """About the form of the examples and what they say; those about their lengths are apart."""
        return (*self.draft.report.findings, *self.examination.findings)

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        return (*self.findings, *self.lengths.findings)

    @property
    def is_examined(self) -> bool:
        return self.examination.phase in {"done", "failed"}

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
        """How many examples would be saved."""
        return max(0, self.draft.report.good_rows - self.left_out)

    @property
    def skipped(self) -> int:
        return self.draft.report.rows - self.good


def look_at(datasets: Datasets, draft: Draft) -> DraftState:
    """Content checks begin when all of it is read; those of a small draft are done when this returns."""
    if draft.phase != "ready" or not draft.report.good_rows or needs_mapping(draft):
        return DraftState(draft, NOT_EXAMINED)
    return counted(datasets, DraftState(draft, datasets.examine_draft(draft.id)))


def counted(datasets: Datasets, state: DraftState) -> DraftState:
    """With the number of examples that are left out."""
    found = (*state.examination.findings, *state.lengths.findings)
    if all(one.decision in (None, Decision.KEEP) for one in found):
        return replace(state, left_out=0)
    return replace(state, left_out=datasets.count_left_out(state.draft.id, state.lengths.choice))


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
    open_rows = sum(one.count for one in undecided(state.all_findings))
    if open_rows:
        return ngettext("Decide about {n} example first", "Decide about {n} examples first", open_rows).format(
            n=numbers.count(open_rows)
        )
    if state.good < 1:
        return _("There is no example to save")
    if state.good < 2 and not has_company:
        return _("Two examples are needed")
    return ""

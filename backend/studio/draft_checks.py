"""The checks of a draft's content, and what was decided about them: carried out when the draft is saved."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from backend.domain_datasets import Decision, Draft, Examination, Finding, ReadReport, Severity
from backend.errors import BadInput
from backend.i18n import _, ngettext
from backend.studio import examination
from backend.studio.atomic_files import write_atomically
from backend.studio.drafts import Drafts
from backend.studio.examination import Examined, Part
from backend.studio.finding_codes import BITS, LEFT_OUT
from backend.studio.saving import RowSet
from backend.studio.text_checks import FIXABLE
from backend.studio.working_copy import WorkingCopy

if TYPE_CHECKING:
    import numpy as np


class DraftChecks:
    """Examined anew for every reading of a draft; decisions stay, they go by the finding's code."""

    def __init__(self, drafts: Drafts, cache: Path) -> None:
        self._drafts = drafts
        self._cache = cache
        self._lock = threading.Lock()

    def look(self, draft_id: str, *, again: bool = False) -> Examination:
        """Started when needed, and how far it is; a failure stays until it is asked for `again`. Raises Conflict while
        the draft is read.
        """
        copy = self._drafts.working_copy(draft_id)
        folder = copy.folder / "examination"
        if again:
            examination.forget_examination(folder)
        with self._lock:
            if not folder.exists():
                examination.start_examination(folder, [self._part(copy)], cache=self._cache)
        return examination.read_examination(folder, self.decisions(draft_id))

    def decide(self, draft_id: str, code: str, decision: Decision | None) -> None:
        with self._lock:
            decisions = {**self.decisions(draft_id), code: decision}
            chosen = {known: one.value for known, one in decisions.items() if one is not None}
            write_atomically(self._file(draft_id), orjson.dumps(chosen))

    def row_set(self, draft_id: str, left_out: Collection[int] = ()) -> RowSet:
        """The draft's rows to be saved, without those whose numbers are in `left_out`. Decisions wait for the end of
        the checks.
        """
        copy = self._drafts.working_copy(draft_id)
        decisions = self.decisions(draft_id)
        flags: list[int] = []
        groups: Sequence[int] = ()
        found = self._examined(draft_id, copy, is_needed=bool(decisions.keys() & BITS.keys()))
        if found is not None:
            flags, groups = found.flags["rows"].tolist(), found.groups["rows"].tolist()
        if left_out:
            flags = flags or [0] * copy.rows
            for number in left_out:
                flags[number] |= LEFT_OUT
        name = self._drafts.get(draft_id).name
        return RowSet(name, copy.path, copy.origins(), flags, decisions, groups)

    def rows_of(self, draft_id: str, code: str) -> Sequence[int]:
        """The numbers of all rows of a finding, from 0; none before the checks are done."""
        found = self._examined(draft_id, self._drafts.working_copy(draft_id))
        return () if found is None else rows_of(found, "rows", code)

    def count_left_out(self, draft_id: str, left_out: Collection[int] = ()) -> int:
        """How many rows would not be saved, those of `left_out` among them; a row that several checks leave out counts
        once.
        """
        found = self._examined(draft_id, self._drafts.working_copy(draft_id))
        decisions = self.decisions(draft_id)
        gone = set(left_out)
        if found is not None:
            gone.update(_left_out(found.flags["rows"], decisions))
        return len(gone)

    def _examined(self, draft_id: str, copy: WorkingCopy, *, is_needed: bool = False) -> Examined | None:
        """None before the checks are done; where they are needed, they are done now."""
        if not is_needed and examination.read_examination(copy.folder / "examination").phase != "done":
            return None
        return examination.examine([self._part(copy)], decisions=self.decisions(draft_id), cache=self._cache)

    def _part(self, copy: WorkingCopy) -> Part:
        return Part("rows", copy.path, tuple(copy.files), self._places(copy))

    def _places(self, copy: WorkingCopy) -> Path:
        """File and line of each row, as the examination names them."""
        place = copy.folder / "places.parquet"
        if not place.exists():
            temporary = place.with_suffix(".new")
            copy.write_places(temporary)
            temporary.replace(place)
        return place

    def _file(self, draft_id: str) -> Path:
        return self._drafts.folder / draft_id / "content_decisions.json"

    def decisions(self, draft_id: str) -> Mapping[str, Decision]:
        try:
            kept = orjson.loads(self._file(draft_id).read_bytes())
        except FileNotFoundError:
            return {}
        return {code: Decision(decision) for code, decision in kept.items()}


def rows_of(found: Examined, part: str, code: str) -> list[int]:
    """All rows of a part that a finding flags, and those that it names without: held-out rows that are trained on, or
    a sample of rows in another language.
    """
    flagged = found.numbers(part, code) if code in BITS else []
    named = {row.number for one in found.findings if one.code == code for row in one.rows if row.part == part}
    return sorted(named.union(flagged))


def _left_out(flags: np.ndarray, decisions: Mapping[str, Decision]) -> list[int]:
    """What is left out for a finding; a row that a correction leaves empty is known only when it is saved."""
    mask = 0
    for code, decision in decisions.items():
        if decision is Decision.SKIP or (decision is Decision.FIX and code not in FIXABLE):
            mask |= BITS.get(code, 0)
    return [int(number) for number in (flags & mask).nonzero()[0]]


def require_clear(draft: Draft) -> None:
    """Raises BadInput where nobody has said what the columns of a file mean: a guess is never saved."""
    if draft.unclear:
        file = draft.unclear[0]
        raise BadInput(
            _("It isn't clear which columns of {file} hold question and answer.").format(file=file.name),
            how_to_fix=_(
                "Add the file by itself first and say what its columns mean: that is remembered for files with the "
                "same columns. Or give it the columns of the other files."
            ),
            code="format_not_sure",
        )


def require_decided(report: ReadReport) -> None:
    """As `require_findings_decided`."""
    require_findings_decided(report.findings)


def require_findings_decided(findings: Sequence[Finding]) -> None:
    """Raises BadInput, naming the first rows, where rows that can't be used are neither fixed nor skipped."""
    open_findings = [
        finding
        for finding in findings
        if finding.severity is Severity.REFUSED and finding.decision in (None, Decision.KEEP) and finding.count
    ]
    count = sum(finding.count for finding in open_findings)
    if not count:
        return
    first = [
        _("{file}, line {line}: {what}").format(file=row.file, line=row.line, what=row.detail)
        for finding in open_findings
        for row in finding.rows
    ]
    raise BadInput(
        ngettext("{count} row can't be used.", "{count} rows can't be used.", count).format(count=count),
        why="\n".join(first[:5]),
        how_to_fix=_("Fix them or skip them."),
        code="bad_rows",
    )

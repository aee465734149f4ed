"""The checks of a draft's content, and what was decided about them: carried out when the draft is saved."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from backend.domain_datasets import Decision, Examination, ReadReport, Severity
from backend.errors import BadInput
from backend.i18n import _, ngettext
from backend.studio import examination
from backend.studio.atomic_files import write_atomically
from backend.studio.drafts import Drafts
from backend.studio.examination import Part
from backend.studio.saving import RowSet
from backend.studio.working_copy import WorkingCopy


class DraftChecks:
    """Examined anew for every reading of a draft; decisions stay, they go by the finding's code."""

    def __init__(self, drafts: Drafts, cache: Path) -> None:
        self._drafts = drafts
        self._cache = cache
        self._lock = threading.Lock()

    def look(self, draft_id: str) -> Examination:
        """Started when needed, and how far it is. Raises Conflict while the draft is read."""
        copy = self._drafts.working_copy(draft_id)
        folder = copy.folder / "examination"
        with self._lock:
            if not folder.exists():
                examination.start_examination(folder, [self._part(copy)], cache=self._cache)
        return examination.read_examination(folder, self._decisions(draft_id))

    def decide(self, draft_id: str, code: str, decision: Decision | None) -> None:
        with self._lock:
            decisions = {**self._decisions(draft_id), code: decision}
            chosen = {known: one.value for known, one in decisions.items() if one is not None}
            write_atomically(self._file(draft_id), orjson.dumps(chosen))

    def row_set(self, draft_id: str) -> RowSet:
        """The draft's rows to be saved. Decisions wait for the end of the checks."""
        copy = self._drafts.working_copy(draft_id)
        decisions = self._decisions(draft_id)
        flags: Sequence[int] = ()
        groups: Sequence[int] = ()
        if decisions or examination.read_examination(copy.folder / "examination").phase == "done":
            found = examination.examine([self._part(copy)], decisions=decisions, cache=self._cache)
            flags, groups = found.flags["rows"].tolist(), found.groups["rows"].tolist()
        name = self._drafts.get(draft_id).name
        return RowSet(name, copy.path, copy.origins(), flags, decisions, copy.digests(), groups)

    def _part(self, copy: WorkingCopy) -> Part:
        return Part("rows", copy.path, tuple(copy.files), self._places(copy))

    def _places(self, copy: WorkingCopy) -> Path:
        """File and line of each row, as the examination names them."""
        place = copy.folder / "places.parquet"
        if not place.exists():
            temporary = place.with_suffix(".new")
            copy.index().select("file", "line").write_parquet(temporary)
            temporary.replace(place)
        return place

    def _file(self, draft_id: str) -> Path:
        return self._drafts.folder / draft_id / "content_decisions.json"

    def _decisions(self, draft_id: str) -> Mapping[str, Decision]:
        try:
            kept = orjson.loads(self._file(draft_id).read_bytes())
        except FileNotFoundError:
            return {}
        return {code: Decision(decision) for code, decision in kept.items()}


def require_decided(report: ReadReport) -> None:
    """Raises BadInput, naming the first rows, where rows that can't be used are neither fixed nor skipped."""
    open_findings = [
        finding
        for finding in report.findings
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

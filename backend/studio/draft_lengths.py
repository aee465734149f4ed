"""What a maximum length cuts off a draft's examples, and what a base model's template refuses, before it is saved.

The decisions are kept with those about the content (`draft_checks`) and carried out when the draft is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from backend.domain_datasets import Decision, Finding, FoundRow
from backend.errors import Conflict
from backend.i18n import _
from backend.studio import token_findings, tokens
from backend.studio.draft_checks import DraftChecks, require_findings_decided
from backend.studio.drafts import Drafts
from backend.studio.examination import Part
from backend.studio.token_table import TokenTable
from backend.studio.tokens import TokenMeasurement
from backend.studio.working_copy import WorkingCopy


@dataclass(frozen=True)
class LengthChoice:
    """The base model, by its id, and how many tokens of an example a run reads at most."""

    base_model: str
    max_length: int


class DraftLengths:
    """`resolve` turns a base model's id into the folder or the Hub id where its tokenizer is."""

    def __init__(self, drafts: Drafts, checks: DraftChecks, cache: Path, resolve: Callable[[str], str]) -> None:
        self._drafts = drafts
        self._checks = checks
        self._cache = cache
        self._resolve = resolve

    def measure(self, draft_id: str, base_model: str, *, again: bool = False) -> TokenMeasurement:
        """Stopped when the draft is read anew or is gone. Raises as `tokens.measure`, and Conflict while it is read."""
        return self._measure(self._drafts.working_copy(draft_id), base_model, again=again)

    def findings(self, draft_id: str, choice: LengthChoice) -> tuple[Finding, ...]:
        """With what was decided about each; none until all examples are counted."""
        copy = self._drafts.working_copy(draft_id)
        table = self._table(copy, choice)
        if table is None:
            return ()
        decisions = self._checks.decisions(draft_id)
        return tuple(
            replace(one, decision=decisions.get(one.code))
            for one in _with_places(table, choice.max_length, copy.folder)
        )

    def rows_of(self, draft_id: str, choice: LengthChoice, code: str) -> Sequence[int]:
        """The numbers of all rows of a finding, from 0; none until all examples are counted."""
        table = self._table(self._drafts.working_copy(draft_id), choice)
        return () if table is None else _rows_of(table, choice.max_length, code)

    def left_out(self, draft_id: str, choice: LengthChoice | None) -> frozenset[int]:
        """The numbers of the rows that were decided to be skipped; none until all examples are counted."""
        table = self._table(self._drafts.working_copy(draft_id), choice) if choice else None
        if choice is None or table is None:
            return frozenset()
        skipped = self._skipped(draft_id)
        return frozenset(number for code in skipped for number in _rows_of(table, choice.max_length, code))

    def require_decided(self, draft_id: str, choice: LengthChoice | None) -> None:
        """Raises Conflict where something was decided and not all is counted, BadInput for rows that can't be learnt
        from and that nobody has decided about.
        """
        if choice is not None and self._table(self._drafts.working_copy(draft_id), choice) is not None:
            require_findings_decided(self.findings(draft_id, choice))
        elif self._skipped(draft_id):
            raise Conflict(
                _("The tokens are still being counted."),
                why=_("You chose to skip examples by their length."),
                how_to_fix=_("Wait until all examples are counted, then save again."),
                code="still_counting",
            )

    def _skipped(self, draft_id: str) -> list[str]:
        decisions = self._checks.decisions(draft_id)
        return [code for code in token_findings.CODES if decisions.get(code) is Decision.SKIP]

    def _measure(self, copy: WorkingCopy, base_model: str, *, again: bool = False) -> TokenMeasurement:
        part = Part("rows", copy.path)
        base = self._resolve(base_model)
        return tokens.measure([part], base, self._cache, again=again, work=copy.folder / "tokens")

    def _table(self, copy: WorkingCopy, choice: LengthChoice) -> TokenTable | None:
        """Of all rows, once they are counted."""
        table = self._measure(copy, choice.base_model).table
        return None if table is None or table.is_estimate else table


def _rows_of(table: TokenTable, max_length: int, code: str) -> list[int]:
    by_part = token_findings.rows_of(code, table, max_length)
    return [int(number) for numbers in by_part.values() for number in numbers]


@lru_cache(maxsize=8)
def _with_places(table: TokenTable, max_length: int, folder: Path) -> tuple[Finding, ...]:
    """The findings, their rows named by file and line. `folder` is the working copy's, which is made once only."""
    copy = WorkingCopy(folder)

    def placed(row: FoundRow) -> FoundRow:
        [found] = copy.index_rows(row.number, 1)
        return replace(row, file=copy.files[found.file], line=found.line)

    found = token_findings.findings(table, max_length)
    return tuple(replace(one, rows=tuple(map(placed, one.rows))) for one in found)

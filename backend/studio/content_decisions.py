"""What was decided about findings of a saved dataset becomes a new version of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from backend.domain_datasets import Decision, Version
from backend.errors import BadInput
from backend.i18n import _
from backend.studio.changed_part import Plan, plan_of
from backend.studio.content_fixes import apply
from backend.studio.examination import Examined
from backend.studio.part_writer import PARTS
from backend.studio.row_index import index_of, line_of, messages_of
from backend.studio.versions import Versions


def apply_decisions(
    versions: Versions, found: Examined, decisions: Mapping[str, Decision], *, based_on: int | None = None
) -> Version:
    """Rows are put right or left out as decided. Raises BadInput where a part would be left without a row."""
    current = versions.current.number
    plans: dict[str, Plan] = {}
    for part in PARTS:
        flags = found.flags[part]
        index = index_of(versions.part(part, current))
        plan = [
            (number, _after(line, int(flags[number]), decisions)) for number, line in _flagged(versions, part, flags)
        ]
        gone = {number for number, line in plan if line == b""}
        if len(gone) == len(index):
            raise BadInput(
                _("That would leave no example in the part {part}.").format(part=part),
                how_to_fix=_("Fix or keep some of them instead."),
                code="no_rows_left",
            )
        if plan:
            changed = {number: line for number, line in plan if line not in (b"", None)}
            plans[part] = plan_of(len(index), gone, changed)
    titles = [finding.title for finding in found.findings if finding.code in decisions]
    return versions.replace(plans, _("Checks: {what}").format(what="; ".join(titles)), based_on=based_on or current)


def _flagged(versions: Versions, part: str, flags: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    numbers = [number for number, flag in enumerate(flags) if flag]
    return zip(numbers, index_of(versions.part(part)).lines(numbers), strict=True)


def _after(line: bytes, flags: int, decisions: Mapping[str, Decision]) -> bytes | None:
    """The new line, b"" to leave it out, None where it stays."""
    messages = apply(messages_of(line), flags, decisions)
    if messages is None:
        return b""
    after = line_of(messages)
    return None if after == line else after

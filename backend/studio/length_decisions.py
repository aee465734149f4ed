"""What was decided about examples that are too long, or that a template refuses, becomes a new version."""

from __future__ import annotations

from collections.abc import Mapping

from backend.domain_datasets import Decision, Version
from backend.studio.changed_part import Plan, plan_of
from backend.studio.part_writer import PARTS
from backend.studio.row_index import index_of, line_of, messages_of
from backend.studio.token_findings import CODES, TEMPLATE_REFUSES, apply_length_fix, rows_of
from backend.studio.token_table import TokenTable
from backend.studio.versions import Versions


def apply_length_decisions(
    versions: Versions,
    table: TokenTable,
    max_length: int,
    decisions: Mapping[str, Decision],
    summary: str,
    *,
    based_on: int,
) -> Version:
    """`table` is of all rows of version `based_on`. A row to be skipped for one reason is not fixed for another.

    Rows that can't be made short enough stay as they are; when nothing changes there is no new version. Raises
    Conflict, or BadInput where a part would be left without a row.
    """
    plans: dict[str, Plan] = {}
    for part in PARTS:
        gone = _numbers(Decision.SKIP, part, table, max_length, decisions)
        fixed = _numbers(Decision.FIX, part, table, max_length, decisions) - gone
        index = index_of(versions.part(part, based_on))
        changed = {}
        numbers = sorted(fixed)
        for number, line in zip(numbers, index.lines(numbers), strict=True):
            messages = messages_of(line)
            shorter = apply_length_fix(messages, table.row(part, number), max_length)
            if shorter is not None and shorter != messages:
                changed[number] = line_of(shorter)
        if gone or changed:
            plans[part] = plan_of(len(index), gone, changed)
    return versions.replace(plans, summary, based_on=based_on) if plans else versions.get(based_on)


def _numbers(
    decision: Decision, part: str, table: TokenTable, max_length: int, decisions: Mapping[str, Decision]
) -> set[int]:
    wanted = [code for code in CODES if decisions.get(code) is decision]
    if decision is Decision.FIX:  # a conversation that the template refuses is not too long
        wanted = [code for code in wanted if code != TEMPLATE_REFUSES]
    return {int(number) for code in wanted for number in rows_of(code, table, max_length).get(part, ())}

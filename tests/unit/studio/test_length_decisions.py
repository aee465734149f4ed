"""Examples that are too long are made shorter or left out, in a new version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.datasets import Datasets
from backend.domain_datasets import Decision
from backend.errors import BadInput, Conflict
from backend.studio.length_decisions import apply_length_decisions
from backend.studio.token_findings import ANSWERS_CUT, NO_TRAINABLE_TOKENS, OVER_LONG, TEMPLATE_REFUSES
from backend.studio.token_table import PartTokens, TokenTable
from backend.studio.versions import Versions

TURN = 10
"""Tokens of each message in these tests."""


def conversation(exchanges: int, name: str = "") -> list[dict[str, str]]:
    return [
        {"role": role, "content": f"{role} {turn} {name}"}
        for turn in range(exchanges)
        for role in ("user", "assistant")
    ]


def table(versions: Versions) -> TokenTable:
    """As if each message had ten tokens; a conversation that begins with "refused" is one that the template refuses."""
    parts = []
    for name in ("train", "eval"):
        rows = [json.loads(line)["messages"] for line in versions.part(name).read_bytes().splitlines()]
        spans = [
            (number, TURN * place, TURN * (place + 1))
            for number, row in enumerate(rows)
            for place in range(1, len(row), 2)
        ]
        refused = [number for number, row in enumerate(rows) if "refused" in row[0]["content"]]
        parts.append(
            PartTokens(
                name=name,
                rows=len(rows),
                context=0,
                totals=np.array([TURN * len(row) for row in rows]),
                turns=np.array([len(row) for row in rows]),
                openings=np.zeros(len(rows), int),
                row_of=np.array([number for number, _start, _end in spans]),
                starts=np.array([start for _number, start, _end in spans]),
                ends=np.array([end for _number, _start, end in spans]),
                refused=np.array(refused, int),
                reason_of=np.zeros(len(refused), int),
                reasons=("no",),
            )
        )
    return TokenTable(parts)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Examples of 20, 60, 40 and 20 tokens to learn from (the last is refused), one of 20 to check with."""
    rows = [conversation(1), conversation(3), conversation(2), conversation(1, "refused")]
    train = "\n".join(json.dumps({"messages": row}) for row in rows).encode()
    held_out = json.dumps({"messages": conversation(1, "eval")}).encode()
    datasets = Datasets(tmp_path / "datasets")
    return datasets.versions(datasets.create_from_file(train, "Data", eval_source=held_out).id)


def turns(versions: Versions) -> list[int]:
    return [len(json.loads(line)["messages"]) for line in versions.part("train").read_bytes().splitlines()]


def test_the_oldest_exchanges_go_until_it_fits(versions: Versions) -> None:
    made = apply_length_decisions(versions, table(versions), 40, {OVER_LONG: Decision.FIX}, "Shorter.", based_on=1)
    assert (made.number, made.edited, made.removed) == (2, 1, 0)
    assert turns(versions) == [2, 4, 4, 2]


def test_a_row_that_one_decision_skips_is_not_fixed_by_another(versions: Versions) -> None:
    decisions = {ANSWERS_CUT: Decision.SKIP, OVER_LONG: Decision.FIX, TEMPLATE_REFUSES: Decision.SKIP}
    made = apply_length_decisions(versions, table(versions), 40, decisions, "Out.", based_on=1)
    assert (made.edited, made.removed) == (0, 2)
    assert turns(versions) == [2, 4]


def test_what_can_t_be_made_short_enough_stays_and_makes_no_version(versions: Versions) -> None:
    decisions = {NO_TRAINABLE_TOKENS: Decision.FIX, ANSWERS_CUT: Decision.KEEP, TEMPLATE_REFUSES: Decision.FIX}
    made = apply_length_decisions(versions, table(versions), 5, decisions, "Nothing.", based_on=1)
    assert made.number == versions.current.number == 1


def test_a_part_is_not_emptied(versions: Versions) -> None:
    with pytest.raises(BadInput):
        apply_length_decisions(versions, table(versions), 5, {OVER_LONG: Decision.SKIP}, "All.", based_on=1)
    assert versions.current.number == 1


def test_another_version_in_the_meantime_is_a_conflict(versions: Versions) -> None:
    counted = table(versions)
    versions.delete("train", [0])
    with pytest.raises(Conflict):
        apply_length_decisions(versions, counted, 40, {OVER_LONG: Decision.SKIP}, "Out.", based_on=1)

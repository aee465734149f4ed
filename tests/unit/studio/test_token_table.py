"""What a maximum length does is what the training itself would say; histograms and suggestions say what they claim."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.studio.token_table import LENGTHS, PartTokens, TokenTable, histogram
from tests.unit.studio.token_files import BUILT_IN, Messages, table_of, talk
from training_job.tuning.batch_tokens import BatchTokenizer, Refused, RowTokens
from training_job.tuning.chat_tokens import ChatTokenizer, tokenize_rows
from training_job.tuning.conversations import Conversation
from training_job.tuning.failures import JobFailure

WORDS = st.lists(st.sampled_from(["the ferry", "leaves", "at seven", "😀", "a\nb"]), min_size=1, max_size=9).map(
    " ".join
)


@cache
def batch() -> BatchTokenizer:
    from transformers import AutoTokenizer

    return BatchTokenizer(ChatTokenizer(AutoTokenizer.from_pretrained(BUILT_IN)))


TEXTS = st.integers(1, 3).flatmap(lambda turns: st.lists(WORDS, min_size=2 * turns, max_size=2 * turns))
ROWS = st.lists(
    st.tuples(TEXTS, st.sampled_from(["", "Be kind."])).map(lambda drawn: talk(*drawn[0], system=drawn[1])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, max_length=st.integers(8, 120))
def test_a_maximum_length_cuts_what_the_training_says_it_cuts(rows: list[Messages], max_length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = table_of(Path(folder), batch().count(rows))
    report = table.cut(max_length)
    numbered = [Conversation(line, row) for line, row in enumerate(rows, start=1)]
    try:
        told = tokenize_rows(batch().chat, numbered, name="train", max_length=max_length)
    except JobFailure as failure:
        assert failure.code == "no_trainable_tokens"
        assert report.rows_without_trainable == len(rows)
        return
    assert (report.rows_too_long, report.answers_cut) == (told.too_long, told.answers_cut)
    assert report.rows_without_trainable == told.without_trainable
    taught = {row.line - 1 for row in told.rows}
    assert set(report.without_trainable["train"].tolist()) == set(range(len(rows))) - taught
    assert table.answer_tokens() - report.answer_tokens_cut == told.trainable_tokens


def test_rows_are_named_by_part_and_number(tmp_path: Path) -> None:
    short, long = RowTokens(20, [(5, 19)]), RowTokens(300, [(5, 90), (100, 299)], opening=3)
    late = RowTokens(400, [(260, 399)])
    table = table_of(tmp_path, [short, long, Refused("no"), late], [long])
    report = table.cut(128)
    assert {part: rows.tolist() for part, rows in report.too_long.items()} == {"train": [1, 3], "eval": [0]}
    assert {part: rows.tolist() for part, rows in report.cut.items()} == {"train": [1, 3], "eval": [0]}
    assert {part: rows.tolist() for part, rows in report.without_trainable.items()} == {"train": [3], "eval": []}
    assert (report.answers_cut, report.answer_tokens_cut) == (3, 171 + 139 + 171)
    assert list(table.refused()) == [("train", 2, "no")]
    assert table.row("eval", 0).spans == ((5, 90), (100, 299))
    assert [(row.part, row.number, row.total) for row in table.longest(2)] == [("train", 3, 400), ("train", 1, 300)]
    assert table.total_tokens() == 20 + 300 + 400 + 300
    assert table.turn_counts() == ((2, 5),)
    with pytest.raises(KeyError):
        table.row("test", 0)


@pytest.mark.parametrize(
    ("ends", "context", "expected"),
    [
        ([100] * 100, 0, 128),
        ([100] * 98 + [500, 600], 0, 512),
        ([100] * 99 + [9000], 0, 128),
        ([128] * 10, 0, 128),
        ([129] * 10, 0, 256),
        ([3000] * 10, 2048, 2048),
        ([3000] * 10, 3500, 3500),
        ([10**7], 0, LENGTHS[-1]),
        ([], 0, 128),
    ],
)
def test_the_suggestion_keeps_nearly_all_answers_whole(
    tmp_path: Path, ends: list[int], context: int, expected: int
) -> None:
    table = table_of(tmp_path, [RowTokens(end + 1, [(1, end)]) for end in ends], context=context)
    assert table.suggestion() == expected


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=60), st.integers(3, 40))
def test_a_histogram_counts_every_value_once_in_round_bins(values: list[int], bins: int) -> None:
    found = histogram(np.asarray(values), bins)
    assert sum(one.count for one in found) == len(values)
    assert len(found) <= bins
    assert found[-1].high is None
    for one in found:
        assert one.count == sum(one.low <= value and (one.high is None or value < one.high) for value in values)
    widths = {one.high - one.low for one in found if one.high is not None}
    assert len(widths) <= 1 and all(str(width).rstrip("0") in {"1", "2", "5"} for width in widths)


def test_some_very_long_rows_do_not_squeeze_the_others_together() -> None:
    found = histogram(np.asarray([*range(100, 1100), 400_000]), 24)
    assert found[0].high == 50 and len(found) > 15


def test_a_sample_is_scaled_to_all_rows(tmp_path: Path) -> None:
    counted = table_of(tmp_path, [RowTokens(100, [(10, 90)])] * 4).parts[0]
    part = PartTokens(**{**vars(counted), "rows": 1000})
    table = TokenTable([part], is_estimate=True)
    assert (table.rows, table.total_tokens(), table.answer_tokens()) == (1000, 100_000, 80_000)
    assert table.cut(50).rows_too_long == 1000
    assert sum(one.count for one in table.lengths()) == 1000


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    table = table_of(tmp_path, [])
    assert (table.rows, table.total_tokens(), table.quantile(0.5), table.lengths()) == (0, 0, 0, ())
    assert table.cut(128).rows_too_long == 0
    assert table.longest() == ()

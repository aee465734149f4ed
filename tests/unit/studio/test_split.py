"""What a split promises: nothing held out was trained on, the count is met, everyone gets the same."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain_datasets import SplitChoice
from backend.errors import BadInput
from backend.studio.split import hold_out, split


@st.composite
def _sets(draw: st.DrawFn) -> tuple[list[bytes], list[int], list[str]]:
    """Rows with copies, clusters that hold several different rows, and the files they come from."""
    rows = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=2, max_size=120))
    size = draw(st.integers(1, 6))
    digests = [number.to_bytes(16) for number, _ in rows]
    return digests, [number // size for number, _ in rows], [f"file {which}" for _, which in rows]


CHOICES = st.builds(SplitChoice, eval_fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**40))


@given(_sets(), CHOICES)
def test_no_cluster_and_no_copy_stands_on_both_sides(
    given_set: tuple[list[bytes], list[int], list[str]], choice: SplitChoice
) -> None:
    digests, clusters, strata = given_set
    if len(set(clusters)) < 2:
        return
    is_eval = hold_out(digests, choice, clusters, strata)
    for keys in (digests, clusters):
        held_out = {key for key, held in zip(keys, is_eval, strict=True) if held}
        trained = {key for key, held in zip(keys, is_eval, strict=True) if not held}
        assert held_out and trained and not held_out & trained


@given(_sets(), CHOICES)
def test_the_count_is_off_by_less_than_the_largest_cluster(
    given_set: tuple[list[bytes], list[int], list[str]], choice: SplitChoice
) -> None:
    digests, clusters, strata = given_set
    if len(set(clusters)) < 2:
        return
    wanted = max(1, round(len(digests) * choice.eval_fraction))
    largest = max(Counter(clusters).values())
    assert abs(sum(hold_out(digests, choice, clusters, strata)) - wanted) <= largest


@given(_sets(), CHOICES, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_of_clusters_do_not_matter(
    given_set: tuple[list[bytes], list[int], list[str]], choice: SplitChoice, chance: random.Random
) -> None:
    digests, clusters, _strata = given_set
    if len(set(digests)) < 2:
        return
    order = list(range(len(digests)))
    chance.shuffle(order)
    sides = {digest: held for digest, held in zip(digests, hold_out(digests, choice, clusters), strict=True)}
    shuffled = [digests[row] for row in order]
    again = hold_out(shuffled, choice, [1000 - clusters[row] for row in order])
    assert [sides[digest] for digest in shuffled] == again


@given(st.integers(2, 200), st.data())
def test_a_wanted_number_of_rows_is_met_exactly(count: int, data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, count - 1))
    digests = [number.to_bytes(16) for number in range(count)]
    assert sum(hold_out(digests, SplitChoice(eval_rows=wanted, seed=7))) == wanted


@given(st.lists(st.integers(5, 60), min_size=2, max_size=5), st.floats(0.05, 0.9), st.integers(0, 99))
def test_every_source_gives_its_share(sizes: list[int], fraction: float, seed: int) -> None:
    strata = [f"file {which}" for which, size in enumerate(sizes) for _ in range(size)]
    digests = [number.to_bytes(16) for number in range(len(strata))]
    is_eval = hold_out(digests, SplitChoice(eval_fraction=fraction, seed=seed), None, strata)
    held = Counter(stratum for stratum, is_held in zip(strata, is_eval, strict=True) if is_held)
    for which, size in enumerate(sizes):
        assert abs(held[f"file {which}"] - size * fraction) <= 1.5


def test_a_split_of_today_is_the_split_of_tomorrow() -> None:
    digests = [number.to_bytes(16) for number in range(12)]
    held = [row for row, is_held in enumerate(split(digests, 0.25, 3)) if is_held]
    assert held == [row for row, is_held in enumerate(hold_out(digests, SplitChoice(0.25, seed=3))) if is_held]
    assert held == [0, 2, 3]


def test_where_all_rows_are_alike_only_copies_belong_together() -> None:
    digests = [number.to_bytes(16) for number in (1, 1, 2, 3, 4)]
    is_eval = hold_out(digests, SplitChoice(eval_rows=1), [0] * 5)
    assert sum(is_eval) == 1 and is_eval[0] == is_eval[1]


def test_a_cluster_larger_than_the_wanted_share_stays_in_train() -> None:
    digests = [number.to_bytes(16) for number in range(10)]
    is_eval = hold_out(digests, SplitChoice(eval_rows=2), [0] * 8 + [8, 9])
    assert is_eval == [False] * 8 + [True, True]


@pytest.mark.parametrize("eval_rows", [0, -1, 5, 6])
def test_a_count_that_leaves_a_side_empty_is_refused(eval_rows: int) -> None:
    with pytest.raises(BadInput) as caught:
        hold_out([number.to_bytes(16) for number in range(5)], SplitChoice(eval_rows=eval_rows))
    assert caught.value.code == "bad_eval_rows" and caught.value.how_to_fix

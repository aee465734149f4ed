"""Sets mixed by weight: how often each row is taken, and that everyone gets the same mixture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadInput
from backend.studio.mixing import MixedSet, mix


def made(name: str, count: int, weight: float) -> MixedSet:
    return MixedSet(name, [f"{name} {row}".encode() for row in range(count)], weight)


@given(st.integers(1, 60), st.floats(0.01, 5), st.integers(0, 99))
def test_a_weight_says_how_often_a_set_is_taken(count: int, weight: float, seed: int) -> None:
    (times,) = mix([made("a", count, weight)], seed=seed).times
    assert sum(times) == max(1, round(count * weight))
    assert max(times) - min(times) <= 1, "no row is taken again before all are taken"


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0.1, 9)), min_size=1, max_size=4), st.integers(1, 500))
def test_a_total_is_met_and_shared_by_weight(sets: list[tuple[int, float]], total: int) -> None:
    mixture = mix([made(str(place), count, weight) for place, (count, weight) in enumerate(sets)], total=total)
    assert mixture.rows == total
    weights = sum(weight for _count, weight in sets)
    for times, (_count, weight) in zip(mixture.times, sets, strict=True):
        assert abs(sum(times) - total * weight / weights) < 1


@given(st.integers(2, 50), st.integers(0, 99))
def test_the_same_rows_are_drawn_in_whatever_order_they_come(count: int, seed: int) -> None:
    rows = [bytes([row]) for row in range(count)]
    (forward,) = mix([MixedSet("a", rows, 0.5)], seed=seed).times
    (backward,) = mix([MixedSet("a", rows[::-1], 0.5)], seed=seed).times
    assert forward == backward[::-1]


def test_what_comes_out_is_said_per_set() -> None:
    mixture = mix([made("mine", 10, 1), made("chats", 100, 0.25), made("rules", 4, 2.5), made("none", 3, 0)])
    assert mixture.words == (
        "mine: all 10 examples.",
        "chats: 25 of 100 examples.",
        "rules: 10 examples, its 4 taken 2.5 times on average.",
        "none: 0 of 3 examples.",
    )
    assert mixture.rows == 45


@pytest.mark.parametrize(
    ("sets", "total", "code"),
    [
        ([made("a", 3, -1)], None, "bad_weight"),
        ([made("a", 3, float("nan"))], None, "bad_weight"),
        ([made("a", 3, 1)], 0, "bad_total"),
        ([made("a", 3, 0)], None, "nothing_to_mix"),
        ([made("a", 0, 1)], 5, "nothing_to_mix"),
        ([], None, "nothing_to_mix"),
    ],
)
def test_a_mixture_of_nothing_is_refused_in_words(sets: list[MixedSet], total: int | None, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        mix(sets, total=total)
    assert caught.value.code == code and caught.value.how_to_fix

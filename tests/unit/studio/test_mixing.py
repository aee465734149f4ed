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
    (times,) = mix([made("a", count, weight)], seed=seed)
    assert sum(times) == max(1, round(count * weight))
    assert max(times) - min(times) <= 1, "no row is taken again before all are taken"


@given(st.integers(2, 50), st.integers(0, 99))
def test_the_same_rows_are_drawn_in_whatever_order_they_come(count: int, seed: int) -> None:
    rows = [bytes([row]) for row in range(count)]
    (forward,) = mix([MixedSet("a", rows, 0.5)], seed=seed)
    (backward,) = mix([MixedSet("a", rows[::-1], 0.5)], seed=seed)
    assert forward == backward[::-1]


@pytest.mark.parametrize(
    ("sets", "code"),
    [
        ([made("a", 3, -1)], "bad_weight"),
        ([made("a", 3, float("nan"))], "bad_weight"),
        ([made("a", 3, 0)], "nothing_to_mix"),
        ([made("a", 0, 1)], "nothing_to_mix"),
        ([], "nothing_to_mix"),
    ],
)
def test_a_mixture_of_nothing_is_refused_in_words(sets: list[MixedSet], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        mix(sets)
    assert caught.value.code == code and caught.value.how_to_fix

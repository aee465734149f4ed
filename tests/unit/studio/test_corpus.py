"""The corpus of malformed files through the real reader, in a process of its own whose memory and time are measured:
none crashes it, hangs it or takes 1 GiB; each says what and where; the good examples of each can be used.
"""

from __future__ import annotations

import hashlib

import pytest

from tests.corpus import all_cases, cases_by_group
from tests.corpus.figures import Figures, measure

MOST_MB = 1_073


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    return measure(tmp_path_factory.mktemp("corpus"))


def test_there_are_at_least_200_files_that_differ() -> None:
    cases = all_cases()
    assert len({case.name for case in cases}) == len(cases)
    contents = [hashlib.sha256(case.content).digest() for case in cases if isinstance(case.content, bytes)]
    assert len(set(contents)) >= 200
    assert all(cases_by_group().values())


def test_every_file_is_read_to_its_end(figures: Figures) -> None:
    assert set(figures.outcomes) == {case.name for case in all_cases()}, figures.last_words
    assert {name: one.phase for name, one in figures.outcomes.items() if one.phase != "ready"} == {}


def test_the_good_examples_of_each_can_be_used(figures: Figures) -> None:
    wrong = {}
    for case in all_cases():
        outcome = figures.outcomes[case.name]
        if outcome.good != case.good and not (case.or_more and outcome.good > case.good):
            wrong[case.name] = (outcome.good, case.good)
        if outcome.good and not outcome.first:
            wrong[case.name] = ("no text", outcome.good)
    assert wrong == {}


def test_each_says_what_is_wrong_and_where(figures: Figures) -> None:
    wrong = {}
    for case in all_cases():
        found = sorted((code, line) for code, line in figures.outcomes[case.name].problems)
        if found != sorted(case.problems):
            wrong[case.name] = (found[:5], case.problems[:5])
    assert wrong == {}


def test_each_problem_is_in_words(figures: Figures) -> None:
    assert [
        (name, words) for name, one in figures.outcomes.items() for words in one.said if not all(map(str.strip, words))
    ] == []


def test_none_takes_long_or_much_memory(figures: Figures) -> None:
    print(figures.as_table())
    assert {name: one.peak_mb for name, one in figures.outcomes.items() if one.peak_mb >= MOST_MB} == {}
    assert {name: one.seconds for name, one in figures.outcomes.items() if one.seconds >= 60} == {}

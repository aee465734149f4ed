"""One answer against the expected one: word for word, and by the words they share."""

import re
from collections import Counter

from promptflow.core import tool


@tool
def compare_answer(answer: str, expected: str) -> dict:
    """`exact_match` (0 or 1) and token `f1` (0 to 1), case and punctuation aside.

    As in SQuAD's evaluation (Rajpurkar et al. 2016), but articles count. Two empty answers agree.
    """
    given, wanted = words(answer), words(expected)
    return {"exact_match": float(given == wanted), "f1": f1(given, wanted)}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def f1(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    return 2 * shared / (len(given) + len(wanted))

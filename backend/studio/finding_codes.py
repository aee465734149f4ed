"""The codes of content findings that concern single rows, each with its bit in a row's flags."""

from __future__ import annotations

from backend.studio.private_data import ACCOUNT, KEY, MAIL, PHONE
from backend.studio.text_checks import (
    HTML,
    LOST_CHARACTERS,
    REFUSAL,
    REPEATS_QUESTION,
    TEMPLATE_TOKENS,
    WRONG_DECODING,
)

DUPLICATES, NEAR_DUPLICATES, CONFLICTING = "duplicates", "near_duplicates", "conflicting_answers"
LEAK_EXACT, LEAK_QUESTION, LEAK_NEAR = "eval_row_in_train", "eval_question_in_train", "eval_row_like_train"
LONG_ANSWERS, SHORT_ANSWERS = "long_answers", "short_answers"
TOO_FEW, ONE_ANSWER, UNEVEN_ANSWERS, LANGUAGES = "too_few_examples", "one_answer", "uneven_answers", "languages"
"""These concern a set as a whole and flag no row."""

_OF_ROWS = (
    DUPLICATES,
    NEAR_DUPLICATES,
    LEAK_EXACT,
    LEAK_QUESTION,
    LEAK_NEAR,
    CONFLICTING,
    TEMPLATE_TOKENS,
    KEY,
    ACCOUNT,
    MAIL,
    PHONE,
    WRONG_DECODING,
    LOST_CHARACTERS,
    HTML,
    REPEATS_QUESTION,
    REFUSAL,
    LONG_ANSWERS,
    SHORT_ANSWERS,
)
BITS = {code: 1 << place for place, code in enumerate(_OF_ROWS)}
LEFT_OUT = 1 << 31
"""In a row's flags: it is left out, whatever else was found in it."""
LEAKS = (LEAK_EXACT, LEAK_QUESTION, LEAK_NEAR)
OF_SETS = (TOO_FEW, ONE_ANSWER, UNEVEN_ANSWERS, LANGUAGES)
ORDER = (
    *(TOO_FEW, *LEAKS, DUPLICATES, NEAR_DUPLICATES, CONFLICTING, ONE_ANSWER, UNEVEN_ANSWERS),
    *_OF_ROWS[6:],
    LANGUAGES,
)
"""How findings are listed: what spoils a training most comes first."""

"""Records that can't be parsed as they stand, mended where only one reading is left. Pure functions over their bytes.

Nothing is guessed: a line that was cut off, or that could be meant in two ways, stays unreadable.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import orjson

from backend.studio.languages import languages

MAX_RAW_BYTES = 64 * 1024
"""Of a damaged record at most so much is kept; one that fills it may go on, and isn't mended."""
SHOWN_LETTERS = 60
_LATIN = ("cp1252", "mac_roman", "cp1250", "cp1254")
"""The likeliest first."""
_LANGUAGES = {"cp1250": frozenset("bs cs hr hu pl ro sk sl sq".split()), "cp1254": frozenset({"az", "tr"})}
"""Of which a Latin encoding is the one, though nearly the same letters come out of the others."""
_OTHER_ENCODINGS = ("cp1251", "cp1253", "koi8_r", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")
"""In these, too, JSON's own marks are the same bytes as in UTF-8."""
_SAID = re.compile(r'[^"]*[^\x00-\x7f"][^"]*')
_WORD = re.compile(r"[^\W\d_]{2,}")
_STRING = r'"(?:[^"\\\n]|\\.)*"'
_TOKENS = re.compile(rf"{_STRING}|[\[\]{{}},:]|[^\s\[\]{{}},:\"]+|\"", re.DOTALL)
_PYTHON_WORDS = {"true": "True", "false": "False", "null": "None", "NaN": "None"}


def read_text(raw: bytes) -> str | None:
    """The text of bytes that are not UTF-8: their encoding is told from the letters that come out. None if unclear."""
    text = _mostly_utf8(raw)
    if text is None:
        text = _latin(raw)
    if text is not None:
        return text
    from charset_normalizer import from_bytes  # here, because it takes a moment to import

    best = from_bytes(raw, cp_isolation=list(_OTHER_ENCODINGS), enable_fallback=False).best()
    return None if best is None else str(best)


def show_letters(raw: bytes) -> str:
    """Some words around the first letter that `read_text` had to find, for a person to see whether it is right.

    Empty where nothing is clear.
    """
    text = read_text(raw) if len(raw) < MAX_RAW_BYTES else None
    found = _SAID.search(text or "")
    if found is None:
        return ""
    said = found[0]
    at = next(place for place, letter in enumerate(said) if letter > "\x7f")
    first = max(0, at - SHOWN_LETTERS // 3)
    last = first + SHOWN_LETTERS
    return ("…" if first else "") + said[first:last].strip() + ("…" if last < len(said) else "")


def read_json(raw: bytes) -> object | None:
    """The record of a line that is almost JSON; None where it isn't clear what it was.

    Taken: Python literals and single quotes, commas too many, NaN and Infinity (as null), line breaks in texts,
    commas after the record, one missing brace at the end.
    """
    if len(raw) >= MAX_RAW_BYTES:
        return None
    try:
        text = raw.decode("utf-8-sig").replace("\x00", "").strip().rstrip(",").rstrip()
    except UnicodeDecodeError:
        return None
    for attempt in (text, _without_commas(text), _closed(text)):
        value = _loads(attempt) if attempt else None
        if isinstance(value, dict | list):
            return value
    value = _literal(text)
    # several records after one another are a tuple for Python
    return value if isinstance(value, dict) or (isinstance(value, list) and text.startswith("[")) else None


def read_ragged_row(raw: bytes, columns: Sequence[str]) -> dict[str, str] | None:
    """The record of the cells of a row (as a JSON list) that are too many or too few; None without columns."""
    cells = _loads(raw.decode("utf-8", "replace"))
    if not columns or not isinstance(cells, list) or len(raw) >= MAX_RAW_BYTES:
        return None
    return fill_columns([str(cell) for cell in cells], columns)


def read_plain_quotes(raw: bytes, columns: Sequence[str]) -> dict[str, str] | None:
    """The record of a table's line with a quote that is never closed: an ordinary letter, where the cells then fit."""
    if not columns or len(raw) >= MAX_RAW_BYTES:
        return None
    try:
        line = raw.decode("utf-8-sig").replace("\x00", "").strip("\r\n")
    except UnicodeDecodeError:
        return None
    fitting = [cells for mark in ",;\t|" if len(cells := line.split(mark)) == len(columns)]
    return dict(zip(columns, fitting[0], strict=True)) if len(fitting) == 1 else None


def fill_columns(cells: Sequence[str], columns: Sequence[str], mark: str = ",") -> dict[str, str]:
    """Cells by column: the surplus is joined into the last column, missing ones are empty."""
    last = len(columns) - 1
    kept = [*cells[:last], mark.join(cells[last:])]
    kept += [""] * (len(columns) - len(kept))
    return dict(zip(columns, kept, strict=True))


def without_unfit(text: str) -> str:
    """The text without NULs and half characters; two halves that belong together become one."""
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def _mostly_utf8(raw: bytes) -> str | None:
    """UTF-8 with a few stray bytes of Windows-1252, which are read as that; None where most is not UTF-8."""
    whole = raw.decode("utf-8", "surrogateescape")
    stray = [letter for letter in whole if "\udc80" <= letter <= "\udcff"]
    good = sum(letter > "\x7f" for letter in whole) - len(stray)
    if stray and good < 2 * len(stray):
        return None
    meant: dict[str, str | int | None] = {
        letter: bytes([ord(letter) - 0xDC00]).decode("cp1252", "replace") for letter in set(stray)
    }
    if "\ufffd" in meant.values():
        return None
    return whole.translate(str.maketrans(meant))


def _latin(raw: bytes) -> str | None:
    """By the encoding that puts no signs into words, and by the language; None where the words are not Latin.

    `charset_normalizer` counts letters, and takes every second short row of Western Europe for another encoding's.
    """
    readings: dict[str, str] = {}
    for encoding in _LATIN:
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if _is_latin(_said(text)):
                readings[encoding] = text
    least = min(map(_oddities, readings.values()), default=0)
    fitting = {encoding: text for encoding, text in readings.items() if _oddities(text) == least}
    if len(fitting) < 2:
        return next(iter(fitting.values()), None)
    likeliest = next(iter(fitting.values()))
    language, share = languages().guess(_said(likeliest))
    for encoding, known in _LANGUAGES.items():
        if encoding in fitting:
            other, other_share = languages().guess(_said(fitting[encoding]))
            if other in known and (language in known or other_share >= share):
                return fitting[encoding]
    return likeliest


def _said(text: str) -> str:
    """What is not ASCII alone, between quotes: a record's keys tell nothing of its language."""
    return " ".join(_SAID.findall(text))


def _is_latin(said: str) -> bool:
    """Are there ASCII letters among the others, also within the words that have such?"""
    words = "".join(word for word in _WORD.findall(said) if not word.isascii())
    plain = sum(letter.isascii() and letter.isalpha() for letter in said)
    return _others(said) <= 2 * plain + 2 and _others(words) <= 0.8 * len(words)


def _others(text: str) -> int:
    return sum(letter > "\x7f" for letter in text)


def _oddities(text: str) -> int:
    """Signs within words, and capitals after small letters."""
    return sum(
        "\x7f" < letter not in "’·"
        and before.isalpha()
        and after.isalpha()
        and (not letter.isalpha() or (letter.isupper() and before.islower()))
        for before, letter, after in zip(text, text[1:], text[2:], strict=False)
    )


def _loads(text: str) -> object | None:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text, strict=False, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        return None


def _without_commas(text: str) -> str | None:
    """The text without commas before a closing bracket; None where there are none."""
    tokens = list(_TOKENS.finditer(text))
    drop = {token.start() for token, after in pairwise(tokens) if token[0] == "," and after[0] in ("]", "}")}
    return "".join(letter for place, letter in enumerate(text) if place not in drop) if drop else None


def _closed(text: str) -> str | None:
    """The text with the one brace that is missing at its end; None where more is missing, or a text is open."""
    opened: list[str] = []
    last = ""
    for token in _TOKENS.finditer(text):
        last = token[0]
        if last == '"':
            return None
        if last in "[{":
            opened.append(last)
        elif last in "]}" and (not opened or "[{"["]}".index(last)] != opened.pop()):
            return None
    return text + "}" if opened == ["{"] and last[-1:] in ("]", '"', "}") else None


def _literal(text: str) -> object | None:
    """The value of a Python literal, also with JSON's words for true, false and null."""
    if text[:1] not in ("{", "[") or len(text) > MAX_RAW_BYTES:
        return None
    for attempt in (text, re.sub(rf"{_STRING}|'(?:[^'\\\n]|\\.)*'|\b(?:true|false|null|NaN)\b", _python_word, text)):
        try:
            # through JSON, which has neither sets nor names that are numbers
            return orjson.loads(orjson.dumps(ast.literal_eval(attempt)))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return None


def _python_word(match: re.Match[str]) -> str:
    return _PYTHON_WORDS.get(match[0], match[0])

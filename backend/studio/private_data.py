"""Personal data and secrets in a text: mail addresses, phone numbers, keys, account numbers; found, masked, replaced.

Each pattern would rather miss one than raise a false alarm: dates, prices and order numbers are no phone numbers.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAIL, PHONE, KEY, ACCOUNT = "mail_addresses", "phone_numbers", "secret_keys", "account_numbers"
STAND_INS = {MAIL: "[email]", PHONE: "[phone]", KEY: "[key]", ACCOUNT: "[account]"}


class Private(NamedTuple):
    code: str
    start: int
    end: int


_MAIL = re.compile(r"(?<![\w.%+/-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@])", re.ASCII)
_NO_MAIL = re.compile(
    r"@(?:[\w-]+\.)*example\.\w+$|\.(?:png|jpe?g|gif|webp|svg|py|js|ts|test|invalid|example|local)$", re.I
)
_PHONE = re.compile(
    r"""(?<![\w.,$€£¥\#/+-])(?<![$€£¥\#]\ )(?<!\d[ .])(?:
      \+\d{1,3}[ ./-]?(?:\(0?\d{1,4}\)[ ./-]?)?\d(?:[ ./-]?\d){5,12}   # +44 20 7946 0958
    | \([2-9]\d{2}\)[ ]?[2-9]\d{2}[ .-]\d{4}                           # (202) 456-1414
    | (?:1[ .-])?[2-9]\d{2}([ .-])[2-9]\d{2}\1\d{4}                    # 202-456-1414
    | \(0\d{1,4}\)[ /-]?\d{2,4}(?:[ -]?\d{2,4}){1,3}                   # (0711) 123 456
    | 0\d{2,4}[ ]?[/-][ ]?\d{3,4}(?:[ -]?\d{2,5}){0,2}                 # 0711/123456
    | 0\d{2,4}[ ]\d{3,8}(?:[ ]\d{2,4}){0,2}                            # 020 7946 0958
    | 0\d(?:([ .])\d{2})(?:\2\d{2}){3}                                 # 01 42 68 53 00
    )(?![\w%€$£]|[-./,:]\d|\ ?(?:EUR|USD|km|kg|€))""",
    re.VERBOSE | re.ASCII,
)
_NUMBER_OF_A_THING = re.compile(
    r"(?:order|invoice|ticket|case|tracking|reference|ref|article|item|serial|isbn|id|no|nr|number|#)[\s.:#]*$", re.I
)
_PHONE_WORD = re.compile(
    r"(?:phone|tel|call|mobile|cell|fax|whatsapp|sms|handy|ring)\W*(?:no|nr|number)?[\s.:#]*$", re.I
)
_KEY = re.compile(
    r"""(?<![A-Za-z0-9_])(?:
      A(?:KIA|SIA)[0-9A-Z]{16}
    | gh[pousr]_[A-Za-z0-9]{36,255}
    | github_pat_[A-Za-z0-9_]{22,255}
    | hf_[A-Za-z0-9]{30,60}
    | sk-(?=[\w-]{0,60}\d)(?=[\w-]{0,60}[A-Z])[\w-]{20,200}
    | xox[abprs]-[A-Za-z0-9-]{10,200}
    | AIza[\w-]{35}
    | eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}
    | AccountKey=[A-Za-z0-9+/]{43,100}={0,2}
    )(?![A-Za-z0-9_])
    | -----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY-----(?:[^-]{0,20000}-----END[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY-----)?""",
    re.VERBOSE | re.ASCII,
)
_KEY_SIGNS = (
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "hf_",
    "sk-",
    "xox",
    "AIza",
    "eyJ",
    "AccountKey=",
    "PRIVATE KEY",
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])", re.ASCII)
_CARD = re.compile(  # in groups as on a card, or in none; what follows a plus is a phone number
    r"(?<![\w.,+-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{13,19})"
    r"(?![\w-]|[.,]\d)",
    re.ASCII,
)
_CARD_SCHEMES = re.compile(  # by first digits and length: Visa, Mastercard, American Express, Discover, JCB, Diners
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|(?:6011|65\d\d|35\d\d)\d{12}|3[068]\d{12}", re.ASCII
)
_LONG_NUMBER = re.compile(r"\d[\d ()./-]{7,40}", re.ASCII)
_LEAST_DIGITS = 8
_AROUND = 40


def find_private(text: str) -> list[Private]:
    """Every hit from left to right; where two overlap, the surer one: keys, accounts, mail addresses, phones."""
    found: list[Private] = []
    if any(sign in text for sign in _KEY_SIGNS):
        _take(found, KEY, _KEY, text)
    numbers = [match.span() for match in _LONG_NUMBER.finditer(text) if _digits(match[0]) >= _LEAST_DIGITS]
    for start, end in numbers:
        _take(found, ACCOUNT, _IBAN, text, is_iban, start, end)
        _take(found, ACCOUNT, _CARD, text, is_card, start, end)
    if "@" in text:
        _take(found, MAIL, _MAIL, text, lambda value: not _NO_MAIL.search(value))
    for start, end in numbers:
        for match in _PHONE.finditer(text, max(0, start - 3), end + 3):
            if _is_phone(match, text):
                _add(found, Private(PHONE, match.start(), match.end()))
    return found


def replace_private(text: str, codes: frozenset[str]) -> str:
    """The text with `[email]` and the like in place of what is found of these codes."""
    return "".join(_pieces(text, codes, lambda code, value: STAND_INS[code]))


def mask_private(text: str) -> str:
    """For showing where something was found: the first two characters of each hit stay, the rest is hidden."""
    return "".join(_pieces(text, frozenset(STAND_INS), lambda code, value: value[:2] + "•••"))


def is_iban(value: str) -> bool:
    """By its check digits: ISO 13616, modulo 97."""
    compact = value.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def is_card(value: str) -> bool:
    """By its first digits, its length and its check digit (Luhn)."""
    digits = [int(sign) for sign in value if sign.isdigit()]
    if len(set(digits)) < 2 or not _CARD_SCHEMES.fullmatch("".join(map(str, digits))):
        return False
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(match: re.Match[str], text: str) -> bool:
    digits = [sign for sign in match[0] if sign.isdigit()]
    if not 9 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    if match[0].startswith(("555", "(555")):  # what films and examples use
        return False
    before = text[max(0, match.start() - 24) : match.start()]
    return not _NUMBER_OF_A_THING.search(before) or _PHONE_WORD.search(before) is not None


def _take(
    found: list[Private],
    code: str,
    pattern: re.Pattern[str],
    text: str,
    is_real: Callable[[str], bool] = bool,
    start: int = 0,
    end: int | None = None,
) -> None:
    """Takes what the pattern finds, in all of the text or around start..end."""
    until = len(text) if end is None else end + _AROUND
    for match in pattern.finditer(text, max(0, start - _AROUND), until):
        if is_real(match[0]):
            _add(found, Private(code, match.start(), match.end()))


def _digits(value: str) -> int:
    return sum(map(str.isdigit, value))


def _add(found: list[Private], hit: Private) -> None:
    """In the order of the text; a hit that overlaps one that is there already is dropped."""
    place = bisect(found, hit.start, key=lambda one: one.start)
    is_free = (not place or found[place - 1].end <= hit.start) and (
        place == len(found) or hit.end <= found[place].start
    )
    if is_free:
        found.insert(place, hit)


def _pieces(text: str, codes: frozenset[str], shown: Callable[[str, str], str]) -> Iterator[str]:
    position = 0
    for hit in find_private(text):
        if hit.code in codes:
            yield text[position : hit.start]
            yield shown(hit.code, text[hit.start : hit.end])
            position = hit.end
    yield text[position:]

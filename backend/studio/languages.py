"""Which languages a sample of rows is in. Short texts, code and texts that could be several languages don't count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from backend.domain import Message
from backend.i18n import _

_LEAST_LETTERS = 40
_LOOKED_AT = 300
_SURE = 0.98
_LEAST_SHARE, _LEAST_ROWS = 0.02, 3
_NO_PROSE = re.compile(r"```.*?(?:```|$)|https?://\S+|[\d_{}()\[\]<>=;|\\/*#&%$@^~`+-]+", re.DOTALL)


@cache
def languages() -> Languages:
    """The one that is kept: loading its model takes a second of a processor and some 60 MB."""
    return Languages()


class Languages:
    """Names the language of texts."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def of(self, messages: Sequence[Message]) -> str:
        """The code of the language of the last answer (with its question where it is short); "" where unsure."""
        text = _prose(messages[-1].content)
        if len(text) < _LEAST_LETTERS and len(messages) > 1:
            text = f"{_prose(messages[-2].content)} {text}"
        if sum(map(str.isalpha, text)) < _LEAST_LETTERS:
            return ""
        code, probability = self.guess(text)
        return code if probability >= _SURE else ""

    def guess(self, text: str) -> tuple[str, float]:
        """The likeliest code, and how likely it is (0..1), of however little text."""
        code, probability = self._identifier.classify(text)
        return str(code), float(probability)


def shares(found: Sequence[str]) -> dict[str, float]:
    """The share of each language among the texts whose language is known, the largest first; rare ones are noise."""
    known = [code for code in found if code]
    counts = {code: known.count(code) for code in set(known)}
    kept = {code: count for code, count in counts.items() if count >= max(_LEAST_ROWS, _LEAST_SHARE * len(known))}
    total = sum(kept.values())
    return {code: kept[code] / total for code in sorted(kept, key=lambda code: (-kept[code], code))}


def names(figures: Mapping[str, float]) -> str:
    """Such as "English 80 %, German 20 %"."""
    return ", ".join(f"{name_of(code)} {share:.0%}".replace("%", " %") for code, share in figures.items())


def name_of(code: str) -> str:
    known = {
        "ar": _("Arabic"), "cs": _("Czech"), "da": _("Danish"), "de": _("German"), "el": _("Greek"),
        "en": _("English"), "es": _("Spanish"), "fi": _("Finnish"), "fr": _("French"), "he": _("Hebrew"),
        "hi": _("Hindi"), "hu": _("Hungarian"), "id": _("Indonesian"), "it": _("Italian"), "ja": _("Japanese"),
        "ko": _("Korean"), "nl": _("Dutch"), "no": _("Norwegian"), "pl": _("Polish"), "pt": _("Portuguese"),
        "ro": _("Romanian"), "ru": _("Russian"), "sv": _("Swedish"), "th": _("Thai"), "tr": _("Turkish"),
        "uk": _("Ukrainian"), "vi": _("Vietnamese"), "zh": _("Chinese"),
    }  # fmt: skip
    return known.get(code, code)


def _prose(text: str) -> str:
    return " ".join(_NO_PROSE.sub(" ", text[: 2 * _LOOKED_AT]).split())[:_LOOKED_AT]

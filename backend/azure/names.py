"""Azure's rules for the names that a person may give, checked before anything is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from backend.errors import BadInput
from backend.i18n import _


@dataclass(frozen=True)
class NameRule:
    pattern: re.Pattern[str]
    words: Callable[[], str]


def _ml_words() -> str:
    return _("Take 3 to 33 letters, digits, hyphens and underscores, and begin with a letter or a digit.")


_ML = NameRule(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}"), _ml_words)
RULES = {
    "resource_group": NameRule(
        re.compile(r"[\w().-]{0,89}[\w()-]", re.ASCII),
        lambda: _("Take 1 to 90 letters, digits, hyphens, underscores, points and brackets, and no point at the end."),
    ),
    "workspace": _ML,
    "hub": _ML,
    "project": _ML,
    "identity": NameRule(
        re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}"),
        lambda: _("Take 3 to 128 letters, digits, hyphens and underscores, and begin with a letter or a digit."),
    ),
}
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"""


def require_name(kind: str, name: str, field: str) -> None:
    """Raises BadInput, naming the field."""
    rule = RULES[kind]
    if rule.pattern.fullmatch(name) is None:
        raise BadInput(
            _("{field}: {name} is no name that Azure takes.").format(field=field, name=name or _("an empty text")),
            how_to_fix=rule.words(),
            code="bad_name",
        )

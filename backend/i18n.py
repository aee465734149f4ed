"""Interface texts go through gettext: `_("...")` and `ngettext`. English is the source language."""

from __future__ import annotations

import gettext
import os
from pathlib import Path

LOCALE_FOLDER = Path(__file__).parent / "locale"

_translation = gettext.translation(
    "phidesk", LOCALE_FOLDER, languages=[os.environ.get("PHIDESK_LANGUAGE", "en")], fallback=True
)
_ = _translation.gettext
ngettext = _translation.ngettext

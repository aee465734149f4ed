"""Text that somebody pastes: prose, or a list of "Q:" and "A:", is answered with how to paste it instead."""

from __future__ import annotations

import re

from backend.errors import BadInput
from backend.i18n import _
from backend.studio.sniffing import recognise_container
from backend.studio.unpacking import Unreadable

EXAMPLE = "question\tanswer\nWhen do you open?\tAt nine.\nWhere are you?\tIn Mill Street.\n"
"""A table as spreadsheets put it on the clipboard: a tab between the columns."""
_HEAD_BYTES = 256 * 1024
_SPEAKER = re.compile(r"\s*(?:(q|question|user|human|frage|f)|(a|answer|assistant|bot|antwort))\s*\d*\s*[:.)]\s", re.I)


def require_records(text: str) -> None:
    """Raises BadInput, with what to paste, for a text in which no examples can be told apart."""
    head = text[:_HEAD_BYTES].encode("utf-8", errors="replace")
    try:
        recognise_container(head, is_whole=len(text) <= _HEAD_BYTES)
    except Unreadable as end:
        raise _refused(end.message, end.code) from end
    if _names_speakers(text[:_HEAD_BYTES]):
        raise _refused(_("Lines that begin with Q: and A: can't be told apart for sure."), "format_text")


def _refused(why: str, code: str) -> BadInput:
    return BadInput(
        _("This text can't be read as examples."),
        why=why,
        how_to_fix=_(
            "Paste a table with the header question, answer: copy two columns from a spreadsheet, or put a tab "
            "between question and answer, one example a line. JSON Lines are read, too."
        ),
        code=code,
    )


def _names_speakers(text: str) -> bool:
    """Does one line begin as a question, and the next one that begins so as an answer? A comma in each makes it look
    like a table.
    """
    lines = (line for line in text.split("\n") if line.strip())
    first = _SPEAKER.match(next(lines, ""))
    if first is None or not first[1]:
        return False
    after = next((found for line in lines if (found := _SPEAKER.match(line))), None)
    return after is not None and bool(after[2])

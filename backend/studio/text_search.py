"""Searching what is said in rows: one rule for drafts and saved datasets, in one pass over the bytes of their lines.

Upper and lower case count alike, as Unicode folds them: STRASSE finds Straße. So do the four letters i of Turkish.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import orjson

from backend.studio.row_index import messages_of

_PIECE = 4 * 1024 * 1024
_MOST_OTHERS = 48
_LAST_CASED = 0x1E943
"""No letter behind it has another case."""
_ROLES = (b"system", b"user", b"assistant")
_FRAME = (
    *(b'{"messages":[{"role":"%b","content":"' % role for role in _ROLES),
    *(b'"},{"role":"%b","content":"' % role for role in _ROLES),
    b'"}]}',
)
"""What stands in a line around the texts. In a text a quote is escaped, so none of this can stand there."""
_ONE_I = str.maketrans("İı", "ii")


def folded(text: str) -> str:
    """What two texts have in common that count as the same."""
    return text.translate(_ONE_I).casefold()


def find_in_lines(path: Path, starts: Sequence[int], query: str, numbers: Sequence[int] | None = None) -> array[int]:
    """Which of the rows `numbers` (all, where not given), in order, have a message that contains `query`.

    `path` holds canonical lines; `starts` has one entry more than there are rows: row n is bytes starts[n] to
    starts[n + 1].
    """
    found = array("I")
    numbers = range(len(starts) - 1) if numbers is None else numbers
    wanted = folded(query)
    if not wanted:
        return array("I", numbers)
    try:
        needle = orjson.dumps(wanted)[1:-1]
    except orjson.JSONEncodeError:  # half a letter stands in no text
        return found
    others = _other_forms(wanted)
    frame = [part for part in _FRAME if needle in part]
    with path.open("rb") as file:
        for first, end in _pieces(starts, numbers):
            file.seek(starts[first])
            piece = file.read(starts[end] - starts[first])
            if piece.isascii():
                rows = _lines_with(piece.lower(), needle, frame) if needle.isascii() else iter(())
            elif sum(map(len, others.values())) > _MOST_OTHERS:
                rows = _lines_that_say(piece, wanted)
            else:
                rows = _lines_with(_folded_where_it_matters(piece, others), needle, frame)
            found.extend(first + row for row in rows)
    return found


@lru_cache(maxsize=1)
def _foldings() -> Mapping[str, str]:
    """What each letter beyond ASCII is folded to, where that is another. Takes 30 ms, so it is asked once."""
    letters = map(chr, range(0x80, _LAST_CASED + 1))
    return {letter: same for letter in letters if (same := folded(letter)) != letter}


def _other_forms(wanted: str) -> Mapping[bytes, list[tuple[bytes, bytes]]]:
    """Letters beyond ASCII that could stand where some of `wanted` is found, and what they are folded to, by what
    their bytes begin with.
    """
    found: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for letter, same in _foldings().items():
        if _could_meet(same, wanted):
            form = letter.encode()
            found.setdefault(form[:-1], []).append((form, same.encode()))
    return found


def _could_meet(same: str, wanted: str) -> bool:
    """Does it stand in `wanted`, or reach over its beginning or its end?"""
    if same in wanted or (len(same) > 1 and wanted in same):
        return True
    parts = range(1, len(same))
    return any(wanted.startswith(same[at:]) or wanted.endswith(same[:at]) for at in parts)


def _folded_where_it_matters(piece: bytes, others: Mapping[bytes, list[tuple[bytes, bytes]]]) -> bytes:
    text = piece.lower()
    for start, forms in others.items():
        if start[:1] in piece and start in piece:  # one byte is looked for ten times as fast as two
            for form, same in forms:
                text = text.replace(form, same)
    return text


def _lines_with(text: bytes, needle: bytes, frame: Sequence[bytes]) -> Iterator[int]:
    """In order, from 0. Of `text` all is folded that `needle` could meet."""
    for part in frame:
        text = text.replace(part, b"\0" * len(part))
    line = counted = 0
    at = text.find(needle)
    while at >= 0:
        if _is_inside_escape(text, at):
            at = text.find(needle, at + 1)
            continue
        line += text.count(b"\n", counted, at)
        yield line
        counted = text.find(b"\n", at)
        at = text.find(needle, counted) if counted >= 0 else -1


def _is_inside_escape(text: bytes, at: int) -> bool:
    """Does an escape such as `\\n` or `\\u001b` begin before this place and end behind it?"""
    start = text.rfind(b"\\u", max(0, at - 5), at)
    if start < 0:
        start = at - 1
    backslashes = 0
    while text[start - backslashes : start - backslashes + 1] == b"\\":
        backslashes += 1
    return backslashes % 2 == 1


def _lines_that_say(piece: bytes, wanted: str) -> Iterator[int]:
    """The careful way, for letters of very many forms: every row is read."""
    for number, line in enumerate(piece.splitlines()):
        if any(wanted in folded(message.content) for message in messages_of(line)):
            yield number


def _pieces(starts: Sequence[int], numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rows that stand one after another, from one to before another, of some MB together or of one row."""
    for first, last in _runs(numbers):
        while first < last:
            end = min(last, max(first + 1, bisect_right(starts, starts[first] + _PIECE) - 1))
            yield first, end
            first = end


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    if isinstance(numbers, range):
        yield numbers.start, numbers.stop
        return
    first = end = -1
    for number in numbers:
        if number != end:
            if end >= 0:
                yield first, end
            first = number
        end = number + 1
    if end >= 0:
        yield first, end

"""JSON that is not one record a line: a list, records one after another over several lines, an object around a list.

Of any size: a window moves over the text, and no record may be longer than MAX_RECORD_BYTES. Where a record can't be
read, reading goes on at the next place that looks like the beginning of one.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator

from backend.i18n import _
from backend.studio.json_lines import JSON, duplicate_key, has_key_twice, nested_too_deeply
from backend.studio.records import MAX_RECORD_BYTES, RAW_BYTES, Broken, Record, too_long
from backend.studio.unpacking import PIECE_BYTES, Read, Unreadable

_SPACE = re.compile(r"[ \t\r\n\x00\ufeff]*")
_FIRST_KEY = re.compile(r'\s*\{\s*("(?:[^"\\]|\\.){1,80}")')
_SMALLEST_WINDOW = 64 * 1024


class _Window:
    """The text from the present place on; `line` counts from 1. Bytes that are not UTF-8 become half characters."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self._line = 1
        self._counted = 0
        self.is_over = False
        self.end: Unreadable | None = None

    @property
    def line(self) -> int:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def grow(self, wanted: int) -> bool:
        """Hold at least `wanted` letters after the present place, if there are so many. Whether any came."""
        had = len(self.text) - self.at
        if had >= wanted or self.is_over:
            return False
        _line = self.line
        pieces = [self.text[self.at :]]
        size = had
        while size < wanted and not self.is_over:
            try:
                piece = self._read(PIECE_BYTES)
            except Unreadable as end:
                piece, self.end = b"", end
            self.is_over = not piece
            text = self._decoder.decode(piece, final=self.is_over)
            pieces.append(text)
            size += len(text)
        self.text, self.at, self._counted = "".join(pieces), 0, 0
        return size > had

    def next_letter(self) -> str:
        """The next letter that is no space, without taking it; empty at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow(_SMALLEST_WINDOW):
                return ""

    def skip_to(self, pattern: re.Pattern[str]) -> bool:
        """Go to the end of the next match; to the end of everything if there is none."""
        while True:
            match = pattern.search(self.text, self.at)
            if match:
                self.at = match.end()
                return True
            self.at = max(self.at, len(self.text) - 1024)  # a match may begin in what is held
            if not self.grow(PIECE_BYTES):
                self.at = len(self.text)
                return False


class _Damaged(Exception):
    """The value at the present place can't be read."""

    def __init__(self, code: str, message: str, fix: str, line: int) -> None:
        super().__init__(message)
        self.code, self.message, self.fix, self.line = code, message, fix, line


def read_list(read: Read, file: int) -> Iterator[Record | Broken]:
    """The records of `[{...}, {...}]`, each with the line where it begins."""
    window = _Window(read)
    window.next_letter()
    window.at += 1
    is_empty = yield from _records_of_list(window, file)
    if window.end is not None:
        raise window.end
    if window.next_letter():
        yield Broken(
            file,
            window.line,
            "text_after_list",
            _("There is more text after the end of the list."),
            _("Remove it, or put all records into the one list."),
        )
    elif is_empty:
        yield Broken(file, 0, "empty_file", _("The list is empty."), _("Add at least two conversations."))


def read_object_around(read: Read, file: int) -> Iterator[Record | Broken]:
    """The records of `{"data": [{...}, ...]}`: those of every list of objects in the one object."""
    window = _Window(read)
    window.next_letter()
    window.at += 1
    try:
        while (letter := window.next_letter()) and letter != "}":
            if letter == ",":
                window.at += 1
                continue
            _value(window)
            if window.next_letter() != ":":
                raise _at(window, _("a colon is missing here"))
            window.at += 1
            if window.next_letter() == "[":
                window.at += 1
                yield from _records_of_list(window, file)
            else:
                _value(window)
    except _Damaged as damaged:
        yield Broken(file, damaged.line, damaged.code, damaged.message, damaged.fix)
    if window.end is not None:
        raise window.end


def read_spread(read: Read, file: int) -> Iterator[Record | Broken]:
    """Records one after another, each over one line or several, with or without commas between."""
    window = _Window(read)
    restart = re.compile(r"\n(?=[{\[])")
    while letter := window.next_letter():
        if letter == ",":
            window.at += 1
            continue
        try:
            yield from _record(window, file)
        except _Damaged as damaged:
            yield _broken(damaged, file, window, restart)
            window.skip_to(restart)
    if window.end is not None:
        raise window.end


def _records_of_list(window: _Window, file: int) -> Generator[Record | Broken, None, bool]:
    """From after the opening bracket to after the closing one. Gives whether the list was empty."""
    restart: re.Pattern[str] | None = None
    is_empty = True
    while True:
        letter = window.next_letter()
        if letter == "]":
            window.at += 1
            return is_empty
        if not letter:
            if window.end is None:
                yield Broken(
                    file,
                    window.line,
                    "list_cut_off",
                    _("The JSON list ends without its closing bracket."),
                    _("The file may have been cut off: save or download it again. The examples before can be used."),
                )
            return False
        is_empty = False
        if restart is None:
            window.grow(1024)
            key = _FIRST_KEY.match(window.text, window.at)
            restart = re.compile(r"\}\s*,?\s*(?=\{\s*" + re.escape(key[1]) + r"\s*:)" if key else r"\n(?=\{)")
        try:
            yield from _record(window, file)
            if (letter := window.next_letter()) == ",":
                window.at += 1
            elif letter not in ("]", ""):
                raise _at(window, _("a comma or a closing bracket is missing here"))
        except _Damaged as damaged:
            yield _broken(damaged, file, window, restart)
            if not window.skip_to(restart):
                return False


def _record(window: _Window, file: int) -> Iterator[Record | Broken]:
    line = window.line
    value, text = _value(window)
    if len(text) > MAX_RECORD_BYTES:
        yield too_long(file, line, _bytes(text[:RAW_BYTES]))
    elif not text.isascii() and not _is_unicode(text):
        yield Broken(
            file,
            line,
            "not_utf8",
            _("The record is not UTF-8 text."),
            _("Save the file with the encoding UTF-8 (in an editor: Save as, encoding UTF-8)."),
            _bytes(text),
        )
    elif has_key_twice(text, value):
        yield duplicate_key(_bytes(text), file, line)
    else:
        yield Record(file, line, value)


def _value(window: _Window) -> tuple[object, str]:
    """The value at the present place and its text; the place is then behind it."""
    if len(window.text) - window.at < _SMALLEST_WINDOW:
        window.grow(PIECE_BYTES)
    while True:
        start = window.at
        try:
            value, window.at = JSON.raw_decode(window.text, start)
            if window.at == len(window.text) and not window.is_over and window.grow(PIECE_BYTES):
                window.at = 0  # a number may go on
                continue
            return value, window.text[start : window.at]
        except RecursionError:
            flaw = nested_too_deeply()
            raise _Damaged(flaw.code, flaw.message, flaw.fix, window.line) from None
        except json.JSONDecodeError as error:
            held = len(window.text) - start
            is_settled = error.pos < len(window.text) - 32 and not error.msg.startswith("Unterminated")
            if is_settled or not _hold_more(window, held):
                raise _damaged_by(error, window) from None
        except ValueError as error:
            raise _at(window, str(error)) from None


def _hold_more(window: _Window, held: int) -> bool:
    return held < MAX_RECORD_BYTES and window.grow(min(MAX_RECORD_BYTES, max(PIECE_BYTES, 2 * held)))


def _damaged_by(error: json.JSONDecodeError, window: _Window) -> _Damaged:
    """Why the record from the present place on can't be read. Raises Unreadable where the source itself ended badly."""
    is_unfinished = error.msg.startswith("Unterminated") or error.pos >= len(window.text.rstrip()) - 1
    if is_unfinished and window.end is not None:
        window.end.line = window.line
        raise window.end
    if is_unfinished and len(window.text) - window.at >= MAX_RECORD_BYTES:
        flaw = too_long(0, window.line, b"")
        return _Damaged(flaw.code, flaw.message, flaw.fix, window.line)
    if is_unfinished and window.is_over:
        return _Damaged(
            "record_cut_off",
            _("The file ends in the middle of this record."),
            _("It may have been cut off: save or download it again. The examples before can be used."),
            window.line,
        )
    return _Damaged(
        "not_json",
        _("The record is not JSON: {reason} in line {line}.").format(
            reason=error.msg, line=window.line + window.text.count("\n", window.at, error.pos)
        ),
        _("Correct it: the examples before and after it can be used."),
        window.line,
    )


def _at(window: _Window, reason: str) -> _Damaged:
    return _Damaged(
        "not_json",
        _("The JSON can't be read here: {reason}.").format(reason=reason),
        _("Correct it: the examples before and after it can be used."),
        window.line,
    )


def _broken(damaged: _Damaged, file: int, window: _Window, restart: re.Pattern[str]) -> Broken:
    """With its own text, as far as the next record: by that it may be mended."""
    after = restart.search(window.text, window.at)
    raw = window.text[window.at : after.end()] if after else window.text[window.at :].rstrip().removesuffix("]")
    return Broken(file, damaged.line, damaged.code, damaged.message, damaged.fix, _bytes(raw[:RAW_BYTES]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")[:RAW_BYTES]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

"""JSON Lines: one record a line, of any size in all; a line is taken, or broken with its number and a reason.

Reading is in blocks of whole lines, so that several processes can each take a part of a file. orjson reads what is
right; a slower parser has a closer look at what orjson refuses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from backend.i18n import _
from backend.studio.records import MAX_RECORD_BYTES, RAW_BYTES, Broken, Record, too_long
from backend.studio.unpacking import PIECE_BYTES, UTF8_BOM, Read, Unreadable

SPACE = b" \t\r\n\x0b\x0c"


class Block(NamedTuple):
    """Whole lines, the first of which is `line`; or, where `is_too_long`, the beginning of one that is."""

    line: int
    data: bytes
    is_too_long: bool = False


def read_blocks(read: Read, first_line: int = 1, piece_bytes: int = PIECE_BYTES) -> Iterator[Block]:
    """Blocks of about `piece_bytes`. An Unreadable of `read` comes after all whole lines before it."""
    rest, line = b"", first_line
    is_over = False
    end: Unreadable | None = None
    while not is_over:
        try:
            piece = read(piece_bytes)
        except Unreadable as error:
            piece, end = b"", error
        is_over = not piece
        cut = len(piece) if is_over else piece.rfind(b"\n") + 1
        if not is_over and not cut:
            rest += piece
            if len(rest) <= MAX_RECORD_BYTES:
                continue
            yield Block(line, rest[:RAW_BYTES], is_too_long=True)
            line += 1
            rest, end = _skip_line(read, piece_bytes)
            if end is not None:
                break
            continue
        data, rest = rest + piece[:cut], piece[cut:]
        if end is not None:
            data = data[: data.rfind(b"\n") + 1]  # what was cut off is no record
        if data:
            yield from _with_long_lines(data, line)
            line += data.count(b"\n")
    if end is not None:
        end.line = line
        raise end


def _with_long_lines(data: bytes, line: int) -> Iterator[Block]:
    """A block with its overlong lines taken out."""
    start = at = 0
    while len(data) - at > MAX_RECORD_BYTES:
        stop = data.find(b"\n", at) + 1 or len(data)
        if stop - at > MAX_RECORD_BYTES:
            if at > start:
                yield Block(line, data[start:at])
                line += data.count(b"\n", start, at)
            yield Block(line, data[at : at + RAW_BYTES], is_too_long=True)
            start, line = stop, line + 1
        at = stop
    if start < len(data):
        yield Block(line, data[start:])


def _skip_line(read: Read, piece_bytes: int) -> tuple[bytes, Unreadable | None]:
    """What follows the line that is being skipped."""
    try:
        while piece := read(piece_bytes):
            cut = piece.find(b"\n") + 1
            if cut:
                return piece[cut:], None
    except Unreadable as error:
        return b"", error
    return b"", None


def records_of(block: Block, file: int) -> Iterator[Record | Broken]:
    """The records of a block's lines; empty lines are passed over."""
    if block.is_too_long:
        yield too_long(file, block.line, block.data)
        return
    loads = orjson.loads
    number = block.line - 1
    for line in block.data.split(b"\n"):
        number += 1
        try:
            record = loads(line)
        except orjson.JSONDecodeError as error:
            yield from _closer_look(line, file, number, error)
            continue
        if has_key_twice(line, record):
            yield duplicate_key(line, file, number)
        else:
            yield Record(file, number, record)


def has_key_twice(text: bytes | str, record: object) -> bool:
    """Of the record that is written there. Cheap: the quotes are counted, and only where there are others than those
    of the record's keys and texts, which a lost value leaves behind, is there a closer look.
    """
    quotes = text.count('"') if isinstance(text, str) else text.count(b'"')
    if type(record) is not dict or quotes == quotes_of(record):
        return False
    return find_duplicate_key(text) is not None


def quotes_of(value: object) -> int:
    """The quotes in the JSON of a value: around its keys and texts, and inside of them."""
    if type(value) is dict:
        count, inner = 2 * len(value), list(value.values())
    elif type(value) is list:
        count, inner = 0, value
    else:
        return 2 + value.count('"') if type(value) is str else 0
    for one in inner:
        count += 2 + one.count('"') if type(one) is str else quotes_of(one)
    return count


class _Twice(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return found


def find_duplicate_key(line: bytes | str) -> str | None:
    """The first key that an object of this JSON has twice."""
    try:
        json.loads(line, object_pairs_hook=_unique, strict=False, parse_int=float)
    except _Twice as found:
        return str(found)
    except (ValueError, RecursionError):
        return None
    return None


def duplicate_key(line: bytes, file: int, number: int) -> Broken:
    return Broken(
        file,
        number,
        "duplicate_key",
        _('An object has the key "{key}" twice.').format(key=(find_duplicate_key(line) or "")[:40]),
        _("Keep one of them: a reader takes the last and loses the others."),
        line[:RAW_BYTES],
    )


def _closer_look(line: bytes, file: int, number: int, error: orjson.JSONDecodeError) -> Iterator[Record | Broken]:
    line = line.strip(SPACE).removeprefix(UTF8_BOM).strip(SPACE)
    if not line:
        return
    if b"\r" in line:  # line ends of an old Mac among others
        pieces = [piece for piece in line.split(b"\r") if piece.strip()]
        if any(_parsed(piece) is not _NOTHING for piece in pieces):
            for piece in pieces:
                yield _read_line(piece, file, number, error)
            return
    yield _read_line(line, file, number, error)


_NOTHING = object()


def _parsed(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _NOTHING


def _read_line(line: bytes, file: int, number: int, error: orjson.JSONDecodeError) -> Record | Broken:
    record = _parsed(line)
    if record is _NOTHING:
        record = lenient(line)
    if isinstance(record, _Flawed):
        return Broken(file, number, record.code, record.message, record.fix, line[:RAW_BYTES])
    if has_key_twice(line, record):
        return duplicate_key(line, file, number)
    return Record(file, number, record)


class _Flawed(NamedTuple):
    code: str
    message: str
    fix: str


def lenient(line: bytes) -> object:
    """The value of what orjson refuses, where it is only unusual (NaN is null, numbers are huge, half characters
    and tabs inside of texts); else what is wrong with it.
    """
    if b"\x00" in line:
        return _Flawed(
            "nul_character",
            _("The line has a NUL byte (position {position}).").format(position=line.index(b"\x00") + 1),
            _("Remove it; the file may be damaged, or not be text at all."),
        )
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return _Flawed(
            "not_utf8",
            _("The line is not UTF-8 text (from byte {position} on).").format(position=error.start + 1),
            _("Save the file with the encoding UTF-8 (in an editor: Save as, encoding UTF-8)."),
        )
    try:
        return JSON.decode(text)
    except RecursionError:
        return nested_too_deeply()
    except ValueError as error:
        reason = error if isinstance(error, json.JSONDecodeError) else None
        return _Flawed(
            "not_json",
            _("The line is not JSON: {reason} at column {column}.").format(
                reason=reason.msg if reason else error, column=reason.colno if reason else 1
            ),
            _("Write one record a line, such as {example}.").format(
                example='{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
            ),
        )


def nested_too_deeply() -> _Flawed:
    return _Flawed("nested_too_deeply", _("The record is nested too deeply."), _("Write it as a list of messages."))


def _number(digits: str) -> float | int:
    """Python refuses whole numbers of more than 4,300 digits; nothing is learnt from them."""
    return int(digits) if len(digits) <= 18 else float(digits)


JSON = json.JSONDecoder(strict=False, parse_constant=lambda _name: None, parse_int=_number)

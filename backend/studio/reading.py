"""Reading conversations from JSONL: every line is taken or gets one Problem with its line. Memory stays small.

A JSON list of the same records is taken too. Nothing in a file's content makes these functions raise.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import orjson

from backend.domain import DataReport, Message, Problem
from backend.domain_datasets import Row
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.studio.rules import Flaw, check_record
from backend.studio.sniffing import UTF8_BOM, find_foreign_format

MAX_LINE_BYTES = 4 * 1024 * 1024
"""A conversation this long fits no model's context; a longer line is a file of another kind."""
MAX_LISTED_PROBLEMS = 1_000
MAX_LIST_BYTES = 256 * 1024 * 1024
"""A JSON list is read whole; JSONL of any size is read line by line."""
HEAD_BYTES = 64 * 1024


Source = Path | bytes


def open_source(source: Source, *, limit_mb: int | None = None) -> IO[bytes]:
    """Raises NotFound, or BadInput for a folder, a file without permission, or more than `limit_mb`."""
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            size = source.stat().st_size
        except (OSError, ValueError) as error:
            raise NotFound(
                _("There is no file {path}.").format(path=source),
                how_to_fix=_("Check the name and the folder."),
                code="no_such_file",
                raw=str(error),
            ) from error
    if limit_mb is not None and size > limit_mb * 1024 * 1024:
        raise BadInput(
            _("The file has {size} MB; the limit here is {limit} MB.").format(
                size=round(size / 1024 / 1024), limit=limit_mb
            ),
            how_to_fix=_(
                "Use fewer rows, read it with the command line (phidesk data add, no limit), "
                "or raise PHIDESK_MAX_UPLOAD_MB."
            ),
            code="file_too_large",
        )
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise BadInput(
            _("{path} can't be read.").format(path=source),
            why=error.strerror or "",
            how_to_fix=_("Name a file, and one that you may read."),
            code="unreadable_file",
        ) from error


def read(file: IO[bytes], filename: str = "") -> Iterator[Row | Problem]:
    """One item for every record, in order; a Problem with line 0 is about the whole file and comes alone."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    foreign = find_foreign_format(head, filename)
    if foreign:
        yield foreign
        return
    if head.removeprefix(UTF8_BOM).lstrip()[:1] == b"[":
        yield from _read_list(file)
    else:
        yield from _read_lines(file)


def report(items: Iterable[Row | Problem]) -> DataReport:
    rows = good = count = 0
    problems: list[Problem] = []
    for item in items:
        if isinstance(item, Row):
            rows += 1
            good += 1
            continue
        count += 1
        rows += item.line > 0
        if len(problems) < MAX_LISTED_PROBLEMS:
            problems.append(item)
    return DataReport(
        format=_format_of(good, problems),
        rows=rows,
        good_rows=good,
        problems=tuple(problems),
        problem_count=count,
    )


def _format_of(good: int, problems: list[Problem]) -> str:
    """ "messages" as soon as one row is; else what the first problem recognised."""
    if good or not problems:
        return "messages"
    code = problems[0].code
    if code.startswith("format_"):
        return code.removeprefix("format_")
    return "messages" if code not in {"not_json", "not_an_object", "no_messages", "empty_file"} else "unknown"


def _read_lines(file: IO[bytes]) -> Iterator[Row | Problem]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(UTF8_BOM)
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield _problem(number, _long_line())
            continue
        line = line.strip()
        if not line:
            continue
        result = _parse_line(line)
        yield Row(number, result) if isinstance(result, tuple) else _problem(number, result)


def _parse_line(line: bytes) -> tuple[Message, ...] | Flaw:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _not_json(line, error)
    return check_record(record)


def _read_list(file: IO[bytes]) -> Iterator[Row | Problem]:
    """The records of `[{...}, {...}]`, each with the line where it begins."""
    content = file.read(MAX_LIST_BYTES + 1)
    if len(content) > MAX_LIST_BYTES:
        yield _problem(
            0,
            Flaw(
                "list_too_large",
                _("This is one JSON list of more than {limit} MB.").format(limit=MAX_LIST_BYTES // 1024 // 1024),
                _("Save it as JSONL: one record a line, without the brackets around."),
            ),
        )
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield _problem(content[: error.start].count(b"\n") + 1, _not_utf8())
        return
    decoder = json.JSONDecoder()
    line, counted, at = 1, 0, text.index("[") + 1
    is_first = True
    while True:
        at = _skip_space(text, at)
        if text[at : at + 1] == "]":
            break
        if not is_first:
            if text[at : at + 1] != ",":
                line += text.count("\n", counted, at)
                yield _problem(line, _broken_list(_("a comma or a closing bracket is missing here")))
                return
            at = _skip_space(text, at + 1)
        is_first = False
        line += text.count("\n", counted, at)
        counted = at
        try:
            record, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            yield _problem(error.lineno, _broken_list(error.msg))
            return
        except RecursionError:
            yield _problem(line, _broken_list(_("it is nested too deeply")))
            return
        result = check_record(record)
        yield Row(line, result) if isinstance(result, tuple) else _problem(line, result)
    rest = _skip_space(text, at + 1)
    if is_first and rest >= len(text):
        yield _problem(0, Flaw("empty_file", _("The list is empty."), _("Add at least two conversations.")))
    elif rest < len(text):
        line += text.count("\n", counted, rest)
        yield _problem(line, _broken_list(_("there is more text after the end of the list")))


_SPACE = re.compile(r"[ \t\r\n]*")


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _problem(line: int, flaw: Flaw) -> Problem:
    return Problem(line=line, code=flaw.code, message=flaw.message, fix=flaw.fix)


def _not_json(line: bytes, error: orjson.JSONDecodeError) -> Flaw:
    if b"\x00" in line:
        return Flaw(
            "nul_character",
            _("The line has a NUL byte (position {position}).").format(position=line.index(b"\x00") + 1),
            _("Remove it; the file may be damaged, or not be text at all."),
        )
    try:
        line.decode()
    except UnicodeDecodeError:
        return _not_utf8()
    if "depth limit" in error.msg:
        return Flaw("nested_too_deeply", _("The line is nested too deeply."), _("Write it as a list of messages."))
    return Flaw(
        "not_json",
        _("The line is not JSON: {reason} at column {column}.").format(reason=error.msg, column=error.colno),
        _("Write one record a line, such as {example}.").format(
            example='{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
        ),
    )


def _not_utf8() -> Flaw:
    return Flaw(
        "not_utf8",
        _("The line is not UTF-8 text."),
        _("Save the file with the encoding UTF-8 (in an editor: Save as, encoding UTF-8)."),
    )


def _long_line() -> Flaw:
    return Flaw(
        "line_too_long",
        _("The line is longer than {limit} MB.").format(limit=MAX_LINE_BYTES // 1024 // 1024),
        _("Split the conversation, or end each record with a line break."),
    )


def _broken_list(reason: str) -> Flaw:
    return Flaw(
        "not_json",
        _("The JSON list can't be read from here on: {reason}.").format(reason=reason),
        _("Correct it, or save the file as JSONL: one record a line."),
    )

"""Records become lines of the working copy: a batch of them, their index, and a tally of what was wrong with others."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from backend.domain import Message
from backend.domain_datasets import Decision, Finding, FoundRow, ReadReport, RecordFormat
from backend.i18n import _
from backend.studio import plain_lines
from backend.studio.conversion import Converted, converter
from backend.studio.damaged_records import show_letters
from backend.studio.finding_words import describe, describe_note
from backend.studio.json_lines import Block, records_of
from backend.studio.records import Broken, Record
from backend.studio.repairs import REPAIRS, repair
from backend.studio.row_index import digest_of, facts_of_messages, line_of

INDEX = struct.Struct("<QIIHH16s")
"""One row of the index: offset, size (with the line break), line, file, facts (`row_index`), digest of the line."""
MAX_LISTED = 1_000
EXCERPT = 200
LETTERS_TRIED = 3
"""Rows of a batch: to tell an encoding takes milliseconds."""
_TOO_MUCH = 8 * 1024 * 1024


@dataclass
class FlawTally:
    """Of one code: how often, how many of them are rows (not whole files), and the first of them."""

    count: int = 0
    rows: int = 0
    fixed: int = 0
    found: list[tuple[int, int, str, str]] = field(default_factory=list)
    """File, line, detail, excerpt."""
    letters: tuple[int, int, str] | None = None
    """File, line and words of the first row in another encoding, as Fix reads it."""

    def add(self, item: Record | Broken, detail: str, *, is_fixed: bool = False) -> None:
        self.count += 1
        self.rows += item.line > 0
        self.fixed += is_fixed
        if len(self.found) < MAX_LISTED:
            self.found.append((item.file, item.line, detail, _excerpt(item)))
        is_to_try = self.letters is None and self.count <= LETTERS_TRIED
        if is_to_try and type(item) is Broken and item.code == "not_utf8" and item.line:
            words = show_letters(item.raw)
            self.letters = (item.file, item.line, words) if words else None


@dataclass
class Tally:
    """What came of some records. Lines count from the batch's first until `merge` adds what was before."""

    records: int = 0
    good: int = 0
    size: int = 0
    """Bytes of the good rows' lines."""
    fixed: int = 0
    flaws: dict[str, FlawTally] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Tally, lines_before: int = 0) -> None:
        self.records += other.records
        self.good += other.good
        self.size += other.size
        self.fixed += other.fixed
        self.notes.update(other.notes)
        for code, flaw in other.flaws.items():
            mine = self.flaws.setdefault(code, FlawTally())
            mine.count += flaw.count
            mine.rows += flaw.rows
            mine.fixed += flaw.fixed
            room = MAX_LISTED - len(mine.found)
            mine.found += [
                (file, line + lines_before if line else 0, detail, excerpt)
                for file, line, detail, excerpt in flaw.found[:room]
            ]
            if mine.letters is None and flaw.letters is not None:
                file, line, words = flaw.letters
                mine.letters = (file, line + lines_before, words)

    def report(self, form: RecordFormat, files: list[str], decisions: Mapping[str, Decision]) -> ReadReport:
        findings = tuple(
            _finding(code, flaw, files) for code, flaw in sorted(self.flaws.items(), key=lambda item: -item[1].count)
        )
        notes = [describe_note(code, count) or _note(code) for code, count in self.notes.items()]
        report = ReadReport(
            form, self.records, self.good, self.fixed, findings=findings, notes=tuple(note for note in notes if note)
        )
        return with_decisions(report, decisions)


class Batch:
    """Lines of usable rows, ready to be written one after another, and the tally of all records taken."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.lines: list[bytes] = []
        self._index: list[tuple[int, int, int, int, bytes]] = []

    @property
    def size(self) -> int:
        return self.tally.size

    @property
    def is_full(self) -> bool:
        return self.size > _TOO_MUCH

    def add(self, item: Record | Broken, messages: tuple[Message, ...]) -> None:
        facts = facts_of_messages(len(messages), has_system=messages[0].role == "system")
        self.add_line(line_of(messages), item.line, item.file, facts)

    def add_line(self, line: bytes, number: int, file: int, facts: int) -> None:
        self._index.append((len(line), number, file, facts, digest_of(line)))
        self.lines.append(line)
        self.tally.size += len(line)

    def index(self, offset: int, lines_before: int = 0) -> bytes:
        """Of these rows when they stand at `offset`."""
        pack = INDEX.pack
        rows = []
        for size, line, file, facts, digest in self._index:
            rows.append(pack(offset, size, line + lines_before, file, facts, digest))
            offset += size
        return b"".join(rows)


class RowConverter:
    """Takes records of one format into a batch; flaws whose code is in `fixed_codes` are repaired."""

    def __init__(self, form: RecordFormat, fixed_codes: frozenset[str]) -> None:
        self.form = form
        self._fixed_codes = fixed_codes
        self._convert = converter(form)
        self._plain_line = plain_lines.reader(form)

    def take_block(self, block: Block, source: int, batch: Batch) -> None:
        """The records of a block, as `take(records_of(block))` has them; quick for plain conversations."""
        if block.is_too_long or self._plain_line is None:
            self.take(records_of(block, source), batch)
            return
        data, plain_line = block.data, self._plain_line
        view = memoryview(data)
        starts = [0]
        plain: list[plain_lines.PlainLine | None] = []
        while starts[-1] < len(data):
            stop = data.find(b"\n", starts[-1])
            stop = len(data) if stop < 0 else stop
            plain.append(plain_line(view[starts[-1] : stop]))
            starts.append(stop + 1)
        found = [one for one in plain if one is not None]
        are_all = len(found) == len(plain) and plain_lines.is_all_of(data, found)
        for number, one in enumerate(plain):
            line = b"" if are_all else data[starts[number] : starts[number + 1]]
            if one is not None and (are_all or plain_lines.is_all_of(line, [one])):
                batch.tally.records += 1
                batch.tally.good += 1
                batch.add_line(one.line, block.line + number, source, one.facts)
            else:
                self.take(records_of(Block(block.line + number, line.removesuffix(b"\n")), source), batch)

    def take(self, items: Iterable[Record | Broken], batch: Batch) -> None:
        convert, tally = self._convert, batch.tally
        for item in items:
            if type(item) is Record:
                tally.records += 1
                converted = convert(item.value)
                if converted.messages is not None:
                    tally.good += 1
                    if converted.notes:
                        tally.notes.update(converted.notes)
                    batch.add(item, converted.messages)
                    continue
                flaw = converted.flaw
                code, detail = (flaw.code, flaw.message) if flaw else ("", "")
                subject: object = item.value
            else:
                tally.records += item.line > 0
                code, detail, subject = item.code, item.message, item.raw  # type: ignore[union-attr]
            self._take_flawed(item, code, detail, subject, batch)

    def _take_flawed(self, item: Record | Broken, code: str, detail: str, subject: object, batch: Batch) -> None:
        tally = batch.tally
        if code in self._fixed_codes and code in REPAIRS:
            mended: Converted = repair(code, subject, self.form, allowed=self._fixed_codes)
            if mended.messages is not None:
                tally.good += 1
                tally.fixed += 1
                tally.notes.update(mended.notes)
                tally.flaws.setdefault(code, FlawTally()).add(item, detail, is_fixed=True)
                batch.add(item, mended.messages)
                return
            if mended.flaw and mended.flaw.code != code and mended.flaw.code not in self._fixed_codes:
                code, detail = mended.flaw.code, mended.flaw.message
        tally.flaws.setdefault(code, FlawTally()).add(item, detail)


def with_decisions(report: ReadReport, decisions: Mapping[str, Decision]) -> ReadReport:
    """The same report under other decisions, as far as no row must be read anew: all but those about FIX."""
    findings = tuple(replace(one, decision=decisions.get(one.code)) for one in report.findings)
    skipped = 0
    for one in findings:
        left = int(one.figures.get("rows", one.count)) - int(one.figures.get("fixed", 0))
        if one.decision in (Decision.SKIP, Decision.FIX):
            skipped += left
    return replace(report, findings=findings, skipped_rows=skipped)


def _finding(code: str, flaw: FlawTally, files: list[str]) -> Finding:
    words = describe(code)
    figures: dict[str, float] = {}
    if flaw.rows != flaw.count:
        figures["rows"] = flaw.rows
    if flaw.fixed:
        figures["fixed"] = flaw.fixed
    return Finding(
        code=code,
        severity=words.severity,
        title=words.title,
        effect=words.effect,
        count=flaw.count,
        rows=tuple(FoundRow(files[file], line, detail, excerpt) for file, line, detail, excerpt in flaw.found),
        fix=_with_letters(words.fix, flaw, files) if code == "not_utf8" else words.fix,
        skip=words.skip,
        advice=words.advice,
        figures=figures,
    )


def _with_letters(fix: str, flaw: FlawTally, files: list[str]) -> str:
    """With an example, because letters alone don't always tell an encoding."""
    if flaw.letters is None:
        return fix
    file, line, words = flaw.letters
    example = _("Line {line} of {file} then says: “{words}”. Look whether these letters are right.")
    return f"{fix} {example.format(line=line, file=files[file], words=words)}"


def _note(code: str) -> str:
    if code.startswith("utf-"):
        return _("The text was read from {encoding}.").format(encoding=code.upper())
    return ""


def _excerpt(item: Record | Broken) -> str:
    if isinstance(item, Broken):
        return item.raw[: 4 * EXCERPT].decode("utf-8", "replace")[:EXCERPT]
    try:
        text = json.dumps(item.value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return ""
    return text[:EXCERPT].encode("utf-8", "replace").decode()

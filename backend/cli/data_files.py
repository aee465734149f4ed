"""Files that a command names, read as the app reads them: any format, checks, and what `--fix` and `--skip` decide."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.domain_datasets import Decision, FileFormat, Finding, FormatKind, ReadReport, RecordFormat, Severity
from backend.i18n import _

if TYPE_CHECKING:
    from backend.studio.records import SourceFile
    from backend.studio.saving import RowSet
    from backend.studio.working_copy import WorkingCopy

Files = Annotated[
    list[Path],
    typer.Argument(help=_("JSONL, JSON, CSV, Parquet, also packed with gzip; a folder of such; - is standard input.")),
]
MapTo = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help=_(
            "Which column holds what: --map question=COLUMN --map answer=COLUMN. Where files differ, the same again "
            "for other columns; each file takes the first whose columns it has."
        ),
    ),
]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", help=_("Findings to put right: codes as `data check` prints them, or all.")),
]
Skip = Annotated[
    list[str] | None,
    typer.Option("--skip", help=_("Findings whose rows are left out: codes, or all that are refused or warned of.")),
]
ALL = "all"
REFUSED = "refused"
"""To skip whatever can't be trained on, and nothing else."""
_FEW = 5
_MOST_COLUMNS = 40


@dataclass(frozen=True)
class Choices:
    """What the command line says about findings, by code. Where a row can't be fixed, `skip` holds."""

    fix: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    @classmethod
    def of(cls, fix: Sequence[str] | None, skip: Sequence[str] | None) -> Choices:
        """Raises BadInput for a code that no check has."""
        return cls(_codes(fix), _codes(skip))

    def when_reading(self) -> Mapping[str, Decision]:
        from backend.studio.repairs import REPAIRS

        return {code: Decision.FIX for code in REPAIRS if ALL in self.fix or code in self.fix}

    def about(self, finding: Finding) -> Decision | None:
        if finding.fix and (ALL in self.fix or finding.code in self.fix):
            return Decision.FIX
        return Decision.SKIP if self.skips(finding) else None

    def skips(self, finding: Finding) -> bool:
        if not finding.skip:
            return False
        if finding.severity is Severity.REFUSED and REFUSED in self.skip:
            return True
        return finding.code in self.skip or (ALL in self.skip and finding.severity is not Severity.HINT)


@dataclass(frozen=True)
class FilesRead:
    """`findings` are those of the reading and those of the content, each with its decision.

    `flags` has a bit mask per row of the working copy for the findings of the content, `groups` ids of rows that are
    nearly the same; both are empty where the content was not checked.
    """

    copy: WorkingCopy
    report: ReadReport
    findings: tuple[Finding, ...]
    flags: Sequence[int]
    groups: Sequence[int]
    choices: Choices

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.copy.files)

    @property
    def is_clear(self) -> bool:
        """Whether it is known which columns hold question and answer; of no row at all nothing has to be known."""
        return self.report.format.is_sure or not self.report.rows

    def open_findings(self, *, strict: bool = False) -> tuple[Finding, ...]:
        """Those that still stand in the way; with `strict` warnings do, too."""
        severities = {Severity.REFUSED, Severity.WARNING} if strict else {Severity.REFUSED}
        return tuple(one for one in self.findings if one.severity in severities and not self._is_settled(one))

    def rows(self, name: str, weight: float = 1.0) -> RowSet:
        """For saving. Raises BadInput where a refused finding is undecided."""
        from backend.studio.saving import RowSet

        self.require_usable()
        decisions = {one.code: one.decision for one in self.findings if one.decision is not None}
        return RowSet(
            name,
            self.copy.path,
            origins=self.copy.origins(),
            flags=self.flags,
            decisions=decisions,
            groups=self.groups,
            weight=weight,
        )

    def require_clear(self) -> None:
        """Raises BadInput where somebody has to say which columns hold what."""
        from backend.errors import BadInput
        from backend.studio.format_words import describe_format

        if not self.is_clear:
            raise BadInput(
                _("{files}: it isn't clear which columns hold question and answer.").format(
                    files=", ".join(one.name for one in self._unclear[:_FEW])
                ),
                why=_("This is only a guess: {guess}").format(guess=describe_format(self.report.format)),
                how_to_fix="\n".join(self.how_to_be_clear()),
                code="format_not_sure",
            )

    def how_to_be_clear(self) -> Iterator[str]:
        """What to type, and what there is to choose from."""
        unclear = {one.format.columns: one for one in reversed(self._unclear) if one.format.columns}
        yield _("Say it: --map question=COLUMN --map answer=COLUMN")
        if len(unclear) > 1:
            yield _("Give that again for each of these; a file takes the first whose columns it has.")
        for columns, one in list(reversed(unclear.items()))[:_FEW]:
            named = [f'"{name}"' if " " in name else name for name in columns[:_MOST_COLUMNS]]
            text = ", ".join([*named, *(["…"] if len(columns) > len(named) else [])])
            yield (
                _("The columns of {file} are: {columns}").format(file=one.name, columns=text)
                if len(self.names) > 1
                else _("The columns are: {columns}").format(columns=text)
            )
        if len(unclear) > _FEW:
            yield _("... and {count} more.").format(count=len(unclear) - _FEW)

    @property
    def _unclear(self) -> Sequence[FileFormat]:
        return [one for one in self.copy.file_formats() if not one.format.is_sure]

    def require_usable(self) -> None:
        from backend.errors import BadInput

        self.require_clear()
        named = ", ".join(self.names[:3])
        if refused := self.open_findings():
            raise BadInput(
                _("{files}: nothing in it can be used.").format(files=named)
                if not self.report.rows
                else _("{files}: there are rows that can't be used.").format(files=named),
                why="\n".join(line for one in refused[:_FEW] for line in described_briefly(one)),
                how_to_fix="\n".join(self._ways_out(refused)),
                code="bad_rows",
            )
        if not self.copy.rows:
            raise BadInput(
                _("{files}: no row can be used.").format(files=named),
                how_to_fix=_("Each row needs a question and the assistant's answer. See: phidesk data check"),
                code="no_usable_rows",
            )

    def _ways_out(self, refused: Sequence[Finding]) -> Iterator[str]:
        """Only those that lead somewhere: a PDF can't be put right, of an empty file nothing is left to go on with."""
        of_files = [one for one in refused if one.rows and not any(row.line for row in one.rows)]
        yield from dict.fromkeys(one.advice for one in of_files if one.advice)
        if not self.report.rows:
            return
        if any(one.fix for one in refused):
            yield _("Put them right with --fix all.")
        if self.copy.rows:
            yield _("Leave them out with --skip refused (of `data add` also --skip-bad).")
        yield _("See them all with: phidesk data check")

    def _is_settled(self, finding: Finding) -> bool:
        if finding.decision is not Decision.FIX or "fixed" not in finding.figures:
            return finding.decision is not None
        left = int(finding.figures.get("rows", finding.count)) - int(finding.figures["fixed"])
        return left <= 0 or self.choices.skips(finding)


@contextmanager
def read_files(
    files: Sequence[Path],
    mapping: Sequence[str] | None = None,
    choices: Choices | None = None,
    *,
    with_content: bool = True,
    is_one_of_several: bool = False,
) -> Iterator[FilesRead]:
    """Read files into a folder that is gone at the end, and check them. Raises NotFound for one that isn't there,
    BadInput for a mapping that can't be. `is_one_of_several` says that a mapping may be meant for other files of the
    same command: `require_use` is to be asked about all.
    """
    from backend.studio.copy_making import make_working_copy
    from backend.studio.examination import Part, examine
    from backend.studio.row_batch import with_decisions

    choices = choices or Choices()
    with tempfile.TemporaryDirectory(prefix="phidesk-") as folder, progress() as tell:
        place = Path(folder)
        mappings = mappings_of(mapping)
        sources = _sources(files, place)
        reading = _("Reading")
        copy = make_working_copy(
            sources,
            place / "copy",
            mappings=mappings,
            decisions=choices.when_reading(),
            on_progress=lambda done, rows: tell(reading, done),
        )
        report = copy.report()
        if not is_one_of_several:
            require_use(mappings, report.formats)
        decided = {one.code: choices.about(one) for one in report.findings}
        report = with_decisions(report, {code: what for code, what in decided.items() if what is not None})
        findings = report.findings
        flags: Sequence[int] = ()
        groups: Sequence[int] = ()
        if with_content and copy.rows:
            copy.write_places(place / "places.parquet")
            part = Part("rows", copy.path, tuple(copy.files), place / "places.parquet")
            checking = _("Checking")
            examined = examine(
                [part], on_progress=lambda done: tell(checking, done), workers=min(4, os.cpu_count() or 1)
            )
            findings += tuple(replace(one, decision=choices.about(one)) for one in examined.findings)
            flags, groups = examined.flags["rows"].tolist(), examined.groups["rows"].tolist()
        yield FilesRead(copy, report, findings, flags, groups, choices)


def described_briefly(finding: Finding) -> Iterator[str]:
    """The finding and its first places."""
    yield f"{finding.title}: {finding.count} ({finding.code})"
    for row in finding.rows[:_FEW]:
        yield f"  {place_of(row.file, row.line)}: {row.detail}"


def place_of(file: str, line: int) -> str:
    return f"{file}:{line}" if line else file


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """One line on standard error that is written over; silent where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done: None
        return
    said = ""

    def tell(what: str, done: float) -> None:
        nonlocal said
        text = f"{what} {round(100 * min(1.0, done))} %"
        if text != said:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            said = text

    try:
        yield tell
    finally:
        if said:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _sources(files: Sequence[Path], folder: Path) -> list[SourceFile]:
    from backend.errors import BadInput, NotFound
    from backend.studio.records import SourceFile

    sources = []
    if [str(file) for file in files].count("-") > 1:
        raise BadInput(
            _("Standard input can be read but once."), how_to_fix=_("Give - one time only."), code="bad_usage"
        )
    for file in files:
        if str(file) == "-":
            kept = folder / "stdin"
            with kept.open("wb") as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
            sources.append(SourceFile(kept, "stdin"))
            continue
        try:
            is_there = file.exists()
        except (OSError, ValueError):
            is_there = False
        if not is_there:
            raise NotFound(
                _("There is no file {path}.").format(path=file),
                how_to_fix=_("Check the name and the folder."),
                code="no_such_file",
            )
        sources.append(SourceFile(file, file.name))
    return sources


def mappings_of(pairs: Sequence[str] | None) -> tuple[RecordFormat, ...]:
    """Of what was given to --map, each for any file that has its columns. A part that comes again begins the next.

    Raises BadInput for one that can't be.
    """
    from backend.errors import BadInput
    from backend.studio.mapping import map_columns

    groups: list[dict[str, str]] = []
    for pair in pairs or ():
        part, equals, column = pair.partition("=")
        if not equals:
            raise BadInput(
                _("{pair} is no mapping.").format(pair=pair),
                how_to_fix=_("Write it as {example}.").format(example="--map question=Frage --map answer=Antwort"),
                code="bad_mapping",
            )
        if not groups or part.strip() in groups[-1]:
            groups.append({})
        groups[-1][part.strip()] = column.strip()
    return tuple(map_columns(fields, ()) for fields in groups)


def require_use(mappings: Sequence[RecordFormat], formats: Sequence[RecordFormat]) -> None:
    """Raises BadInput for a mapping that none of the files was read by: `formats` are those of all of them."""
    from backend.errors import BadInput
    from backend.studio.mapping import require_columns

    used = [dict(form.fields) for form in formats if form.kind is FormatKind.MAPPED]
    unused = next((one for one in mappings if dict(one.fields) not in used), None)
    if unused is None or not formats:
        return
    require_columns(unused.fields.values(), list(dict.fromkeys(name for form in formats for name in form.columns)))
    raise BadInput(
        _("No file is read by {mapping}.").format(
            mapping=" ".join(f"--map {part}={column}" for part, column in unused.fields.items())
        ),
        why=_("Each file takes the first of them whose columns it has, and no file is left that has these."),
        how_to_fix=_("Give the one with more columns first, or leave this one out."),
        code="unused_mapping",
    )


def _codes(given: Sequence[str] | None) -> frozenset[str]:
    from backend.errors import BadInput
    from backend.studio.finding_codes import BITS, OF_SETS
    from backend.studio.finding_words import has_words
    from backend.studio.repairs import REPAIRS
    from backend.studio.token_findings import CODES

    codes = frozenset(code.strip() for text in given or () for code in text.split(",") if code.strip())
    known = {ALL, REFUSED, *BITS, *OF_SETS, *CODES}
    for code in sorted(codes - known):
        if has_words(code):
            continue
        near = difflib.get_close_matches(code, {*known, *REPAIRS}, n=3, cutoff=0.5)
        raise BadInput(
            _("No check has the code {code}.").format(code=code),
            how_to_fix=_("Did you mean {codes}?").format(codes=", ".join(near))
            if near
            else _("Use the codes that `phidesk data check` prints, or all."),
            code="no_such_finding",
        )
    return codes

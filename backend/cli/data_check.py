"""`phidesk data check`: all that is wrong with some files, what it does to a training, and the status for a CI."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.data_files import Choices, Files, FilesRead, Fix, MapTo, Skip, place_of, progress, read_files
from backend.cli.output import AsJson, desk, show
from backend.domain import BUILT_IN_MODEL
from backend.domain_datasets import Decision, Finding, Severity
from backend.i18n import _, ngettext

if TYPE_CHECKING:
    from backend.studio.examination import Part
    from backend.studio.token_table import TokenTable

SHOWN_ROWS = 5
_POLL_SECONDS = 0.1

BaseModel = Annotated[
    str,
    typer.Option(
        "--base-model", help=_("The model whose tokens are counted: the built-in one, a folder, or a Hub id.")
    ),
]
MaxLength = Annotated[int | None, typer.Option(min=1, help=_("Tokens that a conversation may have; says what is cut."))]


def check(
    files: Files,
    mapping: MapTo = None,
    fix: Fix = None,
    skip: Skip = None,
    max_length: MaxLength = None,
    base_model: BaseModel = BUILT_IN_MODEL,
    strict: Annotated[bool, typer.Option("--strict", help=_("Warnings fail, too."))] = False,
    as_json: AsJson = False,
) -> None:
    """Check files and say what to do. Exit status 2 when rows can't be trained on, no row can be used, or it isn't
    clear which columns hold question and answer.

    With --fix and --skip it tells what would be left to decide.
    """
    choices = Choices.of(fix, skip)
    with read_files(files, mapping, choices) as read:
        if max_length is not None and read.copy.rows:
            read = replace(read, findings=read.findings + _of_tokens(read, base_model, max_length, choices))
        blocking = read.open_findings(strict=strict)
        passed = bool(read.copy.rows) and read.is_clear and not blocking
        value = {
            "files": read.names,
            "format": read.report.format,
            "formats": read.report.formats,
            "rows": read.report.rows,
            "good_rows": read.report.good_rows,
            "fixed_rows": read.report.fixed_rows,
            "skipped_rows": read.report.skipped_rows,
            "notes": read.report.notes,
            "findings": read.findings,
            "passed": passed,
        }
        show(as_json, value, *_in_words(read, blocking))
    if not passed:
        raise typer.Exit(2)


def _in_words(read: FilesRead, blocking: Sequence[Finding]) -> Iterator[str]:
    from backend.studio.format_words import describe_format

    report = read.report
    if report.rows:
        yield ngettext("{good} of {count} row can be used.", "{good} of {count} rows can be used.", report.rows).format(
            good=f"{report.good_rows:,}", count=f"{report.rows:,}"
        )
        if not read.is_clear:
            yield _("It isn't clear which columns hold question and answer. This is only a guess:")
        yield describe_format(report.format)
    else:
        yield _("There is no row to look at.")
    yield from report.notes
    order = list(Severity)
    for finding in sorted(read.findings, key=lambda one: order.index(one.severity)):
        yield ""
        yield from _finding_in_words(finding, can_go_on=report.good_rows > 0)
    yield ""
    if not read.is_clear:
        yield _("Not ready to train: which columns hold question and answer?")
        yield from read.how_to_be_clear()
    if blocking and (report.good_rows or any(one.fix for one in blocking)):
        yield _("Not ready to train: decide about {codes}.").format(codes=", ".join(one.code for one in blocking))
    elif not report.good_rows:
        yield _("Not ready to train: no row can be used.")
    elif read.is_clear:
        yield _("Ready to train.")


def _finding_in_words(finding: Finding, *, can_go_on: bool) -> Iterator[str]:
    """`can_go_on` says that something is left when the rows of the finding are skipped."""
    severities = {Severity.REFUSED: _("Refused"), Severity.WARNING: _("Warning"), Severity.HINT: _("Hint")}
    yield f"{severities[finding.severity]}: {finding.title} ({finding.code}, {finding.count:,})"
    for row in finding.rows[:SHOWN_ROWS]:
        yield f"  {place_of(row.file, row.line)}: {row.detail or row.excerpt}"
    if finding.count > len(finding.rows[:SHOWN_ROWS]) > 0:
        yield "  " + _("... and {count} more.").format(count=f"{finding.count - SHOWN_ROWS:,}")
    yield f"  {finding.effect}"
    if finding.decision is Decision.FIX:
        yield "  " + _("Fixed: {what}").format(what=finding.fix)
    elif finding.decision is Decision.SKIP:
        yield "  " + _("Skipped: {what}").format(what=finding.skip)
    else:
        if finding.advice:
            yield f"  {finding.advice}"
        if finding.fix:
            yield f"  --fix {finding.code}: {finding.fix}"
        if finding.skip and can_go_on:
            yield f"  --skip {finding.code}: {finding.skip}"


def _of_tokens(read: FilesRead, base_model: str, max_length: int, choices: Choices) -> tuple[Finding, ...]:
    """Rows are named by the file and line that they came from."""
    from backend.studio.examination import Part
    from backend.studio.token_findings import findings

    copy = read.copy
    found = findings(count_tokens([Part("rows", copy.path)], base_model), max_length)
    index = copy.index_rows()

    def placed(finding: Finding) -> Finding:
        rows = tuple(
            replace(row, file=copy.files[index[row.number].file], line=index[row.number].line)
            for row in finding.rows
            if row.number >= 0
        )
        decision = choices.about(finding)
        return replace(finding, rows=rows, decision=Decision.SKIP if decision and not finding.fix else decision)

    return tuple(placed(finding) for finding in found)


def count_tokens(parts: Sequence[Part], base_model: str) -> TokenTable:
    """Of all rows; what was counted before, here or in the app, is there at once.

    Raises what stops the counting, such as no tokenizer here.
    """
    from backend.errors import BadInput
    from backend.studio import tokens

    base, cache = _tokenizer_place(base_model), desk().datasets.folder / ".cache" / "tokens"
    with progress() as tell:
        counting = _("Counting tokens")
        try:
            state = tokens.measure(parts, base, cache, again=True)
            while not state.is_final:
                tell(counting, state.done)
                time.sleep(_POLL_SECONDS)
                state = tokens.measure(parts, base, cache)
        except BaseException:
            tokens.stop(parts, base, cache)
            raise
    if state.failure:
        raise BadInput.of(state.failure)
    if state.table is None:
        raise BadInput(_("The tokens could not be counted."), code="tokens_failed")
    return state.table


def _tokenizer_place(base_model: str) -> str:
    """A folder or Hub id: what the local target makes of a person's choice, whatever target is in use."""
    from backend.local.target import LocalTarget

    local = desk().targets.get("local")
    return local.bases.resolve(base_model) if isinstance(local, LocalTarget) else base_model

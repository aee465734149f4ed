"""Files being looked at before they are saved: opened at once however large, read in the background, changed by
decisions.

A draft is a folder with `draft.json` (sources, mappings, decisions) and its working copy; uploaded bytes are kept in
it, files of this computer are read where they are. Everything else is derived, so it survives the app.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import threading
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.domain_datasets import (
    Decision,
    Draft,
    FileFormat,
    ReadReport,
    RecordFormat,
    Row,
    RowPage,
)
from backend.errors import BadInput, Conflict, NotFound, PhiDeskError
from backend.i18n import _
from backend.studio import background_process
from backend.studio.atomic_files import say_no_room
from backend.studio.containers import expand, state_of
from backend.studio.conversion import converter
from backend.studio.copy_making import form_of, make_working_copy
from backend.studio.draft_file import Kept, load_kept, no_such_draft, save_kept
from backend.studio.draft_heads import head_of, head_of_file, unclear_among
from backend.studio.finding_words import fruitless_fix
from backend.studio.formats import UNKNOWN
from backend.studio.mapping import Mappings, mapping_for, with_mapping, without_mapping
from backend.studio.reading_process import start_reading
from backend.studio.records import Record, SourceFile
from backend.studio.repairs import records_to_look_at
from backend.studio.row_batch import with_decisions
from backend.studio.text_search import find_in_lines, folded
from backend.studio.unfolding import is_small
from backend.studio.working_copy import WorkingCopy

logger = logging.getLogger(__name__)

SMALL_BYTES = 8 * 1024 * 1024
"""Up to here sources are read at once, in this process (`unfolding.is_small`)."""
SMALL_FILES = 200
"""So many at most: each costs some milliseconds, whatever is in it."""
_ID = re.compile(r"[a-f0-9]{12}")
_HEAD_ROWS = 200

Given = SourceFile | Path | tuple[str, bytes] | tuple[str, Path]
"""A file of this computer, read where it is; or a name with its content, or with a file that the draft takes over."""


class Drafts:
    """All drafts of a workspace. May be used by several threads and processes; the last decision wins."""

    def __init__(self, folder: Path, mappings: Mappings | None = None) -> None:
        self.folder = folder
        self._mappings = mappings or Mappings(folder / "mappings.json")
        self._lock = threading.RLock()
        self._heads: dict[tuple[str, int], Sequence[Row]] = {}
        self._searches: dict[tuple[str, int, str], array[int]] = {}

    def open(
        self,
        sources: Sequence[Given],
        name: str = "",
        *,
        origin: str = "file",
        detail: Mapping[str, Any] | None = None,
        mappings: Sequence[RecordFormat] = (),
    ) -> Draft:
        """Returns at once; what is large is read in the background. Nothing in a file's content raises.

        `origin` and `detail` are kept for the dataset that is made of it; `mappings` go before what is remembered of
        columns. Raises BadInput for no source at all, NoRoom for a full disk.
        """
        if not sources:
            raise BadInput(_("There is no file."), how_to_fix=_("Choose at least one."), code="no_files")
        draft_id = secrets.token_hex(6)
        place = self.folder / draft_id
        with say_no_room():
            place.mkdir(parents=True)
            try:
                files = tuple(self._keep(place, number, source) for number, source in enumerate(sources))
                kept = Kept(
                    name=name or Path(files[0].name).name.split(".")[0] or _("Dataset"),
                    sources=files,
                    origin=origin,
                    detail=detail or {},
                    opened_at=datetime.now(UTC).isoformat(),
                    mappings=tuple(mappings),
                )
                self._read(draft_id, self._looked_into(kept))
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
        return self.get(draft_id)

    def get(self, draft_id: str) -> Draft:
        """How far it is, and what is found so far; of one that can't be opened any more, why. Raises NotFound."""
        try:
            return self._look(draft_id)
        except NotFound:
            raise
        except PhiDeskError as error:
            return _damaged(draft_id, error)

    def _look(self, draft_id: str) -> Draft:
        kept = self._load(draft_id)
        folder = self._copy_folder(draft_id, kept)
        progress = background_process.read_progress(folder)
        phase = {"waiting": "reading"}.get(progress["phase"], progress["phase"])
        failure = background_process.failure_of(progress)
        copy = self._copy(draft_id, kept)
        if copy is None and phase == "ready":
            phase, failure = "failed", _copy_damaged().failure()
        report = _report(copy, kept)
        if phase == "ready":
            report = _with_fruitless_fixes(report, kept.decisions)
        return Draft(
            id=draft_id,
            name=kept.name,
            files=tuple(copy.files if copy else (source.name for source in kept.sources)),
            total_bytes=sum((state_of(source.path) or (0, 0))[0] for source in expand(kept.sources)),
            phase=phase,
            done=1.0 if phase == "ready" else float(progress.get("done", 0.0)),
            report=report,
            decisions=kept.decisions,
            mappings=kept.mappings,
            failure=failure,
            read_as=_read_as(copy, kept),
        )

    def list(self) -> Sequence[Draft]:
        """The newest first; those that can't be opened any more are last."""
        found = []
        for place in self.folder.glob("*/draft.json"):
            with suppress(NotFound):
                draft = self.get(place.parent.name)
                opened_at = "" if draft.phase == "damaged" else self._load(draft.id).opened_at
                found.append((opened_at, draft))
        return [draft for _opened, draft in sorted(found, key=lambda one: one[0], reverse=True)]

    def page(
        self, draft_id: str, offset: int, limit: int, query: str = "", among: Sequence[int] | None = None
    ) -> RowPage:
        """Usable rows with their numbers, of what is read so far; the first ones are there before anything is read.

        `query` is searched in all texts, whatever the case; `among` are the numbers, in rising order, of the only rows
        that are wanted.
        """
        kept = self._load(draft_id)
        copy = self._copy(draft_id, kept)
        offset, limit = max(0, offset), max(0, limit)
        if among is not None and copy is not None:
            wanted = set(self._search(draft_id, kept, copy, query)).intersection(among) if query else None
            left = [one for one in among if one < copy.rows and (wanted is None or one in wanted)]
            shown = left[offset : offset + limit]
            return RowPage(tuple(zip(shown, copy.pick(shown), strict=True)), len(left))
        if copy is None or (copy.rows < min(offset + limit, _HEAD_ROWS) and not copy.is_complete):
            head = [
                row
                for row in self._head(draft_id, kept)
                if not query or any(query.lower() in message.content.lower() for message in row.messages)
            ]
            numbered = tuple((offset + place, row) for place, row in enumerate(head[offset : offset + limit]))
            return RowPage(numbered, len(head))
        if not query:
            rows = copy.page(offset, limit)
            return RowPage(tuple((offset + place, row) for place, row in enumerate(rows)), copy.rows)
        found = self._search(draft_id, kept, copy, query)
        numbers = found[offset : offset + limit]
        return RowPage(tuple(zip(numbers, copy.pick(numbers), strict=True)), len(found))

    def first_records(self, draft_id: str, limit: int = 20, file: int | None = None) -> Sequence[object]:
        """As they are in the file with this number, else in the first that has any: for a form in which a person says
        what the columns mean.
        """
        files = expand(self._load(draft_id).sources)
        if file is None:
            return records_to_look_at(head_of(files, limit))[:limit]
        return records_to_look_at(head_of_file(files[file], limit=limit))[:limit] if file < len(files) else []

    def decide(self, draft_id: str, code: str, decision: Decision | None) -> Draft:
        """About a finding of the reading. Only fixing reads anew; None takes a decision back."""
        return self.decide_all(draft_id, {code: decision})

    def decide_all(self, draft_id: str, choices: Mapping[str, Decision | None]) -> Draft:
        """Several at once: read anew once only."""
        with self._lock:
            kept = self._load(draft_id)
            decisions = {**kept.decisions, **choices}
            chosen = {code: decision for code, decision in decisions.items() if decision is not None}
            changed = replace(kept, decisions=chosen)
            if _fixed(kept.decisions) == _fixed(chosen):
                self._save(draft_id, changed)
            else:
                self._read(draft_id, changed)
        return self.get(draft_id)

    def use_mapping(self, draft_id: str, form: RecordFormat) -> Draft:
        """Read anew with what a person says of files with these columns, and remember it for such files. What was said
        of other columns stays.
        """
        with self._lock:
            kept = self._load(draft_id)
            self._mappings.remember(form)
            self._read(draft_id, replace(kept, mappings=with_mapping(kept.mappings, form)))
        return self.get(draft_id)

    def drop_mapping(self, draft_id: str, form: RecordFormat) -> Draft:
        """Read anew without what was said that files with the columns of `form` are read by, and forget it."""
        with self._lock:
            kept = self._load(draft_id)
            said = mapping_for(replace(form, is_sure=False), kept.mappings)
            if said is not None:
                self._mappings.forget(said.columns)
                self._read(draft_id, replace(kept, mappings=without_mapping(kept.mappings, said.columns)))
        return self.get(draft_id)

    def leave_out(self, draft_id: str, *numbers: int) -> Draft:
        """Read anew without the files that have these numbers. One stays."""
        with self._lock:
            kept = self._load(draft_id)
            files = expand(kept.sources)
            left = tuple(file for number, file in enumerate(files) if number not in numbers) or files[:1]
            if left != files:
                self._read(draft_id, self._looked_into(replace(kept, sources=left)))
        return self.get(draft_id)

    def read_again(self, draft_id: str) -> Draft:
        """As for a file that has changed, or after a failure."""
        with self._lock:
            kept = self._load(draft_id)
            self._read(draft_id, self._looked_into(kept))
        return self.get(draft_id)

    def rename(self, draft_id: str, name: str) -> Draft:
        with self._lock:
            self._save(draft_id, replace(self._load(draft_id), name=name))
        return self.get(draft_id)

    def detail(self, draft_id: str) -> tuple[str, Mapping[str, Any]]:
        """Where it came from, as `open` was told: origin and detail."""
        kept = self._load(draft_id)
        return kept.origin, kept.detail

    def working_copy(self, draft_id: str) -> WorkingCopy:
        """All its usable rows. Raises Conflict while it is read, and what went wrong when that failed."""
        draft = self.get(draft_id)
        if draft.failure is not None:
            raise PhiDeskError.of(draft.failure)
        copy = self._copy(draft_id, self._load(draft_id))
        if draft.phase != "ready" or copy is None:
            raise Conflict(
                _("The files are still being read."), how_to_fix=_("Wait until that is done."), code="still_reading"
            )
        return copy

    def cancel(self, draft_id: str) -> None:
        """Stop reading and leave nothing: a draft that is read in part is no use."""
        self.discard(draft_id)

    def discard(self, draft_id: str) -> None:
        """The files of this computer stay. Already gone is success."""
        place = self.folder / draft_id
        if not _ID.fullmatch(draft_id) or not place.is_dir():
            return
        with self._lock:
            _stop_all(place)
            gone = self.folder / f".gone-{draft_id}-{secrets.token_hex(3)}"
            with suppress(FileNotFoundError):
                place.replace(gone)
            shutil.rmtree(gone, ignore_errors=True)
            self._heads = {key: rows for key, rows in self._heads.items() if key[0] != draft_id}
            self._searches = {key: found for key, found in self._searches.items() if key[0] != draft_id}

    def wait(self, draft_id: str, seconds: float | None = None) -> Draft:
        """Until it is read (command line, tests); pages poll `get`."""
        background_process.wait(self._copy_folder(draft_id, self._load(draft_id)), seconds=seconds)
        return self.get(draft_id)

    def _keep(self, place: Path, number: int, source: Given) -> SourceFile:
        if isinstance(source, SourceFile):
            return replace(source, path=source.path.absolute())
        if isinstance(source, Path):
            return SourceFile(source.absolute(), source.name)
        name, content = source
        path = place / "sources" / f"{number:04}"
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, Path):
            shutil.move(content, path)
        else:
            path.write_bytes(content)
        return SourceFile(path, name)

    def _looked_into(self, kept: Kept) -> Kept:
        """With the files that are unclear, and what is remembered for their columns where nothing else was said."""
        unclear = unclear_among(expand(kept.sources))
        mappings = kept.mappings
        for form in self._mappings.all_remembered(one.format.columns for one in unclear):
            if without_mapping(mappings, form.columns) == mappings:
                mappings = with_mapping(mappings, form)
        return replace(kept, unclear=unclear, mappings=mappings)

    def _read(self, draft_id: str, kept: Kept) -> None:
        """Into a new folder: at once what is small, in the background what is large. The old one goes."""
        place = self.folder / draft_id
        _stop_all(place)
        kept = replace(kept, reading=kept.reading + 1)
        folder = self._copy_folder(draft_id, kept)
        with say_no_room():
            folder.mkdir()
            if len(expand(kept.sources)) <= SMALL_FILES and is_small(kept.sources, SMALL_BYTES):
                copy = make_working_copy(
                    kept.sources, folder, mappings=kept.mappings, decisions=kept.decisions, workers=0
                )
                background_process.tell(folder, "ready", rows=copy.rows)
            else:
                start_reading(folder, kept.sources, kept.mappings, kept.decisions)
            self._save(draft_id, kept)
        for old in place.glob("copy-*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)

    def _load(self, draft_id: str) -> Kept:
        """Raises NotFound, or PhiDeskError where what is there can't be understood."""
        if not _ID.fullmatch(draft_id):
            raise no_such_draft(draft_id)
        return load_kept(self.folder / draft_id)

    def _save(self, draft_id: str, kept: Kept) -> None:
        save_kept(self.folder / draft_id, kept)

    def _copy_folder(self, draft_id: str, kept: Kept) -> Path:
        return self.folder / draft_id / f"copy-{kept.reading}"

    def _copy(self, draft_id: str, kept: Kept) -> WorkingCopy | None:
        """What is read so far; None where there is nothing yet, or nothing that can be read."""
        copy = WorkingCopy(self._copy_folder(draft_id, kept))
        try:
            copy.report()
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:  # it is not synced, so a power cut may leave half of it
            logger.warning("the working copy of draft %s can't be read: %s", draft_id, error)
            return None
        return copy

    def _head(self, draft_id: str, kept: Kept) -> Sequence[Row]:
        """The first rows, from the beginning of the sources: there before anything is read."""
        key = (draft_id, kept.reading)
        if key not in self._heads:
            files = expand(kept.sources)
            items = head_of(files)
            convert = converter(form_of(records_to_look_at(items), kept.mappings))
            rows = []
            for item in items:
                if isinstance(item, Record):
                    messages = convert(item.value).messages
                    if messages is not None:
                        rows.append(Row(item.line, messages, files[item.file].name))
            self._heads[key] = rows
        return self._heads[key]

    def _search(self, draft_id: str, kept: Kept, copy: WorkingCopy, query: str) -> array[int]:
        key = (draft_id, kept.reading, folded(query))
        if key in self._searches:
            return self._searches[key]
        found = find_in_lines(copy.path, copy.starts(), query)
        if copy.is_complete:
            with self._lock:
                self._searches[key] = found
                while len(self._searches) > 32:
                    self._searches.pop(next(iter(self._searches)))
        return found


def _stop_all(place: Path) -> None:
    """The reading of a draft, its checks and the counting of its tokens, each in a folder of its own."""
    for process in place.glob("copy-*/**/process.json"):
        background_process.stop(process.parent)


def _damaged(draft_id: str, error: PhiDeskError) -> Draft:
    return Draft(
        id=draft_id,
        name=_("Unreadable files"),
        files=(),
        total_bytes=0,
        phase="damaged",
        done=0.0,
        report=ReadReport(UNKNOWN, 0, 0),
        failure=error.failure(),
    )


def _copy_damaged() -> PhiDeskError:
    return PhiDeskError(
        _("What was read of these files is damaged."),
        how_to_fix=_("Read them again: the files themselves are as they were."),
        code="copy_damaged",
    )


def _report(copy: WorkingCopy | None, kept: Kept) -> ReadReport:
    """Of what is read so far; before that, the format alone."""
    report = copy.report() if copy else None
    if report is None or (not report.rows and report.format == UNKNOWN):
        form = form_of(records_to_look_at(head_of(expand(kept.sources))), kept.mappings)
        report = replace(report, format=form) if report else ReadReport(form, 0, 0)
    return with_decisions(report, kept.decisions)


def _read_as(copy: WorkingCopy | None, kept: Kept) -> tuple[FileFormat, ...]:
    """Of the files that the reading has not come to yet, those that were unclear when the draft was opened."""
    files = {}
    for one in kept.unclear:
        said = mapping_for(one.format, kept.mappings)
        files[one.number] = replace(one, format=replace(said, columns=one.format.columns)) if said else one
    files |= {one.number: one for one in (copy.file_formats() if copy else ())}
    return tuple(files[number] for number in sorted(files))


def _with_fruitless_fixes(report: ReadReport, decisions: Mapping[str, Decision]) -> ReadReport:
    """A fix that mended no row leaves nothing to be found: it is told all the same, so that it can be undone."""
    missing = _fixed(decisions) - {one.code for one in report.findings}
    told = tuple(fruitless_fix(code) for code in sorted(missing))
    return replace(report, findings=(*report.findings, *told)) if told else report


def _fixed(decisions: Mapping[str, Decision]) -> set[str]:
    return {code for code, decision in decisions.items() if decision is Decision.FIX}

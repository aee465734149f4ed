"""Files being looked at before they are saved: opened at once however large, read in the background, changed by
decisions.

A draft is a folder with `draft.json` (sources, mapping, decisions) and its working copy; uploaded bytes are kept in
it, files of this computer are read where they are. Everything else is derived, so it survives the app.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from backend.domain_datasets import Decision, Draft, ReadReport, RecordFormat, Row, RowPage, UnclearFile
from backend.errors import BadInput, Conflict, NotFound, PhiDeskError
from backend.i18n import _
from backend.studio import background_process
from backend.studio.atomic_files import say_no_room, write_atomically
from backend.studio.containers import expand, state_of
from backend.studio.conversion import converter
from backend.studio.copy_making import make_working_copy
from backend.studio.copy_search import find_rows
from backend.studio.draft_heads import head_of, head_of_file, is_answered, unclear_among
from backend.studio.finding_words import fruitless_fix
from backend.studio.formats import UNKNOWN, recognise
from backend.studio.mapping import Mappings
from backend.studio.reading_process import format_from, start_reading
from backend.studio.records import Record, SourceFile
from backend.studio.repairs import records_to_look_at
from backend.studio.row_batch import with_decisions
from backend.studio.unfolding import is_small
from backend.studio.working_copy import WorkingCopy

SMALL_BYTES = 8 * 1024 * 1024
"""Up to here sources are read at once, in this process (`unfolding.is_small`)."""
_ID = re.compile(r"[a-f0-9]{12}")
_HEAD_ROWS = 200

Given = SourceFile | Path | tuple[str, bytes] | tuple[str, Path]
"""A file of this computer, read where it is; or a name with its content, or with a file that the draft takes over."""


@dataclass(frozen=True)
class _Kept:
    """What draft.json holds. `reading` counts how often the sources were read: each time into a folder of its own."""

    name: str
    sources: tuple[SourceFile, ...]
    origin: str = "file"
    detail: Mapping[str, Any] = field(default_factory=dict)
    opened_at: str = ""
    mapping: RecordFormat | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    reading: int = 0
    unclear: tuple[UnclearFile, ...] = ()


class Drafts:
    """All drafts of a workspace. May be used by several threads and processes; the last decision wins."""

    def __init__(self, folder: Path, mappings: Mappings | None = None) -> None:
        self.folder = folder
        self._mappings = mappings or Mappings(folder / "mappings.json")
        self._lock = threading.RLock()
        self._heads: dict[tuple[str, int], Sequence[Row]] = {}
        self._searches: dict[tuple[str, int, str], array[int]] = {}

    def open(
        self, sources: Sequence[Given], name: str = "", *, origin: str = "file", detail: Mapping[str, Any] | None = None
    ) -> Draft:
        """Returns at once; what is large is read in the background. Nothing in a file's content raises.

        `origin` and `detail` are kept for the dataset that is made of it. Raises BadInput for no source at all,
        NoRoom for a full disk.
        """
        if not sources:
            raise BadInput(_("There is no file."), how_to_fix=_("Choose at least one."), code="no_files")
        draft_id = secrets.token_hex(6)
        place = self.folder / draft_id
        with say_no_room():
            place.mkdir(parents=True)
            try:
                files = tuple(self._keep(place, number, source) for number, source in enumerate(sources))
                unclear = unclear_among(expand(files))
                known = (self._mappings.remembered(one.format.columns) for one in unclear)
                kept = _Kept(
                    name=name or Path(files[0].name).name.split(".")[0] or _("Dataset"),
                    sources=files,
                    origin=origin,
                    detail=detail or {},
                    opened_at=datetime.now(UTC).isoformat(),
                    mapping=next(filter(None, known), None),
                    unclear=unclear,
                )
                self._read(draft_id, kept)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
        return self.get(draft_id)

    def get(self, draft_id: str) -> Draft:
        """How far it is, and what is found so far. Raises NotFound."""
        kept = self._load(draft_id)
        folder = self._copy_folder(draft_id, kept)
        progress = background_process.read_progress(folder)
        phase = {"waiting": "reading"}.get(progress["phase"], progress["phase"])
        report = self._report(folder, kept)
        if phase == "ready":
            report = _with_fruitless_fixes(report, kept.decisions)
        files = tuple(source.name for source in kept.sources)
        with suppress(FileNotFoundError):
            files = tuple(WorkingCopy(folder).files)
        return Draft(
            id=draft_id,
            name=kept.name,
            files=files,
            total_bytes=sum((state_of(source.path) or (0, 0))[0] for source in expand(kept.sources)),
            phase=phase,
            done=1.0 if phase == "ready" else float(progress.get("done", 0.0)),
            report=report,
            decisions=kept.decisions,
            mapping=kept.mapping,
            failure=background_process.failure_of(progress),
            unclear=_still_unclear(kept, report),
        )

    def list(self) -> Sequence[Draft]:
        """The newest first."""
        found = []
        for place in self.folder.glob("*/draft.json"):
            with suppress(NotFound):
                found.append((self._load(place.parent.name).opened_at, self.get(place.parent.name)))
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

    def use_mapping(self, draft_id: str, form: RecordFormat | None) -> Draft:
        """Read anew with what a person says of the columns, and remember it for such files; None takes that back."""
        with self._lock:
            kept = self._load(draft_id)
            if form is not None and form.columns:
                self._mappings.remember(form)
            elif form is None and kept.mapping is not None:
                self._mappings.forget(kept.mapping.columns)
            self._read(draft_id, replace(kept, mapping=form))
        return self.get(draft_id)

    def leave_out(self, draft_id: str, file: int) -> Draft:
        """Read anew without the file that has this number. The last one stays."""
        with self._lock:
            kept = self._load(draft_id)
            files = list(expand(kept.sources))
            if len(files) > 1 and 0 <= file < len(files):
                files.pop(file)
                self._read(draft_id, replace(kept, sources=tuple(files), unclear=unclear_among(files)))
        return self.get(draft_id)

    def read_again(self, draft_id: str) -> Draft:
        """As for a file that has changed, or after a failure."""
        with self._lock:
            kept = self._load(draft_id)
            self._read(draft_id, replace(kept, unclear=unclear_among(expand(kept.sources))))
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
            failure = draft.failure
            raise PhiDeskError(
                failure.what, why=failure.why, how_to_fix=failure.how_to_fix, code=failure.code, raw=failure.raw
            )
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

    def _read(self, draft_id: str, kept: _Kept) -> None:
        """Into a new folder: at once what is small, in the background what is large. The old one goes."""
        place = self.folder / draft_id
        _stop_all(place)
        kept = replace(kept, reading=kept.reading + 1)
        folder = self._copy_folder(draft_id, kept)
        with say_no_room():
            folder.mkdir()
            if is_small(kept.sources, SMALL_BYTES):
                copy = make_working_copy(
                    kept.sources, folder, mapping=kept.mapping, decisions=kept.decisions, workers=0
                )
                background_process.tell(folder, "ready", rows=copy.rows)
            else:
                start_reading(folder, kept.sources, kept.mapping, kept.decisions)
            self._save(draft_id, kept)
        for old in place.glob("copy-*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)

    def _save(self, draft_id: str, kept: _Kept) -> None:
        sources = [{"path": str(source.path), "name": source.name} for source in kept.sources]
        facts = {**{name: getattr(kept, name) for name in _Kept.__dataclass_fields__}, "sources": sources}
        with say_no_room():
            write_atomically(self.folder / draft_id / "draft.json", orjson.dumps(facts, default=str))

    def _load(self, draft_id: str) -> _Kept:
        try:
            if not _ID.fullmatch(draft_id):
                raise FileNotFoundError(draft_id)
            facts = orjson.loads((self.folder / draft_id / "draft.json").read_bytes())
            own = self.folder / draft_id / "sources"
            sources = [(Path(source["path"]), source["name"]) for source in facts["sources"]]
            return _Kept(
                **{
                    **facts,
                    "sources": tuple(
                        SourceFile(
                            own / path.name if path.parent.name == "sources" and not path.exists() else path, name
                        )
                        for path, name in sources
                    ),
                    "mapping": format_from(facts["mapping"]),
                    "unclear": tuple(
                        UnclearFile(one["number"], one["name"], form)
                        for one in facts.get("unclear", ())
                        if (form := format_from(one["format"]))
                    ),
                    "decisions": {code: Decision(decision) for code, decision in facts["decisions"].items()},
                }
            )
        except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise NotFound(
                _("There is no draft {id}.").format(id=draft_id),
                how_to_fix=_("Add the files again."),
                code="no_such_draft",
                raw=str(error),
            ) from error

    def _copy_folder(self, draft_id: str, kept: _Kept) -> Path:
        return self.folder / draft_id / f"copy-{kept.reading}"

    def _copy(self, draft_id: str, kept: _Kept) -> WorkingCopy | None:
        copy = WorkingCopy(self._copy_folder(draft_id, kept))
        try:
            copy.rows  # noqa: B018 - is there anything yet?
        except FileNotFoundError:
            return None
        return copy

    def _report(self, folder: Path, kept: _Kept) -> ReadReport:
        """Of what is read so far; before that, the format alone."""
        report = None
        with suppress(FileNotFoundError):
            report = WorkingCopy(folder).report()
        if report is None or (not report.rows and report.format == UNKNOWN):
            form = _form_of(records_to_look_at(head_of(expand(kept.sources))), kept.mapping)
            report = replace(report, format=form) if report else ReadReport(form, 0, 0)
        return with_decisions(report, kept.decisions)

    def _head(self, draft_id: str, kept: _Kept) -> Sequence[Row]:
        """The first rows, from the beginning of the sources: there before anything is read."""
        key = (draft_id, kept.reading)
        if key not in self._heads:
            files = expand(kept.sources)
            items = head_of(files)
            convert = converter(_form_of(records_to_look_at(items), kept.mapping))
            rows = []
            for item in items:
                if isinstance(item, Record):
                    messages = convert(item.value).messages
                    if messages is not None:
                        rows.append(Row(item.line, messages, files[item.file].name))
            self._heads[key] = rows
        return self._heads[key]

    def _search(self, draft_id: str, kept: _Kept, copy: WorkingCopy, query: str) -> array[int]:
        key = (draft_id, kept.reading, query.lower())
        if key in self._searches:
            return self._searches[key]
        found = find_rows(copy, query)
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


def _form_of(records: Sequence[object], mapping: RecordFormat | None) -> RecordFormat:
    """As the reading takes it for a file that begins with these records."""
    form = recognise(records)
    return mapping if mapping is not None and is_answered(form, mapping) else form


def _still_unclear(kept: _Kept, report: ReadReport) -> tuple[UnclearFile, ...]:
    """Those that the mapping says nothing about; and of files that were not looked into, what the reading found."""
    found = [one for one in kept.unclear if not is_answered(one.format, kept.mapping)]
    known = {one.format.columns for one in kept.unclear}
    for form in report.formats:
        if form.columns and not form.is_sure and form.columns not in known:
            found.append(UnclearFile(-1, "", form))
    return tuple(found)


def _with_fruitless_fixes(report: ReadReport, decisions: Mapping[str, Decision]) -> ReadReport:
    """A fix that mended no row leaves nothing to be found: it is told all the same, so that it can be undone."""
    missing = _fixed(decisions) - {one.code for one in report.findings}
    told = tuple(fruitless_fix(code) for code in sorted(missing))
    return replace(report, findings=(*report.findings, *told)) if told else report


def _fixed(decisions: Mapping[str, Decision]) -> set[str]:
    return {code for code, decision in decisions.items() if decision is Decision.FIX}

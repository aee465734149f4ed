"""Changing a saved dataset: never in place, every change is a new version, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backend.domain import Dataset, Message
from backend.domain_datasets import Change, RowChange, Version
from backend.errors import BadInput, Conflict, NotFound
from backend.i18n import _, ngettext
from backend.studio import row_index, row_origins, version_folders
from backend.studio.atomic_files import say_no_room, write_atomically
from backend.studio.byte_ranges import OnBytes
from backend.studio.changed_part import Changed, Plan, plan_of, write_changed
from backend.studio.file_lock import locked
from backend.studio.kept_findings import KeptFindings
from backend.studio.part_writer import PARTS, part_file
from backend.studio.row_index import RowIndex, content_hash, index_of, line_of
from backend.studio.rules import Flaw, check_record
from backend.studio.version_diff import compare, count_changes

__all__ = ["Plan", "Versions"]


class Versions:
    """The versions of the dataset in `place`. Several processes may use it at once.

    `based_on` is the version that a person looked at: Conflict when there is a newer one, and nothing is changed.
    `on_progress` is told 0..1 while a new version is written.
    """

    def __init__(self, place: Path, on_progress: Callable[[float], None] = lambda done: None) -> None:
        self.place = place
        self._on_progress = on_progress

    def telling(self, on_progress: Callable[[float], None]) -> Versions:
        """The same, with somebody who is told."""
        return Versions(self.place, on_progress)

    def kept_findings(self, scope: str = "") -> KeptFindings:
        """What was left as it is, in all versions."""
        return KeptFindings(self.place, scope)

    @property
    def current(self) -> Version:
        return version_folders.current_version(self.place, version_folders.read_saved(self.place))

    def list(self) -> Sequence[Version]:
        """Newest first. Raises NotFound when the dataset is gone."""
        saved = version_folders.read_saved(self.place)
        found = [
            version_folders.read_version(self.place, number, saved) for number in version_folders.numbers(self.place)
        ]
        return found[::-1]

    def get(self, number: int) -> Version:
        """Raises NotFound."""
        return version_folders.read_version(self.place, number, version_folders.read_saved(self.place))

    def dataset(self, number: int) -> Dataset:
        """As it was at that version, with the paths of its files. Raises NotFound."""
        saved = version_folders.read_saved(self.place)
        return version_folders.as_of(saved, version_folders.read_version(self.place, number, saved), self.place)

    def part(self, part: str, number: int | None = None) -> Path:
        """The file of a part at a version (default: the current one). Raises BadInput for no such part."""
        _require_part(part)
        return part_file(version_folders.version_folder(self.place, number or self.current.number), part)

    def edit(self, part: str, number: int, messages: Sequence[Message], *, based_on: int | None = None) -> Version:
        """Row `number` (from 0) becomes `messages`. Raises BadInput that names the turn that is no good."""
        summary = _("{part}: example {number} changed.").format(part=_in_words(part), number=number + 1)
        return self.change([RowChange(part, number, tuple(messages))], summary, based_on=based_on)

    def delete(self, part: str, numbers: Iterable[int], *, based_on: int | None = None) -> Version:
        gone = sorted(set(numbers))
        summary = (
            _("{part}: example {number} deleted.").format(part=_in_words(part), number=gone[0] + 1)
            if len(gone) == 1
            else ngettext("{part}: {count} example deleted.", "{part}: {count} examples deleted.", len(gone)).format(
                count=len(gone), part=_in_words(part)
            )
        )
        return self.change([RowChange(part, number, None) for number in gone], summary, based_on=based_on)

    def add(self, part: str, messages: Sequence[Message], *, based_on: int | None = None) -> Version:
        """At the end of the part."""
        summary = _("{part}: an example added.").format(part=_in_words(part))
        return self.change([RowChange(part, None, tuple(messages))], summary, based_on=based_on)

    def change(self, changes: Sequence[RowChange], summary: str = "", *, based_on: int | None = None) -> Version:
        """All of them in one new version; changes that change nothing make none.

        Raises BadInput for a row that breaks the rules, and NotFound for one that is not there.
        """
        wishes = {part: _Wishes.of(part, changes) for part in sorted({change.part for change in changes})}
        with self._changing(based_on) as current:
            plans: dict[str, Plan] = {}
            for part, wish in wishes.items():
                index = index_of(self.part(part, current.number))
                wish.require_rows(index)
                if not wish.is_met(index):
                    plans[part] = wish.plan(len(index))
            if not plans:
                return current
            return self._write(current, plans, summary or _count_in_words(len(changes)))

    def replace(self, plans: Mapping[str, Plan], summary: str, *, based_on: int | None = None) -> Version:
        """Parts become what their plan says, streamed; a part without a plan stays as it is.

        The lines must be canonical and by the rules. Plans number the rows of the current version.
        """
        for part in plans:
            _require_part(part)
        with self._changing(based_on) as current:
            return self._write(current, plans, summary)

    def revert(self, number: int, *, based_on: int | None = None) -> Version:
        """A new version equal to an old one; its files are shared, so that it costs nothing."""
        with self._changing(based_on) as current:
            wanted = self.get(number)
            if (wanted.sha256, wanted.train_rows) == (current.sha256, current.train_rows):
                return current
            paths = [(self.part(part, current.number), self.part(part, number)) for part in PARTS]
            added, removed, edited = count_changes(paths)
            version = replace(
                wanted,
                number=current.number + 1,
                created_at=datetime.now(UTC),
                summary=_("Back to version {number}.").format(number=number),
                added=added,
                removed=removed,
                edited=edited,
            )
            with self._new_folder(version.number) as folder:
                for part in PARTS:
                    _share(self.part(part, number), part_file(folder, part))
                write_atomically(folder / "version.json", version_folders.encode(version))
            return version

    def undo(self, *, based_on: int | None = None) -> Version:
        """Back to the version before the current one; twice undoes the undoing. Raises BadInput where there is none."""
        number = based_on or self.current.number
        before = self.before(number)
        if before is None:
            raise BadInput(
                _("Nothing was changed yet, so there is nothing to undo.")
                if number == 1
                else _("The versions before this one were forgotten, so there is nothing to undo."),
                code="nothing_to_undo",
            )
        return self.revert(before, based_on=number)

    def before(self, number: int) -> int | None:
        """The version before that one; None where there is none, or none any more."""
        return max((one for one in version_folders.numbers(self.place) if one < number), default=None)

    def room_of(self, numbers: Collection[int], in_use: Mapping[int, Sequence[str]]) -> int:
        """Bytes that forgetting these would free: files shared with other versions stay. Raises as `forget`."""
        there = version_folders.numbers(self.place)
        _require_forgettable(sorted(set(numbers)), there, self.current.number, in_use)
        kept, gone = set(), {}
        for number in there:
            for file in version_folders.files_of(self.place, number):
                facts = file.stat()
                if number in numbers:
                    gone[facts.st_dev, facts.st_ino] = facts.st_size
                else:
                    kept.add((facts.st_dev, facts.st_ino))
        return sum(size for file, size in gone.items() if file not in kept)

    def forget(self, numbers: Collection[int], in_use: Mapping[int, Sequence[str]]) -> int:
        """Remove old versions for good, all of them or none; the bytes that this frees.

        `in_use` says by version what refers to it (`dataset_uses`). Raises NotFound for versions that are not there,
        BadInput for the newest one, Conflict for one in use.
        """
        with self._changing(None):
            room = self.room_of(numbers, in_use)
            for number in set(numbers):
                gone = self.place / f".gone-v{number}-{secrets.token_hex(3)}"
                if number > 1:
                    version_folders.version_folder(self.place, number).replace(gone)
                    continue
                gone.mkdir()
                for file in version_folders.files_of(self.place, 1):  # train first: without it there is no version 1
                    file.replace(gone / file.name)
            _sweep(self.place)
        return room

    def diff(self, before: int, after: int, limit: int = 100) -> Sequence[Change]:
        """The rows that differ, the first `limit`. Raises NotFound for a version that is not there."""
        self.get(before), self.get(after)
        changes: list[Change] = []
        for part in PARTS:
            wanted = limit - len(changes)
            changes += compare(part, self.part(part, before), self.part(part, after), wanted)
        return changes

    @contextmanager
    def _changing(self, based_on: int | None) -> Iterator[Version]:
        """The current version, while nobody else changes anything."""
        with say_no_room():
            try:
                with locked(self.place / ".lock"):
                    current = self.current
                    if based_on is not None and based_on != current.number:
                        raise Conflict(
                            _("The dataset was changed in the meantime: it is at version {number} now.").format(
                                number=current.number
                            ),
                            how_to_fix=_("Look at the newest version, then make your change again."),
                            code="version_conflict",
                        )
                    _sweep(self.place)
                    yield current
            except FileNotFoundError as error:
                if (self.place / "dataset.json").exists():
                    raise
                raise version_folders.no_such_dataset(self.place.name, str(error)) from error

    def _write(self, current: Version, plans: Mapping[str, Plan], summary: str) -> Version:
        paths = {part: self.part(part, current.number) for part in PARTS}
        tell = self._share_told([paths[part] for part in plans])
        changed: dict[str, Changed] = {}
        with self._new_folder(current.number + 1) as folder:
            for part, before in paths.items():
                after = part_file(folder, part)
                if part in plans:
                    changed[part] = write_changed(before, after, plans[part], tell)
                else:
                    _share(before, after)
                    changed[part] = Changed(index_of(before))
                if not len(changed[part].index):
                    raise BadInput(
                        _("No example of {part} would be left.").format(part=part),
                        how_to_fix=_("Keep at least one, or delete the dataset."),
                        code="empty_part",
                    )
            version = Version(
                number=current.number + 1,
                created_at=datetime.now(UTC),
                summary=summary,
                train_rows=len(changed["train"].index),
                eval_rows=len(changed["eval"].index),
                sha256=content_hash(one.index for one in changed.values()),
                added=sum(one.added for one in changed.values()),
                removed=sum(one.removed for one in changed.values()),
                edited=sum(one.edited for one in changed.values()),
            )
            write_atomically(folder / "version.json", version_folders.encode(version))
        self._on_progress(1.0)
        return version

    def _share_told(self, parts: Sequence[Path]) -> OnBytes:
        """Of the bytes of the parts that are written anew."""
        total = sum(part.stat().st_size for part in parts) or 1
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self._on_progress(min(1.0, done / total))

        return tell

    @contextmanager
    def _new_folder(self, number: int) -> Iterator[Path]:
        """Filled under another name, then the version in one step; after an error nothing is left."""
        temporary = self.place / f".new-v{number}-{secrets.token_hex(3)}"
        try:
            temporary.mkdir()
            yield temporary
            temporary.replace(version_folders.version_folder(self.place, number))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@dataclass(frozen=True)
class _Wishes:
    """What is to become of a part: new lines by row number (None: left out), and lines to add."""

    part: str
    rows: Mapping[int, bytes | None]
    new: Sequence[bytes]

    @classmethod
    def of(cls, part: str, changes: Sequence[RowChange]) -> _Wishes:
        _require_part(part)
        rows: dict[int, bytes | None] = {}
        new: list[bytes] = []
        for change in changes:
            if change.part != part:
                continue
            line = _checked_line(change.messages) if change.messages is not None else None
            if change.number is not None:
                rows[change.number] = line
            elif line is not None:
                new.append(line)
        return cls(part, rows, new)

    def require_rows(self, index: RowIndex) -> None:
        for number in self.rows:
            if not 0 <= number < len(index):
                raise NotFound(
                    _("{part} has no example {number}; it has {count}.").format(
                        part=self.part, number=number + 1, count=len(index)
                    ),
                    how_to_fix=_("Look at the newest version, then make your change again."),
                    code="no_such_row",
                )

    def is_met(self, index: RowIndex) -> bool:
        """Whether the part is so already."""
        if self.new or None in self.rows.values():
            return False
        return all(line == self.rows[number] for number, line in zip(self.rows, index.lines(self.rows), strict=True))

    def plan(self, count: int) -> Plan:
        gone = {number for number, line in self.rows.items() if line is None}
        yield from plan_of(count, gone, {number: line for number, line in self.rows.items() if line is not None})
        for line in self.new:
            yield None, line


def _share(file: Path, place: Path) -> None:
    """The same file under another name, with what lies beside it; a copy where links can't be."""
    pairs = [(file, place)]
    pairs += [(beside(file), beside(place)) for beside in (row_index.kept_beside, row_origins.kept_beside)]
    for old, new in pairs:
        if old != file and not old.exists():
            continue
        try:
            os.link(old, new)
        except OSError:
            shutil.copy2(old, new)


def _sweep(place: Path) -> None:
    """What a killed process left behind; called while the dataset is locked."""
    for left in (*place.glob(".new-*"), *place.glob(".gone-*")):
        shutil.rmtree(left, ignore_errors=True)


def _require_forgettable(
    wanted: Sequence[int], there: Collection[int], current: int, in_use: Mapping[int, Sequence[str]]
) -> None:
    missing = [str(number) for number in wanted if number not in there]
    if missing:
        raise NotFound(
            ngettext("There is no version {list}.", "There are no versions {list}.", len(missing)).format(
                list=", ".join(missing)
            ),
            why=_("There are: {list}.").format(list=", ".join(map(str, sorted(there)))),
            how_to_fix=_("Nothing was forgotten. Name versions that are there."),
            code="no_such_version",
        )
    if current in wanted:
        raise BadInput(
            _("Version {number} is the newest one. It can't be forgotten.").format(number=current),
            how_to_fix=_("Nothing was forgotten. Leave it out, or delete the dataset."),
            code="newest_version",
        )
    used = [number for number in wanted if in_use.get(number)]
    if used:
        raise Conflict(
            ngettext("Version {list} is still in use.", "Versions {list} are still in use.", len(used)).format(
                list=", ".join(map(str, used))
            ),
            why=" ".join(
                _("Version {number}: {uses}.").format(number=number, uses=", ".join(in_use[number])) for number in used
            ),
            how_to_fix=_("Nothing was forgotten. Leave them out, or delete first what was made with them."),
            code="version_in_use",
        )


def _in_words(part: str) -> str:
    return {"train": _("To learn from"), "eval": _("To check with")}.get(part, part)


def _require_part(part: str) -> None:
    if part not in PARTS:
        raise BadInput(_("There is no part {part}; use train or eval.").format(part=part), code="no_such_part")


def _checked_line(messages: Sequence[Message]) -> bytes:
    record = {"messages": [{"role": message.role, "content": message.content} for message in messages]}
    checked = check_record(record)
    if isinstance(checked, Flaw):
        raise BadInput(checked.message, how_to_fix=checked.fix, code=checked.code)
    return line_of(checked)


def _count_in_words(count: int) -> str:
    return ngettext("{count} example changed.", "{count} examples changed.", count).format(count=count)

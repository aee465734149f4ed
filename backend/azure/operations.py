"""Long work at Azure that survives: rows in `desk.db`, done by worker threads, gone on with after a restart.

A row is worked on by the process that holds its lease (pid and start time), and is free when that process is gone.
Handlers are called again from the beginning, so each of their steps finds out whether it is done already. Work on one
place goes one after the other, in the order of its start.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from backend.azure.errors import SignedOut, explain, without_secrets
from backend.domain import Failure
from backend.domain_setup import Operation, OperationState
from backend.errors import Conflict, NotFound, PhiDeskError
from backend.i18n import _

log = logging.getLogger("phidesk.azure")

BUSY_SECONDS = 15
START_TOLERANCE = 1.5
"""Seconds. psutil derives a process's start from the boot time, which a clock correction may shift."""
TURN_SECONDS = 0.2
"""How often waiting work looks whether what is before it has ended."""
DONE_KEPT = timedelta(days=1)
"""What ended well is told for so long."""
_PART = "azure_operations"
_TABLE = """
CREATE TABLE azure_operation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    step INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    detail TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    failure TEXT,
    is_dismissed INTEGER NOT NULL DEFAULT 0,
    pid INTEGER,
    process_started REAL
)
"""
_INDEX = "CREATE INDEX azure_operation_by_key ON azure_operation (kind, key)"

Handler = Callable[[Mapping[str, Any], "Report"], None]
PlaceOf = Callable[[Mapping[str, Any]], str]


class Stopped(PhiDeskError):
    """The operation was dismissed while it worked."""


class Report:
    """What a handler tells: `report(1, "Making the storage account")`. Steps count from 0."""

    def __init__(self, operations: Operations, operation_id: str, only_step: int | None = None) -> None:
        self._operations = operations
        self._only_step = only_step
        self.id = operation_id

    def __call__(self, step: int, detail: str) -> None:
        self.check_stop()
        self._operations._put_progress(self.id, step if self._only_step is None else self._only_step, detail)

    def within(self, step: int) -> Report:
        """For work that counts steps of its own, all of which are this one step here."""
        return Report(self._operations, self.id, step)

    def check_stop(self) -> None:
        """Raises Stopped when the person no longer wants it. Call it in every loop that waits."""
        if self._operations._is_dismissed(self.id):
            raise Stopped(_("The work was stopped."), code="stopped")


class Operations:
    """Any thread and any process may call; each call is a transaction of its own."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._handlers: dict[str, Handler] = {}
        self._places: dict[str, PlaceOf] = {}
        self._is_ready = False
        self._wake = threading.Condition()
        self._threads: list[threading.Thread] = []

    def handler(self, kind: str, function: Handler, place: PlaceOf | None = None) -> None:
        """What does operations of this kind. Arguments are JSON values and hold no secrets.

        `place` tells from the arguments what is worked on, where other kinds work too; else it is the kind's key.
        """
        self._handlers[kind] = function
        if place is not None:
            self._places[kind] = place

    def start(self, kind: str, key: str, title: str, arguments: Mapping[str, Any], steps: int = 1) -> Operation:
        """Returns at once: the unfinished one of the same kind and key, or a new one in place of one that failed."""
        if kind not in self._handlers:
            raise KeyError(kind)
        with self._open(to_write=True) as db:
            row = db.execute(
                "SELECT * FROM azure_operation WHERE kind = ? AND key = ? AND state = 'running' AND NOT is_dismissed",
                (kind, key),
            ).fetchone()
            if row is None:
                forget = "UPDATE azure_operation SET is_dismissed = 1 WHERE kind = ? AND key = ? AND state = 'failed'"
                db.execute(forget, (kind, key))
                made = secrets.token_hex(8)
                db.execute(
                    "INSERT INTO azure_operation (id, kind, key, title, arguments, state, step, steps, detail,"
                    " started_at) VALUES (?, ?, ?, ?, ?, 'running', 0, ?, '', ?)",
                    (made, kind, key, title, json.dumps(dict(arguments)), steps, _now()),
                )
            else:
                made = row["id"]
        self._take_up(made)
        return self.get(made)

    def list(self) -> Sequence[Operation]:
        """Newest first, without the dismissed and what was done long ago."""
        with self._open() as db:
            rows = db.execute(
                "SELECT * FROM azure_operation WHERE NOT is_dismissed AND (state != 'done' OR ended_at > ?)"
                " ORDER BY number DESC",
                (_long_ago(),),
            ).fetchall()
        return [_operation(row) for row in rows]

    def not_done(self, *kinds: str) -> Sequence[tuple[Operation, Mapping[str, Any]]]:
        """What goes on or failed, of these kinds, with its arguments; newest first, without the dismissed."""
        marks = ", ".join("?" * len(kinds))
        with self._open() as db:
            rows = db.execute(
                f"SELECT * FROM azure_operation WHERE NOT is_dismissed AND state != 'done' AND kind IN ({marks})"  # noqa: S608
                " ORDER BY number DESC",
                kinds,
            ).fetchall()
        return [(_operation(row), json.loads(row["arguments"])) for row in rows]

    def get(self, operation_id: str) -> Operation:
        """Raises NotFound."""
        return _operation(self._row(operation_id))

    def find(self, kind: str, key: str) -> Operation | None:
        """The newest that was not dismissed."""
        with self._open() as db:
            row = db.execute(
                "SELECT * FROM azure_operation WHERE kind = ? AND key = ? AND NOT is_dismissed"
                " ORDER BY number DESC LIMIT 1",
                (kind, key),
            ).fetchone()
        return _operation(row) if row else None

    def arguments(self, operation_id: str) -> Mapping[str, Any]:
        """What it was started with. Raises NotFound."""
        values: dict[str, Any] = json.loads(self._row(operation_id)["arguments"])
        return values

    def retry(self, operation_id: str) -> Operation:
        """A failed one works again; one that goes on or is done is left as it is. Raises NotFound."""
        with self._open(to_write=True) as db:
            row = self._row(operation_id, db)
            if row["state"] == "failed":
                other = db.execute(
                    "SELECT 1 FROM azure_operation WHERE kind = ? AND key = ? AND state = 'running'"
                    " AND NOT is_dismissed",
                    (row["kind"], row["key"]),
                ).fetchone()
                if other:
                    raise Conflict(
                        _("The same work goes on already."),
                        how_to_fix=_("Wait until it ends, or dismiss it first."),
                        code="operation_goes_on",
                    )
                db.execute(
                    "UPDATE azure_operation SET state = 'running', failure = NULL, ended_at = NULL, is_dismissed = 0,"
                    " pid = NULL, process_started = NULL, started_at = ? WHERE id = ?",
                    (_now(), operation_id),
                )
        self._take_up(operation_id)
        return self.get(operation_id)

    def dismiss(self, operation_id: str) -> None:
        """Out of the list; one that goes on stops at its next step. What Azure has begun goes on there."""
        with self._open(to_write=True) as db:
            db.execute("UPDATE azure_operation SET is_dismissed = 1 WHERE id = ?", (operation_id,))

    def resume_all(self) -> None:
        """Goes on with what an earlier process, or a sign-in that ended, left unfinished."""
        with self._open() as db:
            rows = db.execute(
                "SELECT id FROM azure_operation WHERE state = 'running' AND NOT is_dismissed"
                " ORDER BY started_at, number"
            ).fetchall()
        for row in rows:
            self._take_up(row["id"])

    @property
    def at_work(self) -> int:
        """How many this process works on now."""
        return sum(thread.is_alive() for thread in self._threads)

    def _take_up(self, operation_id: str) -> None:
        """Work on it in a thread, unless it ended or some process does."""
        here = psutil.Process()
        with self._open(to_write=True) as db:
            row = self._row(operation_id, db)
            if row["state"] != "running" or _is_held(row) or row["kind"] not in self._handlers:
                return
            db.execute(
                "UPDATE azure_operation SET pid = ?, process_started = ? WHERE id = ?",
                (here.pid, here.create_time(), operation_id),
            )
        # No daemon: a command that began it ends only when it has ended.
        thread = threading.Thread(target=self._work, args=(operation_id,), name=f"phidesk-{row['kind']}")
        thread.start()
        self._threads = [*(other for other in self._threads if other.is_alive()), thread]

    def _work(self, operation_id: str) -> None:
        row = self._row(operation_id)
        report = Report(self, operation_id)
        try:
            self._await_turn(row, report)
            self._handlers[row["kind"]](json.loads(row["arguments"]), report)
        except SignedOut:
            log.info("operation %s (%s) waits for a sign-in", operation_id, row["kind"])
            self._release(operation_id, _("Waits until you sign in again."))
        except Stopped as stopped:
            self._end(operation_id, "failed", stopped.failure())
        except Exception as error:  # noqa: BLE001  at a thread's border: kept, shown and logged
            known = explain(error, row["title"])
            if isinstance(known, SignedOut):
                self._release(operation_id, _("Waits until you sign in again."))
                return
            if known is None:
                trace = without_secrets(traceback.format_exc())
                log.error("operation %s (%s) broke\n%s", operation_id, row["kind"], trace)
                known = PhiDeskError(
                    _("{doing} failed.").format(doing=row["title"]),
                    why=without_secrets(f"{type(error).__name__}: {error}"),
                    how_to_fix=_("Try again. When it goes on, send the log to whoever looks after Phi Desk."),
                    code="unexpected",
                )
            else:
                log.warning("operation %s (%s) failed: %s", operation_id, row["kind"], known)
            self._end(operation_id, "failed", known.failure())
        else:
            self._end(operation_id, "done", None)

    def _await_turn(self, row: sqlite3.Row, report: Report) -> None:
        """What is before it at its place ends first; the dismissed too, which may still be in their last step."""
        place, is_told = self._place(row), False
        while True:
            with self._open() as db:
                earlier = db.execute(
                    "SELECT * FROM azure_operation WHERE state = 'running' AND (started_at, number) < (?, ?)",
                    (row["started_at"], row["number"]),
                ).fetchall()
            before = next((other for other in earlier if self._place(other) == place and _is_held(other)), None)
            if before is None:
                return
            if is_told:
                report.check_stop()
            else:
                report(0, _("Waits for the end of: {title}").format(title=before["title"]))
                is_told = True
            with self._wake:
                self._wake.wait(TURN_SECONDS)

    def _place(self, row: sqlite3.Row) -> object:
        tell = self._places.get(row["kind"])
        return tell(json.loads(row["arguments"])) if tell else (row["kind"], row["key"])

    def _put_progress(self, operation_id: str, step: int, detail: str) -> None:
        with self._open(to_write=True) as db:
            db.execute("UPDATE azure_operation SET step = ?, detail = ? WHERE id = ?", (step, detail, operation_id))

    def _is_dismissed(self, operation_id: str) -> bool:
        return bool(self._row(operation_id)["is_dismissed"])

    def _end(self, operation_id: str, state: str, failure: Failure | None) -> None:
        with self._open(to_write=True) as db:
            db.execute(
                "UPDATE azure_operation SET state = ?, failure = ?, ended_at = ?, pid = NULL, process_started = NULL,"
                " step = CASE WHEN ? = 'done' THEN steps ELSE step END WHERE id = ?",
                (state, json.dumps(asdict(failure)) if failure else None, _now(), state, operation_id),
            )
        with self._wake:
            self._wake.notify_all()

    def _release(self, operation_id: str, detail: str) -> None:
        with self._open(to_write=True) as db:
            db.execute(
                "UPDATE azure_operation SET detail = ?, pid = NULL, process_started = NULL WHERE id = ?",
                (detail, operation_id),
            )

    def _row(self, operation_id: str, db: sqlite3.Connection | None = None) -> sqlite3.Row:
        if db is None:
            with self._open() as opened:
                return self._row(operation_id, opened)
        row: sqlite3.Row | None = db.execute("SELECT * FROM azure_operation WHERE id = ?", (operation_id,)).fetchone()
        if row is None:
            raise NotFound(
                _("There is no operation {id}.").format(id=operation_id),
                how_to_fix=_("Refresh the page and look again."),
                code="no_such_operation",
            )
        return row

    @contextmanager
    def _open(self, *, to_write: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction: kept when the block ends well, undone when it raises. Writers wait for one another."""
        self.database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(self.database, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            if not self._is_ready:
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE" if to_write or not self._is_ready else "BEGIN")
            try:
                if not self._is_ready:
                    _make_table(db)
                    db.execute(
                        "DELETE FROM azure_operation WHERE state != 'running' AND (is_dismissed OR state = 'done'"
                        " AND ended_at < ?)",
                        (_long_ago(),),
                    )
                yield db
            except BaseException:
                db.rollback()
                raise
            db.commit()
            self._is_ready = True


def _make_table(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS schema_version (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    if db.execute("SELECT 1 FROM schema_version WHERE part = ?", (_PART,)).fetchone() is None:
        db.execute(_TABLE)
        db.execute(_INDEX)
        db.execute("INSERT INTO schema_version VALUES (?, 1)", (_PART,))


def _is_held(row: sqlite3.Row) -> bool:
    """Whether the process that took it still lives; a pid alone may have been given to another."""
    if row["pid"] is None:
        return False
    if row["pid"] == os.getpid() and abs(psutil.Process().create_time() - row["process_started"]) <= START_TOLERANCE:
        return True
    try:
        process = psutil.Process(row["pid"])
        is_same = abs(process.create_time() - row["process_started"]) <= START_TOLERANCE
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _operation(row: sqlite3.Row) -> Operation:
    detail = row["detail"]
    if row["state"] == "running" and row["pid"] is not None and not _is_held(row):
        detail = _("Was interrupted, and goes on when Phi Desk is signed in to Azure.")
    return Operation(
        id=row["id"],
        kind=row["kind"],
        title=row["title"],
        state=OperationState(row["state"]),
        step=row["step"],
        steps=row["steps"],
        detail=detail,
        started_at=datetime.fromisoformat(row["started_at"]),
        ended_at=datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None,
        failure=Failure.of_facts(json.loads(row["failure"])) if row["failure"] else None,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _long_ago() -> str:
    return (datetime.now(UTC) - DONE_KEPT).isoformat()

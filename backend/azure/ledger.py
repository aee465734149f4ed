"""What was seen running, in `desk.db`: what it cost stays known when it is gone from Azure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from backend.domain_setup import Price

BUSY_SECONDS = 15
_PART = "azure_costs"
_TABLE = """
CREATE TABLE azure_cost (
    id TEXT NOT NULL,
    machines INTEGER NOT NULL,
    since TEXT NOT NULL,
    place TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    until TEXT,
    per_hour REAL,
    currency TEXT NOT NULL,
    PRIMARY KEY (id, machines, since)
)
"""


@dataclass(frozen=True)
class Running:
    """Machines that cost now, or did until `until`. `id` tells one creation of a thing from the next."""

    id: str
    kind: str
    name: str
    since: datetime
    machines: int
    price: Price | None
    expires_at: datetime | None = None
    until: datetime | None = None

    def with_price(self, price: Price | None) -> Running:
        return replace(self, price=price)

    def so_far(self, now: datetime) -> float | None:
        if self.price is None:
            return None
        hours = ((self.until or now) - self.since).total_seconds() / 3600
        return max(hours, 0.0) * self.machines * self.price.per_hour


class Ledger:
    """Times are UTC. `place` is a workspace: seeing one says nothing of what runs in another."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def record(self, place: str, running: Sequence[Running], now: datetime) -> Sequence[Running]:
        """What runs now, each from when it ran so; what is no longer among it ended when it was last seen."""
        with self._open() as db:
            open_rows = db.execute("SELECT * FROM azure_cost WHERE place = ? AND until IS NULL", (place,)).fetchall()
            kept = {(row["id"], row["machines"]): row for row in open_rows}
            ids = {row["id"] for row in open_rows}
            found = []
            for one in running:
                row = kept.pop((one.id, one.machines), None)
                # another number of machines than before: the change came after it was last seen
                fresh = now if one.id in ids else one.since
                since = datetime.fromisoformat(row["since"]) if row is not None else fresh
                per_hour, currency = (one.price.per_hour, one.price.currency) if one.price else (None, "")
                db.execute(
                    "INSERT INTO azure_cost VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"
                    " ON CONFLICT (id, machines, since) DO UPDATE SET seen_at = excluded.seen_at, until = NULL,"
                    " per_hour = coalesce(excluded.per_hour, per_hour),"
                    " currency = CASE excluded.currency WHEN '' THEN currency ELSE excluded.currency END",
                    (one.id, one.machines, since.isoformat(), place, one.kind, one.name, now.isoformat(), per_hour,
                     currency),
                )  # fmt: skip
                found.append(replace(one, since=since))
            for row in kept.values():
                changed = any(one.id == row["id"] for one in running)
                db.execute(
                    "UPDATE azure_cost SET until = ? WHERE id = ? AND machines = ? AND since = ?",
                    (now.isoformat() if changed else row["seen_at"], row["id"], row["machines"], row["since"]),
                )
        return found

    def ended(self, place: str, since: datetime) -> Sequence[Running]:
        """What ended after `since`, the latest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT * FROM azure_cost WHERE place = ? AND until >= ? ORDER BY until DESC",
                (place, since.isoformat()),
            ).fetchall()
        return [_running(row) for row in rows]

    def on(self, place: str) -> Sequence[Running]:
        """What was on when it was last looked."""
        with self._open() as db:
            rows = db.execute("SELECT * FROM azure_cost WHERE place = ? AND until IS NULL", (place,)).fetchall()
        return [_running(row) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(self.database, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute(
                    "CREATE TABLE IF NOT EXISTS schema_version (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
                )
                if db.execute("SELECT 1 FROM schema_version WHERE part = ?", (_PART,)).fetchone() is None:
                    db.execute(_TABLE)
                    db.execute("INSERT INTO schema_version VALUES (?, 1)", (_PART,))
                yield db
            except BaseException:
                db.rollback()
                raise
            db.commit()


def _running(row: sqlite3.Row) -> Running:
    price = Price(row["per_hour"], row["currency"]) if row["per_hour"] is not None else None
    return Running(
        row["id"],
        row["kind"],
        row["name"],
        datetime.fromisoformat(row["since"]),
        row["machines"],
        price,
        until=datetime.fromisoformat(row["until"]) if row["until"] else None,
    )

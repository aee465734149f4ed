"""Conversations in SQLite: who said what to which endpoint, and how it was rated. No keys are kept here.

Every call opens its own connection, so that any thread and any process may call; writers wait for one another.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from backend.domain import ChatSettings, Conversation, Message, Role
from backend.errors import Conflict, NotFound
from backend.i18n import _

BUSY_SECONDS = 15
_PART = "conversations"
_MIGRATIONS = (
    """
    CREATE TABLE conversation (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        system_prompt TEXT NOT NULL,
        temperature REAL NOT NULL,
        max_new_tokens INTEGER NOT NULL,
        top_p REAL NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    CREATE INDEX conversation_by_time ON conversation (updated_at);
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
        content TEXT NOT NULL,
        is_stopped INTEGER NOT NULL DEFAULT 0,
        rating INTEGER CHECK (rating IN (0, 1)),
        created_at TEXT NOT NULL
    );
    CREATE INDEX message_by_conversation ON message (conversation_id, id);
    """,
)
"""Entry n makes version n + 1 of the tables; never change one that was released, add the next."""


class Conversations:
    def __init__(self, database: Path) -> None:
        self.database = database
        self._is_ready = False

    def list(self, limit: int, offset: int) -> Sequence[Conversation]:
        with self._open() as db:
            rows = db.execute(
                "SELECT * FROM conversation ORDER BY updated_at DESC, id LIMIT ? OFFSET ?", (limit, offset)
            ).fetchall()
        return [_conversation(row) for row in rows]

    def create(self, endpoint: str, settings: ChatSettings, title: str) -> Conversation:
        now = datetime.now(UTC)
        made = Conversation(secrets.token_hex(6), title, endpoint, settings, now, now)
        with self._open() as db:
            db.execute(
                "INSERT INTO conversation VALUES (:id, :title, :endpoint, :system_prompt, :temperature,"
                " :max_new_tokens, :top_p, :now, :now)",
                {"id": made.id, "title": title, "endpoint": endpoint, "now": now.isoformat(), **asdict(settings)},
            )
        return made

    def get(self, conversation_id: str) -> Conversation:
        with self._open() as db:
            row = db.execute("SELECT * FROM conversation WHERE id = ?", (conversation_id,)).fetchone()
            if row is None:
                raise _no_such(conversation_id)
            messages = db.execute(
                "SELECT * FROM message WHERE conversation_id = ? ORDER BY id", (conversation_id,)
            ).fetchall()
        return _conversation(row, tuple(_message(message) for message in messages))

    def rated(self) -> Iterator[Conversation]:
        """Those with a rated answer, with their messages, the oldest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT id FROM conversation WHERE id IN (SELECT conversation_id FROM message WHERE rating IS NOT NULL)"
                " ORDER BY created_at, id"
            ).fetchall()
        for row in rows:
            with suppress(NotFound):  # deleted meanwhile
                yield self.get(row["id"])

    def set_title(self, conversation_id: str, title: str) -> None:
        with self._open() as db:
            changed = db.execute("UPDATE conversation SET title = ? WHERE id = ?", (title, conversation_id))
            _require_one(changed, conversation_id)

    def set_endpoint(self, conversation_id: str, endpoint: str) -> None:
        with self._open() as db:
            changed = db.execute("UPDATE conversation SET endpoint = ? WHERE id = ?", (endpoint, conversation_id))
            _require_one(changed, conversation_id)

    def set_settings(self, conversation_id: str, settings: ChatSettings) -> None:
        with self._open() as db:
            changed = db.execute(
                "UPDATE conversation SET system_prompt = :system_prompt, temperature = :temperature,"
                " max_new_tokens = :max_new_tokens, top_p = :top_p WHERE id = :id",
                {"id": conversation_id, **asdict(settings)},
            )
            _require_one(changed, conversation_id)

    def rate(self, message_id: int, rating: int | None) -> None:
        with self._open() as db:
            changed = db.execute(
                "UPDATE message SET rating = ? WHERE id = ? AND role = 'assistant'", (rating, message_id)
            )
            if changed.rowcount == 0:
                raise NotFound(_("There is no answer {id} to rate.").format(id=message_id), code="no_such_message")

    def delete(self, conversation_id: str) -> None:
        with self._open() as db:
            db.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,))

    def add(self, conversation_id: str, role: Role, content: str) -> int:
        """The new message's id. Raises NotFound when the conversation was deleted meanwhile."""
        with self._open() as db:
            return _add(db, conversation_id, role, content, is_stopped=False)

    def put_answer(self, conversation_id: str, question_id: int, content: str, *, is_stopped: bool) -> int:
        """Save the answer to a question in place of an earlier one, in one step."""
        with self._open() as db:
            db.execute(
                "DELETE FROM message WHERE conversation_id = ? AND id > ? AND role = 'assistant' AND id <"
                " COALESCE((SELECT MIN(id) FROM message WHERE conversation_id = ? AND id > ? AND role = 'user'), 1e18)",
                (conversation_id, question_id) * 2,
            )
            return _add(db, conversation_id, "assistant", content, is_stopped=is_stopped)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction: kept when the block ends well, undone when it raises."""
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.database, timeout=BUSY_SECONDS)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            if not self._is_ready:
                _migrate(db)
                self._is_ready = True
            with db:
                yield db


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS schema_version (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    db.execute("BEGIN IMMEDIATE")  # a second process waits here, then finds the work done
    try:
        row = db.execute("SELECT version FROM schema_version WHERE part = ?", (_PART,)).fetchone()
        version = row[0] if row else 0
        if version > len(_MIGRATIONS):
            raise Conflict(
                _("The chats were saved by a newer Phi Desk."),
                how_to_fix=_("Update this one, or set PHIDESK_HOME to another folder."),
                code="newer_database",
            )
        for step in _MIGRATIONS[version:]:
            for statement in step.split(";"):
                db.execute(statement)
        db.execute("INSERT OR REPLACE INTO schema_version VALUES (?, ?)", (_PART, len(_MIGRATIONS)))
        db.commit()
    except BaseException:
        db.rollback()
        raise


def _add(db: sqlite3.Connection, conversation_id: str, role: Role, content: str, *, is_stopped: bool) -> int:
    now = datetime.now(UTC).isoformat()
    _require_one(
        db.execute("UPDATE conversation SET updated_at = ? WHERE id = ?", (now, conversation_id)), conversation_id
    )
    added = db.execute(
        "INSERT INTO message (conversation_id, role, content, is_stopped, created_at) VALUES (?, ?, ?, ?, ?)",
        (conversation_id, role, content, is_stopped, now),
    )
    return int(added.lastrowid or 0)


def _require_one(changed: sqlite3.Cursor, conversation_id: str) -> None:
    if changed.rowcount == 0:
        raise _no_such(conversation_id)


def _no_such(conversation_id: str) -> NotFound:
    return NotFound(
        _("There is no conversation {id}.").format(id=conversation_id),
        how_to_fix=_("Choose one from the list, or begin a new one."),
        code="no_such_conversation",
    )


def _conversation(row: sqlite3.Row, messages: tuple[Message, ...] = ()) -> Conversation:
    return Conversation(
        id=row["id"],
        title=row["title"],
        endpoint=row["endpoint"],
        settings=ChatSettings(row["system_prompt"], row["temperature"], row["max_new_tokens"], row["top_p"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        messages=messages,
    )


def _message(row: sqlite3.Row) -> Message:
    return Message(row["role"], row["content"], bool(row["is_stopped"]), row["rating"], row["id"])

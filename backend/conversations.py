"""Conversations in SQLite: who said what to which endpoint, and how it was rated. No keys are kept here."""

from __future__ import annotations

from pathlib import Path


class Conversations:
    def __init__(self, database: Path) -> None:
        self.database = database

"""Findings of a saved dataset that a person left as they are: beside its versions, so that no content hash changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from backend.domain_datasets import Finding
from backend.studio.atomic_files import say_no_room, write_atomically
from backend.studio.file_lock import locked

_FILE = "left_as_is.json"


class KeptFindings:
    """Of the dataset in `place`, over all its versions. A finding is asked about again once it has more examples.

    `scope` tells findings of the same code apart that were made under other conditions, such as a maximum length.
    """

    def __init__(self, place: Path, scope: str = "") -> None:
        self.place, self.scope = place, scope

    def holds(self, finding: Finding) -> bool:
        return finding.count <= self._read().get(self._name(finding.code), -1)

    def keep(self, finding: Finding) -> None:
        """Leave it as it is. Raises NoRoom where that can't be written down."""
        self._write(finding.code, finding.count)

    def take_back(self, code: str) -> None:
        self._write(code, None)

    def _write(self, code: str, count: int | None) -> None:
        with say_no_room(), locked(self.place / f".{_FILE}.lock"):
            kept = {name: of for name, of in self._read().items() if name != self._name(code)}
            if count is not None:
                kept[self._name(code)] = count
            write_atomically(self.place / _FILE, orjson.dumps(kept, option=orjson.OPT_INDENT_2))

    def _read(self) -> Mapping[str, int]:
        """Nothing is kept where the file is absent or damaged."""
        try:
            found = orjson.loads((self.place / _FILE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return {name: of for name, of in found.items() if isinstance(of, int)} if isinstance(found, dict) else {}

    def _name(self, code: str) -> str:
        return f"{code} {self.scope}".strip()

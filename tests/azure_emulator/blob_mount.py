"""Folders and logs of a running job, kept the same in blob storage while they grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.azure_emulator.azurite import Storage


class BlobMount:
    """A folder whose files appear as blobs below a prefix, soon after they were written."""

    def __init__(self, storage: Storage | None, account: str, container: str, prefix: str, folder: Path) -> None:
        assert storage is not None, "jobs need a storage account"
        self.storage = storage
        self.account, self.container, self.prefix, self.folder = account, container, prefix.strip("/"), folder
        self._sent: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def pull(self) -> None:
        """What is there already."""
        self.storage.download(self.account, self.container, self.prefix, self.folder)
        self._sent = self._state()

    def _state(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self.folder.rglob("*"):
            try:
                if path.is_file():
                    facts = path.stat()
                    found[path.relative_to(self.folder).as_posix()] = (facts.st_size, facts.st_mtime_ns)
            except FileNotFoundError:
                continue
        return found

    def push(self, *, final: bool = False) -> None:
        """New and changed files, once they rest (all of them at the end); blobs of removed files go."""
        state = self._state()
        for name, facts in state.items():
            if self._sent.get(name) != facts and (final or self._seen.get(name) == facts):
                try:
                    content = (self.folder / name).read_bytes()
                except FileNotFoundError:
                    continue
                self.storage.write(self.account, self.container, f"{self.prefix}/{name}", content)
                self._sent[name] = facts
        for name in [name for name in self._sent if name not in state]:
            del self._sent[name]
            self.storage.container(self.account, self.container).delete_blob(f"{self.prefix}/{name}")
        self._seen = state


class GrowingBlob:
    """An append blob that follows a file."""

    def __init__(self, storage: Storage | None, account: str, container: str, name: str) -> None:
        assert storage is not None, "jobs need a storage account"
        self._blob: Any = storage.container(account, container).get_blob_client(name)
        self._blob.create_append_blob()
        self._at = 0

    def append(self, content: bytes) -> None:
        for start in range(0, len(content), 1 << 22):
            self._blob.append_block(content[start : start + (1 << 22)])

    def append_from(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._at)
            content = file.read()
        if content:
            self.append(content)
            self._at += len(content)

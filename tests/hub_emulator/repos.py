"""What a Hub keeps of a dataset: its files by path at every commit, its card, and who may read it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml


@dataclass
class Repo:
    """`viewer` is what the dataset viewer knows: config -> split -> rows; None where it has no view of it.

    `gated` is False, "auto" or "manual". Who may read a gated or private one is said by `readers` (tokens).
    """

    id: str
    files: dict[str, bytes] = field(default_factory=dict)
    viewer: dict[str, dict[str, list[dict[str, Any]]]] | None = None
    gated: bool | str = False
    private: bool = False
    readers: set[str] = field(default_factory=set)
    downloads: int = 0
    likes: int = 0
    tags: list[str] = field(default_factory=list)
    changed_at: datetime = datetime(2025, 3, 1, 12, tzinfo=UTC)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.refs:
            self.commit({})

    def commit(self, files: Mapping[str, bytes | None], branch: str = "main") -> str:
        """Add, replace or (None) remove files; returns the new commit's id, which `branch` then names."""
        now = {**self.files, **files}
        self.files = {path: content for path, content in now.items() if content is not None}
        digest = hashlib.sha1(f"{self.id} {len(self.commits)}".encode())
        for path in sorted(self.files):
            digest.update(path.encode() + b"\0" + self.files[path])
        sha = digest.hexdigest()
        self.commits[sha] = dict(self.files)
        self.refs[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag or commit id means."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    @property
    def card(self) -> dict[str, Any] | None:
        """The YAML at the head of README.md."""
        parts = self.files.get("README.md", b"").decode().split("---\n", 2)
        return dict(yaml.safe_load(parts[1]) or {}) if len(parts) == 3 and not parts[0] else None

    def all_tags(self) -> list[str]:
        card = self.card or {}
        said = [f"license:{card['license']}"] if isinstance(card.get("license"), str) else []
        for key in ("language", "size_categories", "task_categories"):
            values = card.get(key) or []
            said += [f"{key}:{value}" for value in (values if isinstance(values, list) else [values])]
        return [*said, *self.tags]


def blob_id(content: bytes) -> str:
    """As git names a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

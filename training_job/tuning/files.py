"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, also after a power cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            draft.replace(path)
        except OSError:
            # A mounted blob container may not rename; there a file is sent as a whole when it is closed.
            shutil.copyfile(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def move_folder(source: Path, target: Path) -> None:
    """To a place where nothing is, or (where the store can't rename, as a mounted blob container) by copying."""
    try:
        source.rename(target)
    except OSError:
        shutil.copytree(source, target, dirs_exist_ok=True)
        shutil.rmtree(source)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def hash_files(paths: Iterable[Path]) -> str:
    """The sha256 of the files' contents, one after another, as hex digits."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """None when there is no such file, or it is torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None

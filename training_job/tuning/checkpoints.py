"""Checkpoints that can be trusted: one counts only when the seal, written last, matches every file's size."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

from .files import write_json

logger = logging.getLogger(__name__)

SEAL = "complete.json"


def seal_checkpoint(folder: Path, facts: dict[str, Any]) -> None:
    """Everything in `folder` is on disk when this returns."""
    sizes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != SEAL:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[str(path.relative_to(folder))] = path.stat().st_size
    write_json(folder / SEAL, {"files": sizes} | facts)


def newest_complete_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The checkpoint with the highest step whose seal holds, and its facts. Torn ones are removed."""
    found: list[tuple[int, Path, dict[str, Any]]] = []
    for path in folder.glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        facts = _read_seal(path) if match else None
        if match and facts is not None:
            found.append((int(match[1]), path, facts))
        else:
            logger.info("The checkpoint %s is incomplete and is left out.", path.name)
            shutil.rmtree(path, ignore_errors=True)
    if not found:
        return None
    _step, path, facts = max(found, key=lambda item: item[0])
    return path, facts


def _read_seal(folder: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        is_whole = all((folder / name).stat().st_size == size for name, size in facts["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts if is_whole else None

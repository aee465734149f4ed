"""What an examination found, kept by the content it was found in: one file each, the last used ones stay."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import orjson

from backend.studio.atomic_files import write_atomically

if TYPE_CHECKING:
    import numpy as np

    from backend.studio.set_checks import Observed

_RULES = b"2"
"""Raise it when a check changes what it finds: what was kept before is then found anew."""
_KEPT_RESULTS = 24


@dataclass(frozen=True)
class Result:
    """`firsts[i]` is the number of part i's first row among all rows; `flags` and `groups` have an entry per row."""

    observed: Sequence[Observed]
    firsts: tuple[int, ...]
    flags: np.ndarray
    groups: np.ndarray


def content_hash(parts: Iterable[tuple[str, Path]]) -> str:
    hashed = hashlib.blake2b(_RULES, digest_size=16)
    for name, path in parts:
        stat = path.stat()
        hashed.update(name.encode() + b"\x00" + _file_hash(str(path), stat.st_size, stat.st_mtime_ns))
    return hashed.hexdigest()


@lru_cache(64)
def _file_hash(path: str, size: int, modified_ns: int) -> bytes:
    """Size and time are there to tell when it must be read again."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def read_result(path: Path) -> Result | None:
    """None when it was never found or is damaged: then it is found anew."""
    import numpy as np

    from backend.studio.set_checks import Observed, Place

    try:
        with np.load(path) as held:
            told = orjson.loads(held["told"].tobytes())
            observed = [
                Observed(**{**one, "places": [Place(*place) for place in one["places"]]}) for one in told["observed"]
            ]
            result = Result(observed, tuple(told["firsts"]), held["flags"], held["groups"])
        path.touch()  # the ones looked at last are kept
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None
    return result


def write_result(path: Path, result: Result) -> None:
    import numpy as np

    observed = [
        {**vars(one), "places": [tuple(vars(place).values()) for place in one.places]} for one in result.observed
    ]
    told = np.frombuffer(orjson.dumps({"observed": observed, "firsts": result.firsts}), np.uint8)
    packed = io.BytesIO()
    np.savez_compressed(packed, told=told, flags=result.flags, groups=result.groups)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, packed.getvalue(), is_synced=False)
    with suppress(FileNotFoundError):  # another one clears up as well
        for old in sorted(path.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime, reverse=True)[_KEPT_RESULTS:]:
            old.unlink()

"""What an examination found, kept by the content it was found in: one file each, the last used ones stay."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from backend.studio.atomic_files import write_atomically
from backend.studio.disk_cache import DAMAGED, keep_within, mark_used

if TYPE_CHECKING:
    import numpy as np

    from backend.studio.set_checks import Observed

_RULES = b"2"
"""Raise it when a check changes what it finds: what was kept before is then found anew."""
CACHE_BYTES = 100_000_000
"""On the disk. 200,000 examples take 0.4 MB: room for 250 such sets, or for thousands of small ones."""


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

    mark_used(path)
    try:
        with np.load(path) as held:
            told = orjson.loads(held["told"].tobytes())
            observed = [
                Observed(**{**one, "places": [Place(*place) for place in one["places"]]}) for one in told["observed"]
            ]
            result = Result(observed, tuple(told["firsts"]), held["flags"], held["groups"])
    except (OSError, *DAMAGED):
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
    keep_within(CACHE_BYTES, path.parent.glob("*.npz*"))

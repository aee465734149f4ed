"""How many tokens the rows have, by the base model's own tokenizer and template: counted by the trainer's own code.

The counting is a process of its own (`training_job/measure_tokens.py`). What it finds is kept by the content of the
part and the identity of the tokenizer, so that a second look is instant, also under another name.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Protocol

from backend.domain import Failure
from backend.studio import background_process
from backend.studio.disk_cache import DAMAGED, keep_within, mark_used
from backend.studio.token_failures import put_in_words
from backend.studio.token_table import PartTokens, TokenTable
from backend.studio.tokenizer_names import find_tokenizer, identify

SCRIPTS = Path(__file__).parents[2] / "training_job"
DIGEST_AT_ONCE = 64_000_000
"""Bytes: larger files are digested in the other process."""
_FORMAT = 2
"""Of the files in the cache; another one makes older ones unseen."""
CACHE_BYTES = 500_000_000
"""On the disk, of tables and countings. 200,000 examples take 8 MB for each tokenizer: there is room for 60 such
tables, and all together take less than half of what one such dataset does (1.4 GB).
"""
_START_TAKES = 10.0
"""Seconds from making a folder until its process is known at the latest."""


class PartOnDisk(Protocol):
    """A file of canonical rows, and what the part is called."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...


@dataclass(frozen=True)
class TokenMeasurement:
    """`phase` is waiting, running, done or failed, `done` is 0..1.

    `table` is of a sample (`table.is_estimate`) until all is done; None before there is any.
    """

    phase: str
    done: float
    table: TokenTable | None = None
    failure: Failure | None = None

    @property
    def is_final(self) -> bool:
        return self.phase in {"done", "failed"}


def measure(
    parts: Sequence[PartOnDisk],
    base: str,
    cache: Path,
    *,
    revision: str | None = None,
    again: bool = False,
    work: Path | None = None,
) -> TokenMeasurement:
    """Starts the counting unless it is known or under way, and says at once how far it is: call it again to watch.

    `base` is a folder, a Hub id or a model of Azure's catalogue. A failure stays until it is asked for `again`. `work`
    is where the counting has its folder, in the cache where nothing else is said.
    Raises Unavailable where the model's tokenizer can't be had on this computer.
    """
    name = find_tokenizer(base)
    identity = identify(name, revision)
    outputs = [_output(cache, identity, digest) for part in parts if (digest := _digest(part.path))]
    table = _load(parts, outputs) if len(outputs) == len(parts) else None
    if table is not None:
        return TokenMeasurement("done", 1.0, table)
    folder = _work_folder(parts, identity, work or cache / "work")
    if again:
        _forget(folder)
    if _begin(folder):
        _start(parts, name, revision, identity, folder, cache)
        return TokenMeasurement("waiting", 0.0)
    return _look(parts, base, folder)


def stop(parts: Sequence[PartOnDisk], base: str, cache: Path, *, revision: str | None = None) -> None:
    """Nothing of an unfinished counting stays; one that is over or never was is fine."""
    _forget(_work_folder(parts, identify(find_tokenizer(base), revision), cache / "work"))


def _forget(folder: Path) -> None:
    background_process.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path) -> bool:
    """Whether it is ours to start: of two who ask at once only one makes the folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _start(
    parts: Sequence[PartOnDisk], name: str, revision: str | None, identity: str, folder: Path, cache: Path
) -> None:
    arguments = ["--model-name-or-path", name]
    if revision:
        arguments += ["--revision", revision]
    for part in parts:
        # A name in braces is filled in by the process, which digests large files while it begins.
        output = _output(cache, identity, _digest(part.path) or "{digest}")
        arguments += ["--part", str(part.path.resolve()), str(output)]
    keep_within(CACHE_BYTES, chain(cache.glob("*.v*/*.npz*"), (cache / "work").glob("*/")))
    environment = {"PYTHONPATH": str(SCRIPTS), "TOKENIZERS_PARALLELISM": "true"}
    background_process.start("measure_tokens", folder, *arguments, environment=environment)


def _look(parts: Sequence[PartOnDisk], base: str, folder: Path) -> TokenMeasurement:
    if not (folder / "process.json").exists() and time.time() - folder.stat().st_mtime < _START_TAKES:
        return TokenMeasurement("waiting", 0.0)
    progress = background_process.read_progress(folder)
    done = float(progress.get("done") or 0.0)
    if progress["phase"] == "failed":
        failure = background_process.failure_of(progress)
        words = put_in_words(failure, base) if failure else None
        return TokenMeasurement("failed", done, _sample(parts, folder), words)
    if progress["phase"] == "done":
        table = _load(parts, [Path(output) for output in progress["outputs"]])
        if table is None:  # somebody emptied the cache: forget it, so that the next look counts again
            shutil.rmtree(folder, ignore_errors=True)
            return TokenMeasurement("waiting", 0.0)
        mark_used(folder)  # it knows where the table of a large part is
        return TokenMeasurement("done", 1.0, table)
    phase = "running" if progress["phase"] == "running" else "waiting"
    return TokenMeasurement(phase, done, _sample(parts, folder))


def _sample(parts: Sequence[PartOnDisk], folder: Path) -> TokenTable | None:
    return _load(parts, [folder / f"sample-{number}.npz" for number in range(len(parts))], is_estimate=True)


def _load(parts: Sequence[PartOnDisk], files: Sequence[Path], *, is_estimate: bool = False) -> TokenTable | None:
    """None when one is not there (yet, or any more)."""
    try:
        times = [file.stat().st_mtime_ns if is_estimate else 0 for file in files]  # others are named by their content
        if not is_estimate:
            for file in files:
                mark_used(file)
        names = [part.name for part in parts]
        return _load_cached(tuple(zip(names, files, times, strict=True)), is_estimate)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=8)
def _load_cached(keys: tuple[tuple[str, Path, int], ...], is_estimate: bool) -> TokenTable:
    return TokenTable([_load_part(name, file) for name, file, _time in keys], is_estimate=is_estimate)


def _load_part(name: str, file: Path) -> PartTokens:
    """Raises FileNotFoundError also for a damaged one, which goes: a counting leaves alone what is there."""
    try:
        return PartTokens.load(name, file)
    except (OSError, *DAMAGED) as error:
        file.unlink(missing_ok=True)
        raise FileNotFoundError(file) from error


def _output(cache: Path, identity: str, digest: str) -> Path:
    return cache.resolve() / f"{identity}.v{_FORMAT}" / f"{digest}.npz"


def _work_folder(parts: Sequence[PartOnDisk], identity: str, work: Path) -> Path:
    """The same for the same files as they are now and the same tokenizer."""
    digest = hashlib.blake2b(f"{_FORMAT} {identity}".encode(), digest_size=12)
    for part in parts:
        digest.update(repr((part.name, *_stamp(part.path))).encode())
    return work.resolve() / digest.hexdigest()


def _stamp(path: Path) -> tuple[str, int, int, int]:
    facts = path.stat()
    return str(path.resolve()), facts.st_size, facts.st_mtime_ns, facts.st_ino


def _digest(path: Path) -> str | None:
    """What tells the content; None for a file too large to be read here."""
    stamp = _stamp(path)
    return _digest_stamped(*stamp) if stamp[1] <= DIGEST_AT_ONCE else None


@lru_cache(maxsize=256)
def _digest_stamped(path: str, size: int, changed: int, inode: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

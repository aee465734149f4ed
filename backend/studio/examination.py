"""The checks of a set's content: over its parts, at once or in a process of its own, known again by their content.

What is kept in the cache is a function of the content alone; a person's decisions, and the words, are added when it
is looked at. So a decision taken back costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import orjson

from backend.domain_datasets import Decision, Examination, Finding, FoundRow
from backend.errors import PhiDeskError
from backend.i18n import _
from backend.studio import background_process
from backend.studio.content_words import describe_content, describe_pair
from backend.studio.finding_codes import BITS, LANGUAGES
from backend.studio.languages import name_of

if TYPE_CHECKING:
    import numpy as np

    from backend.studio.set_checks import Observed, Place

SMALL_BYTES = 2_000_000
"""Parts below this in all are examined at once: that takes about a second."""
_MODULE = "backend.studio.examination"
_RULES = b"1"
"""Raise it when a check changes what it finds: what was cached before is then found anew."""
_KEPT_RESULTS = 24


@dataclass(frozen=True)
class Part:
    """A canonical JSONL file: `name` is rows, train or eval.

    `places` is a Parquet file with the columns `file` (a number in `files`) and `line` of each row; without it a
    row stands where it stands in `path`.
    """

    name: str
    path: Path
    files: tuple[str, ...] = ()
    places: Path | None = None


@dataclass(frozen=True)
class Examined:
    """`flags` has a bit mask per row of each part (`finding_codes.BITS`).

    `groups` has an id per row of each part: rows with the same one, in whatever part, belong on one side of a split.
    """

    findings: tuple[Finding, ...]
    flags: Mapping[str, np.ndarray]
    groups: Mapping[str, np.ndarray]

    def numbers(self, part: str, code: str) -> list[int]:
        """All rows of the part that a finding flags, also those beyond the first 1,000."""
        return [int(number) for number in (self.flags[part] & BITS[code]).nonzero()[0]]


def examine(
    parts: Sequence[Part],
    *,
    decisions: Mapping[str, Decision] | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
    cache: Path | None = None,
) -> Examined:
    """Check the parts' content. `train` (or the first) is what is trained on, `eval` (or the second) is held out.

    What was found once is read from `cache`, whatever the files are called now.
    """
    kept = cache / f"{_content_hash(parts)}.npz" if cache else None
    result = _read_result(kept) if kept else None
    if result is None:
        from backend.studio.content_pass import look_at

        train, held_out = _roles(parts)
        content = look_at([part.path for part in parts], train, held_out, on_progress)
        result = _Result(content.observed, content.firsts, content.flags, content.groups)
        if kept:
            _write_result(kept, result)
    on_progress(1.0)
    return _in_words(parts, result, decisions or {})


def start_examination(folder: Path, parts: Sequence[Part], *, cache: Path) -> None:
    """Begin, in `folder` (made if absent); small parts are done when this returns. Then `read_examination`."""
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "cache": str(cache.resolve()),
        "parts": [
            {
                "name": part.name,
                "path": str(part.path.resolve()),
                "files": part.files,
                "places": str(part.places.resolve()) if part.places else None,
            }
            for part in parts
        ],
    }
    (folder / "request.json").write_bytes(orjson.dumps(request))
    if sum(part.path.stat().st_size for part in parts) < SMALL_BYTES or _is_known(parts, cache):
        (folder / "process.json").unlink(missing_ok=True)
        _run(folder)
    else:
        background_process.start(_MODULE, folder)


def read_examination(folder: Path, decisions: Mapping[str, Decision] | None = None) -> Examination:
    """How far it is; once done, its findings with what was decided about each."""
    if not (folder / "request.json").exists():
        return Examination("waiting", 0.0)
    progress = background_process.read_progress(folder)
    if progress["phase"] == "done":
        return Examination("done", 1.0, examined(folder, decisions).findings)
    failure = background_process.failure_of(progress)
    return Examination(progress["phase"], float(progress.get("done", 0.0)), failure=failure)


def examined(folder: Path, decisions: Mapping[str, Decision] | None = None) -> Examined:
    """The flags and groups of an examination that is done; done again if the cache has lost it."""
    parts, cache = _request(folder)
    return examine(parts, decisions=decisions, cache=cache)


def stop_examination(folder: Path) -> None:
    background_process.stop(folder)


def _run(folder: Path) -> None:
    parts, cache = _request(folder)
    try:
        examine(parts, on_progress=lambda done: background_process.tell(folder, "running", done=done), cache=cache)
    except (OSError, ValueError, KeyError) as error:
        told = PhiDeskError(
            _("The examples could not be examined."),
            why=str(error),
            how_to_fix=_("Look whether the file is still there and unchanged, then try again."),
            code="examination_failed",
        )
        background_process.tell_failure(folder, told)
        return
    background_process.tell(folder, "done", done=1.0)


@dataclass(frozen=True)
class _Result:
    observed: Sequence[Observed]
    firsts: tuple[int, ...]
    flags: np.ndarray
    groups: np.ndarray


def _roles(parts: Sequence[Part]) -> tuple[int, int | None]:
    names = [part.name for part in parts]
    train = names.index("train") if "train" in names else 0
    if "eval" in names:
        return train, names.index("eval")
    return train, 1 if len(parts) > 1 else None


def _content_hash(parts: Sequence[Part]) -> str:
    hashed = hashlib.blake2b(_RULES, digest_size=16)
    for part in parts:
        stat = part.path.stat()
        hashed.update(part.name.encode() + b"\x00" + _file_hash(str(part.path), stat.st_size, stat.st_mtime_ns))
    return hashed.hexdigest()


@lru_cache(64)
def _file_hash(path: str, size: int, modified_ns: int) -> bytes:
    """Size and time are there to tell when it must be read again."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _is_known(parts: Sequence[Part], cache: Path) -> bool:
    """Asked before a process is started; reading a gigabyte for its hash takes seconds, so only where results are."""
    return any(cache.glob("*.npz")) and (cache / f"{_content_hash(parts)}.npz").exists()


def _read_result(path: Path) -> _Result | None:
    """None when it was never found or is damaged: then it is found anew."""
    import numpy as np

    from backend.studio.set_checks import Observed, Place

    try:
        with np.load(path) as held:
            told = orjson.loads(held["told"].tobytes())
            observed = [
                Observed(**{**one, "places": [Place(*place) for place in one["places"]]}) for one in told["observed"]
            ]
            result = _Result(observed, tuple(told["firsts"]), held["flags"], held["groups"])
        path.touch()  # the ones looked at last are kept
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None
    return result


def _write_result(path: Path, result: _Result) -> None:
    import numpy as np

    observed = [
        {**vars(one), "places": [tuple(vars(place).values()) for place in one.places]} for one in result.observed
    ]
    told = np.frombuffer(orjson.dumps({"observed": observed, "firsts": result.firsts}), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez_compressed(file, told=told, flags=result.flags, groups=result.groups)
    temporary.replace(path)
    for old in sorted(path.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime, reverse=True)[_KEPT_RESULTS:]:
        old.unlink(missing_ok=True)


def _in_words(parts: Sequence[Part], result: _Result, decisions: Mapping[str, Decision]) -> Examined:
    where = _Places(parts, result)
    findings = []
    for one in result.observed:
        words = describe_content(one.code, one.count, one.figures)
        findings.append(
            Finding(
                one.code,
                words.severity,
                words.title,
                words.effect,
                one.count,
                tuple(where.row(one.code, place) for place in one.places),
                words.fix,
                words.skip,
                words.advice,
                decisions.get(one.code),
                one.figures,
            )
        )
    edges = [*result.firsts, len(result.flags)]
    spans = {part.name: slice(edges[number], edges[number + 1]) for number, part in enumerate(parts)}
    return Examined(
        tuple(findings),
        {name: result.flags[span] for name, span in spans.items()},
        {name: result.groups[span] for name, span in spans.items()},
    )


class _Places:
    """Where rows stand, in the files that a person knows. The index of a part is read when it is first asked."""

    def __init__(self, parts: Sequence[Part], result: _Result) -> None:
        self._parts = parts
        self._firsts = result.firsts
        self._indexes: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def row(self, code: str, place: Place) -> FoundRow:
        part, number = self._part(place.row)
        file, line = self._file_and_line(part, number)
        detail = name_of(place.what) if code == LANGUAGES else place.what
        if place.other >= 0:
            detail = describe_pair(code, self._named(place.row), self._named(place.other))
        return FoundRow(file, line, detail, place.excerpt, self._parts[part].name, number)

    def _named(self, row: int) -> str:
        part, number = self._part(row)
        file, line = self._file_and_line(part, number)
        name = self._parts[part].name
        if name in {"train", "eval"} and len(self._parts) > 1 and not self._parts[part].files:
            return _("line {line} of {part}").format(line=line, part=name)
        return _("line {line} of {part}").format(line=line, part=file)

    def _part(self, row: int) -> tuple[int, int]:
        part = bisect_right(self._firsts, row) - 1
        return part, row - self._firsts[part]

    def _file_and_line(self, part: int, number: int) -> tuple[str, int]:
        known = self._parts[part]
        if known.places is None:
            return (known.files[0] if known.files else known.path.name), number + 1
        if part not in self._indexes:
            import polars

            index = polars.read_parquet(known.places, columns=["file", "line"])
            self._indexes[part] = (index["file"].to_numpy(), index["line"].to_numpy())
        files, lines = self._indexes[part]
        return known.files[int(files[number])], int(lines[number])


def _request(folder: Path) -> tuple[list[Part], Path]:
    request = orjson.loads((folder / "request.json").read_bytes())
    parts = [
        Part(one["name"], Path(one["path"]), tuple(one["files"]), Path(one["places"]) if one["places"] else None)
        for one in request["parts"]
    ]
    return parts, Path(request["cache"])


if __name__ == "__main__":
    _run(Path(sys.argv[1]))

"""The checks of a set's content: over its parts, at once or in a process of its own, known again by their content.

What is kept in the cache is a function of the content alone; a person's decisions, and the words, are added when it
is looked at. So a decision taken back costs nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from backend.domain_datasets import Decision, Examination, Finding
from backend.errors import PhiDeskError
from backend.i18n import _
from backend.studio import background_process
from backend.studio.content_words import describe_content
from backend.studio.disk_cache import mark_used
from backend.studio.examination_cache import Result, content_hash, read_result, write_result
from backend.studio.finding_codes import BITS
from backend.studio.found_places import Part, Places

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Examined", "Part", "examine", "examined", "forget_examination", "read_examination", "start_examination"]

SMALL_BYTES = 2_000_000
"""Parts below this in all are examined at once: that takes about a second."""
_MODULE = "backend.studio.examination"


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
    workers: int = 1,
) -> Examined:
    """Check the parts' content. `train` (or the first) is what is trained on, `eval` (or the second) is held out.

    What was found once is read from `cache`, whatever the files are called now. `workers` as in `row_facts.gather`.
    """
    kept = _kept(parts, cache) if cache else None
    result = read_result(kept) if kept else None
    if result is None:
        from backend.studio.content_pass import look_at

        train, held_out = _roles(parts)
        content = look_at([part.path for part in parts], train, held_out, on_progress, workers)
        result = Result(content.observed, content.firsts, content.flags, content.groups)
        if kept:
            write_result(kept, result)
    on_progress(1.0)
    return _in_words(parts, result, decisions or {})


def start_examination(folder: Path, parts: Sequence[Part], *, cache: Path) -> None:
    """Begin, in `folder`; small parts are done when this returns. Then `read_examination`.

    Nothing happens where `folder` is there: of two who ask at once one begins. `forget_examination` to begin anew.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        return
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
    if _are_small(parts) or _known(parts, cache):
        _run(folder)
    else:
        background_process.start(_MODULE, folder)


def read_examination(folder: Path, decisions: Mapping[str, Decision] | None = None) -> Examination:
    """How far it is; once done, its findings with what was decided about each.

    What is large, and lost from the cache since, is forgotten: then it waits to be started again.
    """
    if not (folder / "request.json").exists():
        return Examination("waiting", 0.0)
    progress = background_process.read_progress(folder)
    if progress["phase"] == "done":
        parts, cache = _request(folder)
        mark_used(folder)
        known = _known(parts, cache)
        if known:
            return Examination("done", 1.0, _in_words(parts, known, decisions or {}).findings)
        if _are_small(parts):
            return Examination("done", 1.0, examined(folder, decisions).findings)
        forget_examination(folder)
        return Examination("waiting", 0.0)
    failure = background_process.failure_of(progress)
    return Examination(progress["phase"], float(progress.get("done", 0.0)), failure=failure)


def examined(folder: Path, decisions: Mapping[str, Decision] | None = None) -> Examined:
    """The flags and groups of an examination that is done; done again if the cache has lost it."""
    parts, cache = _request(folder)
    return examine(parts, decisions=decisions, cache=cache)


def forget_examination(folder: Path) -> None:
    """Nothing of it stays but what the cache keeps; one that never was is fine."""
    background_process.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, workers: int = 1) -> None:
    parts, cache = _request(folder)

    def tell(done: float) -> None:
        background_process.tell(folder, "running", done=done)

    try:
        examine(parts, on_progress=tell, cache=cache, workers=workers)
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


def _kept(parts: Sequence[Part], cache: Path) -> Path:
    return cache / f"{content_hash((part.name, part.path) for part in parts)}.npz"


def _are_small(parts: Sequence[Part]) -> bool:
    return sum(part.path.stat().st_size for part in parts) < SMALL_BYTES


def _known(parts: Sequence[Part], cache: Path) -> Result | None:
    """Hashing a gigabyte takes seconds, so only where something is kept at all."""
    return read_result(_kept(parts, cache)) if any(cache.glob("*.npz")) else None


def _roles(parts: Sequence[Part]) -> tuple[int, int | None]:
    names = [part.name for part in parts]
    train = names.index("train") if "train" in names else 0
    if "eval" in names:
        return train, names.index("eval")
    return train, 1 if len(parts) > 1 else None


def _in_words(parts: Sequence[Part], result: Result, decisions: Mapping[str, Decision]) -> Examined:
    where = Places(parts, result.firsts)
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


def _request(folder: Path) -> tuple[list[Part], Path]:
    request = orjson.loads((folder / "request.json").read_bytes())
    parts = [
        Part(one["name"], Path(one["path"]), tuple(one["files"]), Path(one["places"]) if one["places"] else None)
        for one in request["parts"]
    ]
    return parts, Path(request["cache"])


if __name__ == "__main__":
    _run(Path(sys.argv[1]), workers=os.cpu_count() or 1)

"""What the checks find in the rows of all parts, without words: texts, copies, leaks, answers, languages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.domain import Message
from backend.studio import finding_codes as codes
from backend.studio.conversation_text import excerpt
from backend.studio.languages import languages, shares
from backend.studio.part_rows import PartRows
from backend.studio.row_facts import Sampled, gather
from backend.studio.set_checks import (
    MOST_PLACES,
    Facts,
    Observed,
    Place,
    find_conflicts,
    find_copies,
    find_leaks,
    find_lengths,
    find_too_few,
    find_uneven_answers,
    merged,
)
from backend.studio.similarity import Ids, belonging_together, near_duplicates, survey, without_common

LANGUAGE_SAMPLE = 1000


@dataclass(frozen=True)
class Content:
    """`firsts[i]` is the number of part i's first row among all rows; `groups` are what a split keeps together."""

    observed: list[Observed]
    firsts: tuple[int, ...]
    flags: NDArray[np.uint32]
    groups: Ids


def look_at(
    paths: Sequence[Path],
    train: int,
    held_out: int | None,
    on_progress: Callable[[float], None],
    workers: int = 1,
) -> Content:
    """`train` and `held_out` are the numbers of these parts. `workers` as in `row_facts.gather`."""
    on_progress(0.0)
    common, row_count = survey(paths, lambda done: on_progress(0.1 * done))
    gathered = gather(
        paths,
        common,
        is_checked=True,
        sample_below=int(min(1.0, LANGUAGE_SAMPLE / max(1, row_count)) * (1 << 64)),
        workers=workers,
        on_progress=lambda done: on_progress(0.1 + 0.75 * done),
    )
    clusters = near_duplicates(paths, gathered, common)
    on_progress(0.95)
    facts = Facts(
        gathered.parts,
        gathered.conversations,
        without_common(gathered.questions),
        gathered.answers,
        gathered.answer_lengths,
        clusters,
        gathered.flags.copy(),
    )
    found = list(gathered.found)
    for part in range(len(paths)):
        found += find_copies(facts, part) + find_conflicts(facts, part) + find_lengths(facts, part)
    found += find_too_few(facts, train) + find_uneven_answers(facts, train)
    if held_out is not None:
        found += find_leaks(facts, train, held_out)
    found += find_languages(gathered.sampled)
    observed = merged(found)
    with PartRows(paths, gathered) as rows:
        for one in observed:
            one.places = [
                place if place.excerpt else _with_excerpt(place, rows.messages(place.row)) for place in one.places
            ]
    firsts = np.searchsorted(gathered.parts, np.arange(len(paths)))
    return Content(observed, tuple(map(int, firsts)), facts.flags, belonging_together(clusters, gathered.questions))


def find_languages(sampled: Sequence[Sampled]) -> list[Observed]:
    """Rows of the sample that are in another language than most."""
    if not sampled:
        return []
    identifier = languages()
    found = [identifier.of(messages) for _row, messages in sampled]
    by_share = shares(found)
    if len(by_share) < 2:
        return []
    main = next(iter(by_share))
    places = [
        Place(row, excerpt(messages[-1].content), code)
        for (row, messages), code in zip(sampled, found, strict=True)
        if code in by_share and code != main
    ]
    return [Observed(codes.LANGUAGES, len(places), places[:MOST_PLACES], {**by_share, "sample": float(len(found))})]


def _with_excerpt(place: Place, messages: Sequence[Message]) -> Place:
    shown = [message.content for message in messages if message.role != "system"]
    return Place(place.row, " → ".join(excerpt(text, around=60) for text in shown[:2]), place.what, place.other)

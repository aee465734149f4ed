"""One pass over the rows of all parts: texts are checked, and what checks of the whole set need is kept."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.domain import Message
from backend.studio import finding_codes as codes
from backend.studio.conversation_text import compared_text, digest, digest_of_line, excerpt, fold, lines_of
from backend.studio.languages import languages, shares
from backend.studio.part_rows import PartRows
from backend.studio.set_checks import (
    MOST_PLACES,
    Facts,
    Observed,
    Place,
    find_copies,
    find_leaks,
    find_lengths,
    find_too_few,
    find_uneven_answers,
    merged,
    without_common,
)
from backend.studio.similarity import CommonShingles, Ids, Sketches, Union
from backend.studio.text_checks import find_in

LANGUAGE_SAMPLE = 1000
_SHOW_EXCERPT = frozenset(
    {
        codes.DUPLICATES,
        codes.NEAR_DUPLICATES,
        *codes.LEAKS,
        codes.ONE_ANSWER,
        codes.UNEVEN_ANSWERS,
        codes.LONG_ANSWERS,
        codes.SHORT_ANSWERS,
    }
)
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Content:
    """`firsts[i]` is the number of part i's first row among all rows; `groups` are what a split keeps together."""

    observed: list[Observed]
    firsts: tuple[int, ...]
    flags: np.ndarray
    groups: Ids


def look_at(paths: Sequence[Path], train: int, held_out: int | None, on_progress: Progress) -> Content:
    """`train` and `held_out` are the numbers of these parts; memory stays at about 250 bytes a row."""
    on_progress(0.0)
    common, row_count = _survey(paths, lambda done: on_progress(0.1 * done))
    a_pass = _Pass(paths, common, LANGUAGE_SAMPLE / max(1, row_count))
    a_pass.run(lambda done: on_progress(0.1 + 0.75 * done))
    facts, groups = a_pass.facts()
    on_progress(0.95)
    found = list(a_pass.found.values())
    for part in range(len(paths)):
        found += find_copies(facts, part) + find_lengths(facts, part)
    found += find_too_few(facts, train) + find_uneven_answers(facts, train)
    if held_out is not None:
        found += find_leaks(facts, train, held_out)
    found += a_pass.languages()
    observed = merged(found)
    with a_pass.rows as rows:
        for one in observed:
            if one.code in _SHOW_EXCERPT:
                one.places = [_with_excerpt(place, rows.messages(place.row)) for place in one.places]
    return Content(observed, tuple(a_pass.rows.firsts), facts.flags, groups)


def _survey(paths: Sequence[Path], on_progress: Progress) -> tuple[np.ndarray, int]:
    """The shingles that many rows share, and the number of rows."""
    common, count, read = CommonShingles(), 0, 0
    total = max(1, sum(path.stat().st_size for path in paths))
    for path in paths:
        with path.open("rb") as file:
            for raw in file:
                common.look_at(digest_of_line(raw), raw)
                count += 1
                read += len(raw)
                if count % 5000 == 0:
                    on_progress(read / total)
    return common.find(), count


class _Pass:
    def __init__(self, paths: Sequence[Path], common: np.ndarray, language_share: float) -> None:
        self._paths = paths
        self._sketches = Sketches(common)
        self.rows = PartRows(paths)
        self.found: dict[str, Observed] = {}
        self._parts, self._flags = array("B"), array("I")
        self._conversations, self._questions, self._answers = array("Q"), array("Q"), array("Q")
        self._answer_lengths = array("Q")
        self._sampled: list[tuple[int, tuple[Message, ...]]] = []
        self._sample_below = int(min(1.0, language_share) * (1 << 64))

    def run(self, on_progress: Progress) -> None:
        total, read = max(1, sum(path.stat().st_size for path in self._paths)), 0
        for part, path in enumerate(self._paths):
            for line in lines_of(path):
                self._look_at(line.messages)
                self._parts.append(part)
                self.rows.add(part, line.offset, line.size)
                read += line.size
                if line.number % 500 == 0:
                    on_progress(read / total)

    def _look_at(self, messages: tuple[Message, ...]) -> None:
        row = len(self._flags)
        folded = [fold(message.content) for message in messages]
        asked = [text for message, text in zip(messages, folded, strict=True) if message.role != "assistant"]
        conversation = digest(folded)
        self._conversations.append(conversation)
        self._questions.append(digest(asked))
        self._answers.append(digest(folded[-1:]))
        self._answer_lengths.append(len(messages[-1].content))
        self._sketches.add(compared_text(messages))
        flags = 0
        for hit in find_in(messages):
            flags |= codes.BITS[hit.code]
            observed = self.found.setdefault(hit.code, Observed(hit.code))
            observed.count += 1
            if len(observed.places) < MOST_PLACES:
                observed.places.append(Place(row, hit.excerpt, hit.what))
        self._flags.append(flags)
        if conversation < self._sample_below and len(self._sampled) < 2 * LANGUAGE_SAMPLE:
            heads = [Message(message.role, message.content[:1000]) for message in messages[-2:]]
            self._sampled.append((row, tuple(heads)))

    def facts(self) -> tuple[Facts, Ids]:
        """The facts, and the groups that a split keeps together: near-duplicates and those that ask the same."""
        conversations = np.array(self._conversations, np.uint64)
        questions = np.array(self._questions, np.uint64)
        with self.rows as rows:
            clusters = self._sketches.clusters(conversations, rows.compared_texts)
        facts = Facts(
            np.array(self._parts, np.uint8),
            conversations,
            questions,
            np.array(self._answers, np.uint64),
            np.array(self._answer_lengths, np.int64),
            clusters,
            np.array(self._flags, np.uint32),
        )
        return facts, with_equal(clusters, questions)

    def languages(self) -> list[Observed]:
        if not self._sampled:
            return []
        identifier = languages()
        found = [identifier.of(messages) for _row, messages in self._sampled]
        by_share = shares(found)
        if len(by_share) < 2:
            return []
        main = next(iter(by_share))
        places = [
            Place(row, excerpt(messages[-1].content), code)
            for (row, messages), code in zip(self._sampled, found, strict=True)
            if code in by_share and code != main
        ]
        figures = {**by_share, "sample": float(len(found))}
        return [Observed(codes.LANGUAGES, len(places), places[:MOST_PLACES], figures)]


def with_equal(clusters: Ids, questions: np.ndarray) -> Ids:
    """Clusters joined where rows ask the same, unless so many do that nothing could be held out."""
    union = Union(len(clusters))
    union.join_equal(clusters.astype(np.uint64))
    asked = without_common(questions)
    union.join_equal(asked, np.flatnonzero(asked))
    return union.ids()


def _with_excerpt(place: Place, messages: Sequence[Message]) -> Place:
    shown = [message.content for message in messages if message.role != "system"]
    return Place(place.row, " → ".join(excerpt(text, around=60) for text in shown[:2]), place.what, place.other)

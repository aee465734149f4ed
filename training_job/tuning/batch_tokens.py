"""Finds the answers' tokens of many conversations at once: the same as `ChatTokenizer.tokenize`, several times faster.

There each answer's border is found by tokenizing all the text before it again. Here the whole is tokenized once, and
of each border only the little that follows the last added token before it (an anchor). That is exact, because the
tokenizers library cuts a text at its added tokens first, from left to right, and looks at each piece between them
alone: two texts that are equal up to the end of an anchor have the same tokens up to there. A row for which this can't
be shown takes the slow way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from .chat_tokens import ChatTokenizer, common_prefix_length
from .failures import JobFailure

TAILS_KEPT = 10_000
LONGEST_TAIL = 200
"""Characters: longer ones hardly come again."""

Anchor = tuple[int, int, int]
"""`(end, start, token)`: where it stands in the text, without white space that it swallows, and which token it is."""


@dataclass(frozen=True)
class RowTokens:
    """`spans` are the answers: first token, and the one after the last, in the order of the messages.

    `opening` are the first tokens that stay when the oldest exchange goes, whatever its question says: a system
    message, say, and the mark of a question. 0 for rows of one.
    """

    total: int
    spans: list[tuple[int, int]]
    opening: int = 0


@dataclass(frozen=True)
class Refused:
    """The template can't write this conversation down; a training would stop here."""

    reason: str


@dataclass(frozen=True)
class Rendered:
    messages: list[dict[str, str]]
    text: str
    borders: list[tuple[str, str | None]]
    shortened: str = ""
    """The same without its oldest exchange, and what follows it beginning unlike it; empty where there is but one
    exchange, or the template refuses that.
    """


class NotProven(Exception):
    """The short way can't be shown to be exact for this row."""


class BatchTokenizer:
    def __init__(self, chat: ChatTokenizer, longest_tail: int = LONGEST_TAIL) -> None:
        self.chat = chat
        self.longest_tail = longest_tail
        self.backend = getattr(chat.tokenizer, "backend_tokenizer", None)
        self.anchors = find_anchors(chat.tokenizer, self.backend)
        self.slow_rows = 0
        self._tails: dict[str, list[int]] = {}

    def count(self, rows: Sequence[list[dict[str, str]]]) -> list[RowTokens | Refused]:
        """Of each row, in their order."""
        return self.count_rendered(self.render(rows))

    def render(self, rows: Sequence[list[dict[str, str]]]) -> list[Rendered | Refused]:
        """Needs no tokenizer, so another thread may do it meanwhile."""
        return [self._render(messages) for messages in rows]

    def _render(self, messages: list[dict[str, str]]) -> Rendered | Refused:
        from jinja2 import TemplateError

        try:
            text = self.chat.render(messages, prompt=False)
            borders = self.chat.answer_borders(messages, text)
        except JobFailure as failure:
            return Refused(f"{failure.what} {failure.why}")
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            return Refused(str(error) or type(error).__name__)
        return Rendered(messages, text, borders, self._render_shortened(messages))

    def _render_shortened(self, messages: list[dict[str, str]]) -> str:
        from jinja2 import TemplateError

        shorter = without_oldest_exchange(messages)
        if shorter is None:
            return ""
        first = len(_system_messages(messages))
        # Where questions begin alike, the opening would reach into the one that goes.
        shorter[first] = {**shorter[first], "content": _unlike(messages[first]["content"])}
        try:
            return self.chat.render(shorter, prompt=False)
        except (TemplateError, TypeError, ValueError, LookupError):
            return ""

    def count_rendered(self, rendered: Sequence[Rendered | Refused]) -> list[RowTokens | Refused]:
        texts = [row.text for row in rendered if isinstance(row, Rendered)]
        encodings = iter(self._encode(texts))
        return [row if isinstance(row, Refused) else self._find_spans(row, next(encodings)) for row in rendered]

    def _encode(self, texts: list[str]) -> list[Any]:
        if self.backend is None:
            return [None] * len(texts)
        found: list[Any] = self.backend.encode_batch(texts, add_special_tokens=False)
        return found

    def _find_spans(self, row: Rendered, encoding: Any) -> RowTokens:
        if encoding is not None:
            ids = encoding.ids
            try:
                return self._by_anchors(row, ids, self._anchors_in(row.text, ids, encoding))
            except NotProven:
                pass
        self.slow_rows += 1
        ids = self.chat.encode(row.text)
        opening = common_prefix_length(self.chat.encode(row.shortened), ids) if row.shortened else 0
        return RowTokens(len(ids), self.chat.answer_spans(row.messages, row.text, ids), opening)

    def _anchors_in(self, text: str, ids: list[int], encoding: Any) -> list[Anchor]:
        found = []
        for place, token in enumerate(ids):
            content = self.anchors.get(token)
            if content is not None:
                start, end = encoding.token_to_chars(place)
                start = text.find(content, start, end)
                if start >= 0:
                    found.append((start + len(content), start, place))
        return found

    def _by_anchors(self, row: Rendered, ids: list[int], anchors: list[Anchor]) -> RowTokens:
        spans = []
        for before, upto in row.borders:
            start = self._shared_tokens(before, row.text, ids, anchors)
            end = len(ids) if upto is None else self._shared_tokens(upto, row.text, ids, anchors)
            spans.append(self.chat.trim_span(ids, start, end))
        opening = self._shared_tokens(row.shortened, row.text, ids, anchors) if row.shortened else 0
        return RowTokens(len(ids), spans, opening)

    def _shared_tokens(self, other: str, text: str, ids: list[int], anchors: list[Anchor]) -> int:
        """How many first tokens `other` has in common with the text."""
        shared = shared_length(other, text)
        place = bisect_right(anchors, (shared, len(text), 0)) - 1
        if place < 0:
            return common_prefix_length(self.chat.encode(other), ids)
        _end, start, token = anchors[place]
        marks = {ids[anchor] for _end, _start, anchor in anchors}
        for tail in (self._up_to_mark(other[start:], shared - start, marks), other[start:]):
            found = self._encode_tail(tail)
            if not found or found[0] != ids[token]:
                raise NotProven
            count = common_prefix_length(found, ids[token : token + len(found)])
            if len(tail) == len(other) - start or (count < len(found) and found[-1] in marks):
                break
        return token + count

    def _up_to_mark(self, tail: str, parts_at: int, marks: set[int]) -> str:
        """A long one ends with the first anchor after the place where the texts part: what follows can't matter."""
        if len(tail) <= self.longest_tail:
            return tail
        contents = [self.anchors[mark] for mark in marks]
        ends = [place + len(content) for content in contents if (place := tail.find(content, max(parts_at, 1))) >= 0]
        return tail[: min(ends, default=len(tail))]

    def _encode_tail(self, tail: str) -> list[int]:
        """From an anchor to a border is mostly a line feed, the same in every row."""
        found = self._tails.get(tail)
        if found is None:
            found = self.chat.encode(tail)
            if len(tail) <= self.longest_tail and len(self._tails) < TAILS_KEPT:
                self._tails[tail] = found
        return found


def without_oldest_exchange(messages: list[dict[str, str]]) -> list[dict[str, str]] | None:
    """A system message at the beginning stays. None where nothing to learn would be left."""
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    return _system_messages(messages) + messages[answers[0] + 1 :] if len(answers) > 1 else None


def _system_messages(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The one at the beginning, if there is one."""
    return messages[: 1 if messages[0]["role"] == "system" else 0]


def _unlike(content: str) -> str:
    """A text that begins with another letter, also for a tokenizer that knows neither case nor accents."""
    return "B" if normalize("NFKD", content.strip())[:1].casefold() == "a" else "A"


def find_anchors(tokenizer: Any, backend: Any) -> dict[int, str]:
    """The added tokens that are found wherever they are written, before anything else looks at the text.

    Not those that are looked for after the text is normalized, or only as whole words, and none that is part of
    another added token: there a longer one could win, depending on what follows.
    """
    if backend is None or backend.encode_special_tokens:
        return {}
    added = tokenizer.added_tokens_decoder
    contents = "\0".join(token.content for token in added.values())
    return {
        number: token.content
        for number, token in added.items()
        if token.content.strip()
        and not token.normalized
        and not token.single_word
        and contents.count(token.content) == 1
    }


def shared_length(one: str, other: str) -> int:
    """How many first characters are the same."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low

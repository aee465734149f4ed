"""Answers that were given a thumbs up in the chat, as examples to learn from. Pure; it knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.domain import Conversation, Message
from backend.i18n import _, ngettext
from backend.studio.row_index import line_of

Pair = tuple[Message, Message]
Row = tuple[Message, ...]


@dataclass(frozen=True)
class RatedChats:
    """`rows` end with a good answer each. `good`, `bad` and `stopped` count rated answers (a good one that was
    stopped counts as stopped only); `repeated` are rows left out because another one holds all of them.
    """

    rows: tuple[Row, ...] = ()
    good: int = 0
    bad: int = 0
    stopped: int = 0
    repeated: int = 0

    def content(self) -> bytes:
        """As a JSONL file."""
        return b"".join(line_of(row) for row in self.rows)

    def words(self) -> tuple[str, ...]:
        """What was left out, a sentence each."""
        found = []
        if self.bad:
            found.append(
                ngettext(
                    "{count} answer with a thumbs down is left out.",
                    "{count} answers with a thumbs down are left out.",
                    self.bad,
                ).format(count=self.bad)
            )
        if self.stopped:
            found.append(
                ngettext(
                    "{count} answer that was stopped is left out.",
                    "{count} answers that were stopped are left out.",
                    self.stopped,
                ).format(count=self.stopped)
            )
        if self.repeated:
            found.append(
                ngettext(
                    "{count} good answer is part of another example already.",
                    "{count} good answers are part of another example already.",
                    self.repeated,
                ).format(count=self.repeated)
            )
        if not self.rows:
            found.append(_("Give good answers a thumbs up in the chat; they become examples here."))
        return tuple(found)


def collect(chats: Iterable[Conversation]) -> RatedChats:
    """One row for every good answer: its chat up to it, under the chat's system prompt.

    Of the turns before it, those whose answer is bad or was stopped are left out, for training learns every answer of
    a row. A row that is the beginning of another one would be learnt twice, and is left out too.
    """
    rows: dict[Row, None] = {}
    good = bad = stopped = made = 0
    for chat in chats:
        system = chat.settings.system_prompt.strip()
        start: Row = (Message("system", system),) if system else ()
        pairs: list[Pair] = []
        wanted = 0
        for question, answer in _pairs(chat.messages):
            is_usable = not answer.is_stopped and bool(answer.content.strip())
            good += answer.rating == 1 and is_usable
            bad += answer.rating == 0
            stopped += answer.rating == 1 and not is_usable
            if answer.rating == 0 or not is_usable:
                continue
            pairs.append((question, answer))
            if answer.rating == 1:
                made += 1
                wanted = len(pairs)
        if wanted:  # the rows of its earlier good answers are the beginning of this one
            rows[(*start, *(_plain(turn) for pair in pairs[:wanted] for turn in pair))] = None
    kept = _longest(list(rows))
    return RatedChats(tuple(kept), good, bad, stopped, made - len(kept))


def _pairs(messages: Sequence[Message]) -> Iterable[Pair]:
    """Questions with their answers; a question that never got one is left out."""
    question: Message | None = None
    for message in messages:
        if message.role == "user" and message.content.strip():
            question = message
        elif message.role == "assistant" and question is not None:
            yield question, message
            question = None


def _plain(message: Message) -> Message:
    return Message(message.role, message.content)


def _longest(rows: Sequence[Row]) -> list[Row]:
    """Without those that are the beginning of another, in their order."""
    beginnings = {row[:length] for row in rows for length in range(1, len(row))}
    return [row for row in rows if row not in beginnings]

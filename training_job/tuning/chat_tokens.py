"""Turns conversations into tokens and labels: by default only what the assistant says is learnt, for any chat template.

A template need not mark the assistant's part, so it is found by rendering: the text up to and with each answer, against
the whole. Training renders exactly what serving renders: nothing is inserted, no template is swapped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conversations import Conversation
from .failures import JobFailure

logger = logging.getLogger(__name__)

IGNORED = -100
"""The label of a token that is not learnt (PyTorch's cross-entropy skips it)."""


@dataclass(frozen=True)
class TokenizedRow:
    line: int
    input_ids: list[int]
    labels: list[int]


@dataclass
class TokenizedRows:
    rows: list[TokenizedRow] = field(default_factory=list)
    without_trainable: int = 0
    too_long: int = 0
    answers_cut: int = 0

    @property
    def trainable_tokens(self) -> int:
        return sum(label != IGNORED for row in self.rows for label in row.labels)

    def describe(self, name: str, max_length: int) -> str:
        text = f"{name}: {len(self.rows)} conversations, {self.trainable_tokens} tokens to learn"
        if self.too_long:
            text += f"; longer than {max_length} tokens: {self.too_long} (answers cut by that: {self.answers_cut})"
        if self.without_trainable:
            text += f"; left out, because nothing in them is the assistant's: {self.without_trainable}"
        return text

    def warnings(self, max_length: int) -> list[str]:
        """What a person should know of the training rows after the run."""
        found = []
        total = len(self.rows) + self.without_trainable
        if self.without_trainable:
            found.append(
                f"{self.without_trainable} of {total} conversations taught nothing: no answer was left in them."
            )
        if self.answers_cut:
            found.append(
                f"{self.answers_cut} answers were cut, because {self.too_long} conversations are longer than "
                f"{max_length} tokens. A larger maximum length keeps them whole."
            )
        return found


class ChatTokenizer:
    """A tokenizer with its chat template; knows which token ends an assistant's turn."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise JobFailure(
                "no_chat_template",
                "This model has no chat template.",
                why="Its tokenizer does not say how a conversation is written down, so it was never made for chat.",
                how_to_fix="Choose the instruct or chat variant of the model.",
            )
        self.tokenizer = tokenizer
        self.end_of_turn = self._find_end_of_turn()
        if self.end_of_turn is None:
            logger.warning(
                "The chat template ends an answer with no token of its own: the model may not learn to stop."
            )

    def render(self, messages: Sequence[dict[str, str]], *, prompt: bool) -> str:
        text = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=prompt)
        return str(text)

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _find_end_of_turn(self) -> int | None:
        """The first added token after an answer, in the middle of a conversation and at its end alike."""
        question, answer = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
        added = set(self.tokenizer.added_tokens_decoder)
        ends = []
        for messages in ([question, answer], [question, answer, question]):
            prompt = self.encode(self.render(messages[:1], prompt=True))
            whole = self.encode(self.render(messages, prompt=False))
            start = common_prefix_length(prompt, whole)
            ends.append(next((token for token in whole[start:] if token in added), None))
        return ends[0] if ends[0] == ends[1] else None

    def tokenize(self, messages: list[dict[str, str]], *, assistant_only: bool = True) -> tuple[list[int], list[int]]:
        """`(input_ids, labels)` of a whole conversation."""
        text = self.render(messages, prompt=False)
        ids = self.encode(text)
        if not assistant_only:
            return ids, list(ids)
        labels = [IGNORED] * len(ids)
        for start, end in self.answer_spans(messages, text, ids):
            labels[start:end] = ids[start:end]
        return ids, labels

    def answer_spans(self, messages: list[dict[str, str]], text: str, ids: list[int]) -> list[tuple[int, int]]:
        """Of each answer: its first token, and the one after its end-of-turn token.

        `text` is the whole conversation as rendered, `ids` its tokens. Raises JobFailure `unsupported_chat_template`.
        """
        spans = []
        for before, upto in self.answer_borders(messages, text):
            start = common_prefix_length(self.encode(before), ids)
            end = len(ids) if upto is None else common_prefix_length(self.encode(upto), ids)
            spans.append(self.trim_span(ids, start, end))
        return spans

    def answer_borders(self, messages: list[dict[str, str]], text: str) -> list[tuple[str, str | None]]:
        """Of each answer: the text before it (a beginning of `text`), and the text up to its end, None at the end."""
        last = len(messages) - 1
        return [
            (
                self._text_before(messages, place, text),
                None if place == last else self.render(messages[: place + 1], prompt=False),
            )
            for place, message in enumerate(messages)
            if message["role"] == "assistant"
        ]

    def _text_before(self, messages: list[dict[str, str]], place: int, text: str) -> str:
        before = self.render(messages[:place], prompt=True) if place else ""
        if text.startswith(before):
            return before
        # The template opens an earlier answer differently from a new one (with a thought that it drops, say).
        found = self._where_words_begin(messages, place, text)
        if not text.startswith(messages[place]["content"].strip(), found):
            raise JobFailure(
                "unsupported_chat_template",
                "The model's chat template hides where an answer begins.",
                why="It writes the same messages differently when more messages follow.",
                how_to_fix="Use --no-assistant-only-loss, or conversations with one answer each.",
            )
        return text[:found]

    def trim_span(self, ids: list[int], start: int, end: int) -> tuple[int, int]:
        """Ends it after its last end-of-turn token; a template that has none, before the white space at its end."""
        if self.end_of_turn is not None:
            for token in range(end - 1, start - 1, -1):
                if ids[token] == self.end_of_turn:
                    return start, token + 1
        while end > start and not self.tokenizer.decode(ids[end - 1 : end]).strip():
            end -= 1
        return start, max(start, end)

    def _where_words_begin(self, messages: list[dict[str, str]], place: int, text: str) -> int:
        """Another answer in the same place leaves all before it the same: the texts part where the answer begins."""
        words = messages[place]["content"].strip()
        other = {**messages[place], "content": "B" if words.startswith("A") else "A"}
        return common_prefix_length(self.render([*messages[:place], other, *messages[place + 1 :]], prompt=False), text)


def common_prefix_length(first: Sequence[object], second: Sequence[object]) -> int:
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def tokenize_rows(
    chat: ChatTokenizer,
    conversations: Sequence[Conversation],
    *,
    name: str,
    max_length: int,
    assistant_only: bool = True,
    on_progress: Callable[[float], None] = lambda done: None,
) -> TokenizedRows:
    """Raises JobFailure: `no_trainable_tokens`, `template_rejects_row` (with the line), `unsupported_chat_template`."""
    from jinja2 import TemplateError

    result = TokenizedRows()
    for count, conversation in enumerate(conversations):
        if count % 200 == 0:
            on_progress(count / len(conversations))
        try:
            ids, labels = chat.tokenize(conversation.messages, assistant_only=assistant_only)
        except TemplateError as error:
            raise JobFailure(
                "template_rejects_row",
                f"The model's chat template refuses line {conversation.line} of the {name} file.",
                why=f"It says: {error}.",
                how_to_fix="Many models want user and assistant in turn, and some know no system message.",
            ) from error
        if len(ids) > max_length:
            result.too_long += 1
            result.answers_cut += _answers_touched(labels, max_length)
            ids, labels = ids[:max_length], labels[:max_length]
        # The first token is never predicted, so its label teaches nothing.
        if any(label != IGNORED for label in labels[1:]):
            result.rows.append(TokenizedRow(conversation.line, ids, labels))
        else:
            result.without_trainable += 1
    on_progress(1.0)
    if not result.rows:
        raise JobFailure(
            "no_trainable_tokens",
            f"The {name} file teaches nothing.",
            why=f"None of its {len(conversations)} conversations has an assistant's answer within {max_length} tokens.",
            how_to_fix="Check that each conversation has a message of the role assistant, or raise --max-length.",
        )
    return result


def _answers_touched(labels: list[int], max_length: int) -> int:
    """How many answers lose at least one token when everything from `max_length` on is cut."""
    touched = 0
    for place in range(max_length, len(labels)):
        is_start = labels[place] != IGNORED and (place == 0 or labels[place - 1] == IGNORED)
        if is_start or (place == max_length and labels[place] != IGNORED):
            touched += 1
    return touched

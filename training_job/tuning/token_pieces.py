"""One conversation as the model sees it: each token with the text it stands for, whether it is learnt, or cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .chat_tokens import IGNORED, ChatTokenizer

MOST_PIECES = 20_000


@dataclass(frozen=True)
class Explained:
    """`pieces` are `(text, token, is_special, is_learnt, is_cut)`, the first MOST_PIECES of them.

    Their texts make up the rendered text. Several tokens may make up one character: the first has it, the others
    have an empty text. `learnt` counts the tokens that are learnt and not cut.
    """

    pieces: list[tuple[str, int, bool, bool, bool]]
    tokens: int
    learnt: int


def explain(chat: ChatTokenizer, messages: list[dict[str, str]], max_length: int | None) -> Explained:
    """Raises jinja2.TemplateError for messages that the template refuses, JobFailure `unsupported_chat_template`."""
    text = chat.render(messages, prompt=False)
    ids, labels = chat.tokenize(messages)
    limit = len(ids) if max_length is None else max_length
    special = {token for token, added in chat.tokenizer.added_tokens_decoder.items() if added.special}
    # A conversation's first token is never predicted, so its label teaches nothing.
    learnt = [place > 0 and label != IGNORED for place, label in enumerate(labels)]
    pieces = [
        (words, token, token in special, learnt[place], place >= limit)
        for place, (words, token) in enumerate(zip(texts_of_tokens(chat.tokenizer, text, ids), ids, strict=True))
    ]
    return Explained(pieces[:MOST_PIECES], len(ids), sum(learnt[:limit]))


def texts_of_tokens(tokenizer: Any, text: str, ids: list[int]) -> list[str]:
    """What each token stands for in the text; all together are the text."""
    if not tokenizer.is_fast:
        # Such a tokenizer doesn't say where its tokens stand, and what it decodes may differ from the text a little.
        return [str(tokenizer.decode([token])) for token in ids]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    found, place = [], 0
    for _start, end in offsets:
        # What stands before a token and belongs to none (white space, in some tokenizers) goes with it.
        after = max(place, end)
        found.append(text[place:after])
        place = after
    if found:
        found[-1] += text[place:]
    return found

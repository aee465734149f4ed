"""Checks of one conversation's texts: what each finds and where, and how the text is put right.

All are cheap on text that has nothing to find: a look for a sign first, the pattern only then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backend.domain import Message
from backend.studio.conversation_text import excerpt, fold
from backend.studio.markup import find_markup, is_about_markup, take_out_markup
from backend.studio.private_data import STAND_INS, find_private, mask_private, replace_private

TEMPLATE_TOKENS, WRONG_DECODING, LOST_CHARACTERS, HTML = "template_tokens", "wrong_decoding", "lost_characters", "html"
REPEATS_QUESTION, REFUSAL = "answer_repeats_question", "refusals"
FIXABLE = frozenset({TEMPLATE_TOKENS, WRONG_DECODING, HTML, *STAND_INS})
"""What can be put right in the text itself; the rest can only be left out."""


class Hit(NamedTuple):
    """`what` is what was found, short; empty where the excerpt says it all."""

    code: str
    excerpt: str
    what: str = ""


_TEMPLATE_TOKEN = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_]{1,30}\|>|<｜[^｜<>]{1,40}｜>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|<(?:bos|eos|pad|unk)>|^#{2,3} ?(?:Instruction|Response|Human|Assistant) ?:",
    re.MULTILINE,
)
_DAMAGE_BEGINS = "ÃÂâðÐÑÅÄï"
_DAMAGED = re.compile(r"[ÃÂâðÐÑÅÄ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ¡-¿]|ï»¿")
_REFUSES = re.compile(
    r"^\W*(?:as an? (?:ai|artificial|large language|language)\b[^\n]{0,80}?(?:can(?:'t|’t|not)|unable|not able"
    r"|do(?:n't|’t| not) have|not capable)"
    r"|(?:(?:(?:i'm|i’m|i am) (?:very |really |so )?)?(?:sorry|afraid)|unfortunately)[^\n.]{0,40}? i (?:really )?"
    r"(?:can(?:'t|’t|not)|am unable to|am not able to|won(?:'t|’t))"
    r" (?:help|assist|answer|fulfil|provide|comply|discuss|generate|access|complete|support|engage)"
    r"|i (?:can(?:'t|’t|not)|am unable to|won(?:'t|’t)) (?:help|assist|answer|fulfil|provide|comply|discuss))"
)
_LEAST_REPEATED = 20
"""Characters of a question below which its return in the answer is how people speak."""


def find_in(messages: Sequence[Message]) -> Iterator[Hit]:
    """What the checks find in a conversation; of each code the first place only."""
    seen: set[str] = set()
    markup = _markup_in(messages)
    if markup:
        seen.add(HTML)
        yield markup
    for message in messages:
        for hit in _in_text(message.content):
            if hit.code not in seen:
                seen.add(hit.code)
                yield hit
    question = ""
    for message in messages:
        if message.role == "assistant":
            for code in _in_answer(question, message.content):
                if code not in seen:
                    seen.add(code)
                    yield Hit(code, excerpt(message.content))
        elif message.role == "user":
            question = message.content


def put_right(text: str, codes: frozenset[str]) -> str:
    """The text with what these codes name corrected: damage first, since it may hide the rest."""
    if WRONG_DECODING in codes:
        text = _decoded_well(text)
    if TEMPLATE_TOKENS in codes:
        text = (
            re.sub(r"[ \t]{2,}", " ", _TEMPLATE_TOKEN.sub("", text)).strip() if _TEMPLATE_TOKEN.search(text) else text
        )
    if HTML in codes and find_markup(text):
        text = take_out_markup(text)
    private = codes & STAND_INS.keys()
    return replace_private(text, frozenset(private)) if private else text


def _in_text(text: str) -> Iterator[Hit]:
    if "<" in text or "INST]" in text or "## " in text or "##I" in text:
        token = _TEMPLATE_TOKEN.search(text)
        if token:
            yield Hit(TEMPLATE_TOKENS, excerpt(text, token.start(), token.end()), token[0])
    if not text.isascii():
        damage = _first_damage(text)
        if damage and _decoded_well(text) != text:
            yield Hit(WRONG_DECODING, excerpt(text, damage.start(), damage.end()), damage[0])
        lost = text.find("\ufffd")
        if lost >= 0:
            yield Hit(LOST_CHARACTERS, excerpt(text, lost, lost + 1))
    for private in find_private(text):
        around = text[max(0, private.start - 40) : private.end + 40]
        yield Hit(private.code, excerpt(mask_private(around)), mask_private(text[private.start : private.end]))


def _in_answer(question: str, answer: str) -> Iterator[str]:
    start = answer[:400].casefold()
    if _REFUSES.match(start):
        yield REFUSAL
    asked = fold(question.casefold()) if len(question) <= len(answer) + 20 else b""
    if len(asked) >= _LEAST_REPEATED and fold(answer[: 2 * len(question) + 100].casefold()).startswith(asked):
        yield REPEATS_QUESTION


def _markup_in(messages: Sequence[Message]) -> Hit | None:
    for message in messages:
        tag = find_markup(message.content)
        if tag:
            if is_about_markup(message.content for message in messages):
                return None
            at = message.content.find(tag[0])  # code was left out when it was looked for
            return Hit(HTML, excerpt(message.content, at, at + len(tag[0])), tag[0][:40])
    return None


def _first_damage(text: str) -> re.Match[str] | None:
    return _DAMAGED.search(text) if any(sign in text for sign in _DAMAGE_BEGINS) else None


def _decoded_well(text: str) -> str:
    if not _first_damage(text):
        return text
    import ftfy

    return ftfy.fix_encoding(text)

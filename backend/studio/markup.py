"""Rests of web pages in texts that are no talk about web pages: found, and taken out.

Most of what looks like a tag is code, a placeholder or a sign of comparison. So only tags that web pages have are taken
for markup, several of them with something that nobody writes by accident; of what runs or loads something, one will do.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_ATTRIBUTES = r"(?:\s[^<>]{0,1000})?"
_TAG = re.compile(
    r"</?(?:div|span|p|br|hr|a|td|th|tr|table|tbody|thead|ul|ol|li|dl|dt|dd|font|center|img|h[1-6]|em|strong|b|i|u"
    r"|sup|sub|small|section|article|header|footer|nav|main|figure|figcaption|label|input|button|select|option"
    rf"|html|head|body|title|blockquote|pre|video|audio|source|picture){_ATTRIBUTES}/?>",
    re.IGNORECASE,
)
_PLAIN_OPENING = re.compile(r"<[a-z]+\d?(?:\s[^<>=]*)?>", re.IGNORECASE)
"""A tag that may as well be a placeholder: `cp <a> <b>`, `run(<a statement>)`."""
_VOID = re.compile(r"<(?:br|hr|img)\b", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:nbsp|amp|lt|gt|quot|apos|#\d{2,5}|#x[0-9a-f]{2,5});", re.IGNORECASE)
_ACTIVE = re.compile(
    rf"</?(?:script|iframe|object|embed|applet|style|link|meta|base|form|svg|math|noscript){_ATTRIBUTES}/?>"
    r"|<[a-z][a-z0-9]{0,20}\b[^<>]{0,1000}?\s(?:on[a-z]{3,20}\s{0,5}=|(?:href|src)\s{0,5}=\s{0,5}[\"']?\s{0,5}javascript:)"
    r"[^<>]{0,1000}/?>"
    r"|<!--|<!doctype\s+html[^<>]{0,200}>?",
    re.IGNORECASE,
)
_WITH_CONTENT = ("script", "style", "noscript")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,300}`", re.DOTALL)
_ABOUT = re.compile(
    r"(?<![\w./-])(?:x?html5?|css\d?|xml|svg|xss|javascript|typescript|jquery|jsx|tsx|react(?:\.?js)?|angular|vue(?:\.?js)?|php"
    r"|asp|bootstrap|markup|markdown|web ?(?:page|site|design|development)s?|home ?pages?|front-?end|hyperlinks?"
    r"|(?:opening|closing|meta|html|script) tags?|tags?|source code|snippets?)\b",
    re.IGNORECASE,
)
_NOT_WORDS = re.compile(r"<[^<>]{0,1000}>|\bhttps?://\S+|\bwww\.\S+", re.IGNORECASE)
_BREAKS = re.compile(r"</?(?:br|p|div|li|tr|h\d|hr|table|ul|ol|section|article|blockquote)\b", re.IGNORECASE)


def find_markup(text: str) -> re.Match[str] | None:
    """The first of it in a text, where there is enough of it to be no accident. What stands in code doesn't count."""
    if "<" not in text and "&" not in text:
        return None
    text = _without_code(text)
    active = _ACTIVE.search(text)
    if active:
        return active
    signs, is_certain, first = 0, False, None
    for pattern in (_TAG, _ENTITY):
        for sign in pattern.finditer(text):
            signs += 1
            first = first or sign
            is_certain = is_certain or not _PLAIN_OPENING.fullmatch(sign[0]) or bool(_VOID.match(sign[0]))
            if signs > 1 and is_certain:
                return first
    return None


def is_about_markup(texts: Iterable[str]) -> bool:
    """Whether a conversation speaks of web pages or their code: then tags are its subject."""
    return any(_ABOUT.search(_NOT_WORDS.sub(" ", text)) for text in texts)


def take_out_markup(text: str) -> str:
    """The text that a reader would see: without tags, scripts and comments, signs such as &amp; as characters.

    What stands in code stays.
    """
    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [_taken_out(text[end : code.start()]), code[0]]
        end = code.end()
    pieces.append(_taken_out(text[end:]))
    return "".join(pieces).strip()


def _taken_out(text: str) -> str:
    for name in _WITH_CONTENT:
        text = _without_between(text, f"<{name}", f"</{name}>")
    text = _without_between(text, "<!--", "-->")
    text = _ACTIVE.sub("", text)
    text = _TAG.sub(lambda tag: "\n" if _BREAKS.match(tag[0]) else "", text)
    return html.unescape(text).replace("\xa0", " ")


def _without_between(text: str, opening: str, closing: str) -> str:
    """In one pass however often something opens that never closes."""
    lowered = text.lower()
    if len(lowered) != len(text) or opening not in lowered:
        return text
    pieces, at = [], 0
    while (start := lowered.find(opening, at)) >= 0 and (end := lowered.find(closing, start)) >= 0:
        pieces.append(text[at:start])
        at = end + len(closing)
    return "".join([*pieces, text[at:]])


def _without_code(text: str) -> str:
    return _CODE.sub(" ", text) if "`" in text else text

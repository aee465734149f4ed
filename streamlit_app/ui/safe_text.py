"""Text from models, datasets and people, made harmless: nothing of it loads an image, becomes a link or runs.

`plain` is for names in labels, titles and sentences. `formatted` is for answers: it keeps paragraphs, lists, tables,
emphasis and code, and writes images, links, HTML, diagrams and formulas as text. It parses with markdown-it-py and
writes Markdown anew, because a filter by patterns misses cases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

MAX_FORMATTED = 60_000
"""Longer answers are shown as plain text in a code block."""

_WORD_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ADDRESS = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:|xmpp:)[^\s<>`]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_COLON_NAME = re.compile(r":(?=[A-Za-z0-9_+/-]+(?:\[|:))")
_LANGUAGE = re.compile(r"[a-z0-9+#-]{1,20}")
_LANGUAGES_THAT_DRAW = {
    "mermaid",
    "math",
    "latex",
    "tex",
    "katex",
    "dot",
    "graphviz",
    "html",
    "svg",
    "vega",
    "vega-lite",
}

_markdown = MarkdownIt("commonmark", {"maxNesting": 20}).enable(["table", "strikethrough"])


def plain(text: str) -> str:
    """One line of text that shows as it is wherever Streamlit reads Markdown."""
    line = " ".join(_visible(text).split())
    line = _COLON_NAME.sub(":" + _WORD_JOINER, line)
    line = _ADDRESS.sub(lambda match: _unlink(match.group()), line)
    return _escape(line)


def _unlink(address: str) -> str:
    """The address with an invisible joiner where link finders look; it reads and copies almost the same."""
    return re.sub(r"(?i)(://|^www|^mailto|^xmpp|@)", lambda match: match.group() + _WORD_JOINER, address)


def formatted(text: str) -> str:
    """Markdown that is safe to give to `st.markdown`."""
    text = _visible(text)
    if len(text) > MAX_FORMATTED:
        return _fence(text, "text")
    try:
        return "\n\n".join(_blocks(_markdown.parse(text)))
    except RecursionError:
        return _fence(text, "text")


def split_finished(text: str) -> int:
    """Where the paragraphs that can no longer change end: a stream draws those once and only the rest again."""
    position = text.rfind("\n\n")
    while position > 0:
        before = text[:position]
        after = text[position:].lstrip("\n")
        opens_block = bool(re.match(r"(?:[ \t]|[-*+>|]|\d+[.)])", after))
        if before.count("```") % 2 == 0 and before.count("~~~") % 2 == 0 and after and not opens_block:
            return position + 2
        position = text.rfind("\n\n", 0, position)
    return 0


def _visible(text: str) -> str:
    """Without control characters, and without marks that turn the reading direction around."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", "", text.replace("\r\n", "\n"))


def _escape(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\1", text)


def _text(text: str) -> str:
    """A text node: every punctuation mark escaped, addresses in code style, which is never linked."""
    pieces: list[str] = []
    end = 0
    for match in _ADDRESS.finditer(text):
        pieces += [_words(text[end : match.start()]), _code(match.group())]
        end = match.end()
    pieces.append(_words(text[end:]))
    return "".join(pieces)


def _words(text: str) -> str:
    return _escape(_COLON_NAME.sub(":" + _WORD_JOINER, text))


def _code(text: str) -> str:
    text = " ".join(text.split("\n"))
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _fence(text: str, language: str) -> str:
    language = language.lower()
    if not _LANGUAGE.fullmatch(language) or language in _LANGUAGES_THAT_DRAW:
        language = "text"
    ticks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{ticks}{language}\n{text.rstrip(chr(10))}\n{ticks}"


def _blocks(tokens: Sequence[Token]) -> list[str]:
    """The Markdown of each block; containers recurse over the tokens between their opening and closing."""
    blocks: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.nesting == 1:
            end = _closing(tokens, at)
            inside = tokens[at + 1 : end]
            blocks.append(_container(token, inside))
            at = end + 1
            continue
        if token.type in {"fence", "code_block"}:
            blocks.append(_fence(token.content, token.info.split()[0] if token.info.split() else "text"))
        elif token.type == "hr":
            blocks.append("---")
        elif token.type == "html_block":
            blocks.append(_text(token.content.strip()))
        elif token.type == "inline":
            blocks.append(_inline(token.children or []))
        at += 1
    return [block for block in blocks if block]


def _closing(tokens: Sequence[Token], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index
    return len(tokens)


def _container(token: Token, inside: Sequence[Token]) -> str:
    if token.type == "heading_open":  # bold: a heading would break the page's own outline
        text = "".join(_blocks(inside))
        return f"**{text}**" if text else ""
    if token.type == "blockquote_open":
        return _indent("\n\n".join(_blocks(inside)), "> ", "> ")
    if token.type in {"bullet_list_open", "ordered_list_open"}:
        return _list(token, inside)
    if token.type == "table_open":
        return _table(inside)
    return "\n\n".join(_blocks(inside))


def _list(token: Token, inside: Sequence[Token]) -> str:
    number = int(token.attrGet("start") or 1) if token.type == "ordered_list_open" else 0
    items: list[str] = []
    at = 0
    while at < len(inside):
        end = _closing(inside, at)
        marker = f"{number}. " if token.type == "ordered_list_open" else "- "
        items.append(_indent("\n\n".join(_blocks(inside[at + 1 : end])) or "\\ ", marker, " " * len(marker)))
        number += 1
        at = end + 1
    return "\n".join(items)


def _table(inside: Sequence[Token]) -> str:
    rows: list[list[str]] = []
    for token in inside:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            cell = _inline(token.children or []).replace("\n", " ")
            rows[-1].append(re.sub(r"(?<!\\)\|", r"\\|", cell))
    if not rows:
        return ""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _indent(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((rest + line).rstrip() if line else rest.rstrip() for line in lines[1:])])


def _inline(children: Sequence[Token]) -> str:
    pieces: list[str] = []
    addresses: list[str] = []
    for token in children:
        if token.type in {"text", "html_inline"}:
            pieces.append(_text(token.content))
        elif token.type == "code_inline":
            pieces.append(_code(token.content))
        elif token.type == "softbreak":
            pieces.append("\n")
        elif token.type == "hardbreak":
            pieces.append("\\\n")
        elif token.type in {"strong_open", "strong_close"}:
            pieces.append("**")
        elif token.type in {"em_open", "em_close"}:
            pieces.append("*")
        elif token.type in {"s_open", "s_close"}:
            pieces.append("~~")
        elif token.type == "image":
            pieces.append(f"{_text(token.content)} {_code(str(token.attrGet('src') or ''))}".strip())
        elif token.type == "link_open":
            addresses.append(str(token.attrGet("href") or ""))
        elif token.type == "link_close":
            address = addresses.pop()
            if address and not (pieces and pieces[-1] == _code(address)):
                pieces.append(f" {_code(address)}")
    return "".join(pieces)

"""Hostile text comes out harmless: read by Streamlit's rules it has no image, link, HTML, formula or diagram."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from streamlit_app.ui.safe_text import MAX_FORMATTED, formatted, plain, split_finished

EVIL = "http://evil.example/x.png"
HOSTILE = [
    f"![x]({EVIL})",
    f"![x](<{EVIL}>)",
    f'![x]({EVIL} "title")',
    f"![x][1]\n\n[1]: {EVIL}",
    f"[1]: {EVIL}\n\n![1]",
    f"[![x]({EVIL})]({EVIL})",
    f"**![x]({EVIL})**",
    f"- ![x]({EVIL})",
    f"> ![x]({EVIL})",
    f"# ![x]({EVIL})",
    f"| a |\n|---|\n| ![x]({EVIL}) |",
    f"![x\n]({EVIL})",
    f"!\\[x]({EVIL}) ![y]({EVIL})",
    f"![`]({EVIL})`",
    "a ![](//evil.example/x.png) ![](\\\\evil.example/x.png)",
    f'<img src="{EVIL}">',
    f"<img src={EVIL} onerror=alert(1)>",
    f'<div style="background:url({EVIL})">x</div>',
    f'<svg><image href="{EVIL}"/></svg>',
    f'<iframe src="{EVIL}"></iframe>',
    f'<script src="{EVIL}"></script>',
    "<script>alert(1)</script>",
    "<!-- -->\n<style>*{display:none}</style>",
    f"[click]({EVIL})",
    "[click](javascript:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    f"<{EVIL}>",
    "<mailto:a@evil.example>",
    f"go to {EVIL} now",
    "www.evil.example and a.b@evil.example",
    "ftp://evil.example/x xmpp:a@evil.example",
    "$$\\includegraphics{http://evil.example/x.png}$$",
    "$\\href{http://evil.example}{x}$ and $x$",
    f'```mermaid\nflowchart TD\nA@{{ img: "{EVIL}" }}\n```',
    f'~~~ mermaid\nflowchart TD\nA@{{ img: "{EVIL}" }}\n~~~',
    f'````MERMAID\nA@{{ img: "{EVIL}" }}\n````',
    "```math\n\\includegraphics{http://evil.example/x.png}\n```",
    f'- a\n\n  ```mermaid\n  A@{{ img: "{EVIL}" }}\n  ```',
    "```\n```mermaid\nA\n```",
    ":red[text] :material/delete: :smile: :streamlit: :green-badge[ok]",
    f":red[![x]({EVIL})]",
    "[^1]\n\n[^1]: note with ![x](http://evil.example/x.png)",
    "&#33;[x](http://evil.example/x.png) &lt;img src=x&gt;",
    "\\![x](http://evil.example/x.png)",
    "`` `![x](http://evil.example/x.png) ``",
    "a`b\n![x](http://evil.example/x.png)`c",
    "\u202egnp.x/elpmaxe.live//:ptth",
    "[" * 2000 + EVIL + "]" * 2000,
    "*" * 3000,
    "> " * 500 + "x",
    "![" * 3000,
    "\x00\x1b[31m![x](http://evil.example/x.png)",
]

# As Streamlit reads it: GFM with links found in plain text.
READER = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
FORBIDDEN = {"image", "link_open", "html_inline", "html_block", "heading_open"}
ADDRESS_IN_TEXT = re.compile(r"(?i)https?://|\bwww\.\w|ftp://[a-z]|[\w.+-]+@[\w-]+\.\w")


def flat(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in [token, *flat(token.children or [])]]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_becomes_plain_text(text: str) -> None:
    tokens = flat(READER.parse(formatted(text)))
    assert not [token.type for token in tokens if token.type in FORBIDDEN]
    for token in tokens:
        if token.type == "text":
            assert not ADDRESS_IN_TEXT.search(token.content), f"{token.content!r} would be linked"
        if token.type == "fence":
            assert token.info in {"text", "python", "bash", "json"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_one_line_of_plain_text(text: str) -> None:
    line = plain(text)
    assert "\n" not in line
    tokens = [token for token in flat(READER.parse(line)) if token.type not in {"inline", "text"}]
    assert {token.type for token in tokens} <= {"paragraph_open", "paragraph_close", "softbreak", "text_special"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_dollars_and_colons_are_never_bare(text: str) -> None:
    """Formulas begin with a dollar, colours and icons with a colon: outside code each has a backslash before it."""
    for result in (formatted(text), plain(text)):
        outside = [token.content for token in READER.parse(result) if token.type == "inline"]
        for content in outside:
            without_code = re.sub(r"(`+).*?(?<!`)\1(?!`)", "", content, flags=re.DOTALL)
            assert not re.search(r"(?<!\\)[$]", without_code)
            assert not re.search(r"(?<!\\):[a-z+-]+\[", without_code)


def test_the_form_of_an_answer_survives() -> None:
    answer = "First *line*,\nsecond **line**.\n\n1. one\n2. two\n   - deep\n\n```python\nprint('a')\n```\n\n"
    answer += "| a | b |\n|---|---|\n| 1 | 2 |"
    kinds = [token.type for token in flat(READER.parse(formatted(answer)))]
    for kind in ("em_open", "strong_open", "ordered_list_open", "bullet_list_open", "fence", "table_open"):
        assert kind in kinds


def test_a_headline_becomes_bold_and_keeps_the_outline_of_the_page() -> None:
    assert formatted("# Opening hours") == "**Opening hours**"


def test_a_link_shows_its_words_and_where_it_leads() -> None:
    assert formatted("[our site](http://a.example/b)") == "our site `http://a.example/b`"


def test_very_long_text_is_shown_without_being_parsed() -> None:
    assert formatted("[" * (MAX_FORMATTED + 1)).startswith("```text\n[")


def test_finished_paragraphs_end_at_a_blank_line_outside_code_and_lists() -> None:
    assert split_finished("one\n\ntwo") == len("one\n\n")
    assert split_finished("one\n\n") == 0
    assert split_finished("```\na\n\nb") == 0
    assert split_finished("- a\n\n- b") == 0
    assert split_finished("- a\n\n  b") == 0


@pytest.mark.parametrize("size", [1, 3, 7])
def test_drawing_piece_by_piece_gives_the_same_text(size: int) -> None:
    answer = "One.\n\nTwo with **bold**.\n\n- a\n- b\n\n```\ncode\n\nmore\n```\n\nEnd."
    text, frozen, done = "", 0, []
    for start in range(0, len(answer), size):
        text += answer[start : start + size]
        cut = frozen + split_finished(text[frozen:])
        if cut > frozen:
            done.append(formatted(text[frozen:cut]))
            frozen = cut
    done.append(formatted(text[frozen:]))
    assert "\n\n".join(done) == formatted(answer)

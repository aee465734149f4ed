"""Reads the HTML of marked texts as a browser would: its tags, all of its text, and the text inside `mark`."""

from __future__ import annotations

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.text: list[str] = []
        self.marked: list[str] = []
        self._marks = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._marks += tag == "mark"
        assert {name for name, _value in attrs} <= {"style", "role", "tabindex", "aria-label", "aria-hidden"}

    def handle_endtag(self, tag: str) -> None:
        self._marks -= tag == "mark"

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._marks:
            self.marked.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def read_marked(html: str) -> tuple[set[str], str, str]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.tags, "".join(reader.text), "".join(reader.marked)

"""Tables as text: ragged rows, quotes, headers, delimiters, width."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from tests.corpus.case import Case

HEAD = "question,answer\n"
PAIR = "What is it?,It is that.\n"


def cases() -> Iterator[Case]:
    yield from _rows()
    yield from _headers()
    yield from _delimiters()


def _case(name: str, text: str, good: int, *problems: tuple[str, int], file_name: str = "a.csv") -> Case:
    return Case(f"a table: {name}", text.encode("utf-8", "surrogateescape"), good, problems, file_name)


def _rows() -> Iterator[Case]:
    yield _case("a row with a cell too many", HEAD + PAIR + "a,b,c\n" + PAIR, 2, ("ragged_row", 3))
    yield _case("a row with a cell missing", HEAD + PAIR + "alone\n" + PAIR, 2, ("ragged_row", 3))
    yield _case("rows of all widths", HEAD + PAIR + "a\na,b,c\na,b,c,d\n", 1, *[("ragged_row", n) for n in (3, 4, 5)])
    yield _case("an empty answer", HEAD + PAIR + "What?,\n", 1, ("content_empty", 3))
    yield _case("an empty question", HEAD + PAIR + ",That.\n", 1, ("content_empty", 3))
    yield _case("only commas", HEAD + PAIR + ",\n,\n" + PAIR, 2)
    yield _case("empty lines", HEAD + "\n\n" + PAIR + "\n" + PAIR, 2)
    yield _case("line breaks in quotes", HEAD + '"Line\nbreak?","Line\r\nbreak."\n' + PAIR, 2)
    yield _case("quotes in quotes", HEAD + '"He said ""no""?","Yes, ""no""."\n' + PAIR, 2)
    yield _case("a quote that is not closed", HEAD + PAIR + '"open,answer\n' + PAIR, 2, ("quote_not_closed", 3))
    yield _case("a quote that is not closed at the end", HEAD + PAIR + 'What?,"open', 1, ("quote_not_closed", 3))
    yield _case("a quote in the middle of a cell", HEAD + 'A 5" pipe?,Yes.\n' + PAIR, 2)
    yield _case("text after a quote", HEAD + '"a"b,c\n' + PAIR, 2)
    opened = HEAD + PAIR + '"open,\n' * 300
    yield _case("300 quotes, each closed in the next row", opened, 1, *[("content_empty", n) for n in range(3, 303, 2)])
    yield _case("a NUL in a cell", HEAD + PAIR + "Wh\0at?,That.\n" + PAIR, 2, ("nul_character", 3))
    yield _case("a row in Latin-1", HEAD + PAIR + "gr\udcf6\udcdfer?,That.\n" + PAIR, 2, ("not_utf8", 3))
    yield _case("Windows line ends", (HEAD + PAIR * 3).replace("\n", "\r\n"), 3)
    yield _case("line ends of an old Mac", (HEAD + PAIR * 3).replace("\n", "\r"), 3)
    yield _case("a mark of UTF-8", "\ufeff" + HEAD + PAIR, 1)
    yield _case("a formula", HEAD + '=HYPERLINK("http://evil.example"),+1\n' + PAIR, 2)
    yield _case("a cell of 1 MB", HEAD + "What?," + "word " * 200_000 + "\n" + PAIR, 2)
    yield _case("a cell of 5 MB", HEAD + "What?," + "word " * 1_000_000 + "\n" + PAIR, 1, ("line_too_long", 2))
    broken = [("unreadable_row", 2), *[("ragged_row", n) for n in range(3, 1003)], ("quote_not_closed", 10_002)]
    yield _case(
        "a quoted cell of 5 MB over lines",
        HEAD + 'What?,"' + ("word " * 100 + "\n") * 10_000 + '"\n' + PAIR,
        1,
        *broken,
    )


def _headers() -> Iterator[Case]:
    yield _case("a header only", HEAD, 0, ("empty_file", 0))
    yield _case("a header without a line end", HEAD.strip(), 0, ("empty_file", 0))
    yield _case("two columns with one name", "question,question,answer\na?,b?,c\n" + PAIR.strip() + ",c\n", 2)
    yield _case("no header", "What is it?,It is that.\nWhat is this?,It is this.\nWhy?,Because.\n", 3)
    yield _case("names with spaces and capitals", " Question , ANSWER \n" + PAIR, 1)
    yield _case("names that say nothing", "x1,x2\n" + PAIR * 3, 3)
    yield _case("one column", "question\nWhat?\nWhy?\n", 0, ("unknown_columns", 2), ("unknown_columns", 3))
    yield _case("an empty name", "question,answer,\n" + "a?,b,c\n", 1)
    yield _case("the header again in the middle", HEAD + PAIR + HEAD + PAIR, 3)
    wide = ["question", "answer", *[f"column {number}" for number in range(9_998)]]
    text = io.StringIO()
    csv.writer(text).writerows([wide, [f"cell {number}" for number in range(10_000)]])
    yield _case("10,000 columns", text.getvalue(), 1)
    yield _case("10,000 columns without a name", "a," * 9_999 + "a\n" + "b," * 9_999 + "b\n", 1)
    for mark in ("ORCID", "BZhang", "GIF89", "ARROW1"):
        yield _case(f"a first column called {mark}", f"{mark},question,answer\n" + "1,a?,b\n" * 2, 2)
    yield _case("a name of markup", "question,answer,<img src=x onerror=alert(1)>\na?,b,c\n", 1)


def _delimiters() -> Iterator[Case]:
    for name, mark in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|")):
        yield _case(name, (HEAD + PAIR * 2).replace(",", mark), 2)
    yield _case("tabs in a .tsv", (HEAD + PAIR).replace(",", "\t"), 1, file_name="a.tsv")
    yield _case("named .jsonl", HEAD + PAIR * 3, 3, file_name="a.jsonl")
    yield _case("without an ending", HEAD + PAIR * 3, 3, file_name="examples")
    yield _case("two delimiters mixed", HEAD + PAIR + PAIR.replace(",", ";"), 1, ("ragged_row", 3))
    yield _case("lines of JSON", '{"question": "q?", "answer": "a"}\n' * 2, 2)
    yield _case(
        "JSON in cells",
        'messages\n"[{""role"":""user"",""content"":""q""},{""role"":""assistant"",""content"":""a""}]"\n',
        1,
    )
    yield _case(
        "a text of prose",
        "It was night, and it rained.\nNobody, so it seemed, was out.\n" * 5,
        0,
        ("format_text", 0),
        file_name="a.txt",
    )

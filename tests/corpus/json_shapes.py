"""JSON that is broken, or only unusual: syntax, depth, numbers, keys, lists, what stands around records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.corpus.case import GOOD, Case, between, fine, row, rows

DEEP = 100_000
_TURNS = b'[{"role":"user","content":"Q?"},{"role":"assistant","content":"A."}]'


def cases() -> Iterator[Case]:
    yield from _depth()
    yield from _lines()
    yield from _keys_and_numbers()
    yield from _whole_files()


def _depth() -> Iterator[Case]:
    yield Case(f"{DEEP:,} opening brackets", b"[" * DEEP, 0, (("nested_too_deeply", 1),), "a.json")
    yield between(f"a line of {DEEP:,} brackets", b"[" * DEEP + b"]" * DEEP, "nested_too_deeply")
    braces = b'{"a":' * DEEP + b"1" + b"}" * DEEP
    yield between(f"a line of {DEEP:,} braces", braces, "nested_too_deeply")
    deep = b'{"messages":' + _TURNS + b',"more":' + b"[" * 500 + b"]" * 500 + b"}"
    yield fine("another column nested 500 deep", deep)
    content = b"[" * 200 + b'"text"' + b"]" * 200
    yield between("a content nested 200 deep", GOOD.replace(b'"Yes."', content), "content_not_text")
    listed = b"[" + GOOD + b"," + b"[" * DEEP + b"]" * DEEP + b"," + GOOD + b"]"
    yield Case("a list with one deep element", listed, 1, (("nested_too_deeply", 1),), "a.json", or_more=True)


def _lines() -> Iterator[Case]:
    broken = {
        "a trailing comma in an object": GOOD[:-1] + b",}",
        "a comma too many in a list": GOOD.replace(b"}, {", b"},, {"),
        "single quotes": GOOD.replace(b'"', b"'"),
        "keys without quotes": GOOD.replace(b'"messages"', b"messages"),
        "typographic quotes": GOOD.decode().replace('"', "\u201c").encode(),
        "a comment in JavaScript's way": b"// " + GOOD,
        "a comment inside": GOOD.replace(b": [", b": /* turns */ ["),
        "a comment of a shell": b"# the second example",
        "two records on one line": GOOD + b" " + GOOD,
        "two records on one line without a space": GOOD + GOOD,
        "words between records": b"and now another one",
        "a missing brace": GOOD[:-1],
        "a missing bracket": GOOD[:-2] + b"}",
        "a brace too many": GOOD + b"}",
        "a text that is not closed": GOOD.replace(b'Yes."', b"Yes."),
        "a wrong escape": GOOD.replace(b"Yes", rb"Y\xs"),
        "half an escape": GOOD.replace(b"Yes", rb"\u12"),
        "a colon for a comma": GOOD.replace(b'", "', b'": "', 1),
        "Python's None": GOOD[:-1] + b', "note": None}',
        "Python's True": GOOD[:-1] + b', "note": True}',
        "an assignment": b"x = " + GOOD,
        "a conflict mark of git": b"<<<<<<< HEAD",
        "a mark of a code block": b"```json",
        "a line of a log": b"2024-01-01 12:00:00 INFO " + GOOD,
        "a hyphen": b"-",
        "undefined": b"undefined",
    }
    for name, line in broken.items():
        yield between(name, line, "not_json")
    yield between("a record with a comma after it", GOOD + b",", "not_json")
    yield fine("spaces around a record", b" \t " + GOOD + b" \t ")
    yield fine("slashes escaped", GOOD.replace(b"Yes", rb"a\/b"))
    yield fine("letters escaped", GOOD.replace(b"Yes", rb"\u0059\u0065\u0073"))


def _keys_and_numbers() -> Iterator[Case]:
    twice = GOOD[:-1] + b', "messages": []}'
    yield between("messages twice", twice, "duplicate_key")
    yield between("a role twice", GOOD.replace(b'"role": "user"', b'"role": "user", "role": "user"'), "duplicate_key")
    yield between("a content twice", GOOD.replace(b'"content"', b'"content": "x", "content"', 1), "duplicate_key")
    for name, value in {
        "NaN": b"NaN",
        "Infinity": b"Infinity",
        "minus Infinity": b"-Infinity",
        "a whole number of 5,000 digits": b"9" * 5_000,
        "a number beyond any": b"1e999999",
        "a negative zero": b"-0.0",
        "a number of 64 bits and more": b"18446744073709551617",
        "an empty key": b'0, "": 1',
        "a key of 10,000 letters": b'0, "' + b"k" * 10_000 + b'": 1',
    }.items():
        yield fine(f"another column with {name}", GOOD[:-1] + b', "score": ' + value + b"}")
    yield between("NaN as a content", GOOD.replace(b'"Yes."', b"NaN"), "content_not_text")
    yield between("a huge number as a content", GOOD.replace(b'"Yes."', b"9" * 5_000), "content_not_text")
    yield between("a number with a zero before", GOOD[:-1] + b', "score": 007}', "not_json")
    many = {**row(), **{f"column {number}": number for number in range(10_000)}}
    yield fine("10,000 other columns", json.dumps(many).encode())


def _whole_files() -> Iterator[Case]:
    listed = json.dumps(rows(3)).encode()
    name = "a.json"
    yield Case("nothing", b"", 0, (("empty_file", 0),))
    yield Case("a single line end", b"\n", 0, (("empty_file", 0),))
    yield Case("white space only", b" \t\r\n" * 5_000, 0, (("empty_file", 0),))
    yield Case("an empty list", b"[]", 0, (("empty_file", 0),), name)
    yield Case("an empty object", b"{}", 0, (("unknown_columns", 1),), name)
    yield Case("only null", b"null", 0, (("format_text", 0),), name)
    for word in ("true", "12", '"text"'):
        yield Case(f"only {word}", word.encode(), 0, (("not_an_object", 1),), name)
    yield Case("one bracket", b"[", 0, (("list_cut_off", 1),), name)
    yield Case("one brace", b"{", 0, (("record_cut_off", 1),), name)
    yield Case("a list that is not closed", listed[:-1], 3, (("list_cut_off", 1),), name)
    yield Case("a list with a comma at its end", listed[:-1] + b",]", 3, (), name)
    yield Case("a list with text after it", listed + b" and more", 3, (("text_after_list", 1),), name)
    yield Case("two lists", listed + b"\n" + listed, 0, (("not_an_object", 1), ("not_an_object", 2)), name)
    spread = json.dumps(rows(3), indent=2).encode()
    yield Case("a list over many lines, one record broken", _break(spread), 2, (("not_json", 14),), name)
    yield Case("a list of nulls", b"[null, null]", 0, (("not_an_object", 1),) * 2, name)
    objects = "\n".join(json.dumps(one, indent=2) for one in rows(3)).encode()
    yield Case("records over many lines", objects, 3, (), name)
    yield Case("records over many lines, one broken", _break(objects), 2, (("not_json", 13),), name)
    around = json.dumps({"version": 1, "data": rows(3)}).encode()
    yield Case("an object around a list", around, 3, (), name)
    yield Case("an object around a list, not closed", around[:-2], 3, (("list_cut_off", 1),), name)
    with_comments = b"// my examples\n" + GOOD + b"\n" + GOOD + b"\n"
    yield Case("a comment before everything", with_comments, 2, (("not_json", 1),))
    yield Case("a single message a line", b'{"role":"user","content":"a"}\n' * 3, 3)
    yield Case(
        "lists of turns without an object around",
        _TURNS + b"\n" + _TURNS + b"\n",
        0,
        (("not_an_object", 1), ("not_an_object", 2)),
    )
    yield Case("100 MB in a single line", _long_line, 1, (("line_too_long", 2),))
    yield Case("100 MB in a single text of a list", _long_text, 1, (("line_too_long", 2),), name, or_more=True)
    yield Case("300,000 line ends first", b"\n" * 300_000 + GOOD, 1)
    yield Case(
        "20,000 broken lines", GOOD + b"\n" + b"{broken\n" * 20_000, 1, tuple(("not_json", n) for n in range(2, 1002))
    )


def _break(content: bytes) -> bytes:
    """The second record loses a colon."""
    place = content.index(b'"content": "Question 1')
    return content[:place] + content[place:].replace(b'": "', b'" "', 1)


def _long_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(GOOD + b'\n{"messages": [{"role": "user", "content": "')
        for _time in range(100):
            file.write(b"word " * 200_000)
        file.write(b'"}]}\n')


def _long_text(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[" + GOOD + b',\n{"messages": [{"role": "user", "content": "')
        for _time in range(100):
            file.write(b"word " * 200_000)
        file.write(b'"}]},\n' + GOOD + b"]")

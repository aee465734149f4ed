"""Files that end too early, at many places: all examples before the cut must be usable."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

from tests.corpus.case import ROWS, Case, Problem, utf8_lines
from tests.corpus.packed import packed
from tests.corpus.parquet_files import parquet

CUTS = 16


def cases() -> Iterator[Case]:
    lines = utf8_lines(*ROWS)
    for cut in _cuts(lines):
        good, problems = _lines_until(lines[:cut])
        yield Case(f"lines cut off after {cut} bytes", lines[:cut], good, problems)
    inside = lines.index("ö".encode()) + 1 + len(lines) // 5 * 3
    inside = lines.index("ö".encode(), inside) + 1
    good, _problems = _lines_until(lines[: inside - 1])
    yield Case("lines cut off inside a letter", lines[:inside], good, (("not_utf8", good + 1),))
    whole = json.dumps(ROWS, ensure_ascii=False).encode()
    for cut in _cuts(whole):
        good, problem = _list_until(whole[:cut])
        yield Case(f"a list cut off after {cut} bytes", whole[:cut], good, (problem,), "a.json")
    many = utf8_lines(*ROWS * 40)
    zipped = packed(many)
    for cut in (*_cuts(zipped, 8), len(zipped) - 8, len(zipped) - 1):
        text = zlib.decompressobj(wbits=31).decompress(zipped[:cut])
        complete = text.count(b"\n")
        line = complete + 1 if text else 0
        yield Case(f"gzip cut off after {cut} bytes", zipped[:cut], complete, (("gzip_cut_off", line),), "a.jsonl.gz")
    table = "question,answer\n" + "".join(f'"Question {n}, yes?",Answer {n}\n' for n in range(1, 6))
    for cut, good, problem in (
        (table.index("answer"), 0, ("empty_file", 0)),
        (table.index("Answer 3") - 5, 2, ("quote_not_closed", 4)),
        (table.index("Answer 3") - 1, 2, ("ragged_row", 4)),
        (table.index("Answer 5"), 4, ("content_empty", 6)),
    ):
        yield Case(f"a table cut off after {cut} letters", table[:cut].encode(), good, (problem,), "a.csv")
    columns = parquet({"question": [f"q{n}?" for n in range(200)], "answer": [f"a{n}" for n in range(200)]})
    for cut in (4, 8, *_cuts(columns, 6), len(columns) - 4):
        yield Case(f"Parquet cut off after {cut} bytes", columns[:cut], 0, (("parquet_damaged", 0),), "a.parquet")


def _cuts(content: bytes, count: int = CUTS) -> list[int]:
    """Evenly over the file, none on its very end."""
    return [len(content) * place // (count + 1) for place in range(1, count + 1)]


def _lines_until(content: bytes) -> tuple[int, tuple[Problem, ...]]:
    """By another reader than the product's: Python's own, a line at a time."""
    good = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            good += bool(line.strip() and json.loads(line))
        except UnicodeDecodeError:
            return good, (("not_utf8", number),)
        except ValueError:
            return good, (("not_json", number),)
    return good, ()


def _list_until(content: bytes) -> tuple[int, Problem]:
    text = content.decode(errors="ignore")
    place, good, decoder = 1, 0, json.JSONDecoder()
    while place < len(text):
        try:
            _value, place = decoder.raw_decode(text, place)
        except ValueError:
            return good, ("record_cut_off", 1)
        good += 1
        place += len(text[place:]) - len(text[place:].lstrip(", "))
    return good, ("list_cut_off", 1)

"""Files of another kind under a name of data; hostile names; folders."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.corpus.case import GOOD, Case, jsonl, rows
from tests.corpus.parquet_files import PAIRS, parquet

NAMES: Mapping[str, str] = {
    "that climbs": "../../etc/passwd",
    "that climbs, in Windows' way": "..\\..\\windows\\system32\\config.jsonl",
    "of the root": "/etc/shadow.jsonl",
    "of a drive": "C:\\secret.jsonl",
    "of a device": "CON",
    "of a device with an ending": "NUL.jsonl",
    "of two points": "..",
    "of nothing": "",
    "of a space": " ",
    "hidden": ".jsonl",
    "of emoji": "🦊📦.jsonl",
    "written from right to left": "a\u202elnosj.exe",
    "of 300 letters": "n" * 300 + ".jsonl",
    "of 300 letters of three bytes": "名" * 300 + ".jsonl",
    "of markup": "<img src=x onerror=alert(1)>.jsonl",
    "of Markdown": "![x](http://evil.example/x.png) :red[a] $x^2$.jsonl",
    "with a line break": "two\nlines.jsonl",
    "with a colour": "a\x1b[31mred.jsonl",
    "of an option": "--help",
    "of a command": "$(touch x); rm -rf ~ & .jsonl",
    "of a pattern": "*?[a-z]{1}.jsonl",
    "of a placeholder": "{name} %s {0}.jsonl",
    "with quotes": "a'b\"c`d.jsonl",
    "of a URL": "http://evil.example/a.jsonl?b=c",
    "with accents apart": "u\u0308ber.jsonl",
    "invisible": "\u200b\u200b.jsonl",
    "of another kind": "examples.exe",
    "of two endings": "a.parquet.csv.jsonl",
}


def cases() -> Iterator[Case]:
    for name, content, code in _foreign():
        yield Case(name, content, 0, ((code, 0),))
    for number, (name, file_name) in enumerate(NAMES.items(), start=1):
        yield Case(
            f"a name {name}",
            jsonl(*rows(2)) + b"{}\n" * number,
            2,
            tuple(("no_messages", 2 + n) for n in range(1, number + 1)),
            file_name,
        )
    yield Case(
        "a folder with a mixture",
        _mixture,
        9,
        (("format_zip", 0), ("not_json", 2), ("unknown_columns", 1), ("empty_file", 0)),
        "",
    )
    yield Case("a ZIP of 40 MB", lambda path: _sparse(path, b"PK\x03\x04"), 0, (("format_zip", 0),))
    yield Case("40 MB of NULs", lambda path: _sparse(path, b""), 0, (("line_too_long", 1),))
    yield Case("an empty folder", lambda path: path.mkdir(), 0, (("empty_folder", 0),), "")
    yield Case("a folder of other files", _other_files, 0, (("empty_folder", 0),), "")
    yield Case("a file that is not there", lambda path: None, 0, (("no_such_file", 0),), "")
    yield Case(
        "a link that leads nowhere",
        lambda path: path.symlink_to(path.parent / "nowhere"),
        0,
        (("no_such_file", 0),),
        "",
    )
    yield Case("a link that leads to itself", lambda path: path.symlink_to(path), 0, (("no_such_file", 0),), "")
    yield Case("a pipe that nobody writes", _pipe, 0, (("unreadable_file", 0),), "")


def _foreign() -> Iterator[tuple[str, bytes, str]]:
    yield "a ZIP", _zip({"a.jsonl": GOOD}), "format_zip"
    yield "an empty ZIP", _zip({}), "format_zip"
    yield "an Excel file", _zip({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "format_excel"
    yield "a Word file", _zip({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}), "format_word"
    yield "slides", _zip({"[Content_Types].xml": b"<x/>", "ppt/presentation.xml": b"<x/>"}), "format_slides"
    yield "an old Excel file", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "format_office"
    yield "an old workbook", b"\xd0\xcf\x11\xe0" + bytes(508) + "Workbook".encode("utf-16-le"), "format_excel"
    yield "a PDF", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n", "format_pdf"
    yield "a PNG", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "format_image"
    yield "a JPEG", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)), "format_image"
    yield "a GIF", b"GIF89a" + bytes(range(64)), "format_image"
    yield "an SQLite file", _sqlite(), "format_sqlite"
    yield "a web page", b"<!DOCTYPE html><html><body>Not found</body></html>", "format_html"
    yield "a web page after empty lines", b"\n\n  <html>\n<body>{}</body></html>", "format_html"
    yield "an XML file", b"<?xml version='1.0'?><rows><row/></rows>", "format_html"
    yield "an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "format_html"
    yield "an RTF", b"{\\rtf1\\ansi Hello}", "format_word"
    yield "bzip2", b"BZh91AY&SY" + bytes(range(100)), "format_bzip2"
    yield "xz", b"\xfd7zXZ\x00" + bytes(range(100)), "format_xz"
    yield "zstd", b"\x28\xb5\x2f\xfd" + bytes(range(100)), "format_zstd"
    yield "7-Zip", b"7z\xbc\xaf\x27\x1c" + bytes(100), "format_zip"
    yield "RAR", b"Rar!\x1a\x07\x00" + bytes(100), "format_zip"
    yield "Arrow", b"ARROW1\x00\x00" + bytes(100), "format_arrow"
    yield "ORC", _orc(), "format_binary"
    yield "a program", b"\x7fELF\x02\x01\x01" + bytes(100), "format_binary"
    yield "a pickle", b"\x80\x04\x95" + bytes(range(100)), "format_binary"
    yield "bytes without a meaning", bytes(byte * 7 % 256 for byte in range(1, 5_000)), "format_binary"
    yield "a text", b"Once upon a time there was a fox.\nIt lived in a wood.\n", "format_text"
    yield "a page of Markdown", b"# Title\n\nSome words.\n\n- a point\n", "format_text"
    yield "a YAML file", b"messages:\n  - role: user\n    content: hello\n", "format_text"
    yield "a pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "format_text"


def _zip(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, inner in files.items():
            archive.writestr(zipfile.ZipInfo(name), inner)
    return content.getvalue()


def _orc() -> bytes:
    import pyarrow
    from pyarrow import orc

    content = io.BytesIO()
    orc.write_table(pyarrow.table({"question": ["What?"], "answer": ["That."]}), content)
    return content.getvalue()


def _sqlite() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table examples (question, answer)")
    connection.commit()
    content = connection.serialize()
    connection.close()
    return content


def _mixture(path: Path) -> None:
    """3 + 2 + 2 + 1 + 1 good ones, in five kinds of files, among others that are broken, hidden or no data."""
    (path / "deep" / "er").mkdir(parents=True)
    (path / "a.jsonl").write_bytes(jsonl(*rows(3)))
    (path / "b.json").write_bytes(json.dumps(rows(2)).encode())
    (path / "c.parquet").write_bytes(parquet(PAIRS))
    (path / "deep" / "d.csv").write_bytes(b"question,answer\nWhat?,That.\n")
    (path / "deep" / "er" / "e.jsonl.gz").write_bytes(gzip.compress(jsonl(*rows(1))))
    (path / "deep" / "broken.jsonl").write_bytes(b"{}\n{broken\n")
    (path / "archive.json").write_bytes(_zip({"a.jsonl": GOOD}))
    (path / "empty.jsonl").write_bytes(b"")
    (path / ".hidden.jsonl").write_bytes(b"hidden")
    (path / "README.md").write_bytes(b"# About")


def _other_files(path: Path) -> None:
    path.mkdir()
    (path / "README.md").write_bytes(b"# About")
    (path / "photo.jpg").write_bytes(b"\xff\xd8\xff")


def _sparse(path: Path, head: bytes) -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(40_000_000)


def _pipe(path: Path) -> None:
    import os

    os.mkfifo(path)

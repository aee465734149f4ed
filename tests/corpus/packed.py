"""gzip: bombs, several parts, damage, and what isn't text inside."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.corpus.case import ROWS, Case, row, rows, utf8_lines

MEGABYTE = 1 << 20


def packed(content: bytes) -> bytes:
    """The same bytes whenever it is made."""
    return gzip.compress(content, mtime=0)


def cases() -> Iterator[Case]:
    content = utf8_lines(*ROWS)
    whole = packed(content)
    half = len(whole) // 2
    gz = "a.jsonl.gz"
    yield Case("gzip", whole, 5, (), gz)
    yield Case("gzip that is not named so", whole, 5, (), "a.jsonl")
    yield Case("gzip in three parts", packed(content) * 3, 15, (), gz)
    first, rest = content[:700], content[700:]
    yield Case("gzip in two parts, split inside a line", packed(first) + packed(rest), 5, (), gz)
    yield Case("gzip with zeros after it", whole + bytes(1000), 5, (), gz)
    yield Case("gzip with an empty part between", whole + packed(b"") + whole, 10, (), gz)
    yield Case("gzip of nothing", packed(b""), 0, (("empty_file", 0),), gz)
    yield Case("gzip, its head alone", whole[:10], 0, (("gzip_cut_off", 0),), gz)
    yield Case("gzip, two bytes of it", whole[:2], 0, (("gzip_cut_off", 0),), gz)
    yield Case("gzip with another text after it", whole + b"and more text", 5, (("gzip_damaged", 6),), gz)
    yield Case("gzip with a second part cut off", whole + whole[:half], 5, (("gzip_cut_off", 6),), gz, or_more=True)
    yield Case("gzip with a wrong checksum", whole[:-8] + b"\0\0\0\0" + whole[-4:], 5, (("gzip_damaged", 6),), gz)
    yield Case("gzip of an unknown method", whole[:2] + b"\x09" + whole[3:], 0, (("gzip_damaged", 0),), gz)
    yield Case("gzip in gzip", packed(whole), 0, (("format_gzip", 0),), gz)
    yield Case("gzip of a ZIP", packed(b"PK\x03\x04" + bytes(200)), 0, (("format_zip", 0),), gz)
    yield Case("gzip of a table", packed(b"question,answer\nWhat?,That.\n"), 1, (), "a.csv.gz")
    yield Case("gzip of a list", packed(json.dumps(rows(3)).encode()), 3, (), "a.json.gz")
    yield Case("gzip of UTF-16", packed(content.decode().encode("utf-16")), 5, (), gz)
    yield Case("gzip with a name inside that climbs", _named(content, b"../../etc/passwd"), 5, (), gz)
    yield Case(
        "a bomb: 1 GiB of zeros",
        lambda path: _bomb(path, bytes(MEGABYTE)),
        0,
        (("line_too_long", 1), ("gzip_too_large", 2)),
        gz,
    )
    yield Case(
        "a bomb: 1 GiB of brackets",
        lambda path: _bomb(path, b"[" * MEGABYTE),
        0,
        (("nested_too_deeply", 1), ("gzip_too_large", 2)),
        gz,
    )
    spaces = json.dumps(row("Question?", "a" * (MEGABYTE - 96))).encode()
    spaces += b" " * (MEGABYTE - 1 - len(spaces)) + b"\n"
    yield Case("a bomb: 1 GiB of examples", lambda path: _bomb(path, spaces), 74, (("gzip_too_large", 75),), gz)
    yield Case("100 MB in a single line, packed", _long_line_packed, 1, (("line_too_long", 1),), gz)


def _named(content: bytes, name: bytes) -> bytes:
    whole = packed(content)
    return whole[:3] + b"\x08" + whole[4:10] + name + b"\0" + whole[10:]


def _bomb(path: Path, piece: bytes, times: int = 1024) -> None:
    """The piece over and over as one part of gzip, about 1 MB: it is packed once only."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    with path.open("wb") as file:
        file.write(b"\x1f\x8b\x08\0\0\0\0\0\x02\xff")
        for _time in range(times):
            file.write(block)
            check = zlib.crc32(piece, check)
        file.write(packer.flush() + struct.pack("<II", check, len(piece) * times & 0xFFFFFFFF))


def _long_line_packed(path: Path) -> None:
    """Words that pack as badly as text does, or it would be taken for a bomb."""
    words = b"".join(b"%x " % (number * 2654435761 % 2**32) for number in range(110_000))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"messages": [{"role": "user", "content": "')
        for _time in range(100):
            file.write(words)
        file.write(b"\n" + json.dumps(row()).encode() + b"\n")

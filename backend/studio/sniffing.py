"""What a file is, told by its first bytes and not by its name; what is not for training is named in words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import orjson

from backend.i18n import _
from backend.studio.csv_records import Table, recognise_table
from backend.studio.json_lines import JSON
from backend.studio.other_kinds import name_other_kind, unreadable
from backend.studio.unpacking import PARQUET_MAGIC, Unreadable


class Kind(StrEnum):
    LINES = "lines"
    LIST = "list"
    SPREAD = "spread"
    """JSON records one after another, over several lines each."""
    OBJECT_AROUND = "object_around"
    """One object whose list holds the records."""
    TABLE = "table"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Container:
    kind: Kind
    table: Table | None = None


_LIST_NAMES = "data|train|rows|examples|records|items|samples|dataset|test|validation|eval|entries|instances|results"
_OBJECT_AROUND = re.compile(
    rf'\s*\{{(?:\s*"[^"\\]{{1,60}}"\s*:\s*(?:"(?:[^"\\]|\\.){{0,2000}}"|[-\w.]{{1,40}}|\{{[^{{}}]{{0,2000}}\}})\s*,)*'
    rf'\s*"(?:{_LIST_NAMES})"\s*:\s*\[\s*[\]{{]'
)
_MARKUP = re.compile(rb"<(!doctype|\?xml|html|head|body|div|p|table|svg|rss)\b", re.IGNORECASE)
_TABLE_NAMES = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")


def recognise_container(head: bytes, name: str = "", *, is_whole: bool) -> Container:
    """What the file holds. Raises Unreadable, in words, for what is not for training.

    `head` are its first bytes, unpacked, as UTF-8 without a mark; `is_whole` says that this is all. The name is only
    a hint where a table could be text.
    """
    if head.startswith(PARQUET_MAGIC):
        return Container(Kind.PARQUET)
    if other := name_other_kind(head):
        raise other
    text = head.lstrip(b" \t\r\n\x0b\x0c\x00\xef\xbb\xbf")
    if not text and not is_whole:
        return Container(Kind.LINES)  # much white space before the first record
    if not text:
        raise Unreadable("empty_file", _("The file is empty."), _("Add at least two conversations."))
    if text[:1] in b"{[":
        return Container(_json_kind(head, is_whole=is_whole))
    if _MARKUP.match(text):
        raise unreadable("format_html", _("This is an HTML or XML page."))
    lines = [line.strip() for line in text.split(b"\n")]
    records = islice((line for line in lines if line[:1] in (b"{", b"[")), 50)
    if any(_value_of(line) is not None for line in records):
        return Container(Kind.LINES)
    if sum(byte < 9 or 13 < byte < 32 for byte in head[:4096]) > len(head[:4096]) // 10:
        raise unreadable("format_binary", _("This file is not text."))
    is_named_so = name.lower().endswith(_TABLE_NAMES)
    table = recognise_table(head, is_whole=is_whole, is_named_so=is_named_so)
    if table is not None:
        return Container(Kind.TABLE, table)
    if any(_value_of(line) is not None or line[:1] in (b"{", b"[") for line in lines[:50] if line):
        return Container(Kind.LINES)
    raise unreadable("format_text", _("This is plain text: where one example ends and the next begins can't be told."))


def _json_kind(head: bytes, *, is_whole: bool) -> Kind:
    lines = [line.strip() for line in head.split(b"\n")]
    if not is_whole:
        lines = lines[:-1]  # it may go on
    starts = [line for line in lines if line and line[:1] in b"{["]
    whole = [line for line in _unindented(head, is_whole=is_whole) if _value_of(line) is not None]
    text = head.decode("utf-8", "replace")
    if len(whole) > 1 or (whole and whole[0] != starts[0]):
        return Kind.LINES
    if head.lstrip()[:1] == b"[":
        return Kind.LIST
    if _OBJECT_AROUND.match(text):
        return Kind.OBJECT_AROUND
    if whole or not starts:
        return Kind.LINES
    return Kind.SPREAD if _is_spread(text, starts[0], lines, is_whole=is_whole) else Kind.LINES


def _unindented(head: bytes, *, is_whole: bool) -> list[bytes]:
    """The first lines that begin at the margin with a bracket: one record each, if each is a whole value."""
    lines = head.split(b"\n")
    if not is_whole:
        lines = lines[:-1]
    return [line.strip() for line in lines[:200] if line[:1] in (b"{", b"[")][:20]


def _is_spread(text: str, first: bytes, lines: list[bytes], *, is_whole: bool) -> bool:
    """Is the first record complete only over several lines?"""
    try:
        _value, end = JSON.raw_decode(text.lstrip("\ufeff \t\r\n"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg.startswith("Extra"):
            return False
        after = next((line for line in lines[lines.index(first) + 1 :] if line), b"")
        return bool(first in (b"{", b"[") or (first[-1:] in b"{[,:" and after[:1] not in b"{[" and after))
    return end > len(first)


def _value_of(line: bytes) -> object | None:
    try:
        return orjson.loads(line) if line else None
    except orjson.JSONDecodeError:
        pass
    if line[:1] not in (b"{", b"[") or line in (b"{", b"["):
        return None
    try:
        return JSON.decode(line.decode())
    except (ValueError, RecursionError):
        return None

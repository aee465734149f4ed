"""Bytes that are not plain UTF-8 with ordinary line ends."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator

from tests.corpus.case import GOOD, ROWS, Case, between, fine, row, utf8_lines

MARK = codecs.BOM_UTF8


def cases() -> Iterator[Case]:
    text = utf8_lines(*ROWS).decode()
    latin = json.dumps(row("Wie groß?", "Größer als fünf."), ensure_ascii=False)
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        yield Case(f"lines in {encoding} with its mark", text.encode(encoding), 5)
        yield Case(f"a list in {encoding} with its mark", json.dumps(ROWS).encode(encoding), 5, (), "a.json")
    yield Case("UTF-16, big end first", codecs.BOM_UTF16_BE + text.encode("utf-16-be"), 5)
    yield Case("UTF-32, big end first", codecs.BOM_UTF32_BE + text.encode("utf-32-be"), 5)
    plain = "".join(json.dumps(one) + "\n" for one in ROWS)
    yield Case("UTF-16 without a mark", plain.encode("utf-16-le"), 5)
    yield Case("UTF-16 without a mark, big end first", plain.encode("utf-16-be"), 5)
    yield Case("UTF-16 with Windows line ends", text.replace("\n", "\r\n").encode("utf-16"), 5)
    yield Case("UTF-16 with half a letter at its end", text.encode("utf-16")[:-1], 4, (("not_json", 5),))
    yield Case("a table in UTF-16", "question\tanswer\nWhat?\tThat.\n".encode("utf-16"), 1, (), "a.csv")
    yield Case("only a mark of UTF-8", MARK, 0, (("empty_file", 0),))
    yield Case("only a mark of UTF-16", codecs.BOM_UTF16_LE, 0, (("empty_file", 0),))
    yield Case("two marks at the beginning", MARK + MARK + text.encode(), 5)
    yield Case("a mark before every line", b"".join(MARK + line + b"\n" for line in text.encode().splitlines()), 5)
    yield Case("a mark at the end", text.encode() + MARK, 5)
    yield Case("a mark between spaces", b"  " + MARK + b"  " + text.encode(), 5)
    yield fine("a mark inside a text", json.dumps(row("\ufeffWhat?")).encode())
    for encoding in ("latin-1", "cp1252", "mac-roman"):
        yield between(f"one line in {encoding}", latin.encode(encoding), "not_utf8")
    for encoding, words in (
        ("cp1251", "Что это?"),
        ("shift_jis", "これは何ですか"),
        ("gb18030", "这是什么？"),
        ("euc_kr", "이것은 무엇입니까"),
    ):
        line = json.dumps(row(words, words), ensure_ascii=False).encode(encoding)
        yield between(f"one line in {encoding}", line, "not_utf8")
    yield between("one line in UTF-16", latin.encode("utf-16-le"), "nul_character")
    yield between("UTF-8 and Latin-1 in one line", latin.encode() + latin.encode("latin-1"), "not_utf8")
    yield between("an overlong encoding", GOOD[:-3] + b"\xc0\xaf" + GOOD[-3:], "not_utf8")
    yield between("half a character as UTF-8", GOOD.replace(b"Yes", b"\xed\xa0\x80"), "not_utf8")
    yield between("half a character, escaped", GOOD.replace(b"Yes", rb"\ud83e"), "nul_character")
    yield between("two halves the wrong way round", GOOD.replace(b"Yes", rb"\udd8a\ud83e"), "nul_character")
    yield fine("two halves of a character, escaped", GOOD.replace(b"Yes", rb"\ud83e\udd8a"))
    yield between("a NUL inside a line", GOOD.replace(b"Yes", b"Y\0s"), "nul_character")
    yield between("a NUL, escaped", GOOD.replace(b"Yes", rb"Y\u0000s"), "nul_character")
    yield between("a line of NULs", bytes(500), "nul_character")
    yield Case("NULs at the end", text.encode() + bytes(4096), 5, (("nul_character", 6),))
    yield Case("NULs at the beginning", bytes(64) + text.encode(), 4, (("nul_character", 1),))
    yield Case("nothing but NULs", bytes(4096), 0, (("empty_file", 0),))
    yield fine("control characters inside a text", GOOD.replace(b"Yes", b"Y\x07\x1b[31ms\ts"))
    yield Case("Windows line ends", text.replace("\n", "\r\n").encode(), 5)
    yield Case("line ends of an old Mac", text.replace("\n", "\r").encode(), 5)
    lines = text.encode().splitlines()
    mixed = lines[0] + b"\r\n" + lines[1] + b"\n" + lines[2] + b"\r" + lines[3] + b"\n\r" + lines[4]
    yield Case("all line ends mixed", mixed, 5)
    yield Case("empty lines between", text.replace("\n", "\n\n \n\t\n").encode(), 5)
    yield fine(
        "line separators of Unicode inside a text", json.dumps(row("a\u2028b\u2029c\x85d"), ensure_ascii=False).encode()
    )
    yield Case("no line end at the end", text.encode().rstrip(), 5)
    yield Case("a Ctrl-Z at the end", text.encode() + b"\x1a", 5, (("not_json", 6),))

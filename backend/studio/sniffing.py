"""Files that are something else than JSON lines, told by their first bytes and named in words."""

from __future__ import annotations

from backend.domain import Problem
from backend.i18n import _

UTF8_BOM = b"\xef\xbb\xbf"

_MAGIC = (
    (b"PK\x03\x04", "format_zip", "ZIP"),
    (b"\x1f\x8b", "format_gzip", "gzip"),
    (b"%PDF", "format_pdf", "PDF"),
    (b"PAR1", "format_parquet", "Parquet"),
    (b"\x89PNG", "format_image", "PNG"),
    (b"\xff\xd8\xff", "format_image", "JPEG"),
    (b"\xd0\xcf\x11\xe0", "format_office", "Office"),
    (b"SQLite format 3\x00", "format_sqlite", "SQLite"),
    (b"BZh", "format_bzip2", "bzip2"),
    (b"\xfd7zXZ", "format_xz", "xz"),
    (b"\x28\xb5\x2f\xfd", "format_zstd", "zstd"),
)


def find_foreign_format(head: bytes, filename: str = "") -> Problem | None:
    """A Problem about the whole file, or None where it may be JSONL or a JSON list. `head` is its first 64 KiB."""
    text = head.removeprefix(UTF8_BOM)
    if not text.strip():
        return Problem(0, "empty_file", _("The file is empty."), _("Add at least two conversations, one a line."))
    for magic, code, title in _MAGIC:
        if head.startswith(magic):
            fix = _("Save the table or text in it as JSONL and choose that file.")
            if code in {"format_zip", "format_gzip", "format_bzip2", "format_xz", "format_zstd"}:
                fix = _("Unpack it first, then choose the JSONL file in it (Excel: save the table as JSONL).")
            return Problem(0, code, _("This is a {format} file, not JSONL.").format(format=title), fix)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or _looks_like_utf16(head):
        return Problem(
            0,
            "format_utf16",
            _("The file is UTF-16 text; JSONL is UTF-8."),
            _("Save it with the encoding UTF-8 (in an editor: Save as, encoding UTF-8)."),
        )
    lines = [line.strip() for line in text.split(b"\n") if line.strip()]
    if lines[0][:1] == b"<":
        return Problem(
            0, "format_html", _("This is an HTML or XML page, not JSONL."), _("Download the file itself, not its page.")
        )
    if _looks_like_a_table(lines, filename):
        return Problem(
            0,
            "format_csv",
            _("This is a table (CSV), which is not taken yet."),
            _("Save it as JSONL: one conversation a line."),
        )
    if lines[0] == b"{":
        return Problem(
            0,
            "format_spread_json",
            _("The records are spread over several lines."),
            _("Write each record on one line of its own, or put all into one JSON list."),
        )
    return None


def _looks_like_utf16(head: bytes) -> bool:
    """Latin text as UTF-16 without a mark has a zero in every second byte."""
    start = head[:200]
    return len(start) >= 4 and (start[0::2].count(0) > len(start) * 0.4 or start[1::2].count(0) > len(start) * 0.4)


def _looks_like_a_table(lines: list[bytes], filename: str) -> bool:
    if any(line[:1] in (b"{", b"[") for line in lines[:20]):
        return False
    if filename.lower().endswith((".csv", ".tsv")):
        return True
    counts = [[line.count(mark) for line in lines[:2]] for mark in (b",", b";", b"\t")]
    return len(lines) > 1 and any(first and first == second for first, second in counts)

"""Files of another kind than those with examples, told by their first bytes; and what can be done with each."""

from __future__ import annotations

import re

from backend.i18n import _
from backend.studio.unpacking import Unreadable

_SPELT = (b"ORC", b"BZh", b"GIF8", b"ARROW1")
"""Marks that a text can begin with too, such as a table whose first column is ORCID."""
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_ZIP, _OLD_OFFICE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"

_MAGIC = (
    (b"\x1f\x8b", "format_gzip", _("This is a gzip file.")),
    (b"%PDF", "format_pdf", _("This is a PDF document.")),
    (b"\x89PNG", "format_image", _("This is a picture (PNG).")),
    (b"GIF8", "format_image", _("This is a picture (GIF).")),
    (b"\xff\xd8\xff", "format_image", _("This is a picture (JPEG).")),
    (b"PK\x05\x06", "format_zip", _("This is an empty ZIP file.")),
    (b"7z\xbc\xaf\x27\x1c", "format_zip", _("This is a 7-Zip file.")),
    (b"Rar!\x1a\x07", "format_zip", _("This is a RAR file.")),
    (b"ARROW1", "format_arrow", _("This is an Arrow file.")),
    (b"{\\rtf", "format_word", _("This is a text document (RTF).")),
    (b"\x7fELF", "format_binary", _("This is a program.")),
    (b"\x80\x02", "format_binary", _("This is a pickle file of Python.")),
    (b"\x80\x04", "format_binary", _("This is a pickle file of Python.")),
    (b"\x80\x05", "format_binary", _("This is a pickle file of Python.")),
    (b"\x89HDF", "format_binary", _("This is an HDF5 file.")),
    (b"Obj\x01", "format_binary", _("This is an Avro file.")),
    (b"ORC", "format_binary", _("This is an ORC file.")),
    (b"SQLite format 3\x00", "format_sqlite", _("This is an SQLite database.")),
    (b"BZh", "format_bzip2", _("This is a bzip2 file.")),
    (b"\xfd7zXZ", "format_xz", _("This is an xz file.")),
    (b"\x28\xb5\x2f\xfd", "format_zstd", _("This is a zstd file.")),
)
_EXCEL = ("format_excel", _("This is an Excel workbook."))
_WORD = ("format_word", _("This is a Word document."))
_SLIDES = ("format_slides", _("This is a PowerPoint presentation."))
_TABLE = ("format_excel", _("This is a spreadsheet (OpenDocument)."))
_NAMES_IN_A_ZIP = (
    (b"xl/", _EXCEL),
    (b"word/", _WORD),
    (b"ppt/", _SLIDES),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", _TABLE),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", ("format_word", _("This is a text document (OpenDocument)."))),
)
_NAMES_IN_OLD_OFFICE = (
    ("EncryptedPackage", ("format_office", _("This is an Office file that is locked with a password."))),
    ("WordDocument", _WORD),
    ("PowerPoint Document", _SLIDES),
    ("Workbook", _EXCEL),
)
_UNPACK = _("Unpack it first, then choose the file in it.")
_AS_TABLE = _(
    "Put questions and answers into a table with a column for each, such as in Excel, and save that as CSV UTF-8."
)
_ADVICE = {
    "format_excel": _("In Excel: File, Save as, CSV UTF-8. Then choose the CSV file."),
    "format_word": _AS_TABLE,
    "format_pdf": _AS_TABLE,
    "format_slides": _AS_TABLE,
    "format_image": _AS_TABLE,
    "format_office": _(
        "Open it in the program that made it, and save the table in it as CSV UTF-8. Then choose the CSV file."
    ),
    "format_zip": _UNPACK,
    "format_gzip": _UNPACK,
    "format_bzip2": _UNPACK,
    "format_xz": _UNPACK,
    "format_zstd": _UNPACK,
    "format_html": _("Download the file itself, not the page about it."),
    "format_text": _("Save it as a table with a column for the question and one for the answer, or as JSON Lines."),
}


def advice_for(code: str) -> str:
    """What to do with a file of this kind."""
    return _ADVICE.get(code, _("Save the table or text in it as JSONL, CSV or Parquet, and choose that file."))


def unreadable(code: str, message: str) -> Unreadable:
    return Unreadable(code, message, advice_for(code))


def name_other_kind(head: bytes) -> Unreadable | None:
    """What the file is, if its first bytes tell that it is for another program; else None."""
    if head.startswith(_ZIP):
        return unreadable(*_in_zip(head))
    if head.startswith(_OLD_OFFICE):
        return unreadable(*_in_old_office(head))
    for magic, code, message in _MAGIC:
        if head.startswith(magic) and (magic not in _SPELT or _NOT_IN_TEXT.search(head[:512])):
            return unreadable(code, message)
    return None


def _in_zip(head: bytes) -> tuple[str, str]:
    """By the names of its first files: each has 26 bytes of figures between its mark and its name."""
    starts = [match.end() + 26 for match in re.finditer(re.escape(_ZIP), head)]
    for name, found in _NAMES_IN_A_ZIP:
        if any(head.startswith(name, start) for start in starts):
            return found
    if any(head.startswith(b"[Content_Types].xml", start) for start in starts):
        return "format_office", _("This is an Office file.")
    return "format_zip", _("This is a ZIP file.")


def _in_old_office(head: bytes) -> tuple[str, str]:
    for name, found in _NAMES_IN_OLD_OFFICE:
        if name.encode("utf-16-le") in head:
            return found
    return "format_office", _("This is an Office file, such as of Excel or Word.")

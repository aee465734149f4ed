"""The bytes of a source as UTF-8 text, whatever they were wrapped in: gzip (several members too), UTF-16, UTF-32.

Memory stays small: everything is a stream. What can't be unpacked raises Unreadable where it happens, so that all
before it can be used.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from backend.i18n import _

PIECE_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
"""Its bytes are left as they are, whatever text they look like."""
UTF8_BOM = b"\xef\xbb\xbf"
LARGEST_RATIO = 300
"""Text packs 3 to 20 times, and the same row over and over some 200 times."""
SUSPECT_BYTES = 64 * 1024 * 1024
"""A ratio beyond `LARGEST_RATIO` is refused above this many unpacked bytes."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """From here on the source can't be read; in words. `code` is that of the finding, `line` where known (from 1)."""

    def __init__(self, code: str, message: str, fix: str, line: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.line = line


Read = Callable[[int], bytes]
"""At most that many bytes; none at the end."""


class TextStream:
    """A source as UTF-8 bytes without a byte order mark, with `\\n` as line end if it had `\\r` alone.

    `is_plain` says that these are the very bytes of the file, from `start` on: others may read parts of it by offset.
    """

    def __init__(self, file: IO[bytes], head_bytes: int = 256 * 1024) -> None:
        self._file = file
        self.notes: list[str] = []
        self.start = 0
        read = _checked(file.read)
        first = _peek(read, 4)
        self.is_plain = True
        if first[0].startswith(GZIP_MAGIC):
            read, self.is_plain = _gunzip(_after(*first)), False
        else:
            read = _after(*first)
        head, read = _peek(read, head_bytes)
        is_text = not head.startswith(PARQUET_MAGIC)
        encoding = _other_encoding(head) if is_text else ""
        if encoding:
            read, self.is_plain = _decoded(_after(head, read), encoding), False
            self.notes.append(encoding)
            head, read = _peek(read, head_bytes)
        if head.startswith(UTF8_BOM):
            head, self.start = head[3:], 3
        if is_text and b"\r" in head and b"\n" not in head and head.count(b"\r") > 1:
            read, self.is_plain = _with_line_feeds(_after(head, read)), False
            head, read = _peek(read, head_bytes)
        self.head = head
        self.is_whole = len(head) < head_bytes
        """Whether the head is all there is."""
        self.read: Read = _after(head, read)

    def position(self) -> int:
        """Bytes taken from the source so far, packed as they are."""
        try:
            return self._file.tell()
        except (OSError, ValueError):
            return 0


def open_bytes(source: Path) -> IO[bytes]:
    """Raises Unreadable for what isn't there, isn't a file, or may not be read."""
    try:
        if not source.is_file():
            if source.is_dir():
                raise Unreadable(
                    "empty_folder",
                    _("There is no file with examples in this folder."),
                    _("Put files with examples into it (JSONL, JSON, CSV or Parquet), or choose another."),
                )
            if not source.exists():
                raise Unreadable("no_such_file", _("The file isn't there."), _("Check the name and the folder."))
            raise Unreadable("unreadable_file", _("This is no ordinary file."), _("Choose a file with examples."))
        return source.open("rb")
    except (OSError, ValueError) as error:
        raise _may_not_be_read(error) from error


def _may_not_be_read(error: Exception) -> Unreadable:
    reason = getattr(error, "strerror", None) or str(error)
    return Unreadable(
        "unreadable_file",
        _("The file can't be read: {reason}.").format(reason=reason),
        _("Check that you may read it, and that its disk is there."),
    )


def _checked(read: Read) -> Read:
    def take(count: int) -> bytes:
        try:
            return read(count)
        except OSError as error:
            raise _may_not_be_read(error) from error

    return take


def _peek(read: Read, count: int) -> tuple[bytes, Read]:
    """The next bytes, and what reads on; an end with words comes after the bytes before it."""
    pieces, size = [], 0
    try:
        while size < count and (piece := read(count - size)):
            pieces.append(piece)
            size += len(piece)
    except Unreadable as end:
        if not pieces:
            raise
        return b"".join(pieces), _ending(end)
    return b"".join(pieces), read


def _ending(end: Unreadable) -> Read:
    def take(count: int) -> bytes:
        raise end

    return take


def _after(head: bytes, read: Read) -> Read:
    """First the head, then the rest."""
    view = memoryview(head)

    def take(count: int) -> bytes:
        nonlocal view
        if view:
            piece, view = bytes(view[:count]), view[count:]
            return piece
        return read(count)

    return take


def _gunzip(read: Read) -> Read:
    unpacker = zlib.decompressobj(wbits=31)
    packed = b""
    taken = given = 0
    is_damaged = False

    def take(count: int) -> bytes:
        nonlocal unpacker, packed, taken, given, is_damaged
        while True:
            if is_damaged:
                raise _gzip_damaged()
            if not packed:
                packed = read(256 * 1024)
                taken += len(packed)
                if not packed:
                    if unpacker.eof:
                        return b""
                    raise Unreadable(
                        "gzip_cut_off",
                        _("The packed file ends too early: its end is missing."),
                        _("Download or pack it again; the examples before can be used."),
                    )
            if unpacker.eof:
                packed = packed.lstrip(b"\x00")  # padding between and after members is allowed
                if not packed:
                    continue
                if len(packed) == 1:
                    packed += read(1)
                if not packed.startswith(GZIP_MAGIC):
                    raise _gzip_damaged()
                unpacker = zlib.decompressobj(wbits=31)
            before = unpacker.copy()
            try:
                piece = unpacker.decompress(packed, count)
            except zlib.error as error:
                piece, is_damaged = _until_damage(before, packed, count), True
                if piece:
                    return piece
                raise _gzip_damaged() from error
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            given += len(piece)
            if given > SUSPECT_BYTES and given > LARGEST_RATIO * taken:
                raise Unreadable(
                    "gzip_too_large",
                    _("The packed file grows {ratio} times when unpacked, as no text does.").format(
                        ratio=given // taken
                    ),
                    _("Unpack it yourself, look at it, and choose the unpacked file."),
                )
            if piece:
                return piece

    return take


def _until_damage(unpacker: zlib._Decompress, packed: bytes, count: int) -> bytes:
    """All that comes before the damage, which zlib keeps when it finds it: a wrong checksum would cost everything."""
    piece = bytearray()
    try:
        for place in range(len(packed)):
            piece += unpacker.decompress(packed[place : place + 1], max(1, count - len(piece)))
            if len(piece) >= count:
                break
    except zlib.error:
        pass
    return bytes(piece)


def _gzip_damaged() -> Unreadable:
    return Unreadable(
        "gzip_damaged",
        _("The packed file is damaged from here on."),
        _("Download or pack it again; the examples before can be used."),
    )


def _other_encoding(head: bytes) -> str:
    """The name of a wide encoding, by its mark or by the zeros that Latin text has in it; else empty."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    start = head[:400]
    if len(start) < 4:
        return ""
    if b"\x00" not in start[:2]:
        return ""  # a later line may be damaged, or written in another way than the first ones
    zeros = [start[place::2].count(0) / len(start[place::2]) for place in (0, 1)]
    if zeros[1] > 0.4 and zeros[0] < 0.05:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > 0.4 and zeros[1] < 0.05 else ""


def _decoded(read: Read, encoding: str) -> Read:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    is_over = False

    def take(count: int) -> bytes:
        nonlocal is_over
        while not is_over:
            piece = read(max(64, min(count, PIECE_BYTES)))
            is_over = not piece
            text = decoder.decode(piece, final=is_over)
            if text:
                return text.encode("utf-8", "replace")
        return b""

    return _bounded(take)


def _with_line_feeds(read: Read) -> Read:
    def take(count: int) -> bytes:
        return read(count).replace(b"\r", b"\n")

    return take


def _bounded(read: Read) -> Read:
    """For a source that may give more than asked for."""
    rest = b""

    def take(count: int) -> bytes:
        nonlocal rest
        piece = rest or read(count)
        rest = piece[count:]
        return piece[:count]

    return take

"""Writing so that a reader sees the old file or the new one, never half; a disk that is full, in words."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.errors import NoRoom
from backend.i18n import _


def write_atomically(path: Path, content: bytes, *, is_synced: bool = True, mode: int = 0o666) -> None:
    """Threads and processes may do so at once: one of them is last. Not synced, a power cut may leave it empty."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def say_no_room(how_to_fix: str = "") -> Iterator[None]:
    """A full disk or a folder without permission becomes words; `how_to_fix` replaces the advice on PHIDESK_HOME."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoRoom(
                _("The disk is full."),
                how_to_fix=how_to_fix or _("Free some space, or set PHIDESK_HOME to a folder on a larger disk."),
                code="disk_full",
                raw=str(error),
            ) from error
        if error.errno == errno.EFBIG:
            raise NoRoom(
                _("A file would be larger than this disk takes."),
                how_to_fix=how_to_fix or _("Use fewer examples, or set PHIDESK_HOME to a folder on another disk."),
                code="file_too_large_for_disk",
                raw=str(error),
            ) from error
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise NoRoom(
                _("{path} can't be written.").format(path=error.filename),
                why=error.strerror or "",
                how_to_fix=how_to_fix or _("Set PHIDESK_HOME to a folder that you may write to."),
                code="not_writable",
                raw=str(error),
            ) from error
        raise

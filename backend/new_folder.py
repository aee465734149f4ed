"""A new folder that appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.errors import Conflict
from backend.i18n import _


@contextmanager
def new_folder(made: Path) -> Iterator[Path]:
    """A hidden folder beside `made` to be filled, which then gets its name; where that fails nothing is left.

    Raises Conflict where `made` is there already, also when somebody else made it meanwhile.
    """
    require_new(made)
    made.parent.mkdir(parents=True, exist_ok=True)
    draft = made.with_name(f".{made.name}-{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        yield draft
        try:
            draft.rename(made)
        except OSError as error:
            raise _folder_exists(made) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def require_new(made: Path) -> None:
    """Raises Conflict, before anything is done for it."""
    if made.exists():
        raise _folder_exists(made)


def _folder_exists(made: Path) -> Conflict:
    return Conflict(
        _("{folder} is there already.").format(folder=made),
        how_to_fix=_("Choose another folder, or remove this one."),
        code="folder_exists",
    )

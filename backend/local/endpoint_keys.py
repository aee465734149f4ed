"""An endpoint's key: in the OS keyring where one works, else in a file that only its owner can read (decision 0002)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

SERVICE = "phidesk"
FILE = "key"


def _account(folder: Path) -> str:
    """Two workspace folders may hold an endpoint of the same name."""
    return f"{folder.name}-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"


def make_key(folder: Path) -> None:
    """Make one unless there is one. What was stored is read back before we rely on it."""
    with contextlib.suppress(FileNotFoundError):
        read_key(folder)
        return
    key = "phd-" + secrets.token_urlsafe(32)
    if _store_in_keyring(folder, key):
        return
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key)


def _store_in_keyring(folder: Path, key: str) -> bool:
    import keyring
    from keyring.errors import KeyringError

    if keyring.get_keyring().priority < 1:  # the null and the failing one, and files in clear text
        return False
    try:
        keyring.set_password(SERVICE, _account(folder), key)
        return keyring.get_password(SERVICE, _account(folder)) == key
    except (KeyringError, RuntimeError, OSError):
        # Locked, without a session bus, or broken: the file does as well.
        return False


def read_key(folder: Path) -> str:
    """Raises FileNotFoundError when it is in neither place."""
    with contextlib.suppress(FileNotFoundError):
        return (folder / FILE).read_text(encoding="ascii").strip()
    import keyring
    from keyring.errors import KeyringError

    key = None
    with contextlib.suppress(KeyringError, RuntimeError, OSError):
        key = keyring.get_password(SERVICE, _account(folder))
    if not key:
        raise FileNotFoundError(folder / FILE)
    return key


def delete_key(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)
    import keyring
    from keyring.errors import KeyringError

    with contextlib.suppress(KeyringError, RuntimeError, OSError):
        if keyring.get_password(SERVICE, _account(folder)):
            keyring.delete_password(SERVICE, _account(folder))

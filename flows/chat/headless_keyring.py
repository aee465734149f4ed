"""Lets `pf` commands keep connections where there is no desktop keyring (a server, a container, CI).

Prompt flow encrypts each connection's secrets with one key, and wants an operating system's keyring for that key
only. This backend keeps it in a file that its owner alone can read. Chosen by two environment variables, see README.md.
"""

import os
from pathlib import Path

from keyring.backend import KeyringBackend


class FileKeyring(KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        try:
            return self._file(service, username).read_text()
        except FileNotFoundError:
            return None

    def set_password(self, service: str, username: str, password: str) -> None:
        file = self._file(service, username)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(password)

    def delete_password(self, service: str, username: str) -> None:
        self._file(service, username).unlink(missing_ok=True)

    def _file(self, service: str, username: str) -> Path:
        home = Path(os.environ.get("PF_HOME_DIRECTORY", Path.home() / ".promptflow"))
        return home / "keyring" / f"{service}.{username}".replace(os.sep, "_")

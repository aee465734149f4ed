"""Blob storage: a real Azurite as a child process, and what one emulated cloud keeps in it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
KEY = base64.b64encode(b"the emulator's storage key, 32 b").decode()
ACCOUNTS = 1000  # Azurite learns its accounts when it starts; every account of a cloud takes one of them


def why_missing() -> str:
    """What keeps Azurite from starting here; empty when nothing does."""
    if shutil.which("node") is None:
        return "Node.js is missing. Install Node.js 20 or newer, then run: make install-dev"
    return "" if PROGRAM.exists() else "Azurite is not installed. Run: make install-dev"


@dataclass
class Azurite:
    """One process for a whole test session; its accounts are handed out one after the other."""

    port: int = 0
    _process: subprocess.Popen[str] | None = None
    _folder: str = ""
    _free: Iterator[int] = field(default_factory=lambda: itertools.count())

    def start(self) -> Azurite:
        self._folder = tempfile.mkdtemp(prefix="phidesk-azurite-")
        accounts = ";".join(f"azemu{number}:{KEY}" for number in range(ACCOUNTS))
        command = ["node", str(PROGRAM), "--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck"]
        command += ["--loose", "--silent", "--disableTelemetry"]
        self._process = subprocess.Popen(
            command,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "AZURITE_ACCOUNTS": accounts},
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            listening = re.search(r"listen\w* (?:at|on) https?://[^:]+:(\d+)", line)
            if listening:
                self.port = int(listening[1])
                threading.Thread(target=self._drain, daemon=True, name="azurite-output").start()
                return self
        raise RuntimeError(f"Azurite did not start:\n{said}")

    def _drain(self) -> None:
        """Read on, so that its output never blocks it."""
        assert self._process is not None and self._process.stdout is not None
        for _line in self._process.stdout:
            pass

    def next_account(self) -> str:
        number = next(self._free)
        if number >= ACCOUNTS:
            raise RuntimeError(f"all {ACCOUNTS} accounts of this Azurite are taken; raise ACCOUNTS")
        return f"azemu{number}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class Storage:
    """The storage accounts of one cloud. Account names are the cloud's; signatures name Azurite's behind them."""

    azurite: Azurite
    _accounts: dict[str, str] = field(default_factory=dict)
    _containers: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        return self.azurite.port

    def account_for(self, account: str) -> str:
        with self._lock:
            if account not in self._accounts:
                self._accounts[account] = self.azurite.next_account()
            return self._accounts[account]

    def container(self, account: str, name: str) -> Any:
        """The SDK's client of a container, straight at Azurite; the container is made when it is missing."""
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobServiceClient

        real = self.account_for(account)
        service = BlobServiceClient(f"http://127.0.0.1:{self.port}/{real}", {"account_name": real, "account_key": KEY})
        client = service.get_container_client(name)
        with self._lock:
            is_new = (account, name) not in self._containers
            self._containers.add((account, name))
        if is_new:
            with contextlib.suppress(ResourceExistsError):
                client.create_container()
        return client

    def sas(self, account: str, container: str, permission: str = "racwdl", hours: float = 1) -> str:
        from azure.storage.blob import generate_container_sas

        self.container(account, container)
        return str(
            generate_container_sas(
                self.account_for(account),
                container,
                account_key=KEY,
                permission=permission,
                start=datetime.now(UTC) - timedelta(minutes=5),
                expiry=datetime.now(UTC) + timedelta(hours=hours),
            )
        )

    def url(self, account: str, container: str, path: str = "") -> str:
        return f"https://{account}.blob.core.windows.net/{container}" + (f"/{path}" if path else "")

    def names(self, account: str, container: str, prefix: str) -> list[str]:
        """The blobs that are `prefix` itself or lie below it as a folder."""
        prefix = prefix.strip("/")
        found = self.container(account, container).list_blob_names(name_starts_with=prefix)
        return [name for name in found if not prefix or name == prefix or name.startswith(prefix + "/")]

    def read(self, account: str, container: str, name: str) -> bytes:
        return bytes(self.container(account, container).download_blob(name).readall())

    def write(self, account: str, container: str, name: str, content: bytes) -> None:
        self.container(account, container).upload_blob(name, content, overwrite=True)

    def download(self, account: str, container: str, prefix: str, target: Path) -> list[Path]:
        """A blob to `target`, or all blobs below a folder into it. Answers the files written."""
        prefix = prefix.strip("/")
        written = []
        for name in self.names(account, container, prefix):
            path = target if name == prefix else target / name[len(prefix) :].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(account, container, name))
            written.append(path)
        return written

    def upload(self, account: str, container: str, prefix: str, source: Path) -> None:
        """A file, or every file of a folder, to names below `prefix`."""
        for path in sorted(source.rglob("*")):
            if path.is_file():
                name = f"{prefix.strip('/')}/{path.relative_to(source).as_posix()}"
                self.write(account, container, name, path.read_bytes())

    def close(self) -> None:
        """Give the memory back."""
        from azure.core.exceptions import AzureError

        for account, name in self._containers:
            with contextlib.suppress(AzureError):
                self.container(account, name).delete_container()

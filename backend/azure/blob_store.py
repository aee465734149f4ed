"""The container behind the workspace's default datastore: read, written and emptied by path. Its keys stay in here."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.i18n import _

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

STORE = "workspaceblobstore"
KEEP_SECONDS = 1500
"""The signature that the workspace hands out holds for an hour."""
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Blob:
    path: str
    size: int
    changed_at: datetime


class BlobStore:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = threading.Lock()
        self._kept: tuple[float, tuple[object, ...], ContainerClient] | None = None

    def _container(self) -> ContainerClient:
        key = (self.connection.account.sign_in_id, self.connection.workspace_path())
        with self._lock:
            if self._kept and self._kept[1] == key and time.monotonic() - self._kept[0] < KEEP_SECONDS:
                return self._kept[2]
            with in_words(_("Opening the workspace's storage")):
                client = open_container(self.connection, STORE)
            self._kept = (time.monotonic(), key, client)
            return client

    def read(self, path: str, limit: int) -> tuple[bytes, datetime] | None:
        """At most `limit` bytes and when they were written; None when there is no such blob."""
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Reading {file} of the workspace's storage").format(file=path.rsplit("/", 1)[-1])):
            try:
                download = self._container().get_blob_client(path).download_blob(offset=0, length=limit)
                return download.readall(), download.properties.last_modified or datetime.now(UTC)
            except ResourceNotFoundError:
                return None
            except Exception as error:
                if getattr(error, "status_code", 0) == 416:  # an empty blob has no range
                    return b"", datetime.now(UTC)
                raise

    def tail(self, path: str, length: int) -> bytes | None:
        """The last bytes of a blob that may be growing; None when there is no such blob."""
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Reading {file} of the workspace's storage").format(file=path.rsplit("/", 1)[-1])):
            try:
                blob = self._container().get_blob_client(path)
                size = int(blob.get_blob_properties().size or 0)
                if not size:
                    return b""
                content: bytes = blob.download_blob(offset=max(0, size - length), length=min(size, length)).readall()
            except ResourceNotFoundError:
                return None
            return content

    def names(self, folder: str) -> list[Blob]:
        """Every blob below a folder."""
        with in_words(_("Listing the workspace's storage")):
            return [
                Blob(str(found.name), int(found.size or 0), found.last_modified or datetime.now(UTC))
                for found in self._container().list_blobs(name_starts_with=folder.rstrip("/") + "/")
                if not (found.metadata or {}).get("hdi_isfolder")
            ]

    def upload(self, file: Path, path: str, on_progress: Callable[[int, int], None]) -> None:
        """A blob appears whole or not at all, so one of the same size under a name made of its content is the same."""
        size = file.stat().st_size
        with in_words(_("Uploading {file}").format(file=file.name)):
            blob = self._container().get_blob_client(path)
            if blob.exists() and blob.get_blob_properties().size == size:
                return
            with file.open("rb") as opened:
                blob.upload_blob(
                    opened,
                    length=size,
                    overwrite=True,
                    max_concurrency=4,
                    progress_hook=lambda done, _total: on_progress(int(done), size),
                )

    def write(self, path: str, content: bytes) -> None:
        with in_words(_("Writing {file}").format(file=path.rsplit("/", 1)[-1])):
            self._container().get_blob_client(path).upload_blob(content, overwrite=True)

    def download_folder(self, folder: str, target: Path, *, without: str = "") -> None:
        """Every blob below it, as files; `without` names one folder that is left out."""
        root = target.resolve()
        for blob in self.names(folder):
            name = blob.path.removeprefix(f"{folder.rstrip('/')}/")
            place = (root / name).resolve()
            if place.is_relative_to(root) and (not without or name.split("/")[0] != without):
                self.download(blob, place)

    def delete(self, folder: str) -> None:
        """Everything below it. Gone already is fine."""
        from azure.core.exceptions import ResourceNotFoundError

        # The deepest first: with a hierarchical namespace a folder is a blob too, and must be empty.
        paths = sorted((blob.path for blob in self.names(folder)), key=lambda path: -path.count("/"))
        with in_words(_("Deleting the run's files")):
            for path in paths:
                try:
                    self._container().delete_blob(path)
                except ResourceNotFoundError:
                    continue

    def download(self, blob: Blob, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with in_words(_("Downloading {file}").format(file=target.name)), target.open("wb") as file:
            if blob.size:
                self._container().get_blob_client(blob.path).download_blob(max_concurrency=4).readinto(file)


def open_container(connection: Connection, datastore: str) -> ContainerClient:
    """With the signature or key that the workspace hands out, else (a store without any) with the person's sign-in."""
    from azure.storage.blob import ContainerClient

    store: Any = connection.ml().datastores.get(datastore, include_secrets=True)
    secret = getattr(store.credentials, "sas_token", None) or getattr(store.credentials, "account_key", None)
    return ContainerClient(
        f"{store.protocol}://{store.account_name}.blob.{store.endpoint}",
        store.container_name,
        credential=secret or connection.credential(),
        **storage_patience(connection),
    )


def storage_patience(connection: Connection) -> dict[str, Any]:
    """Timeouts and retries of a storage client; by its own defaults it rests 15 to 40 seconds before each retry."""
    return {
        "connection_timeout": CONNECT_SECONDS,
        "read_timeout": connection.settings.azure_timeout_seconds,
        "retry_total": 3,
        "initial_backoff": 1,
        "increment_base": 2,
        "random_jitter_range": 1,
    }


def store_path(uri: str) -> str:
    """The folder inside the default datastore that an address means; empty for one elsewhere."""
    found = re.fullmatch(rf"azureml:.*/datastores/{STORE}/paths/(.+?)/?", uri)
    return found[1] if found else ""


def folder_files(folder: Path) -> Iterator[Path]:
    """The files of a model's folder, none hidden."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path

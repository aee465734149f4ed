"""Data assets of the workspace as a source of examples: which there are, and their files copied to this computer."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.azure.blob_store import open_container
from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.domain_datasets import DataAsset
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.new_folder import new_folder, require_new

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_PLACE = re.compile(r"azureml:.*/datastores/(?P<store>[^/]+)/paths/(?P<path>.+?)/?")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class AzureDataAssets:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def list(self) -> Sequence[DataAsset]:
        with in_words(_("Listing the data assets")):
            found = [
                DataAsset(
                    name=str(one.name),
                    version=str(one.latest_version or ""),
                    kind=str(one.type or ""),
                    created_at=one.creation_context.created_at if one.creation_context else None,
                )
                for one in self.connection.ml().data.list()
            ]
        return sorted(found, key=lambda one: (one.created_at or _LONG_AGO, one.name), reverse=True)

    def download(
        self, name: str, version: str, folder: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Path:
        made = folder / f"{name}-{version}"
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(version):
            raise _no_such_asset(name, version)
        require_new(made)
        store, path = self._place(name, version)
        with in_words(_("Opening the storage of the data asset {name}").format(name=name)):
            container = open_container(self.connection, store)
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with new_folder(made) as draft:
            with in_words(_("Downloading the data asset {name}").format(name=name)):
                _copy(container, path, draft, on_progress)
            if not any(draft.iterdir()):
                raise NotFound(
                    _("The data asset {name} holds no files.").format(name=name),
                    why=_("Nothing is at {path} any more.").format(path=path),
                    how_to_fix=_("Choose another one."),
                    code="empty_data_asset",
                )
        return made

    def _place(self, name: str, version: str) -> tuple[str, str]:
        """The datastore and the path in it where the asset's files are."""
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Looking for the data asset {name}").format(name=name)):
            try:
                uri = str(self.connection.ml().data.get(name, version=version).path)
            except ResourceNotFoundError as error:
                raise _no_such_asset(name, version) from error
        found = _PLACE.fullmatch(uri)
        if found is None or not self._is_blob_store(found["store"]):
            raise BadInput(
                _("The data asset {name} is not in a blob datastore of the workspace.").format(name=name),
                why=_("Its address is {address}.").format(address=uri.partition("?")[0]),
                how_to_fix=_("Download it yourself and add the file, or register it from a blob datastore."),
                code="asset_elsewhere",
            )
        return found["store"], found["path"]

    def _is_blob_store(self, name: str) -> bool:
        with in_words(_("Looking for the datastore {name}").format(name=name)):
            return hasattr(self.connection.ml().datastores.get(name), "container_name")


def _sweep(folder: Path) -> None:
    """What a killed app left behind; what is younger than a day may still be coming."""
    yesterday = time.time() - 24 * 60 * 60
    for left in folder.glob(".*"):
        with suppress(FileNotFoundError):
            if left.is_dir() and left.stat().st_mtime < yesterday:
                shutil.rmtree(left, ignore_errors=True)


def _copy(container: ContainerClient, path: str, target: Path, on_progress: Callable[[int, int], None]) -> None:
    """The blob of that path, or all below it; hidden files and what would leave the folder are left out."""
    wanted: dict[str, Any] = {}
    for blob in container.list_blobs(name_starts_with=path, include=["metadata"]):
        if blob.name == path:
            wanted = {Path(path).name: blob}
            break
        inner = str(blob.name).removeprefix(f"{path}/")
        if inner != blob.name and not (blob.metadata or {}).get("hdi_isfolder"):
            wanted[inner] = blob
    total, done, root = sum(int(blob.size or 0) for blob in wanted.values()), 0, target.resolve()
    for inner, blob in wanted.items():
        place = (root / inner).resolve()
        if not place.is_relative_to(root) or place == root or Path(inner).name.startswith("."):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            if blob.size:
                stream = container.get_blob_client(blob.name).download_blob(
                    max_concurrency=4, progress_hook=_told_after(done, total, on_progress)
                )
                stream.readinto(file)
        done += int(blob.size or 0)
        on_progress(done, total)


def _told_after(before: int, total: int, on_progress: Callable[[int, int], None]) -> Callable[[int, int | None], None]:
    """What is told of one file, when so many bytes came before it."""
    return lambda done, _of_file: on_progress(before + done, total)


def _no_such_asset(name: str, version: str) -> NotFound:
    return NotFound(
        _("There is no data asset {name}, version {version}.").format(name=name[:80], version=version[:80]),
        how_to_fix=_("Choose one from the list."),
        code="no_such_data_asset",
    )

"""What a job reads, brought to the workspace once: named by its content, so the same file is never sent twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from backend.azure.blob_store import STORE, BlobStore, folder_files
from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.studio.dataset_folder import slug

Tell = Callable[[str], None]
HASH_LENGTH = 16
LEAST_COUNTED = 1_000_000
"""Bytes; what is smaller is gone before anybody reads how far it is."""


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def asset_name(dataset: str, part: str) -> str:
    """`part` is train or eval."""
    return f"phidesk-{slug(dataset, 40)}-{part}"


def asset_version(file: Path, fallback: str) -> str:
    """From the content; for a file that is not on this computer, from what is known of it."""
    return (hash_file(file) if file.is_file() else fallback)[:HASH_LENGTH] or "1"


def ensure_data(connection: Connection, blobs: BlobStore, file: Path, name: str, tell: Tell) -> str:
    """The reference of a data asset with this content, uploaded when there is none yet."""
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import ResourceNotFoundError

    if not file.is_file():
        raise BadInput(
            _("The dataset's file {file} is missing.").format(file=file.name),
            why=_("There is no file {path} on this computer.").format(path=file),
            how_to_fix=_("Choose another dataset, or make this one again."),
            code="no_dataset_file",
        )
    version = asset_version(file, "")
    ml = connection.ml()
    with in_words(_("Looking for the data asset {name}").format(name=name)):
        try:
            ml.data.get(name, version=version)
        except ResourceNotFoundError:
            pass
        else:
            return f"azureml:{name}:{version}"
    path = f"phidesk/data/{version}/{file.name}"
    blobs.upload(file, path, _progress(tell, file.name))
    with in_words(_("Registering the data asset {name}").format(name=name)):
        ml.data.create_or_update(
            Data(
                name=name,
                version=version,
                type="uri_file",
                path=f"azureml://datastores/{STORE}/paths/{path}",
                tags=connection.marked("data"),
            )
        )
    return f"azureml:{name}:{version}"


def ensure_model_folder(blobs: BlobStore, folder: Path, tell: Tell) -> str:
    """The address of a copy of a model's folder in the workspace's storage."""
    files = list(folder_files(folder))
    if not any(file.suffix == ".safetensors" for file in files):
        raise NotFound(
            _("The folder {folder} holds no model.").format(folder=folder),
            why=_("It has no *.safetensors files."),
            how_to_fix=_("Choose another base model."),
            code="bad_model_folder",
        )
    tell(_("Reading the base model."))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()} {hash_file(file)}\n".encode())
    place = f"phidesk/base-models/{digest.hexdigest()[:HASH_LENGTH]}"
    for file in files:
        blobs.upload(file, f"{place}/{file.relative_to(folder).as_posix()}", _progress(tell, file.name))
    return f"azureml://datastores/{STORE}/paths/{place}/"


def _progress(tell: Tell, name: str) -> Callable[[int, int], None]:
    def on_progress(done: int, total: int) -> None:
        if total < LEAST_COUNTED:
            tell(_("Uploading {file}.").format(file=name))
            return
        tell(_("Uploading {file}: {done:.1f} of {total:.1f} MB.").format(file=name, done=done / 1e6, total=total / 1e6))

    return on_progress

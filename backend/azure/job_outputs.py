"""What a run left, copied to this computer: a new folder that appears whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.azure.blob_store import BlobStore, store_path
from backend.azure.catalogue import tuned_model_uri
from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.job_record import Record, output_folder
from backend.errors import NotFound
from backend.i18n import _
from backend.new_folder import new_folder


def download_outputs(
    connection: Connection, blobs: BlobStore, job_id: str, attempts: Sequence[Record], folder: Path
) -> Path:
    made = folder / f"phidesk-{job_id}"
    with new_folder(made) as draft:
        last = attempts[-1] if attempts else None
        if last is not None and not last.is_ours:
            with in_words(_("Downloading the run's outputs")):
                connection.ml().jobs.download(last.name, download_path=draft, all=True)
        elif last is not None and last.is_catalogue:
            _download_tuned(connection, blobs, last, draft)
        else:  # without the checkpoints, which are many times the model's size
            blobs.download_folder(output_folder(job_id), draft, without="checkpoints")
        if not any(draft.iterdir()):
            raise NotFound(_("The run {id} left no files.").format(id=job_id), code="no_outputs")
    return made


def _download_tuned(connection: Connection, blobs: BlobStore, record: Record, draft: Path) -> None:
    """By our own hand: azure-ai-ml 1.33 raises a TypeError for an output that is a model."""
    folder = store_path(tuned_model_uri(connection, record.name))
    if not folder:
        raise NotFound(
            _("The model of the run {id} is not in the workspace's default storage.").format(id=record.spec.id),
            how_to_fix=_("Open the run in the studio and download it there."),
            code="no_outputs",
        )
    blobs.download_folder(folder, draft / "model")

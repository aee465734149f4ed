"""The log of a run, read piece by piece while it grows: all attempts joined, image builds first.

Run history names each log by an address that carries its own signature; those stay in this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.azure.blob_store import storage_patience
from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.domain import LogChunk
from backend.i18n import _
from backend.log_chunks import LOG_CHUNK, chunk_of, start_of

BUILD_LOG = re.compile(r"azureml-logs/20_image_build_log\.txt")
# One process writes std_log.txt; of several, the first one's tells the story.
USER_LOG = re.compile(r"user_logs/std_log(_process_0+)?\.txt")


@dataclass(frozen=True)
class _Part:
    address: str
    start: int
    size: int


class JobLogs:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def details(self, name: str) -> dict[str, Any]:
        """Run history's facts of a job: status, error, addresses of logs; empty before it has any."""
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Reading the run's history")):
            try:
                return self.connection.data_plane(
                    "GET", f"/history/v1.0{self.connection.workspace_path()}/runs/{name}/details"
                )
            except ResourceNotFoundError:
                return {}

    def read(self, names: Sequence[str], since: int | None) -> LogChunk:
        """Of the attempts in their order; from byte `since`, or the last 64 KiB. Cut between characters."""
        parts: list[_Part] = []
        end = 0
        for name in names:
            for address in log_addresses(self.details(name).get("logFiles") or {}):
                size = self._size(address)
                parts.append(_Part(address, end, size))
                end += size
        start = start_of(end, since)
        data = b""
        for part in parts:
            first, last = max(start + len(data), part.start), part.start + part.size
            if first < last and len(data) < LOG_CHUNK:
                data += self._bytes(part.address, first - part.start, min(last - first, LOG_CHUNK - len(data)))
        return chunk_of(data, start, since)

    def _blob(self, address: str) -> Any:
        from azure.storage.blob import BlobClient

        return BlobClient.from_blob_url(address, **storage_patience(self.connection))

    def _size(self, address: str) -> int:
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Reading the log")):
            try:
                return int(self._blob(address).get_blob_properties().size or 0)
            except ResourceNotFoundError:
                return 0

    def _bytes(self, address: str, offset: int, length: int) -> bytes:
        with in_words(_("Reading the log")):
            content: bytes = self._blob(address).download_blob(offset=offset, length=length).readall()
            return content


def log_addresses(files: Mapping[str, str]) -> list[str]:
    """In the order of reading."""
    build = sorted(name for name in files if BUILD_LOG.fullmatch(name))
    user = sorted(name for name in files if USER_LOG.fullmatch(name))
    return [files[name] for name in (*build, *user[:1])]

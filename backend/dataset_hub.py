"""A dataset from the Hugging Face Hub (or a folder laid out like one), fetched by a process of its own."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain import Failure


@dataclass(frozen=True)
class HubImport:
    """`phase` is waiting, downloading, checking, saving, done or failed; `done` is 0..1 where known.

    `dataset_id` is set when it is done, `failure` when it failed.
    """

    id: str
    hub_id: str
    phase: str
    done: float | None = None
    rows: int = 0
    dataset_id: str = ""
    failure: Failure | None = None

    @property
    def is_final(self) -> bool:
        return self.phase in {"done", "failed"}

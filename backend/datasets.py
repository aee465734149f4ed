"""The datasets of the workspace folder: checked, split, saved, listed, looked into. Knows files, and no target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.dataset_hub import HubImport
from backend.dataset_reading import Row
from backend.domain import DataReport, Dataset

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class PartStatistics:
    """Figures of train or eval. `tokens` is an estimate: `CHARACTERS_PER_TOKEN` characters each."""

    rows: int
    turns: int
    characters: int
    tokens: int
    longest_tokens: int
    longest_row: int


@dataclass(frozen=True)
class Statistics:
    train: PartStatistics
    eval: PartStatistics


class Datasets:
    """Every dataset is a folder `<id>/` with train.jsonl, eval.jsonl and dataset.json."""

    def __init__(self, folder: Path, *, hub_token: str | None = None) -> None:
        self.folder = folder

    def check(self, source: Path | bytes, filename: str = "", *, limit_mb: int | None = None) -> DataReport:
        """Read the whole file and say what is in it; never raises for its content.

        Raises BadInput when it is larger than `limit_mb`, NotFound when there is no such file.
        """
        raise NotImplementedError

    def rows(self, source: Path | bytes, offset: int = 0, limit: int = 20) -> Sequence[Row]:
        """The usable rows of a file that is not saved yet."""
        raise NotImplementedError

    def create_from_file(
        self,
        source: Path | bytes,
        name: str,
        *,
        filename: str = "",
        eval_source: Path | bytes | None = None,
        eval_filename: str = "",
        eval_fraction: float = 0.2,
        seed: int = 0,
        skip_bad: bool = False,
        limit_mb: int | None = None,
    ) -> Dataset:
        """Raises BadInput (naming the first problems) for bad rows unless `skip_bad`, and below 2 good rows."""
        raise NotImplementedError

    def create_from_sample(self, folder: Path = SAMPLES) -> Dataset:
        raise NotImplementedError

    def create_from_hub(
        self,
        hub_id: str,
        config: str = "default",
        split: str = "train",
        *,
        name: str = "",
        eval_fraction: float = 0.2,
        seed: int = 0,
        skip_bad: bool = True,
    ) -> Dataset:
        """Import and wait for it (command line). Raises BadInput, NotFound or Unavailable with the reason."""
        raise NotImplementedError

    def start_hub_import(
        self,
        hub_id: str,
        config: str = "default",
        split: str = "train",
        *,
        name: str = "",
        eval_fraction: float = 0.2,
        seed: int = 0,
        skip_bad: bool = True,
    ) -> HubImport:
        """Start it in a process of its own, which outlives the app, and return at once (pages poll `hub_import`)."""
        raise NotImplementedError

    def hub_import(self, import_id: str) -> HubImport:
        """How far it is. Raises NotFound."""
        raise NotImplementedError

    def cancel_hub_import(self, import_id: str) -> None:
        raise NotImplementedError

    def list(self) -> Sequence[Dataset]:
        """Newest first."""
        raise NotImplementedError

    def get(self, dataset_id: str) -> Dataset:
        """Raises NotFound."""
        raise NotImplementedError

    def delete(self, dataset_id: str) -> None:
        """Already gone is success. Runs made with it keep their figures."""
        raise NotImplementedError

    def preview(self, dataset_id: str, part: str = "train", offset: int = 0, limit: int = 20) -> Sequence[Row]:
        """`part` is "train" or "eval"."""
        raise NotImplementedError

    def statistics(self, dataset_id: str) -> Statistics:
        raise NotImplementedError

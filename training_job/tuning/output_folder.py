"""The folder of one run: can it be written, does it hold this very run, how far did an earlier attempt get."""

from __future__ import annotations

import argparse
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from .checkpoints import newest_complete_checkpoint
from .failures import JobFailure, explain
from .files import read_json, write_json

logger = logging.getLogger(__name__)

PLACES = ("train_file", "eval_file", "output_dir", "model_output_dir")
"""Arguments that may differ between two starts of the same run: the data is known by its hash."""


@dataclass(frozen=True)
class Progress:
    """What an earlier attempt leaves to this one. Step -1: nothing."""

    checkpoint: Path | None = None
    step: int = -1
    trained_tokens: int = 0
    train_seconds: float = 0.0


class OutputFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Raises JobFailure `output_not_writable` or `disk_full`, before anything costly begins."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".writable-{os.getpid()}"  # of several processes each has its own
            probe.write_text("1")
            probe.unlink()
        except OSError as error:
            failure = explain(error)
            if failure.code == "disk_full":
                raise failure from error
            raise JobFailure(
                "output_not_writable",
                f"The output folder {self.path} can't be written.",
                why=str(error),
                how_to_fix="Choose another --output-dir, or change its permissions.",
                exit_status=2,
            ) from error

    def claim(self, arguments: argparse.Namespace, data_sha256: str, *, is_main: bool) -> None:
        """Raises JobFailure `output_holds_another_run`: its checkpoints would be taken for this run's."""
        values = {name: value for name, value in vars(arguments).items() if name not in PLACES}
        known = read_json(self.path / "run.json")
        if known is not None:
            earlier = known.get("arguments", {})
            differing = sorted(name for name in values if values[name] != earlier.get(name))
            differing += ["the data"] if known.get("data_sha256") != data_sha256 else []
            if differing:
                raise JobFailure(
                    "output_holds_another_run",
                    f"The output folder {self.path} holds a run with other settings.",
                    why=f"Different: {', '.join(differing)}.",
                    how_to_fix="Choose a new --output-dir, or repeat that run's command to resume it.",
                    exit_status=2,
                )
        if is_main:
            (self.path / "error.json").unlink(missing_ok=True)
            write_json(self.path / "run.json", {"arguments": values, "data_sha256": data_sha256})

    def is_complete(self, model: Path) -> bool:
        return (self.path / "result.json").exists() and (model / "MLmodel").exists()

    def find_progress(self) -> Progress:
        found = newest_complete_checkpoint(self.path / "checkpoints")
        if found is None:
            return Progress()
        checkpoint, facts = found
        logger.info("Resuming from %s.", checkpoint.name)
        return Progress(checkpoint, facts["step"], facts["trained_tokens"], facts["train_seconds"])

"""Where a run's files lie on this computer. Folders tell of their owner, so Azure never gets them: they stay here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.azure.config import read_private, write_private
from backend.domain import JobSpec

FILES = ("train_path", "eval_path")
MODELS = ("base_model", "tuned_model")


def without_paths(spec: JobSpec) -> JobSpec:
    """What may be told: of a model's folder its name."""
    told: dict[str, Any] = {field: _public(getattr(spec, field)) for field in MODELS} | dict.fromkeys(FILES, "")
    return replace(spec, **told)


def _public(model: str) -> str:
    return Path(model).name if Path(model).expanduser().is_absolute() else model


class LocalPaths:
    """One small file per run that was submitted from this computer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, spec: JobSpec) -> None:
        write_private(self._file(spec.id), {field: getattr(spec, field) for field in (*FILES, *MODELS)})

    def restore(self, spec: JobSpec) -> JobSpec:
        """As it was submitted; on another computer as Azure knows it."""
        kept = read_private(self._file(spec.id)) or {}
        known: dict[str, Any] = {field: str(kept[field]) for field in (*FILES, *MODELS) if field in kept}
        return replace(spec, **known)

    def base_model(self, run_id: str, told: str) -> str:
        """Of a model that a run made: `told` is what Azure knows."""
        return str((read_private(self._file(run_id)) or {}).get("base_model", told)) if run_id else told

    def forget(self, run_id: str) -> None:
        self._file(run_id).unlink(missing_ok=True)

    def _file(self, run_id: str) -> Path:
        return self.folder / f"{Path(run_id).name}.json"

"""The presets in `training_job/recipes/`: plain files that both the app and the training script read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """`id` is the file's stem; `values` are the training script's arguments (names with underscores)."""

    id: str
    title: str
    description: str
    values: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Parameter:
    """One argument of the training script that a person may change: the form and the check both read this."""

    name: str
    title: str
    help: str
    kind: type
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_advanced: bool = False

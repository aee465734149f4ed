"""Seconds and memory of a training before it runs: pure functions, each with the source of its formula."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """An estimate, not a promise. `basis` says in words what it rests on; `fits` is None where memory is unknown."""

    seconds: float
    memory_bytes: int
    tokens: int
    steps: int
    basis: str
    fits: bool | None = None

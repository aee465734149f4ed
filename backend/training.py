"""Runs: what may be asked of the training script, checked here; started, watched, stopped, registered by the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.datasets import Datasets
from backend.domain import Job, JobSpec, JobState, LogChunk, MetricPoint, Model
from backend.estimates import Estimate
from backend.recipes import Parameter, Recipe
from backend.target import Target

RECIPES = Path(__file__).parent.parent / "training_job" / "recipes"
Overrides = Mapping[str, str | int | float | bool | None]


class Training:
    def __init__(self, target: Target, datasets: Datasets, recipes_folder: Path = RECIPES) -> None:
        self.target = target

    def recipes(self) -> Sequence[Recipe]:
        """The quick one first."""
        raise NotImplementedError

    def recipe(self, recipe_id: str) -> Recipe:
        """Raises NotFound, naming the ones there are."""
        raise NotImplementedError

    def parameters(self) -> Sequence[Parameter]:
        """What a person may change, in the order of the form."""
        raise NotImplementedError

    def spec(
        self, name: str, dataset_id: str, base_model: str, recipe: str = "quick", overrides: Overrides | None = None
    ) -> JobSpec:
        """Every value checked. Raises BadInput (field and allowed range) or NotFound (dataset, recipe)."""
        raise NotImplementedError

    def estimate(self, spec: JobSpec) -> Estimate:
        raise NotImplementedError

    def start(self, spec: JobSpec) -> Job:
        raise NotImplementedError

    def resume(self, job_id: str) -> Job:
        raise NotImplementedError

    def stop(self, job_id: str) -> None:
        raise NotImplementedError

    def delete(self, job_id: str) -> None:
        raise NotImplementedError

    def list(self, *, states: Sequence[JobState] = (), limit: int = 50, offset: int = 0) -> Sequence[Job]:
        """Fine-tuning runs, newest first."""
        raise NotImplementedError

    def get(self, job_id: str) -> Job:
        raise NotImplementedError

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        raise NotImplementedError

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        raise NotImplementedError

    def register(self, job_id: str, name: str = "") -> Model:
        """Without a name, one made of the run's. Raises BadInput for a name the registry can't take."""
        raise NotImplementedError

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Poll until the state is final (command line only). Raises Unavailable at the deadline."""
        raise NotImplementedError

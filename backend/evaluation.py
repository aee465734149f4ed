"""Base against tuned on held-out rows: a job like any other, and its result as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.datasets import Datasets
from backend.domain import Job, JobSpec, LogChunk, Message, MetricPoint
from backend.target import Target


@dataclass(frozen=True)
class Scores:
    """Mean loss on the answers' tokens, its exponential, and the share (0..1) answered word for word."""

    loss: float
    perplexity: float
    exact_match: float


@dataclass(frozen=True)
class AnswerPair:
    """One held-out row answered by both. `verdict` is better, worse or same (tuned against base)."""

    messages: tuple[Message, ...]
    question: str
    expected: str
    base: str
    tuned: str
    base_loss: float
    tuned_loss: float
    verdict: str


@dataclass(frozen=True)
class EvaluationResult:
    rows: int
    base: Scores
    tuned: Scores
    answers: tuple[AnswerPair, ...]


class Evaluation:
    def __init__(self, target: Target, datasets: Datasets) -> None:
        self.target = target

    def spec(self, model: str, *, dataset_id: str = "", max_rows: int = 50, max_new_tokens: int = 64) -> JobSpec:
        """Compare a registered model (`name:version`) with its base, on its own dataset unless one is named."""
        raise NotImplementedError

    def start(self, spec: JobSpec) -> Job:
        raise NotImplementedError

    def list(self, limit: int = 50) -> Sequence[Job]:
        """Evaluations, newest first. `spec.tuned_model` is the model's ref."""
        raise NotImplementedError

    def get(self, job_id: str) -> Job:
        raise NotImplementedError

    def stop(self, job_id: str) -> None:
        raise NotImplementedError

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        raise NotImplementedError

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        raise NotImplementedError

    def result(self, job_id: str) -> EvaluationResult:
        """Raises Conflict while it runs, JobFailed with the reason when it failed, NotFound."""
        raise NotImplementedError

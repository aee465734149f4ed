"""Base against tuned on held-out rows: a job like any other, and its result as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from backend.datasets import Datasets
from backend.domain import DEFAULT_MACHINE, Job, JobKind, JobSpec, JobState, LogChunk, Message, MetricPoint
from backend.errors import BadInput, Conflict, JobFailed, NotFound, PhiDeskError
from backend.i18n import _
from backend.target import Target
from backend.training import new_job_id

LIMITS = {"max_rows": (1, 100_000), "max_new_tokens": (1, 4096)}


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


_RESULT = TypeAdapter(EvaluationResult)


class Evaluation:
    def __init__(self, target: Target, datasets: Datasets) -> None:
        self.target = target
        self.datasets = datasets

    def spec(self, model: str, *, dataset_id: str = "", max_rows: int = 50, max_new_tokens: int = 64) -> JobSpec:
        """Compare a registered model (`name:version`) with its base, on its own dataset unless one is named.

        It takes one machine of the kind that trained the model.
        """
        for name, value in {"max_rows": max_rows, "max_new_tokens": max_new_tokens}.items():
            least, most = LIMITS[name]
            if not least <= value <= most:
                raise BadInput(
                    _("{name} is {value}; it must be between {least} and {most}.").format(
                        name=name, value=value, least=least, most=most
                    ),
                    code="out_of_range",
                )
        registered = self.target.models.get(model)
        try:
            run = self.target.jobs.get(registered.job_id).spec
        except NotFound:
            if not dataset_id:
                raise BadInput(
                    _("The run that made {model} is gone, and its dataset with it.").format(model=registered.ref),
                    how_to_fix=_("Name the dataset to compare on."),
                    code="run_gone",
                ) from None
            run = None
        dataset = self.datasets.get(dataset_id or (run.dataset_id if run else ""))
        return JobSpec(
            id=new_job_id(),
            name=_("{model} against its base").format(model=registered.ref),
            kind=JobKind.EVALUATE,
            base_model=registered.base_model,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            train_path=dataset.train_path,
            eval_path=dataset.eval_path,
            dataset_sha256=dataset.sha256,
            arguments={"max_rows": max_rows, "max_new_tokens": max_new_tokens},
            recipe="",
            tuned_model=registered.ref,
            base_revision=run.base_revision if run else "",
            source_job=registered.job_id,
            machine=replace(run.machine, nodes=1) if run else DEFAULT_MACHINE,
        )

    def start(self, spec: JobSpec) -> Job:
        return self.target.jobs.submit(spec)

    def list(self, limit: int = 50) -> Sequence[Job]:
        """Evaluations, newest first. `spec.tuned_model` is the model's ref."""
        return self.target.jobs.list(kind=JobKind.EVALUATE, limit=limit)

    def get(self, job_id: str) -> Job:
        return self.target.jobs.get(job_id)

    def stop(self, job_id: str) -> None:
        self.target.jobs.cancel(job_id)

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        return self.target.jobs.metrics(job_id)

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        return self.target.jobs.logs(job_id, since)

    def result(self, job_id: str) -> EvaluationResult:
        """Raises Conflict while it runs, JobFailed with the reason when it failed, NotFound."""
        job = self.get(job_id)
        if not job.state.is_final:
            raise Conflict(
                _("The evaluation {id} is not over yet.").format(id=job_id),
                how_to_fix=_("Wait until it has completed."),
                code="still_running",
            )
        if job.state is not JobState.COMPLETED:
            if job.failure:
                raise JobFailed.of(job.failure)
            raise JobFailed(
                _("The evaluation {id} was stopped.").format(id=job_id),
                why=job.detail,
                how_to_fix=_("Start it again."),
                code="stopped",
            )
        try:
            return _RESULT.validate_json(self.target.jobs.output(job_id, "evaluation.json"))
        except ValidationError as error:
            raise PhiDeskError(
                _("The result of the evaluation {id} can't be read.").format(id=job_id),
                how_to_fix=_("Start it again."),
                code="unreadable_result",
                raw=str(error),
            ) from error

"""Runs: what may be asked of the training script, checked here; started, watched, stopped, registered by the target."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backend import commands, estimates, recipes
from backend.datasets import Datasets
from backend.domain import (
    DEFAULT_MACHINE,
    BaseModel,
    Job,
    JobKind,
    JobSpec,
    JobState,
    LogChunk,
    Machine,
    MetricPoint,
    Model,
)
from backend.domain_setup import CodeFile
from backend.errors import BadInput, Conflict, NotFound, Unavailable
from backend.estimates import Estimate, PastRun
from backend.i18n import _, ngettext
from backend.recipes import Parameter, Recipe, Value
from backend.studio.dataset_folder import slug
from backend.target import Target

RECIPES = Path(__file__).parent.parent / "training_job" / "recipes"
POLL_SECONDS = 0.5
LONGEST_NAME = 80
MOST_NODES = 64


class Training:
    def __init__(self, target: Target, datasets: Datasets, recipes_folder: Path = RECIPES) -> None:
        self.target = target
        self.datasets = datasets
        self._recipes_folder = recipes_folder

    def recipes(self) -> Sequence[Recipe]:
        """The quick one first."""
        return recipes.read_recipes(self._recipes_folder)

    def recipe(self, recipe_id: str) -> Recipe:
        """Raises NotFound, naming the ones there are."""
        found = self.recipes()
        for recipe in found:
            if recipe.id == recipe_id:
                return recipe
        raise NotFound(
            _("There is no preset {name}.").format(name=recipe_id),
            how_to_fix=_("Use one of: {names}.").format(names=", ".join(recipe.id for recipe in found)),
            code="no_such_recipe",
        )

    def parameters(self) -> Sequence[Parameter]:
        """What a person may change, in the order of the form."""
        return recipes.parameters()

    def spec(
        self,
        name: str,
        dataset_id: str,
        base_model: str,
        recipe: str = "quick",
        overrides: Mapping[str, Value] | None = None,
        machine: Machine = DEFAULT_MACHINE,
    ) -> JobSpec:
        """Every value checked. Raises BadInput (field and allowed range) or NotFound (dataset, recipe)."""
        shown = _checked_name(name)
        if not base_model.strip():
            raise BadInput(
                _("No base model is chosen."),
                how_to_fix=_("Choose one from the list, or write a Hugging Face id such as {id}.").format(
                    id="microsoft/Phi-4-mini-instruct"
                ),
                code="no_base_model",
            )
        dataset = self.datasets.get(dataset_id)
        preset = self.recipe(recipe)
        return JobSpec(
            id=new_job_id(),
            name=shown,
            kind=JobKind.FINE_TUNE,
            base_model=base_model.strip(),
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            train_path=dataset.train_path,
            eval_path=dataset.eval_path,
            dataset_sha256=dataset.sha256,
            arguments=recipes.check_values({**preset.values, **(overrides or {})}),
            recipe=preset.id,
            machine=_checked_machine(machine),
        )

    def as_code(self, spec: JobSpec) -> Sequence[CodeFile]:
        """The same as a command line, and as files in the target's own language."""
        preset = self.recipe(spec.recipe)
        changed = {name: value for name, value in spec.arguments.items() if preset.values.get(name) != value}
        return [commands.train_command(spec, changed), *self.target.jobs.as_code(spec)]

    def download(self, job_id: str, folder: Path) -> Path:
        """Copy a final run's outputs into a new folder in `folder`; returns it."""
        return self.target.jobs.download(job_id, folder)

    def estimate(self, spec: JobSpec) -> Estimate:
        """From finished runs of the same base model on such a machine, else from this computer's arithmetic.

        Of machines elsewhere nothing is known before a run has finished there.
        """
        train = self.datasets.statistics(spec.dataset_id).train
        work = estimates.work_of(spec.arguments, train.rows, train.tokens, train.longest_tokens)
        base = self._base_model(spec.base_model)
        parameters = base.parameters if base else 0
        past = self._past_runs(spec)
        seconds = estimates.seconds_from_runs(work, past)
        if seconds is not None:
            basis = ngettext(
                "From {count} finished run with this base model here.",
                "From {count} finished runs with this base model here.",
                len(past),
            ).format(count=len(past))
        elif self.target.machines is not None:
            seconds = 0.0
            basis = _("No run with this base model has finished on such a machine yet, so its time is not known.")
        elif parameters:
            speed = estimates.measure_gflops()
            seconds = estimates.seconds_from_arithmetic(work, parameters, spec.arguments, speed)
            basis = _("From the model's size and this processor's speed; after the first run it is better known.")
        else:
            seconds = 0.0
            basis = _("The size of this base model is not known yet, so neither time nor memory is.")
        memory = estimates.memory_bytes(work, parameters, spec.arguments) if parameters else 0
        fits = None
        if self.target.machines is not None:
            fits = None if base is None or base.fits else False
        elif base and memory:  # the target knows of a GPU and judges LoRA; a full fine-tune needs far more than that
            fits = base.fits and (spec.arguments.get("method") == "lora" or estimates.fits_here(memory))
        return Estimate(
            seconds=seconds,
            memory_bytes=memory,
            tokens=work.tokens,
            steps=work.steps,
            basis=basis,
            fits=fits,
        )

    def start(self, spec: JobSpec) -> Job:
        return self.target.jobs.submit(spec)

    def resume(self, job_id: str) -> Job:
        return self.target.jobs.resume(job_id)

    def stop(self, job_id: str) -> None:
        self.target.jobs.cancel(job_id)

    def delete(self, job_id: str) -> None:
        self.target.jobs.delete(job_id)

    def list(self, *, states: Sequence[JobState] = (), limit: int = 50, offset: int = 0) -> Sequence[Job]:
        """Fine-tuning runs, newest first."""
        if not states:
            return self.target.jobs.list(kind=JobKind.FINE_TUNE, limit=limit, offset=offset)
        found = [job for job in self.target.jobs.list(kind=JobKind.FINE_TUNE, limit=10_000) if job.state in states]
        return found[offset : offset + limit]

    def get(self, job_id: str) -> Job:
        return self.target.jobs.get(job_id)

    def metrics(self, job_id: str) -> Sequence[MetricPoint]:
        return self.target.jobs.metrics(job_id)

    def logs(self, job_id: str, since: int | None = None) -> LogChunk:
        return self.target.jobs.logs(job_id, since)

    def register(self, job_id: str, name: str = "") -> Model:
        """Without a name, one made of the run's. Raises Conflict unless the run completed."""
        job = self.get(job_id)
        if job.state is not JobState.COMPLETED:
            raise Conflict(
                _("The run {id} has not completed; it is {state}.").format(id=job_id, state=job.state.value),
                how_to_fix=_("Wait until it has, or resume it."),
                code="not_completed",
            )
        return self.target.models.register(job_id, name.strip() or slug(job.spec.name))

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Poll until the state is final (command line only). Raises Unavailable at the deadline."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (job := self.get(job_id)).state.is_final:
            if deadline is not None and time.monotonic() > deadline:
                raise Unavailable(
                    _("The run {id} is not over after {seconds:g} s.").format(id=job_id, seconds=timeout),
                    how_to_fix=_("It goes on; see phidesk runs show {id}.").format(id=job_id),
                    code="still_running",
                )
            time.sleep(POLL_SECONDS)
        return job

    def _base_model(self, base: str) -> BaseModel | None:
        listed = {model.id: model for model in self.target.models.base_models()}
        if base not in listed and ":" in base:  # tuning a registered model further
            try:
                base = self.target.models.get(base).base_model
            except NotFound:
                return None
        return listed.get(base)

    def _past_runs(self, spec: JobSpec) -> Sequence[PastRun]:
        past = []
        for job in self.target.jobs.list(kind=JobKind.FINE_TUNE, limit=20):
            seconds = job.result.get("train_seconds")
            same = _work_place(job.spec) == _work_place(spec) and all(
                job.spec.arguments.get(name) == spec.arguments.get(name)
                for name in ("method", "gradient_checkpointing")
            )
            if not seconds or not same or job.attempt > 1 or not job.started_at or not job.ended_at:
                continue
            try:
                train = self.datasets.statistics(job.spec.dataset_id).train
            except NotFound:
                continue
            work = estimates.work_of(job.spec.arguments, train.rows, train.tokens, train.longest_tokens)
            others = max(0.0, (job.ended_at - job.started_at).total_seconds() - seconds)
            past.append(PastRun(float(seconds), others, work.tokens))
        return past


def _work_place(spec: JobSpec) -> tuple[str, str, int]:
    return spec.base_model, spec.machine.size, spec.machine.nodes


def new_job_id() -> str:
    """Sorts by time (UTC), and is short enough to say: 20261121-061500-3fa2."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _checked_name(name: str) -> str:
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not shown:
        raise BadInput(_("The run has no name."), how_to_fix=_("Give it one."), code="no_name")
    if len(shown) > LONGEST_NAME:
        raise BadInput(
            _("The run's name has {length} characters; the limit is {limit}.").format(
                length=len(shown), limit=LONGEST_NAME
            ),
            how_to_fix=_("Shorten it."),
            code="name_too_long",
        )
    return shown


def _checked_machine(machine: Machine) -> Machine:
    if not 1 <= machine.nodes <= MOST_NODES:
        raise BadInput(
            _("{n} nodes is not possible.").format(n=machine.nodes),
            how_to_fix=_("Use 1 to {most}.").format(most=MOST_NODES),
            code="bad_nodes",
        )
    return machine

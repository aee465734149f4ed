"""The long part of starting a run: data, environment, machines, model, job. Each step finds out whether it is done.

It is repeated from the beginning after a crash, so nothing may be made twice: every name comes from the run's id or
from the content.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from backend.azure.blob_store import BlobStore
from backend.azure.catalogue import check_catalogue_model
from backend.azure.catalogue_job import catalogue_yaml, make_catalogue_job
from backend.azure.command_job import Parts, command_yaml, model_input, model_source
from backend.azure.compute import ensure_cluster, gpus_of, size_of
from backend.azure.connection import Connection
from backend.azure.data_assets import asset_name, ensure_data, ensure_model_folder
from backend.azure.environments import choose_image, ensure_environment
from backend.azure.errors import in_words
from backend.azure.job_record import ATTEMPT, JOBS_VERSION, Record, attempt_name, read_record, spec_from_json
from backend.azure.local_paths import LocalPaths
from backend.azure.operations import Report
from backend.domain import JobKind, JobSpec
from backend.errors import JobFailed, NotFound
from backend.i18n import _

STEPS = 5
DATA, ENVIRONMENT, CLUSTER, MODEL, JOB = range(STEPS)
CANCELED = "canceled"
# What the service adds to a job by itself is not sent back when the job is begun again.
KEPT = frozenset(
    "jobType displayName description experimentName codeId command environmentId environmentVariables computeId inputs"
    " outputs resources distribution limits identity queueSettings fineTuningDetails parameters".split()
)


class Submission:
    """Does operations of the kind `submit`. `is_canceled` tells whether the person changed their mind."""

    def __init__(
        self,
        connection: Connection,
        blobs: BlobStore,
        scripts: Path,
        paths: LocalPaths,
        is_canceled: Callable[[str], bool],
        cancel: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self.paths = paths
        self.blobs = blobs
        self.scripts = scripts
        self.is_canceled = is_canceled
        self.cancel = cancel

    def find(self, name: str) -> Record | None:
        """A job at Azure; one that was put away counts as gone."""
        with in_words(_("Looking up the run {id}").format(id=name)):
            found = self.connection.find(f"{self.connection.workspace_path()}/jobs/{name}", JOBS_VERSION)
        return None if found is None or (found.get("properties") or {}).get("isArchived") else self.read(found)

    def read(self, resource: Mapping[str, Any]) -> Record:
        record = read_record(resource)
        return replace(record, spec=self.paths.restore(record.spec)) if record.is_ours else record

    def __call__(self, arguments: Mapping[str, Any], report: Report) -> None:
        spec = spec_from_json(arguments["spec"])
        attempt = int(arguments["attempt"])
        name = attempt_name(spec.id, attempt)

        def tell(step: int, detail: str) -> None:
            report(step, detail)
            if self.is_canceled(spec.id):
                raise JobFailed(_("The run was stopped before it began."), code=CANCELED)

        tell(DATA, _("Looking up the run {id}.").format(id=name))
        if self.find(name) is None:
            if attempt > 1:
                self._begin_again(spec, attempt, tell)
            elif model_source(spec.base_model) == "catalogue" and spec.kind == JobKind.FINE_TUNE:
                self._submit_to_catalogue(spec, datetime.fromisoformat(arguments["submitted_at"]), tell)
            else:
                self._submit_command(spec, datetime.fromisoformat(arguments["submitted_at"]), tell)
        if self.is_canceled(spec.id):
            self.cancel(name)

    def _submit_command(self, spec: JobSpec, submitted_at: datetime, tell: Callable[[int, str], None]) -> None:
        train, held = self._bring_data(spec, tell)
        tell(CLUSTER, _("Looking for machines."))
        cluster, size = ensure_cluster(self.connection, spec.machine, lambda detail: tell(CLUSTER, detail))
        gpus = gpus_of(self.connection, size)
        tell(ENVIRONMENT, _("Making the environment."))
        environment = ensure_environment(self.connection, choose_image(spec.machine.image, has_gpu=gpus > 0))
        tell(MODEL, _("Bringing the base model."))
        parts = Parts(
            code=str(self.scripts),
            environment=environment,
            cluster=cluster,
            gpus=gpus,
            train=train,
            held=held,
            base=self._bring_model(spec.base_model, tell),
            tuned=self._bring_model(spec.tuned_model, tell) if spec.kind == JobKind.EVALUATE else {},
        )
        tell(JOB, _("Sending the job."))
        with in_words(_("Starting the run {name}").format(name=spec.name)):
            from azure.ai.ml import load_job

            document = command_yaml(spec, parts, submitted_at)
            document["tags"] |= self.connection.by()
            text = yaml.safe_dump(document, allow_unicode=True)
            self.connection.ml().jobs.create_or_update(load_job(io.StringIO(text)))

    def _submit_to_catalogue(self, spec: JobSpec, submitted_at: datetime, tell: Callable[[int, str], None]) -> None:
        tell(DATA, _("Asking the catalogue for the model."))
        check_catalogue_model(self.connection, spec.base_model)
        train, held = self._bring_data(spec, tell)
        cluster = ""
        if spec.machine.cluster:
            tell(CLUSTER, _("Looking for machines."))
            name, _size = ensure_cluster(self.connection, spec.machine, lambda detail: tell(CLUSTER, detail))
            # The SDK sends a name as it is, and the service wants an id.
            cluster = f"{self.connection.workspace_path()}/computes/{name}"
        tell(JOB, _("Sending the job."))
        size = size_of(self.connection, spec.machine)
        document = catalogue_yaml(spec, train, held, size=size, cluster=cluster, submitted_at=submitted_at)
        document["tags"] |= self.connection.by()
        with in_words(_("Starting the run {name}").format(name=spec.name)):
            self.connection.ml().jobs.create_or_update(make_catalogue_job(document))

    def _begin_again(self, spec: JobSpec, attempt: int, tell: Callable[[int, str], None]) -> None:
        """The attempt before it, under a new name: no file of this computer is needed for that."""
        before = self.find(attempt_name(spec.id, attempt - 1))
        if before is None:
            raise NotFound(_("No such run: {id}.").format(id=spec.id), code="no_such_run")
        if not before.is_catalogue:
            tell(CLUSTER, _("Looking for machines."))
            ensure_cluster(self.connection, spec.machine, lambda detail: tell(CLUSTER, detail))
        tell(JOB, _("Sending the job."))
        facts = before.properties
        body = {name: value for name, value in facts.items() if name in KEPT and value is not None}
        body["tags"] = {**(facts.get("tags") or {}), ATTEMPT: str(attempt)}
        body["properties"] = {
            name: value for name, value in (facts.get("properties") or {}).items() if name.startswith("phidesk")
        }
        body["outputs"] = {name: output for name, output in (facts.get("outputs") or {}).items() if name != "default"}
        name = attempt_name(spec.id, attempt)
        with in_words(_("Resuming the run {name}").format(name=spec.name)):
            self.connection.arm(
                "PUT", f"{self.connection.workspace_path()}/jobs/{name}", JOBS_VERSION, {"properties": body}
            )

    def _bring_data(self, spec: JobSpec, tell: Callable[[int, str], None]) -> tuple[str, str]:
        """The references of the two files; an evaluation reads only the second."""
        references = ["", ""]
        for place, (part, path) in enumerate((("train", spec.train_path), ("eval", spec.eval_path))):
            if part == "eval" or spec.kind == JobKind.FINE_TUNE:
                tell(DATA, _("Bringing {file}.").format(file=Path(path).name))
                name = asset_name(spec.dataset_name, part)
                references[place] = ensure_data(
                    self.connection, self.blobs, Path(path), name, lambda detail: tell(DATA, detail)
                )
        return references[0], references[1]

    def _bring_model(self, model: str, tell: Callable[[int, str], None]) -> Mapping[str, str] | str:
        def address_of(folder: Path) -> str:
            return ensure_model_folder(self.blobs, folder, lambda detail: tell(MODEL, detail))

        return model_input(model, self._type_of, address_of)

    def _type_of(self, reference: str) -> str:
        name, _colon, version = reference.partition(":")
        with in_words(_("Looking up the model {name}").format(name=reference)):
            return str(self.connection.ml().models.get(name, version=version).type)

"""A job's spec (but for paths) as tags and properties of the job at Azure, so that any computer can read it back.

Tags are for people and filters. Properties can't be changed later; Azure allows 50 of 1,000 characters each, so the
spec is cut into pieces (learn.microsoft.com/azure/machine-learning/how-to-manage-quotas, "Runs").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from backend.azure.local_paths import without_paths
from backend.azure.states import job_state
from backend.azure.tags import MARK, marked
from backend.azure.times import made_at, moment
from backend.domain import JobKind, JobSpec, JobState, Machine
from backend.errors import BadInput
from backend.i18n import _

EXPERIMENT = "phidesk"
JOBS_VERSION = "2025-01-01-preview"
"""The one in which the SDK sends command jobs; it knows fine-tuning jobs of the catalogue too."""
OUTPUT = "output"
OUTPUT_STORE = "workspaceblobstore"
ATTEMPT = f"{MARK}-attempt"
SUBMITTED = f"{MARK}-submitted"
SPEC = f"{MARK}-spec"
PIECE = 900
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
AZURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


@dataclass(frozen=True)
class Record:
    """One job at Azure: an attempt of a run of ours, or somebody else's job (then `attempt` is 1)."""

    name: str
    spec: JobSpec
    word: str
    attempt: int
    submitted_at: datetime
    created_at: datetime
    type: str
    link: str
    is_ours: bool
    properties: Mapping[str, Any]

    @property
    def state(self) -> JobState:
        return job_state(self.word)

    @property
    def is_catalogue(self) -> bool:
        return self.type == "FineTuning"


def check_run_id(run_id: str) -> str:
    """An id is a job's name at Azure, and a folder's in its storage."""
    if not RUN_ID.fullmatch(run_id):
        raise BadInput(
            _("{id} is no run id.").format(id=repr(run_id)),
            why=_("On Azure an id has 1 to 80 letters, digits, hyphens and underscores, the first no sign."),
            code="bad_run_id",
        )
    return run_id


def output_folder(run_id: str) -> str:
    """Path inside the workspace's default store. All attempts of a run share it: that is how one resumes another."""
    return f"phidesk/{run_id}"


def output_uri(run_id: str) -> str:
    return f"azureml://datastores/{OUTPUT_STORE}/paths/{output_folder(run_id)}/"


def attempt_name(run_id: str, attempt: int) -> str:
    return run_id if attempt == 1 else f"{run_id}-a{attempt}"


def job_tags(spec: JobSpec, attempt: int) -> dict[str, str]:
    return marked("job", run=spec.id, job=spec.kind.value, dataset=spec.dataset_name[:200]) | {ATTEMPT: str(attempt)}


def job_properties(spec: JobSpec, submitted_at: datetime) -> dict[str, str]:
    text = json.dumps(spec_to_json(without_paths(spec)), ensure_ascii=True, separators=(",", ":"))
    pieces = {f"{SPEC}-{start // PIECE}": text[start : start + PIECE] for start in range(0, len(text), PIECE)}
    return pieces | {SUBMITTED: submitted_at.isoformat()}


def spec_to_json(spec: JobSpec) -> dict[str, Any]:
    return asdict(spec) | {"arguments": dict(spec.arguments)}


def spec_from_json(values: Mapping[str, Any]) -> JobSpec:
    """Raises KeyError or TypeError for what is no spec."""
    machine = Machine(**values.get("machine", {}))
    return JobSpec(**{**values, "kind": JobKind(values["kind"]), "machine": machine})


def read_record(resource: Mapping[str, Any]) -> Record:
    """A job as Azure Resource Manager shows it. One without our marks gets a spec of what is known."""
    facts = resource.get("properties") or {}
    name = str(resource.get("name") or "")
    made = made_at(resource) or datetime.fromtimestamp(0, UTC)
    spec = _read_spec(facts.get("properties") or {})
    studio = (facts.get("services") or {}).get("Studio") or {}
    tags = facts.get("tags") or {}
    return Record(
        name=name,
        spec=spec or _foreign_spec(name, facts),
        word=str(facts.get("status") or "Unknown"),
        attempt=int(tags[ATTEMPT]) if spec and str(tags.get(ATTEMPT, "")).isdigit() else 1,
        submitted_at=(moment((facts.get("properties") or {}).get(SUBMITTED)) if spec else None) or made,
        created_at=made,
        type=str(facts.get("jobType") or ""),
        link=str(studio.get("endpoint") or ""),
        is_ours=spec is not None,
        properties=facts,
    )


def _read_spec(properties: Mapping[str, str]) -> JobSpec | None:
    text, number = "", 0
    while (piece := properties.get(f"{SPEC}-{number}")) is not None:
        text, number = text + piece, number + 1
    try:
        return spec_from_json(json.loads(text)) if text else None
    except (ValueError, KeyError, TypeError):
        return None


def _foreign_spec(name: str, facts: Mapping[str, Any]) -> JobSpec:
    details = facts.get("fineTuningDetails") or {}
    return JobSpec(
        id=name,
        name=str(facts.get("displayName") or name),
        kind=JobKind.FINE_TUNE,
        base_model=str((details.get("model") or {}).get("uri") or ""),
        dataset_id="",
        dataset_name="",
        train_path="",
        eval_path="",
        dataset_sha256="",
        recipe="",
    )

"""Why the service ended a job, in words, by one table over what its run history says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backend.azure.errors import without_secrets
from backend.domain import Failure
from backend.i18n import _

LONGEST = 4000


def explain_service_error(details: Mapping[str, Any]) -> Failure:
    """`details` are run history's of a failed job; without an error in them the log is all there is."""
    error = (details.get("error") or {}).get("error") or {}
    words = list(dict.fromkeys(filter(None, _words(error))))
    text = " ".join(words).lower()
    raw = without_secrets(json.dumps(error, ensure_ascii=False))[:LONGEST] if error else ""
    why = without_secrets(words[0])[:600] if words else ""
    for signs, code, what, how_to_fix in _table():
        if any(sign in text for sign in signs):
            return Failure(code, what, why, how_to_fix, raw)
    return Failure(
        "service_failed" if words else "no_reason",
        _("The job failed at Azure."),
        why or _("Azure gave no reason."),
        _("The log's last lines tell more. Resume goes on from the last checkpoint."),
        raw,
    )


def _words(error: Mapping[str, Any]) -> Iterator[str]:
    """Messages and codes, the outermost message first."""
    if error.get("message"):
        yield str(error["message"])
    inner = error.get("innerError")
    while isinstance(inner, dict):
        yield str(inner.get("code") or "")
        inner = inner.get("innerError")
    yield str(error.get("code") or "")
    for detail in error.get("details") or []:
        if isinstance(detail, dict):
            yield from _words(detail)


def _table() -> tuple[tuple[tuple[str, ...], str, str, str], ...]:
    """Signs in what Azure says (lower case), our code, what happened, and what to do. The first match counts."""
    return (
        (
            ("imagebuild", "image build", "building the image", "environment image", "materializ"),
            "image_build_failed",
            _("The software for the job could not be put together."),
            _("The log shows what the image build said. Leave the image empty in Advanced, or choose another one."),
        ),
        (
            ("quota", "corequotareached"),
            "no_quota",
            _("There is no quota for the machines of this job."),
            _("Ask for more quota on Setup, or choose a smaller size. Resume starts the job again."),
        ),
        (
            ("preempt", "evicted"),
            "preempted",
            _("Azure took the low-priority machine back."),
            _("Resume goes on from the last checkpoint. A dedicated machine is not taken back."),
        ),
        (
            ("allocationfailed", "skunotavailable", "outofcapacity", "out of capacity", "no capacity"),
            "no_capacity",
            _("Azure has no free machine of this size there now."),
            _("Resume later, or choose another size or region."),
        ),
        (
            ("authorization", "permission", "forbidden", "access denied", "accessdenied"),
            "job_forbidden",
            _("The job may not read or write what it needs."),
            _("See the checks of identity and roles on Setup, then resume."),
        ),
        (
            ("outofmemory", "out of memory", "exit code 137", "status code 137", "oomkilled"),
            "killed",
            _("The training process was killed; often its machine ran out of memory."),
            _("Choose a smaller batch, a shorter length, LoRA or a larger machine, then resume."),
        ),
        (
            ("diskfull", "disk full", "no space left"),
            "disk_full",
            _("The disk of the job's machine is full."),
            _("Choose a size with a larger disk or a smaller base model, then resume."),
        ),
        (
            ("nomatchingartifacts", "streamaccess", "notfound", "does not exist"),
            "job_input_missing",
            _("Something that the job reads is missing."),
            _("It may have been deleted in the workspace. Start a new run with the same settings."),
        ),
        (
            ("timeout", "timed out", "exceeded the max"),
            "job_timeout",
            _("The job took longer than it may."),
            _("Resume goes on from the last checkpoint."),
        ),
        (
            ("exited with", "exit code", "status code", "execution failed"),
            "exit_status",
            _("The training process ended early."),
            _("The log's last lines tell why. Resume goes on from the last checkpoint."),
        ),
    )

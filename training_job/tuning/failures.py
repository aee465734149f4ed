"""What can go wrong in a job, in words: what happened, why, what to do. `error.json` holds exactly these fields."""

from __future__ import annotations

import errno
import logging
import traceback
from pathlib import Path

from .files import write_json

logger = logging.getLogger(__name__)

OUT_OF_MEMORY_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")
# The last two are how torch.save tells a full disk (seen on one).
DISK_FULL_SIGNS = ("no space left on device", "disk quota exceeded", "os error 28", "unexpected pos", "iostream error")


class JobFailure(Exception):
    """A failure that a person can act on. `code` is stable; `exit_status` is 2 for unusable arguments, else 1."""

    def __init__(
        self, code: str, what: str, *, why: str = "", how_to_fix: str = "", raw: str = "", exit_status: int = 1
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.why = why
        self.how_to_fix = how_to_fix
        self.raw = raw
        self.exit_status = exit_status

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.how_to_fix) if part)


class StopRequested(BaseException):
    """A SIGTERM came: end with status 143."""


def bad_argument(option: str, why: str, how_to_fix: str) -> JobFailure:
    return JobFailure(
        "bad_argument", f"The argument --{option} can't be used.", why=why, how_to_fix=how_to_fix, exit_status=2
    )


def explain(error: BaseException) -> JobFailure:
    """Any exception as a JobFailure. Its causes count too: libraries wrap a full disk in their own words."""
    if isinstance(error, JobFailure):
        return error
    raw = "".join(traceback.format_exception(error))[-8000:]
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    words = " ".join(str(part) for part in chain).lower()
    if any(getattr(part, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for part in chain) or any(
        sign in words for sign in DISK_FULL_SIGNS
    ):
        return JobFailure(
            "disk_full",
            "The disk is full.",
            why="Writing the run's files failed for want of space.",
            how_to_fix="Delete old runs or other files and start the run again: it goes on from its last checkpoint.",
            raw=raw,
        )
    if any(isinstance(part, MemoryError) for part in chain) or any(sign in words for sign in OUT_OF_MEMORY_SIGNS):
        return JobFailure(
            "out_of_memory",
            "The memory is not enough for this run.",
            why="The model, its gradients and one batch must fit at the same time.",
            how_to_fix="In this order: a smaller --per-device-train-batch-size, more --gradient-accumulation-steps, "
            "a shorter --max-length, --gradient-checkpointing, --method lora, or a smaller base model.",
            raw=raw,
        )
    if isinstance(error, PermissionError):
        return JobFailure(
            "no_permission",
            f"A file or folder can't be used: {error.filename}.",
            why="The account that runs this job lacks the permission.",
            how_to_fix="Change the permissions, or choose another folder.",
            raw=raw,
        )
    return JobFailure(
        "unexpected",
        "The job stopped on an error that it has no words for.",
        why=f"{type(error).__name__}: {error}"[:500],
        how_to_fix="The log ends with the details. Please report them if the same run fails again.",
        raw=raw,
    )


def report_failure(failure: JobFailure, output: Path | None) -> int:
    """Say it in the log and in `error.json`; returns the exit status. A folder that can't be written leaves the log."""
    logger.error("FAILED (%s): %s", failure.code, failure)
    if failure.raw:
        logger.error("%s", failure.raw.rstrip())
    if output is not None:
        fields = ("code", "what", "why", "how_to_fix", "raw")
        try:
            output.mkdir(parents=True, exist_ok=True)
            write_json(output / "error.json", {field: getattr(failure, field) for field in fields})
        except OSError as error:
            logger.error("error.json could not be written: %s", error)
    return failure.exit_status

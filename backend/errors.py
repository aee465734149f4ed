"""The few errors that pages and the command line show: what happened, why, and what to do next."""

from __future__ import annotations

from typing import Self

from backend.domain import Failure


class PhiDeskError(Exception):
    """Something a person can act on. `exit_code` is the command line's; `code` is stable and machine readable."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", how_to_fix: str = "", code: str = "error", raw: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.how_to_fix = how_to_fix
        self.code = code
        self.raw = raw

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.how_to_fix) if part)

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """The error that a failure tells of, as when another process told it."""
        return cls(failure.what, why=failure.why, how_to_fix=failure.how_to_fix, code=failure.code, raw=failure.raw)

    def failure(self) -> Failure:
        """As a value: to be kept, written down, or shown later."""
        return Failure(code=self.code, what=self.what, why=self.why, how_to_fix=self.how_to_fix, raw=self.raw)


class BadInput(PhiDeskError):
    """The person gave something that cannot be used (a file, an id, a setting)."""

    exit_code = 2


class NotFound(PhiDeskError):
    """The thing named does not exist (any more)."""

    exit_code = 3


class Conflict(PhiDeskError):
    """It exists already, or is busy with something else."""

    exit_code = 4


class Unavailable(PhiDeskError):
    """A part that should answer does not: endpoint, hub, network, port. Trying again may help."""

    exit_code = 5


class NoRoom(PhiDeskError):
    """Disk or memory is too small for this."""

    exit_code = 6


class JobFailed(PhiDeskError):
    """A run ended without success; its reason is in `why`."""

    exit_code = 7

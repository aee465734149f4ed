"""Facts about a run to its state: one pure function. A final state needs evidence; without any it is UNKNOWN."""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain import Failure, JobState
from backend.i18n import _

START_GRACE = 20.0
"""Seconds that a supervisor may take from its submission until it has written who it is."""
SILENCE = 120.0
"""Seconds without a word of the trainer after which we say so."""
PREPARING_PHASES = frozenset({"", "downloading", "loading", "tokenizing"})


@dataclass(frozen=True)
class Facts:
    """What the run folder and the processes say about the newest attempt.

    A process is None when it was never seen, else whether it lives. `exit_status` is minus the signal's number
    for a killed trainer and None when there is no exit.json or nothing was started; ages are in seconds.
    """

    age: float = 0.0
    supervisor: bool | None = None
    trainer: bool | None = None
    has_turn: bool = False
    cancel_requested: bool = False
    has_exit: bool = False
    exit_status: int | None = None
    was_stopped: bool = False
    has_result: bool = False
    error: Failure | None = None
    phase: str = ""
    silence: float = 0.0


def derive_state(facts: Facts) -> tuple[JobState, str]:
    """The state, and what else is worth saying (empty for the ordinary course)."""
    if facts.trainer or (facts.supervisor and not facts.has_exit):
        return _alive(facts)
    if facts.has_result:
        # Written last and only after the saved model was loaded and asked: the evidence outlives a rough exit.
        if facts.has_exit and facts.exit_status == 0:
            return JobState.COMPLETED, ""
        return JobState.COMPLETED, _("Everything was saved before the process went away.")
    if facts.has_exit:
        return _ended(facts)
    if facts.supervisor is None and facts.trainer is None:
        if facts.age < START_GRACE:
            return (JobState.CANCELING if facts.cancel_requested else JobState.QUEUED), _("Starting.")
        if facts.cancel_requested:
            return JobState.CANCELED, _("Stopped before it began.")
        return JobState.UNKNOWN, _("It was handed in, but no sign of it was ever seen. Resume starts it.")
    if facts.cancel_requested:
        return JobState.CANCELED, ""
    return JobState.FAILED, ""


def _alive(facts: Facts) -> tuple[JobState, str]:
    if facts.cancel_requested:
        return JobState.CANCELING, _("Waiting for the current step to end.")
    if facts.trainer:
        detail = ""
        if facts.silence > SILENCE:
            detail = _("No sign of life for {seconds} seconds.").format(seconds=round(facts.silence))
        if not facts.supervisor:
            detail = _("Its supervisor is gone; the training itself goes on.")
        state = JobState.PREPARING if facts.phase in PREPARING_PHASES else JobState.RUNNING
        return state, detail
    if facts.trainer is False:
        return JobState.RUNNING, _("Finishing.")
    if facts.has_turn:
        return JobState.PREPARING, ""
    return JobState.QUEUED, _("Waiting for the run before it to end.")


def _ended(facts: Facts) -> tuple[JobState, str]:
    if facts.was_stopped:
        return JobState.CANCELED, ""
    return JobState.FAILED, ""


SIGNAL_WORDS = {
    9: _("The training process was killed by the system or by somebody; often the computer ran out of memory."),
    15: _("The training process was asked to end by somebody else than this app, or the computer was shut down."),
    11: _("The training process crashed in native code (segmentation fault)."),
    6: _("The training process crashed in native code (abort)."),
    7: _("The training process crashed in native code (bus error); often the disk or memory was full."),
    4: _("This processor lacks an instruction that the training library uses."),
}


def explain_failure(facts: Facts) -> Failure:
    """Why a FAILED run ended: the training job's own words where it left any."""
    if facts.error:
        return facts.error
    what = _("The run ended early.")
    resume = _("Resume goes on from the last checkpoint.")
    if facts.exit_status is not None and facts.exit_status < 0:
        number = -facts.exit_status
        why = SIGNAL_WORDS.get(number, _("The training process was ended by signal {number}.").format(number=number))
        if number == 9:
            resume = _("Choose a smaller batch or a shorter length if memory was short. ") + resume
        return Failure("killed", what, why, resume, f"signal {number}")
    if facts.exit_status == 143:
        return Failure("killed", what, SIGNAL_WORDS[15], resume, "exit status 143")
    if facts.exit_status == 0:
        why = _("The training process ended without an error, but also without a result.")
        return Failure("no_result", what, why, _("The log tells more."), "exit status 0")
    if facts.exit_status is not None:
        why = _("The training process ended with status {status}.").format(status=facts.exit_status)
        return Failure(
            "exit_status", what, why, _("The log's last lines tell why."), f"exit status {facts.exit_status}"
        )
    if facts.trainer is None:
        why = _("Its supervisor ended before the training began.")
        return Failure("supervisor_died", what, why, _("Resume starts it."))
    why = _("It ended without a word: both its processes are gone, as after a power cut or a restart of the computer.")
    return Failure("vanished", what, why, resume)

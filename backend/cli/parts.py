"""The parts that a target may lack, and following one of its long operations to the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import typer

from backend.cli.output import say, show
from backend.domain_setup import Operation, OperationState
from backend.errors import BadInput
from backend.i18n import _

if TYPE_CHECKING:
    from backend.target import Setup, Target

POLL_SECONDS = 0.5

Part = TypeVar("Part")


def part_of(target: Target, part: Part | None) -> Part:
    """Raises BadInput when the target in use has no such thing."""
    if part is None:
        raise BadInput(
            _("{target} has nothing of this kind.").format(target=target.title),
            how_to_fix=_("Use another target: phidesk target list, then phidesk target use NAME."),
            code="not_at_this_target",
        )
    return part


def follow_operation(setup: Setup | None, operation: Operation) -> Operation:
    """Until it has ended; each news is a line on standard error. Ctrl+C leaves it, and it is gone on with later."""
    said = ""
    while setup is not None and operation.state is OperationState.RUNNING:
        news = f"{operation.title}: {operation.detail}" if operation.detail else operation.title
        if news != said:
            say(news)
            said = news
        time.sleep(POLL_SECONDS)
        operation = next((one for one in setup.operations() if one.id == operation.id), operation)
    return operation


def end_with_operation(as_json: bool, setup: Setup | None, operation: Operation, *, is_waiting: bool) -> None:
    """Show it, and end with status 1 and its reason when it failed."""
    if is_waiting:
        operation = follow_operation(setup, operation)
    show(as_json, operation, f"{operation.title}: {operation.state.value}  {operation.detail}".rstrip())
    if operation.state is OperationState.FAILED:
        failure = operation.failure
        for part in (failure.what, failure.why, failure.how_to_fix) if failure else ():
            if part:
                say(part)
        raise typer.Exit(1)

"""From Azure's words and our own unfinished work to the state of an endpoint. Pure: facts in, state out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain import EndpointState, Failure
from backend.i18n import _

DEPLOYMENT_STATES = {
    "creating": EndpointState.CREATING,
    "updating": EndpointState.RUNNING,
    "scaling": EndpointState.RUNNING,
    "succeeded": EndpointState.RUNNING,
    "deleting": EndpointState.STOPPED,
    "failed": EndpointState.FAILED,
    "canceled": EndpointState.FAILED,
}
"""Azure's provisioning states of a deployment. A word that is not here is UNKNOWN."""

ENDPOINT_WORDS = frozenset({"creating", "updating", "succeeded", "deleting", "failed", "canceled"})


@dataclass(frozen=True)
class DeploymentFacts:
    """`word` is Azure's provisioning state; `percent` its share of the traffic."""

    name: str
    word: str
    percent: int


@dataclass(frozen=True)
class Work:
    """Our newest unfinished or failed operation on the endpoint. `kind` is deploy, stop or delete."""

    kind: str
    detail: str = ""
    failure: Failure | None = None


def deployment_state(word: str) -> EndpointState:
    return DEPLOYMENT_STATES.get(word.lower(), EndpointState.UNKNOWN)


def endpoint_state(
    word: str, deployments: Sequence[DeploymentFacts], work: Work | None
) -> tuple[EndpointState, str, Failure | None]:
    """State, a sentence or Azure's own word, and why it failed.

    An endpoint answers when one of its deployments does and has traffic, whatever else goes on beside it.
    """
    is_working = work is not None and work.failure is None
    states = {deployment.name: deployment_state(deployment.word) for deployment in deployments}
    answering = [each for each in deployments if each.percent > 0 and states[each.name] is EndpointState.RUNNING]
    if work and is_working and work.kind != "deploy":
        return EndpointState.STOPPED, work.detail, None
    if answering:
        return EndpointState.RUNNING, work.detail if work and is_working else word, None
    if work and is_working:
        return EndpointState.CREATING, work.detail, None
    if work and work.failure and work.kind == "deploy":
        return EndpointState.FAILED, work.failure.what, work.failure
    if word.lower() not in ENDPOINT_WORDS:
        return EndpointState.UNKNOWN, word, None
    if word.lower() in {"failed", "canceled"}:
        return EndpointState.FAILED, word, None
    found = set(states.values())
    for state in (EndpointState.CREATING, EndpointState.UNKNOWN):
        if state in found:
            return state, next(each.word for each in deployments if states[each.name] is state), None
    if EndpointState.RUNNING in found:
        return (
            EndpointState.STOPPED,
            _("No deployment takes traffic, so it does not answer. It costs all the same."),
            None,
        )
    if EndpointState.FAILED in found:
        return EndpointState.FAILED, next(iter(deployments)).word, None
    return (
        EndpointState.STOPPED,
        word if word.lower() != "succeeded" else _("Nothing is deployed, nothing costs."),
        None,
    )

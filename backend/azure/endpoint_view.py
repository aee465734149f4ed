"""An endpoint as the desk shows it: Azure's answers and our own unfinished work, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from backend.azure.endpoint_facts import Resource, base_url, hosting_from, model_of, state_of, traffic_of, word_of
from backend.azure.endpoint_state import DeploymentFacts, endpoint_state
from backend.azure.endpoint_work import LongWork, wished_contract
from backend.azure.tags import DELETE_AT
from backend.azure.times import made_at, moment
from backend.domain import Deployment, Endpoint


def read_endpoint(
    found: Resource,
    there: Sequence[Resource],
    works: Sequence[LongWork],
    contract_of: Callable[[Resource], str],
    workspace: str,
) -> Endpoint:
    """`there` are its deployments; `works` may be of other endpoints too; `workspace` is an ARM path."""
    name = str(found["name"])
    mine = [work for work in works if work.endpoint == name]
    traffic, tags = traffic_of(found), found.get("tags") or {}
    facts = [DeploymentFacts(each["name"], word_of(each), traffic.get(each["name"], 0)) for each in there]
    newest = next((work for work in mine if work.is_running), next(iter(mine), None))
    state, detail, failure = endpoint_state(word_of(found), facts, newest.as_work() if newest else None)
    deployments = [
        Deployment(
            each["name"],
            model_of(each),
            traffic.get(each["name"], 0),
            state_of(each),
            hosting_from(each, traffic.get(each["name"], 0)),
            word_of(each),
        )
        for each in there
    ]
    names = {each.name for each in deployments}
    refused = filter(None, (work.failed_deployment() for work in mine))
    deployments += [each for each in refused if each.name not in names]
    leading = sorted(there, key=lambda each: -traffic.get(each["name"], 0))
    return Endpoint(
        name=name,
        state=state,
        detail=detail,
        url=base_url(found),
        contract=contract_of(leading[0]) if leading else wished_contract(mine),
        deployments=tuple(deployments),
        created_at=made_at(found) or datetime.now(UTC),
        failure=failure,
        expires_at=moment(tags.get(DELETE_AT)),
        link=f"https://ml.azure.com/endpoints/realtime/{name}/detail?wsid={workspace}",
    )

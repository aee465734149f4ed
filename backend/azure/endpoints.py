"""Online endpoints of the workspace, as the target protocol wants them. State is Azure's, plus our own long work."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from backend.azure import serving
from backend.azure.connection import Connection
from backend.azure.connections import has_connection, homes, save_connection
from backend.azure.deployments import DELETE, DEPLOY, DEPLOY_STEPS, START, STOP, DeploymentWork
from backend.azure.endpoint_calls import BUSY_SECONDS, EndpointCalls, Resource
from backend.azure.endpoint_code import endpoint_files
from backend.azure.endpoint_facts import (
    back_of,
    base_url,
    hosting_from,
    hosting_values,
    state_of,
    tag_time,
    traffic_of,
    word_of,
)
from backend.azure.endpoint_logs import EndpointLog
from backend.azure.endpoint_names import (
    COLOURS,
    NAME,
    check_deployment_name,
    check_endpoint_name,
    deploying_words,
    free_colour,
    name_taken,
)
from backend.azure.endpoint_view import read_endpoint
from backend.azure.endpoint_work import LongWork, find_works, goes_on, place_of, refuse_while
from backend.azure.flow_folder import flow_model_id
from backend.azure.hosting_choice import check_size, choose_way
from backend.azure.identity import identity_path
from backend.azure.operations import Operations, Report
from backend.azure.probe import Contracts, ask, not_answering
from backend.azure.sizes import default_size
from backend.azure.tags import DELETE_AT
from backend.azure.waiting import pauses
from backend.domain import (
    DEFAULT_HOSTING,
    Endpoint,
    EndpointState,
    Hosting,
    LogChunk,
)
from backend.domain_setup import CodeFile, Operation, Purpose, ServingWay
from backend.errors import BadInput, Conflict, NotFound, PhiDeskError
from backend.i18n import _
from backend.target import Machines, Models

LOG_LINES = 1000


class AzureEndpoints:
    def __init__(self, connection: Connection, operations: Operations, models: Models, machines: Machines) -> None:
        self.connection = connection
        self.operations = operations
        self.models = models
        self.machines = machines
        self.calls = EndpointCalls(connection)
        self.contracts = Contracts(connection)
        self.work = DeploymentWork(connection, self.calls, self.log_of)
        operations.handler(DEPLOY, self.work.deploy, place_of)
        operations.handler(START, self._start_after_stop, place_of)
        operations.handler(STOP, self.work.stop, place_of)
        operations.handler(DELETE, self.work.delete, place_of)

    def _read(self, found: Resource, there: Sequence[Resource], works: Sequence[LongWork]) -> Endpoint:
        return read_endpoint(found, there, works, self.contracts.of, self.calls.workspace)

    def _works(self, endpoint: str) -> Sequence[LongWork]:
        return find_works(self.operations, self.calls.workspace, endpoint)

    def create(self, name: str) -> Endpoint:
        """Asks Azure and does not wait: the address is there at once, the rest within a minute or two."""
        name = check_endpoint_name(name)
        refuse_while(self._works(name), DELETE)
        if self.calls.find(name) is None:
            document = serving.endpoint_document(name, identity=identity_path(self.connection))
            try:
                self.calls.begin(document)
            except PhiDeskError as error:
                if error.code == "azure_conflict" and self.calls.find(name) is not None:
                    return self.get(name)  # a second click was faster
                raise name_taken(name, error) or error from None
        return self.get(name)

    def check(self, model: str, hosting: Hosting = DEFAULT_HOSTING) -> None:
        _ref, _model_id, way = choose_way(self.models, model, hosting)
        check_size(self.machines, way, self._sized(hosting))

    def deploy(self, endpoint: str, model: str, deployment: str = "", hosting: Hosting = DEFAULT_HOSTING) -> Endpoint:
        """Refuses at once what can't succeed; the rest is an operation."""
        found = self.calls.existing(check_endpoint_name(endpoint))
        ref, model_id, way = choose_way(self.models, model, hosting)
        hosting = replace(self._sized(hosting), serving=way.id)
        works = self._works(endpoint)
        refuse_while(works, DELETE, START)
        # What is there while a stop is at work is gone when this one's turn comes.
        there = [] if goes_on(works, STOP) else self.calls.deployments(endpoint)
        for work in works:
            if work.is_deploying and work.wishes(ref, deployment, hosting):
                return self.get(endpoint)
        if self._answers_already(there, found, ref, deployment, hosting):
            return self.get(endpoint)
        for work in works:
            if work.is_deploying:
                raise Conflict(
                    _("Another model is being deployed to {name} right now.").format(name=endpoint),
                    why=work.arguments["model"],
                    how_to_fix=_("Wait until it answers, or stop the endpoint first."),
                    code="endpoint_busy",
                )
        check_size(self.machines, way, hosting)
        taken = {each["name"] for each in there}
        name = check_deployment_name(deployment, taken) if deployment else free_colour(taken)
        self.start_work(endpoint, name, ref, model_id, way, hosting)
        return self.get(endpoint)

    def start_work(
        self, endpoint: str, name: str, ref: str, model_id: str, way: ServingWay, hosting: Hosting
    ) -> Operation:
        """What failed before is told no longer."""
        self._dismiss(work for work in self._works(endpoint) if not work.is_running)
        arguments = {
            "workspace": self.calls.workspace,
            "endpoint": endpoint,
            "deployment": name,
            "model": ref,
            "model_id": model_id,
            "way": way.id,
            "contract": way.contract,
            "hosting": hosting_values(hosting),
        }
        title = deploying_words(ref, endpoint)
        return self.operations.start(DEPLOY, f"{self.calls.path(endpoint, name)}", title, arguments, DEPLOY_STEPS)

    def _sized(self, hosting: Hosting) -> Hosting:
        """With the size that is used where none was chosen."""
        default = default_size(Purpose.SERVING, serving=self.connection.config.serving_size)
        return replace(hosting, size=hosting.size or default)

    def _dismiss(self, works: Iterable[LongWork]) -> None:
        for work in works:
            self.operations.dismiss(work.operation.id)

    def _answers_already(
        self, there: Sequence[Resource], endpoint: Resource, ref: str, deployment: str, hosting: Hosting
    ) -> bool:
        traffic = traffic_of(endpoint)
        for each in there:
            same = hosting_from(each, 0) == replace(hosting, takes_traffic=False, expires_at=None)
            is_meant = each["name"] == deployment or (not deployment and hosting.takes_traffic)
            answers = state_of(each) is EndpointState.RUNNING and (
                not hosting.takes_traffic or traffic.get(each["name"]) == 100
            )
            if is_meant and same and answers and (each.get("tags") or {}).get(serving.MODEL_TAG) == ref:
                return True
        return False

    def set_traffic(self, endpoint: str, percent: Mapping[str, int]) -> Endpoint:
        self.calls.existing(check_endpoint_name(endpoint))
        refuse_while(self._works(endpoint), STOP, DELETE)
        there = {each["name"]: each for each in self.calls.deployments(endpoint)}
        unknown = sorted(set(percent) - set(there))
        shares = {name: share for name, share in percent.items() if share}
        if unknown or sum(percent.values()) != 100 or not all(0 <= share <= 100 for share in percent.values()):
            raise BadInput(
                _("The traffic can't be shared like this."),
                why=_("There is no deployment {name}.").format(name=unknown[0])
                if unknown
                else _("The shares must make 100 percent."),
                how_to_fix=_("The deployments are: {names}.").format(names=", ".join(sorted(there))),
                code="bad_traffic",
            )
        for name in shares:
            if state_of(there[name]) is not EndpointState.RUNNING:
                raise Conflict(
                    _("The deployment {name} is not ready.").format(name=name),
                    why=_("Azure says: {word}.").format(word=word_of(there[name])),
                    how_to_fix=_("Wait until it runs, then move the traffic."),
                    code="deployment_not_ready",
                )
        if len({self.contracts.of(there[name]) for name in shares}) > 1:
            raise Conflict(
                _("These deployments can't share the traffic: they take different requests."),
                how_to_fix=_("Move all of it to one of them."),
                code="different_contracts",
            )

        def change(traffic: dict[str, int], _tags: dict[str, str]) -> None:
            traffic.clear()
            traffic.update(shares)

        self.calls.change(endpoint, change)
        return self.get(endpoint)

    def test(self, endpoint: str, deployment: str, question: str) -> str:
        found = self.calls.existing(check_endpoint_name(endpoint))
        there = {each["name"]: each for each in self.calls.deployments(endpoint)}
        if deployment not in there or state_of(there[deployment]) is not EndpointState.RUNNING:
            raise not_answering(deployment)
        contract = self.contracts.of(there[deployment])
        key = self.calls.keys(endpoint)
        return ask(base_url(found), key, contract, question, deployment=deployment, model=endpoint)

    def remove_deployment(self, endpoint: str, deployment: str) -> Endpoint:
        found = self.calls.existing(check_endpoint_name(endpoint))
        if traffic_of(found).get(deployment):
            raise Conflict(
                _("The deployment {name} has traffic.").format(name=deployment),
                how_to_fix=_("Move the traffic to another one first, or stop the endpoint."),
                code="deployment_has_traffic",
            )
        self._dismiss(
            work
            for work in self._works(endpoint)
            if work.operation.kind == DEPLOY and work.arguments["deployment"] == deployment
        )
        if NAME.fullmatch(deployment):
            self.calls.begin_delete(endpoint, deployment)  # its state is STOPPED until it is gone
        return self.get(endpoint)

    def set_expiry(self, endpoint: str, expires_at: datetime | None) -> Endpoint:
        def change(_traffic: dict[str, int], tags: dict[str, str]) -> None:
            if expires_at is None:
                tags.pop(DELETE_AT, None)
            else:
                tags[DELETE_AT] = tag_time(expires_at)

        self.calls.existing(check_endpoint_name(endpoint))
        self.calls.change(endpoint, change)
        return self.get(endpoint)

    def list(self) -> Sequence[Endpoint]:
        works = find_works(self.operations, self.calls.workspace)
        endpoints = [self._read(found, there, works) for found, there in self.calls.all_with_deployments()]
        return sorted(endpoints, key=lambda endpoint: endpoint.created_at, reverse=True)

    def get(self, name: str) -> Endpoint:
        found = self.calls.existing(check_endpoint_name(name))
        return self._read(found, self.calls.deployments(name), self._works(name))

    def start(self, name: str) -> Endpoint:
        """What had the most traffic gets all of it; the others come back beside it, without any."""
        found = self.calls.existing(check_endpoint_name(name))
        works = self._works(name)
        refuse_while(works, DELETE)
        if goes_on(works, STOP) and not goes_on(works, DEPLOY):
            # What comes back is only known when the stop has ended.
            arguments = {"workspace": self.calls.workspace, "endpoint": name}
            self.operations.start(START, self.calls.path(name), _("Starting {name}").format(name=name), arguments)
            return self.get(name)
        if goes_on(works, DEPLOY, START):
            return self.get(name)
        self._bring_back(found, works)
        return self.get(name)

    def _start_after_stop(self, arguments: Mapping[str, Any], report: Report) -> None:
        """Arguments: workspace, endpoint."""
        self.work.check_workspace(arguments)
        found = self.calls.find(arguments["endpoint"])
        report.check_stop()
        if found is not None:
            self._bring_back(found, self._works(arguments["endpoint"]))

    def _bring_back(self, found: Resource, works: Sequence[LongWork]) -> None:
        name = str(found["name"])
        there = self.calls.deployments(name)
        failed = [work for work in works if work.operation.kind == DEPLOY and not work.is_running]
        back = sorted(back_of(found), key=lambda each: -each[2])
        ready = [each["name"] for each in there if state_of(each) is EndpointState.RUNNING]
        if any(traffic_of(found).get(each) for each in ready):
            return
        if back:
            for place, (deployment, model, _percent, hosting) in enumerate(back):
                if hosting.serving == serving.FLOW:
                    ref, model_id, way = model, flow_model_id(), serving.way_of(serving.FLOW, serving.FLOW)
                else:
                    ref, model_id, way = choose_way(self.models, model, hosting)
                self.start_work(name, deployment, ref, model_id, way, replace(hosting, takes_traffic=place == 0))
        elif ready:
            self.set_traffic(name, {ready[-1]: 100})
        elif failed:
            self.operations.retry(failed[0].operation.id)
        elif not there:
            raise Conflict(
                _("The endpoint {name} has no model yet.").format(name=name),
                how_to_fix=_("Deploy a model to it."),
                code="nothing_deployed",
            )

    def stop(self, name: str) -> Endpoint:
        """All its machines go, so nothing costs; its tags remember what `start` brings back."""
        self.calls.existing(check_endpoint_name(name))
        works = self._works(name)
        if goes_on(works, DELETE):
            return self.get(name)
        self._dismiss(work for work in works if work.operation.kind != STOP or not work.is_running)
        back: dict[str, str] = {}
        for work in works:
            if work.is_deploying:
                back |= work.back_tag()
        if back or self.calls.deployments(name):
            arguments = {"workspace": self.calls.workspace, "endpoint": name, "back": back}
            self.operations.start(STOP, self.calls.path(name), _("Stopping {name}").format(name=name), arguments, 2)
        return self.get(name)

    def logs(self, name: str, since: int | None = None) -> LogChunk:
        """Of the deployment that answers or is being made. What is gone stays readable here."""
        found = self.calls.existing(check_endpoint_name(name))
        traffic = traffic_of(found)
        log = self.log_of(name)
        there = sorted(self.calls.deployments(name), key=lambda each: -traffic.get(each["name"], 0))
        if there:
            log.add(there[0]["name"], self.calls.shown_log(name, there[0]["name"], LOG_LINES))
        return log.read(since)

    def log_of(self, endpoint: str) -> EndpointLog:
        place = hashlib.sha256(self.calls.workspace.lower().encode()).hexdigest()[:12]
        return EndpointLog(self.connection.folder / "logs" / place / f"{endpoint}.log")

    def key(self, name: str) -> str:
        """Waits a moment for an endpoint that is only being made."""
        found = self.calls.existing(check_endpoint_name(name))
        waited = 0.0
        for pause in pauses():
            if word_of(found) != "Creating" or waited > BUSY_SECONDS:
                break
            waited += pause
            time.sleep(pause)
            found = self.calls.existing(name)
        return self.calls.keys(name)

    def renew_key(self, name: str) -> None:
        """The connections that hold the old one get the new one."""
        endpoint = self.get(name)
        self.calls.renew_keys(name)
        key = self.calls.keys(name)
        for home in homes(self.connection):
            with suppress(NotFound):
                if has_connection(self.connection, home, name):
                    save_connection(self.connection, home, name, endpoint.url, key, endpoint.contract)

    def delete(self, name: str) -> None:
        found = self.calls.find(check_endpoint_name(name))
        if found is None:
            return
        self._dismiss(work for work in self._works(name) if work.operation.kind != DELETE)
        arguments = {"workspace": self.calls.workspace, "endpoint": name}
        self.operations.start(DELETE, self.calls.path(name), _("Deleting {name}").format(name=name), arguments, 2)

    def as_code(self, endpoint: str, model: str, hosting: Hosting) -> Sequence[CodeFile]:
        ref, model_id, way = choose_way(self.models, model, hosting)
        hosting = self._sized(hosting)
        delete_at = tag_time(hosting.expires_at) if hosting.expires_at else ""
        arguments = {"endpoint": endpoint, "deployment": COLOURS[0], "model": ref, "model_id": model_id}
        return endpoint_files(
            serving.endpoint_document(endpoint, identity=identity_path(self.connection), delete_at=delete_at),
            self.work.document(arguments, way, hosting),
            way,
            hosting,
            self.calls.workspace,
        )

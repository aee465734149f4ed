"""The long work on endpoints, step by step: deploy, stop, delete. Each step finds out first whether it is done already.

A new deployment is made beside the old one, tested, and only then gets the traffic; what fails leaves no cost behind.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backend.azure import serving
from backend.azure.connection import Connection
from backend.azure.connections import delete_connection, homes
from backend.azure.endpoint_calls import EndpointCalls, Resource, autoscale_name, is_passing
from backend.azure.endpoint_facts import (
    BACK_TAG,
    back_tag,
    base_url,
    hosting_from,
    hosting_of,
    model_of,
    tag_time,
    traffic_of,
)
from backend.azure.endpoint_logs import EndpointLog
from backend.azure.endpoint_names import deploying_words
from backend.azure.endpoint_state import deployment_state
from backend.azure.errors import SignedOut, in_words, without_secrets
from backend.azure.identity import identity_path
from backend.azure.operations import Report
from backend.azure.probe import ask
from backend.azure.tags import DELETE_AT, is_marked
from backend.azure.times import moment
from backend.azure.waiting import finish, pauses
from backend.domain import EndpointState, Hosting
from backend.domain_setup import ServingWay
from backend.errors import Conflict, JobFailed, NotFound, PhiDeskError, Unavailable
from backend.i18n import _

DEPLOY = "deploy_endpoint"
START = "start_endpoint"
STOP = "stop_endpoint"
DELETE = "delete_endpoint"
DEPLOY_STEPS = 6
RETIRE_TAG = "phidesk-retire"
"""Deployments that gave their traffic away and are still to be removed, by spaces."""

PATIENCE_SECONDS = 2 * 3600
"""Building a container, starting a machine and loading a model take up to an hour; more is broken."""
SMOKE_SECONDS = 300
MOST_TRIES = 5
LOG_LINES = 400
KEPT_LOG = 8000
"""Characters of the log's end that go along with a failure."""


class DeploymentWork:
    def __init__(self, connection: Connection, calls: EndpointCalls, log_of: Callable[[str], EndpointLog]) -> None:
        """`log_of(endpoint)` gives its log on this computer."""
        self.connection = connection
        self.calls = calls
        self.log_of = log_of

    def deploy(self, arguments: Mapping[str, Any], report: Report) -> None:
        """Arguments: workspace, endpoint, deployment, model, model_id, way, contract, hosting."""
        self.check_workspace(arguments)
        endpoint, name = arguments["endpoint"], arguments["deployment"]
        hosting = hosting_of(arguments["hosting"])
        report(0, _("Waiting for the endpoint {name}.").format(name=endpoint))
        self._await_endpoint(endpoint, report)
        self._set_expiry(endpoint, hosting, report)
        way = serving.way_of(arguments["way"], arguments["contract"])
        if way.id == serving.VLLM:
            report(1, _("Preparing the container."))
            self._ensure_vllm()
        report(2, _("Azure prepares a machine and loads the model. This takes 10 to 30 minutes."))
        found = self._ensure_deployment(arguments, way, hosting, report)
        report(3, _("Asking it a first question."))
        self._smoke_test(arguments, report)
        most = max(hosting.max_instances, hosting.instances)
        if most > hosting.instances:
            region = str(found.get("location") or self.connection.workspace().region)
            document = serving.autoscale_document(
                str(found["id"]), region, autoscale_name(endpoint, name), hosting.instances, most
            )
            self.calls.put_autoscale(endpoint, name, document)
        report(4, _("Moving the traffic.") if hosting.takes_traffic else _("It stands ready beside the others."))
        self._move_traffic(endpoint, name, hosting, report)
        report(5, _("Removing what it replaces."))
        self._retire(endpoint, report)

    def check_workspace(self, arguments: Mapping[str, Any]) -> None:
        if arguments["workspace"] != self.calls.workspace:
            raise Conflict(
                _("This belongs to another workspace than the one that is chosen."),
                why=arguments["workspace"],
                how_to_fix=_("Choose that workspace on Setup, then try again."),
                code="other_workspace",
            )

    def _await_endpoint(self, endpoint: str, report: Report) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        for pause in pauses():
            word = str((self.calls.existing(endpoint).get("properties") or {}).get("provisioningState", ""))
            if word not in {"Creating", "Updating"}:
                break
            _check_deadline(deadline, endpoint)
            report.check_stop()
            time.sleep(pause)
        if word in {"Failed", "Canceled", "Deleting"}:
            raise JobFailed(
                _("The endpoint {name} can't be used.").format(name=endpoint),
                why=_("Azure says: {word}.").format(word=word),
                how_to_fix=_("Delete it, then create it again."),
                code="endpoint_failed",
            )

    def _set_expiry(self, endpoint: str, hosting: Hosting, report: Report) -> None:
        """Before anything costs, so that it is found however this ends. An end that was set is never moved earlier."""
        expires_at = hosting.expires_at
        if expires_at is None:
            return

        def change(_traffic: dict[str, int], tags: dict[str, str]) -> None:
            tags[DELETE_AT] = tag_time(max(expires_at, moment(tags.get(DELETE_AT)) or expires_at))

        self.calls.change(endpoint, change, seconds=PATIENCE_SECONDS, stop=report.check_stop)

    def _ensure_vllm(self) -> None:
        """The environment's version is a hash of its files, so it is built once in a workspace's life."""
        from azure.ai.ml import load_environment
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Preparing the vLLM container")):
            environments = self.connection.ml().environments
            try:
                environments.get(serving.VLLM_ENVIRONMENT, version=serving.VLLM_VERSION)
            except ResourceNotFoundError:
                with tempfile.TemporaryDirectory() as folder:
                    for file, text in serving.vllm_files().items():
                        (Path(folder) / file).write_text(text)
                    environment = load_environment(Path(folder) / "environment.yml")
                    environment.tags = {**(environment.tags or {}), **self.connection.by()}
                    environments.create_or_update(environment)

    def document(self, arguments: Mapping[str, Any], way: ServingWay, hosting: Hosting) -> dict[str, Any]:
        """Arguments: endpoint, deployment, model, model_id."""
        parts = self.calls.workspace.split("/")
        variables = {"SUBSCRIPTION_ID": parts[2], "RESOURCE_GROUP_NAME": parts[4]}
        client = self._identity_client()
        if client:
            variables["UAI_CLIENT_ID"] = client
        return serving.deployment_document(
            arguments["endpoint"],
            arguments["deployment"],
            arguments["model"],
            arguments["model_id"],
            way,
            hosting,
            variables,
            workspace=self.calls.workspace,
        )

    def _identity_client(self) -> str:
        """Client id of the chosen user-assigned identity, or empty."""
        path = identity_path(self.connection)
        if not path:
            return ""
        with in_words(_("Looking up the identity {name}").format(name=self.connection.config.identity)):
            found = self.connection.arm("GET", path, "2023-01-31")
        return str((found.get("properties") or {}).get("clientId") or "")

    def _ensure_deployment(
        self, arguments: Mapping[str, Any], way: ServingWay, hosting: Hosting, report: Report
    ) -> Resource:
        """Made once, waited for, and whole. Whatever breaks on the way here, Azure is asked what became of it."""
        endpoint, name = arguments["endpoint"], arguments["deployment"]
        deadline, tries = time.monotonic() + PATIENCE_SECONDS, 0
        for pause in pauses():
            try:
                found = self.calls.find(endpoint, name)
                if found is None:
                    document = self.document(arguments, way, hosting)
                    poller = self.calls.begin_deployment(document)
                    with in_words(deploying_words(arguments["model"], endpoint)):
                        finish(poller, report.check_stop)
                    continue
                _check_same(found, arguments)
                state = deployment_state(str((found.get("properties") or {}).get("provisioningState", "")))
                if state is EndpointState.RUNNING:
                    return found
                if state is EndpointState.FAILED:
                    raise JobFailed(
                        _("The deployment {name} failed.").format(name=name),
                        why=_("Azure could not start it."),
                        how_to_fix=_("See the log below for the reason."),
                        code="deployment_failed",
                    )
                tries = 0
            except SignedOut:
                raise  # the work waits, and what Azure has begun goes on
            except PhiDeskError as error:
                if isinstance(error, Unavailable) and is_passing(error):
                    tries += 1
                    if tries >= MOST_TRIES:
                        raise
                elif error.code != "azure_conflict":
                    self._clear_away(endpoint, name, error)
                    raise
            _check_deadline(deadline, endpoint)
            report.check_stop()
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _smoke_test(self, arguments: Mapping[str, Any], report: Report) -> None:
        endpoint, name = arguments["endpoint"], arguments["deployment"]
        key, url = self.calls.keys(endpoint), base_url(self.calls.existing(endpoint))
        deadline = time.monotonic() + SMOKE_SECONDS
        for pause in pauses(0.5):
            try:
                ask(url, key, arguments["contract"], _("Hello"), deployment=name, model=endpoint, tokens=8)
                return
            except PhiDeskError as error:
                if not isinstance(error, Unavailable) or time.monotonic() > deadline:
                    failed = JobFailed(
                        _("The deployment {name} gives no answer.").format(name=name),
                        why=error.what,
                        how_to_fix=_("See the log below. What answered before goes on answering."),
                        code="no_answer",
                        raw=error.raw,
                    )
                    self._clear_away(endpoint, name, failed)
                    raise failed from None
            report.check_stop()
            time.sleep(pause)

    def _clear_away(self, endpoint: str, name: str, error: PhiDeskError) -> None:
        """Keep the log of what failed, in the endpoint's log and with the error; then it costs no more."""
        found = None
        with contextlib.suppress(PhiDeskError):
            found = self.calls.find(endpoint, name)
        if found is None or not is_marked(found.get("tags")) or error.code == "other_model":
            return
        shown = ""
        for container in ("inference-server", "storage-initializer"):
            with contextlib.suppress(PhiDeskError):
                shown += self.calls.shown_log(endpoint, name, LOG_LINES, container)
        if shown:
            self.log_of(endpoint).add(name, shown)
            error.raw = f"{error.raw}\n\n{without_secrets(shown)[-KEPT_LOG:]}".strip()
        with contextlib.suppress(PhiDeskError):
            self.calls.delete(endpoint, name)

    def _move_traffic(self, endpoint: str, name: str, hosting: Hosting, report: Report) -> None:
        ours = {each["name"] for each in self.calls.deployments(endpoint) if is_marked(each.get("tags"))}

        def change(traffic: dict[str, int], tags: dict[str, str]) -> None:
            if not hosting.takes_traffic:
                tags.pop(BACK_TAG + name, None)
                return
            for tag in [tag for tag in tags if tag.startswith(BACK_TAG)]:
                del tags[tag]
            old = [each for each in traffic if each != name and each in ours]
            if old:
                tags[RETIRE_TAG] = " ".join(old)
            traffic.clear()
            traffic[name] = 100

        self.calls.change(endpoint, change, seconds=PATIENCE_SECONDS, stop=report.check_stop)

    def _retire(self, endpoint: str, report: Report) -> None:
        found = self.calls.existing(endpoint)
        names = str((found.get("tags") or {}).get(RETIRE_TAG, "")).split()
        if not names:
            return
        traffic = traffic_of(found)
        for name in names:
            if not traffic.get(name):  # someone may have rolled back in between
                self.calls.delete(endpoint, name, seconds=PATIENCE_SECONDS, stop=report.check_stop)

        def change(_traffic: dict[str, int], tags: dict[str, str]) -> None:
            tags.pop(RETIRE_TAG, None)

        self.calls.change(endpoint, change, seconds=PATIENCE_SECONDS, stop=report.check_stop)

    def stop(self, arguments: Mapping[str, Any], report: Report) -> None:
        """Arguments: workspace, endpoint, and `back`, the tags of what was only about to be deployed."""
        self.check_workspace(arguments)
        endpoint = arguments["endpoint"]
        report(0, _("Noting what to bring back."))
        found = self.calls.find(endpoint)
        if found is None:
            return
        traffic = traffic_of(found)
        back = dict(arguments["back"])
        for each in self.calls.deployments(endpoint):
            if (each.get("tags") or {}).get(serving.MODEL_TAG):
                percent = traffic.get(each["name"], 0)
                back |= back_tag(each["name"], model_of(each), hosting_from(each, percent), percent)

        def change(shares: dict[str, int], tags: dict[str, str]) -> None:
            shares.clear()
            tags.pop(RETIRE_TAG, None)
            for tag, value in back.items():
                tags.setdefault(tag, value)  # a second try no longer sees the traffic

        self.calls.change(endpoint, change, seconds=PATIENCE_SECONDS, stop=report.check_stop)
        report(1, _("Removing the machines."))
        for each in self.calls.deployments(endpoint):
            self.calls.delete(endpoint, each["name"], seconds=PATIENCE_SECONDS, stop=report.check_stop)

    def delete(self, arguments: Mapping[str, Any], report: Report) -> None:
        """Arguments: workspace, endpoint. With its rules for scaling, its connections and its log here."""
        self.check_workspace(arguments)
        endpoint = arguments["endpoint"]
        report(0, _("Removing the endpoint and its machines."))
        self.calls.delete(endpoint, seconds=PATIENCE_SECONDS, stop=report.check_stop)
        report(1, _("Removing its connections."))
        for home in homes(self.connection):
            with contextlib.suppress(NotFound):
                delete_connection(self.connection, home, endpoint)
        self.log_of(endpoint).forget()


def _check_same(found: Resource, arguments: Mapping[str, Any]) -> None:
    model = (found.get("tags") or {}).get(serving.MODEL_TAG, "")
    if model != arguments["model"]:
        raise Conflict(
            _("There is a deployment {name} already, with another model.").format(name=arguments["deployment"]),
            why=model,
            how_to_fix=_("Give the new one another name; the old one goes on answering meanwhile."),
            code="other_model",
        )


def _check_deadline(deadline: float, endpoint: str) -> None:
    if time.monotonic() > deadline:
        raise JobFailed(
            _("Azure works on {name} for two hours without an end.").format(name=endpoint),
            how_to_fix=_("Stop the endpoint, then deploy again, perhaps on another size."),
            code="deployment_too_slow",
        )

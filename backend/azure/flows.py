"""The chat flow on Azure: a connection with the endpoint's address and key, the flow's files, an endpoint of its own.

Azure retires prompt flow; what is published here is put there as Microsoft documents it, as long as that lasts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from backend.azure import serving
from backend.azure.connection import Connection
from backend.azure.connections import connected_endpoints, connection_name, homes, save_connection
from backend.azure.endpoint_names import free_colour
from backend.azure.endpoints import AzureEndpoints
from backend.azure.errors import in_words
from backend.azure.flow_folder import FLOW_MODEL, copy_flow, flow_model_id, flow_version
from backend.azure.operations import Operations, Report
from backend.azure.tags import KIND
from backend.domain import Endpoint, Hosting
from backend.domain_setup import Operation, Publication
from backend.errors import Conflict
from backend.i18n import _

PUBLISH = "publish_flow"
RETIRED_ON = date(2027, 4, 20)
"""Prompt flow goes read-only in Azure; its containers get no updates any more."""
FLOW_SIZE = "Standard_DS3_v2"
"""The flow only passes questions on; Microsoft's own default for flows."""
ASKS_TAG = "phidesk-asks"
"""On a published flow's endpoint: the endpoint that it asks."""


class AzureFlows:
    def __init__(self, connection: Connection, operations: Operations, endpoints: AzureEndpoints) -> None:
        self.connection = connection
        self.operations = operations
        self.endpoints = endpoints
        operations.handler(PUBLISH, self._publish)

    def connect(self, endpoint: str) -> str:
        """In the workspace, and in the project when one is chosen; renewed when it is there already."""
        found = self.endpoints.get(endpoint)
        self._check_can_be_asked(found)
        key = self.endpoints.key(endpoint)
        for home in homes(self.connection):
            save_connection(self.connection, home, endpoint, found.url, key, found.contract)
        return connection_name(endpoint)

    def publish(self, endpoint: str, *, deploy: bool = False) -> Operation:
        """Raises NotFound, or Conflict for an endpoint that is a published flow itself or was never deployed to."""
        self._check_can_be_asked(self.endpoints.get(endpoint))
        arguments = {"workspace": self.endpoints.calls.workspace, "endpoint": endpoint, "deploy": deploy}
        title = _("Publishing the chat flow for {name}").format(name=endpoint)
        key = f"{self.endpoints.calls.path(endpoint)}/{'endpoint' if deploy else 'files'}"
        return self.operations.start(PUBLISH, key, title, arguments, 3 if deploy else 2)

    def _check_can_be_asked(self, found: Endpoint) -> None:
        if found.contract == serving.FLOW:
            raise Conflict(
                _("{name} is a published flow itself.").format(name=found.name),
                how_to_fix=_("Publish the flow for the endpoint with the model."),
                code="is_a_flow",
            )
        if not found.deployments:
            raise Conflict(
                _("Nothing is deployed to {name} yet.").format(name=found.name),
                how_to_fix=_("Deploy a model to it, or start it."),
                code="nothing_deployed",
            )

    def _publish(self, arguments: Mapping[str, Any], report: Report) -> None:
        endpoint = arguments["endpoint"]
        self.endpoints.work.check_workspace(arguments)
        report(0, _("Saving the connection."))
        self.connect(endpoint)
        report(1, _("Uploading the flow."))
        self._upload()
        if not arguments["deploy"]:
            return
        name = flow_endpoint_name(endpoint)
        report(2, _("Creating the endpoint {name}.").format(name=name))
        found = self.endpoints.calls.find(name)
        if found is None:
            self.endpoints.calls.begin(flow_endpoint_document(name, endpoint))
        elif (found.get("tags") or {}).get(ASKS_TAG) != endpoint:
            raise Conflict(
                _("There is another endpoint with the name {name} already.").format(name=name),
                why=_("It is not the published flow of {endpoint}, so it is left as it is.").format(endpoint=endpoint),
                how_to_fix=_("Publish the flow for an endpoint with another name."),
                code="name_taken",
            )
        there = self.endpoints.calls.deployments(name)
        if not any(str(each["properties"].get("model", "")).endswith(f"/{flow_version()}") for each in there):
            way = serving.way_of(serving.FLOW, serving.FLOW)
            expires_at = self.endpoints.get(endpoint).expires_at  # no longer than what it asks
            hosting = Hosting(size=FLOW_SIZE, serving=serving.FLOW, expires_at=expires_at)
            colour = free_colour({each["name"] for each in there})
            self.endpoints.start_work(name, colour, endpoint, flow_model_id(), way, hosting)

    def _upload(self) -> None:
        """Once for each state of the flow's files."""
        from azure.ai.ml.entities import Model
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Uploading the flow")):
            models = self.connection.ml().models
            try:
                models.get(FLOW_MODEL, version=flow_version())
            except ResourceNotFoundError:
                with tempfile.TemporaryDirectory() as folder:
                    model = Model(
                        name=FLOW_MODEL,
                        version=flow_version(),
                        type="custom_model",
                        path=str(copy_flow(Path(folder))),
                        description="Phi Desk's chat flow",
                        tags=self.connection.marked("flow"),
                        # these let the studio offer a chat in the endpoint's test tab
                        properties={
                            "azureml.promptflow.source_flow_id": FLOW_MODEL,
                            "azureml.promptflow.mode": "chat",
                            "azureml.promptflow.chat_input": "input_data",
                            "azureml.promptflow.chat_output": "answer",
                        },
                    )
                    models.create_or_update(model)

    def publications(self) -> Sequence[Publication]:
        """One for each endpoint that has our connection."""
        everything = self.endpoints.list()
        flows = {one.model: one for one in everything if one.contract == serving.FLOW}
        home = homes(self.connection)[-1]
        connected = connected_endpoints(self.connection, home)
        found = []
        for endpoint in everything:
            if endpoint.contract != serving.FLOW and endpoint.name in connected:
                flow = flows.get(endpoint.name)
                found.append(
                    Publication(
                        name=connection_name(endpoint.name),
                        link=_studio_link(flow.link if flow else "", home),
                        detail=retirement_words(),
                        endpoint=flow.name if flow else "",
                        created_at=flow.created_at if flow else None,
                    )
                )
        return found


def retirement_words() -> str:
    return _(
        "Azure retires prompt flow on {day}: until then the published flow answers, but its container gets no updates."
        " It lies among the workspace's models, not in the studio's list of flows."
    ).format(day=RETIRED_ON.isoformat())


def flow_endpoint_name(endpoint: str) -> str:
    return f"{endpoint[:27].rstrip('-')}-flow"


def flow_endpoint_document(name: str, endpoint: str) -> dict[str, Any]:
    """With an identity of its own, which Azure lets read the workspace's connections."""
    document = serving.endpoint_document(name)
    document["properties"] = {"enforce_access_to_default_secret_stores": "enabled"}
    document["tags"] |= {KIND: "flow", ASKS_TAG: endpoint}
    return document


def _studio_link(endpoint: str, home: str) -> str:
    return endpoint or f"https://ml.azure.com/model/{FLOW_MODEL}:{flow_version()}/details?wsid={home}"

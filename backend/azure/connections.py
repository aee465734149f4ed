"""Connections of a workspace: an endpoint's address and key, kept by Azure as secrets for the flows that call it."""

from __future__ import annotations

from typing import Any

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.tags import KIND, MARK, MARKED, is_marked
from backend.errors import Conflict, NotFound
from backend.i18n import _

VERSION = "2024-04-01-preview"


def connection_name(endpoint: str) -> str:
    """The endpoint's own name; Azure's rule for connections (3 to 33 of letters, digits, - and _) takes each."""
    return endpoint


def save_connection(connection: Connection, workspace: str, endpoint: str, url: str, key: str, contract: str) -> str:
    """Create or renew it in a workspace or project (an ARM path). Raises Conflict for a name that is someone else's.

    The SDK has no credential with several keys, so the body is Azure's own; by default a connection would be
    shared to all.
    """
    path = f"{workspace}/connections/{connection_name(endpoint)}"
    with in_words(_("Saving the connection {name}").format(name=connection_name(endpoint))):
        found = connection.find(path, VERSION)
        if found is not None and not _is_ours(found):
            raise Conflict(
                _("There is another connection with the name {name} already.").format(name=connection_name(endpoint)),
                why=_("Phi Desk did not make it, so it is left as it is."),
                how_to_fix=_("Use an endpoint with another name, or remove that connection in the studio."),
                code="connection_taken",
            )
        body = {
            "properties": {
                "category": "CustomKeys",
                "authType": "CustomKeys",
                "target": "-",
                "isSharedToAll": False,
                "credentials": {"keys": {"endpoint": url, "key": key}},
                "metadata": {
                    "azureml.flow.connection_type": "Custom",
                    "azureml.flow.module": "promptflow.connections",
                    "contract": contract,
                    "model": endpoint,
                    MARK: MARKED,
                    KIND: "connection",
                },
            }
        }
        connection.arm("PUT", path, VERSION, body)
        if connection.find(path, VERSION) is None:
            raise NotFound(
                _("Azure took the connection {name}, but does not show it.").format(name=connection_name(endpoint)),
                how_to_fix=_("Try again in a minute."),
                code="connection_not_there",
            )
    return connection_name(endpoint)


def has_connection(connection: Connection, workspace: str, endpoint: str) -> bool:
    """Whether there is one of ours."""
    with in_words(_("Reading the connection")):
        found = connection.find(f"{workspace}/connections/{connection_name(endpoint)}", VERSION)
    return found is not None and _is_ours(found)


def connected_endpoints(connection: Connection, workspace: str) -> set[str]:
    """Those that have a connection of ours."""
    with in_words(_("Listing the connections")):
        found = connection.arm_list(f"{workspace}/connections", VERSION)
    return {str(one["name"]) for one in found if _is_ours(one)}


def delete_connection(connection: Connection, workspace: str, endpoint: str) -> None:
    """Only one of ours; one that is gone is fine."""
    if has_connection(connection, workspace, endpoint):
        with in_words(_("Removing the connection")):
            connection.arm("DELETE", f"{workspace}/connections/{connection_name(endpoint)}", VERSION)


def homes(connection: Connection) -> list[str]:
    """ARM paths of where connections are kept: the workspace, and the project when one is chosen."""
    project = connection.config.project
    paths = [connection.workspace_path()]
    if project and project != connection.config.workspace:
        paths.append(f"{connection.group_path()}/providers/Microsoft.MachineLearningServices/workspaces/{project}")
    return paths


def _is_ours(found: dict[str, Any]) -> bool:
    return is_marked((found.get("properties") or {}).get("metadata"))

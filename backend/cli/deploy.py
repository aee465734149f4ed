"""`phidesk deploy`: endpoints that answer."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, say, show, table
from backend.domain import Endpoint
from backend.i18n import _

Name = Annotated[str, typer.Argument(help=_("The endpoint's name."))]
Wait = Annotated[bool, typer.Option("--wait", help=_("Return only when it answers."))]
Seconds = Annotated[float, typer.Option(help=_("How long to wait at most."))]


def add_to(group: typer.Typer) -> None:
    group.command("create")(create)
    group.command("list")(list_endpoints)
    group.command("show")(show_endpoint)
    group.command("start")(start)
    group.command("stop")(stop)
    group.command("logs")(logs)
    group.command("key")(key)
    group.command("delete")(delete)


def create(
    model: Annotated[str, typer.Argument(help=_("name:version of a registered model, or a base model's id."))],
    name: Annotated[str, typer.Option(help=_("The endpoint's name (default: made of the model's)."))] = "",
    wait: Wait = False,
    timeout: Seconds = 180,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and deploy a model to it."""
    deployments = desk().deployments
    endpoint = deployments.create(name, model)
    if wait:
        endpoint = deployments.wait_until_answering(endpoint.name, timeout)
    _show(as_json, endpoint)


def list_endpoints(as_json: AsJson = False) -> None:
    """All endpoints."""
    found = desk().deployments.list()
    rows = [(one.name, one.state.value, one.model, one.url) for one in found]
    show(as_json, {"endpoints": found}, *table(("NAME", "STATE", "MODEL", "URL"), rows))


def show_endpoint(name: Name, as_json: AsJson = False) -> None:
    """State, model and address of an endpoint."""
    _show(as_json, desk().deployments.get(name))


def start(name: Name, wait: Wait = False, timeout: Seconds = 180, as_json: AsJson = False) -> None:
    """Start an endpoint that was stopped."""
    deployments = desk().deployments
    endpoint = deployments.start(name)
    if wait:
        endpoint = deployments.wait_until_answering(name, timeout)
    _show(as_json, endpoint)


def stop(name: Name, as_json: AsJson = False) -> None:
    """Stop an endpoint; it keeps its name, key and model."""
    _show(as_json, desk().deployments.stop(name))


def logs(name: Name, as_json: AsJson = False) -> None:
    """The end of an endpoint's log."""
    chunk = desk().deployments.logs(name)
    show(as_json, chunk, chunk.text.rstrip("\n"))


def key(name: Name, as_json: AsJson = False) -> None:
    """Print the secret that callers send as `Authorization: Bearer`. Keep it to yourself."""
    secret = desk().deployments.key(name)
    show(as_json, {"name": name, "key": secret}, secret)


def delete(name: Name, as_json: AsJson = False) -> None:
    """Delete an endpoint; one that is gone already is fine."""
    desk().deployments.delete(name)
    show(as_json, {"deleted": name}, _("Deleted {name}.").format(name=name))


def _show(as_json: bool, endpoint: Endpoint) -> None:
    show(as_json, endpoint, f"{endpoint.name}: {endpoint.state.value}  {endpoint.model}  {endpoint.url}")
    if endpoint.failure:
        say(" ".join((endpoint.failure.what, endpoint.failure.why, endpoint.failure.how_to_fix)))

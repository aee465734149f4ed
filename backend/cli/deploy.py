"""`phidesk deploy`: endpoints that answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import AsJson, SaveTo, desk, say, show, show_code, table
from backend.cli.parts import part_of
from backend.domain import DEFAULT_HOSTING, Endpoint, Hosting
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _

if TYPE_CHECKING:
    from backend.bootstrap import Desk

DEFAULT_HOURS = 8

Name = Annotated[str, typer.Argument(help=_("The endpoint's name."))]
Deployment = Annotated[str, typer.Argument(help=_("The deployment's name."))]
Model = Annotated[str, typer.Argument(help=_("name:version of a registered model, or a base model's id."))]
NewName = Annotated[str, typer.Option("--name", help=_("The endpoint's name (default: made of the model's)."))]
Size = Annotated[str, typer.Option(help=_("Machine size; see: phidesk machines list --for serving."))]
Instances = Annotated[int, typer.Option(help=_("How many machines."))]
MaxInstances = Annotated[int, typer.Option(help=_("Scale up to so many under load."))]
Serving = Annotated[str, typer.Option(help=_("Way to serve."))]
Beside = Annotated[bool, typer.Option("--beside", help=_("Without traffic, beside the one that answers."))]
Expires = Annotated[
    float | None, typer.Option(help=_("Hours until it is due to be deleted (default where it costs: 8; 0: never)."))
]
Wait = Annotated[bool, typer.Option("--wait", help=_("Return only when it answers."))]
Seconds = Annotated[float, typer.Option(help=_("How long to wait at most."))]


def add_to(group: typer.Typer) -> None:
    group.command("create")(create)
    group.command("list")(list_endpoints)
    group.command("show")(show_endpoint)
    group.command("start")(start)
    group.command("stop")(stop)
    group.command("traffic")(traffic)
    group.command("test")(test)
    group.command("remove")(remove)
    group.command("expiry")(expiry)
    group.command("code")(code)
    group.command("logs")(logs)
    group.command("key")(key)
    group.command("renew-key")(renew_key)
    group.command("delete")(delete)


def create(
    model: Model,
    name: NewName = "",
    deployment: Annotated[str, typer.Option(help=_("The deployment's name (default: the target names it)."))] = "",
    size: Size = "",
    instances: Instances = 1,
    max_instances: MaxInstances = 1,
    serving: Serving = "",
    is_beside: Beside = False,
    expires: Expires = None,
    wait: Wait = False,
    timeout: Seconds = 180,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint (or take the one of that name) and deploy a model to it."""
    services = desk()
    hosting = _hosting(services, size, instances, max_instances, serving, is_beside, expires)
    deployments = services.deployments
    endpoint = deployments.create(name, model, deployment, hosting)
    if wait:
        endpoint = deployments.wait_until_answering(endpoint.name, timeout)
    _show(as_json, endpoint)


def _hosting(
    services: Desk,
    size: str,
    instances: int,
    max_instances: int,
    serving: str,
    is_beside: bool,
    hours: float | None,
) -> Hosting:
    """Where there is a choice of machines, an endpoint costs, and has an end unless --expires 0 says never."""
    target = services.target
    if target.costs is not None and hours is None:
        hours = DEFAULT_HOURS
    expires_at = datetime.now(UTC) + timedelta(hours=hours) if hours else None
    hosting = Hosting(size, instances, max(instances, max_instances), serving, not is_beside, expires_at)
    if hosting != DEFAULT_HOSTING:
        part_of(target, target.machines)
    return hosting


def code(
    model: Model,
    name: NewName = "",
    size: Size = "",
    instances: Instances = 1,
    max_instances: MaxInstances = 1,
    serving: Serving = "",
    is_beside: Beside = False,
    expires: Expires = None,
    to: SaveTo = None,
    as_json: AsJson = False,
) -> None:
    """What does the same as `deploy create` without the app. Creates nothing."""
    services = desk()
    hosting = _hosting(services, size, instances, max_instances, serving, is_beside, expires)
    show_code(as_json, services.deployments.as_code(name, model, hosting), to)


def traffic(
    name: Name,
    shares: Annotated[list[str], typer.Argument(help=_("deployment=percent for each, 100 in all."))],
    as_json: AsJson = False,
) -> None:
    """Move traffic between the deployments of an endpoint."""
    percent = {}
    for share in shares:
        deployment, _equals, number = share.partition("=")
        if not number.isdigit():
            raise BadInput(
                _("{share} is not a share.").format(share=share),
                how_to_fix=_("Write it as {example}.").format(example="blue=90 green=10"),
                code="bad_traffic",
            )
        percent[deployment] = int(number)
    _show(as_json, desk().deployments.set_traffic(name, percent))


def test(
    name: Name,
    deployment: Deployment,
    question: Annotated[str, typer.Argument(help=_("What to ask."))],
    as_json: AsJson = False,
) -> None:
    """Ask one deployment, whatever its traffic."""
    answer = desk().deployments.test(name, deployment, question)
    show(as_json, {"endpoint": name, "deployment": deployment, "answer": answer}, answer)


def remove(name: Name, deployment: Deployment, as_json: AsJson = False) -> None:
    """Remove a deployment that has no traffic."""
    _show(as_json, desk().deployments.remove_deployment(name, deployment))


def expiry(
    name: Name,
    hours: Annotated[float, typer.Argument(help=_("Hours from now until it is due to be deleted; 0 means never."))],
    as_json: AsJson = False,
) -> None:
    """Set when an endpoint is due to be deleted."""
    _show(as_json, desk().deployments.set_expiry(name, hours or None))


def renew_key(name: Name, as_json: AsJson = False) -> None:
    """Make a new key; the old one stops working."""
    desk().deployments.renew_key(name)
    show(as_json, {"name": name}, _("{name} has a new key. See: phidesk deploy key {name}").format(name=name))


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
    lines = [f"{endpoint.name}: {endpoint.state.value}  {endpoint.model}  {endpoint.url}"]
    if len(endpoint.deployments) > 1:
        lines += [
            f"  {part.name}: {part.state.value}  {part.model}  {part.traffic_percent} %"
            for part in endpoint.deployments
        ]
    show(as_json, endpoint, *lines)
    if endpoint.failure:
        say(str(PhiDeskError.of(endpoint.failure)))

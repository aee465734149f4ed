"""`phidesk flow`: the chat flow, put where a team can use it."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, show, table
from backend.cli.parts import end_with_operation, part_of
from backend.i18n import _

Name = Annotated[str, typer.Argument(help=_("The endpoint's name."))]


def add_to(group: typer.Typer) -> None:
    group.command("connect")(connect)
    group.command("publish")(publish)
    group.command("list")(list_publications)


def connect(endpoint: Name, as_json: AsJson = False) -> None:
    """Make a connection that holds the endpoint's address and key, not shared to all."""
    target = desk().target
    made = part_of(target, target.flows).connect(endpoint)
    show(as_json, {"connection": made}, _("The connection {name} is there.").format(name=made))


def publish(
    endpoint: Name,
    deploy: Annotated[bool, typer.Option("--deploy", help=_("As an endpoint of its own too, which costs."))] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help=_("Return at once."))] = False,
    as_json: AsJson = False,
) -> None:
    """Put the flow beside the endpoint."""
    target = desk().target
    operation = part_of(target, target.flows).publish(endpoint, deploy=deploy)
    end_with_operation(as_json, target.setup, operation, is_waiting=not no_wait)


def list_publications(as_json: AsJson = False) -> None:
    """What was published."""
    target = desk().target
    found = part_of(target, target.flows).publications()
    rows = [(one.name, one.detail, one.endpoint, one.link) for one in found]
    show(as_json, {"publications": found}, *table((_("NAME"), _("WHAT"), _("ENDPOINT"), _("LINK")), rows))

"""`phidesk costs`: what is on and what it costs, everything that was made, and deleting it."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.machines import price
from backend.cli.output import AsJson, desk, say, show, table
from backend.cli.parts import end_with_operation, part_of
from backend.errors import BadInput
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("list")(list_costs)
    group.command("inventory")(inventory)
    group.command("delete")(delete)
    group.command("delete-all")(delete_all)


def list_costs(as_json: AsJson = False) -> None:
    """What is on first, then what ended in the last 30 days; sums are estimates until the bill exists."""
    target = desk().target
    found = part_of(target, target.costs).lines()
    rows = [
        (
            one.kind,
            one.name,
            _("on") if one.until is None else _("ended"),
            f"{one.machines} x {price(one.price)}",
            _("unknown") if one.so_far is None or one.price is None else f"{one.so_far:.2f} {one.price.currency}",
        )
        for one in found
    ]
    show(as_json, {"costs": found}, *table((_("WHAT"), _("NAME"), _("STATE"), _("PRICE"), _("SO FAR")), rows))


def inventory(as_json: AsJson = False) -> None:
    """Everything that Phi Desk made at the target and that still exists."""
    target = desk().target
    found = part_of(target, target.costs).inventory()
    rows = [(one.kind, one.name, _("yes") if one.may_delete else _("no"), one.detail, one.id) for one in found]
    show(as_json, {"resources": found}, *table((_("KIND"), _("NAME"), _("DELETED BY ALL"), _("WHAT"), _("ID")), rows))


def delete(
    resource: Annotated[str, typer.Argument(help=_("The id; see: phidesk costs inventory."))], as_json: AsJson = False
) -> None:
    """Delete one thing of the inventory."""
    target = desk().target
    part_of(target, target.costs).delete(resource)
    show(as_json, {"deleted": resource}, _("Deleted {id}.").format(id=resource))


def delete_all(
    yes: Annotated[bool, typer.Option("--yes", help=_("Really delete it; without, it is only listed."))] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help=_("Return at once."))] = False,
    as_json: AsJson = False,
) -> None:
    """Delete everything in the inventory but what holds data."""
    target = desk().target
    costs = part_of(target, target.costs)
    for one in costs.inventory():
        if one.may_delete:
            say(f"{one.kind}  {one.name}")
    if not yes:
        raise BadInput(
            _("Nothing was deleted."), how_to_fix=_("Say --yes to delete what is listed."), code="not_confirmed"
        )
    end_with_operation(as_json, target.setup, costs.delete_all(), is_waiting=not no_wait)

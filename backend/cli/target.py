"""`phidesk target`: the places where models can train and answer, and the one in use."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, show, table
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("list")(list_targets)
    group.command("use")(use)


def list_targets(as_json: AsJson = False) -> None:
    """The targets; the one in use is marked."""
    services = desk()
    found = [
        {"name": one.name, "title": one.title, "is_in_use": one.name == services.target.name}
        for one in services.targets.values()
    ]
    rows = [(one["name"], one["title"], _("in use") if one["is_in_use"] else "") for one in found]
    show(as_json, {"targets": found}, *table((_("NAME"), _("TITLE"), ""), rows))


def use(name: Annotated[str, typer.Argument(help=_("The target's name."))], as_json: AsJson = False) -> None:
    """Use this target from now on, in the app too when it is started again."""
    from backend.bootstrap import choose_target

    target = choose_target(desk(), name).target
    show(as_json, {"name": target.name, "title": target.title}, _("In use: {title}.").format(title=target.title))

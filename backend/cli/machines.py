"""`phidesk machines`: the sizes that the target offers, with their prices and quotas."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, show, table
from backend.cli.parts import part_of
from backend.domain_setup import MachineSize, Price, Purpose
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("list")(list_sizes)
    group.command("clusters")(clusters)


def list_sizes(
    purpose: Annotated[Purpose, typer.Option("--for", help=_("What the machine is for."))] = Purpose.TRAINING,
    as_json: AsJson = False,
) -> None:
    """Sizes, the default first."""
    target = desk().target
    found = part_of(target, target.machines).sizes(purpose)
    head = (_("SIZE"), _("GPU"), _("MEMORY"), _("PRICE"), _("QUOTA"), _("NOTE"))
    show(as_json, {"sizes": found}, *table(head, [_row(size) for size in found]))


def _row(size: MachineSize) -> tuple[str, ...]:
    gpu = f"{size.gpus} x {size.gpu} {size.gpu_memory_gb:g} GB" if size.gpus else "-"
    quota = f"{size.quota.limit - size.quota.used} of {size.quota.limit}" if size.quota else "-"
    note = size.why_not or (_("default") if size.is_default else "")
    if size.successor:
        note = " ".join(part for part in (note, _("Use {size}.").format(size=size.successor)) if part)
    return size.name, gpu, f"{size.memory_gb:g} GB", price(size.price), quota, note


def price(of: Price | None) -> str:
    return f"{of.per_hour:.2f} {of.currency}/h" if of else _("unknown")


def clusters(as_json: AsJson = False) -> None:
    """Groups of machines that are there already."""
    target = desk().target
    found = part_of(target, target.machines).clusters()
    rows = [(one.id, one.title, one.note) for one in found]
    show(as_json, {"clusters": found}, *table((_("ID"), _("NAME"), _("WHAT")), rows))

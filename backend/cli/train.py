"""`phidesk train`: start a fine-tuning with a preset and changes to it."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.output import AsJson, desk, read_settings, show, table
from backend.cli.parts import part_of
from backend.cli.watching import end_with, follow
from backend.domain import BUILT_IN_MODEL, DEFAULT_MACHINE, Machine
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("start")(start)
    group.command("recipes")(recipes)
    group.command("parameters")(parameters)


def start(
    dataset: Annotated[str, typer.Argument(help=_("The dataset's id, or its name."))],
    base: Annotated[str, typer.Option(help=_("Base model: an id, a folder, or name:version to go on from."))] = (
        BUILT_IN_MODEL
    ),
    recipe: Annotated[str, typer.Option(help=_("The preset; see: phidesk train recipes."))] = "quick",
    name: Annotated[str, typer.Option(help=_("What to call the run."))] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help=_("A change to the preset, name=value; may be repeated."))
    ] = None,
    size: Annotated[str, typer.Option(help=_("Machine size; see: phidesk machines list."))] = "",
    nodes: Annotated[int, typer.Option(help=_("How many machines."))] = 1,
    is_low_priority: Annotated[
        bool, typer.Option("--low-priority", help=_("Cheaper machines that may be taken away."))
    ] = False,
    cluster: Annotated[str, typer.Option(help=_("A group of machines that is there, or the one to make."))] = "",
    image: Annotated[str, typer.Option(help=_("Container image that the run's packages are put on."))] = "",
    wait: Annotated[bool, typer.Option("--wait", help=_("Follow it to its end; exit status 7 when it fails."))] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run and return at once, or follow it with --wait."""
    services = desk()
    training, found = services.training, services.datasets.find(dataset)
    machine = Machine(size=size, nodes=nodes, cluster=cluster, is_low_priority=is_low_priority, image=image)
    if machine != DEFAULT_MACHINE:
        part_of(services.target, services.target.machines)
    spec = training.spec(name or found.name, found.id, base, recipe, read_settings(changes or []), machine)
    job = training.start(spec)
    if wait:
        job = follow(training, job.id)
    show(as_json, job, _("Run {id}: {state}.").format(id=job.id, state=job.state.value))
    if wait:
        end_with(job)


def recipes(as_json: AsJson = False) -> None:
    """The presets."""
    found = desk().training.recipes()
    rows = [(one.id, one.title, one.description) for one in found]
    show(as_json, {"recipes": found}, *table(("ID", "NAME", "GOOD FOR"), rows))


def parameters(as_json: AsJson = False) -> None:
    """What --set may change."""
    found = desk().training.parameters()
    listed = [
        {"name": one.name, "help": one.help, "kind": one.kind.__name__, "minimum": one.minimum, "maximum": one.maximum}
        | ({"choices": one.choices} if one.choices else {})
        for one in found
    ]
    rows = [(one.name, "|".join(one.choices) or one.kind.__name__, one.help or one.title) for one in found]
    show(as_json, {"parameters": listed}, *table(("NAME", "VALUE", "WHAT"), rows))

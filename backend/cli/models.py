"""`phidesk models`: the registry, and what can be tuned here."""

from __future__ import annotations

import typer

from backend.cli.output import AsJson, desk, show, table
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.command("list")(list_models)
    group.command("base")(base)


def list_models(as_json: AsJson = False) -> None:
    """Registered models, newest first."""
    found = desk().target.models.list()
    rows = [(model.ref, model.base_model, model.job_id) for model in found]
    listed = [{**vars(model), "ref": model.ref} for model in found]
    show(as_json, {"models": listed}, *table((_("MODEL"), _("BASE"), _("RUN")), rows))


def base(as_json: AsJson = False) -> None:
    """Base models, the recommended first, and whether they fit here."""
    found = desk().target.models.base_models()
    rows = [(model.id, model.licence, _("yes") if model.fits else _("no"), model.fit_reason) for model in found]
    show(as_json, {"base_models": found}, *table((_("ID"), _("LICENCE"), _("FITS"), _("WHY")), rows))

"""`phidesk setup`: every precondition of the place that trains and serves."""

from __future__ import annotations

from dataclasses import asdict, replace

import typer

from backend.cli.output import AsJson, desk, show
from backend.i18n import _


def add_to(group: typer.Typer) -> None:
    group.callback()(_group)
    group.command("check")(check)


def _group() -> None:
    """Keeps `check` a command of its own while it is the only one."""


def check(as_json: AsJson = False) -> None:
    """Check everything; exit status 1 when something needed is missing."""
    target = desk().target
    found = target.check()
    is_ok = all(one.is_ok or one.is_warning for one in found)
    lines = []
    for one in found:
        mark = _("ok") if one.is_ok else _("warning") if one.is_warning else _("missing")
        lines.append(f"{mark:8} {one.what}")
        lines += [f"         {part}" for part in (one.why, one.how_to_fix) if part and not one.is_ok]
    listed = [{name: value for name, value in asdict(replace(one, fix=None)).items() if name != "fix"} for one in found]
    show(as_json, {"target": target.name, "is_ok": is_ok, "checks": listed}, *lines)
    if not is_ok:
        raise typer.Exit(1)

"""`phidesk data forget`: old versions of a dataset are removed for good."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from backend.cli.data_versions import DatasetName
from backend.cli.output import AsJson, desk, show
from backend.i18n import _, ngettext

_RANGE = re.compile(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")
_MOST = 100_000


def forget(
    dataset: DatasetName,
    versions: Annotated[str, typer.Option(help=_("Which ones, such as 1,3 or 2-5."))] = "",
    keep: Annotated[int | None, typer.Option(help=_("All but so many of the newest, and those in use."))] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would be removed."))] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old versions for good, to free room. The newest one, and what a run or a model refers to, always stay."""
    from backend.dataset_uses import uses_of
    from backend.errors import BadInput

    if bool(versions) is (keep is not None) or (keep is not None and keep < 1):
        raise BadInput(
            _("Say which versions: --versions, or --keep with a number from 1."),
            how_to_fix=_("For example: phidesk data forget my-data --keep 3"),
            code="bad_usage",
        )
    services = desk()
    found = services.datasets.find(dataset)
    history = services.datasets.versions(found.id)
    there = history.list()
    uses = uses_of(services.targets.values(), found, there)
    spared: list[int] = []
    if keep is None:
        wanted = _numbers(versions)
    else:
        old = sorted(one.number for one in there[keep:])
        wanted = [number for number in old if number not in uses]
        spared = [number for number in old if number in uses]
    room = (history.room_of if dry_run else history.forget)(wanted, uses)
    value = {
        "dataset": found.id,
        "forgotten": [] if dry_run else wanted,
        "would_forget": wanted if dry_run else [],
        "bytes": room,
        "in_use": {str(number): uses[number] for number in spared},
    }
    show(as_json, value, *_in_words(wanted, room, dry_run), *_spared_in_words(spared, uses))


def _numbers(text: str) -> list[int]:
    """Raises BadInput for what are no numbers."""
    from backend.errors import BadInput

    found: set[int] = set()
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece.strip())
        first = int(match[1]) if match else 0
        last = int(match[2] or match[1]) if match else -1
        if not first <= last <= first + _MOST:
            raise BadInput(
                _("{text} names no versions.").format(text=text[:80]),
                how_to_fix=_("Write numbers, such as --versions 1,3 or --versions 2-5."),
                code="bad_versions",
            )
        found.update(range(first, last + 1))
    return sorted(found)


def _in_words(wanted: Sequence[int], room: int, dry_run: bool) -> list[str]:
    if not wanted:
        return [_("There is nothing to forget.")]
    label = (
        ngettext(
            "Would forget version {list}; that frees {size}.",
            "Would forget versions {list}; that frees {size}.",
            len(wanted),
        )
        if dry_run
        else ngettext(
            "Forgot version {list}; that freed {size}.", "Forgot versions {list}; that freed {size}.", len(wanted)
        )
    )
    return [label.format(list=", ".join(map(str, wanted)), size=f"{room / 1e6:,.1f} MB")]


def _spared_in_words(spared: Sequence[int], uses: Mapping[int, Sequence[str]]) -> list[str]:
    return [
        _("Version {number} stays: {uses}.").format(number=number, uses=", ".join(uses[number])) for number in spared
    ]

"""`phidesk data versions`, `diff`, `undo`, `export`: the history of a dataset, and taking it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.data_convert import Layout, Overwrite, require_outputs
from backend.cli.data_files import progress
from backend.cli.output import AsJson, desk, say, show, table
from backend.domain import Dataset, Message
from backend.i18n import _

if TYPE_CHECKING:
    from backend.domain_datasets import Change
    from backend.studio.versions import Versions

DatasetName = Annotated[str, typer.Argument(help=_("The dataset's id, or its name."))]


def list_versions(dataset: DatasetName, as_json: AsJson = False) -> None:
    """All versions of a dataset, newest first."""
    found = _versions(desk().datasets.find(dataset)).list()
    rows = [
        (
            one.number,
            f"{one.created_at.astimezone():%Y-%m-%d %H:%M}",
            one.train_rows,
            one.eval_rows,
            f"+{one.added} -{one.removed} ~{one.edited}",
            one.sha256[:12],
            one.summary,
        )
        for one in found
    ]
    head = ("VERSION", "WHEN", "TRAIN", "EVAL", "CHANGES", "SHA-256", "WHAT")
    show(as_json, {"versions": found}, *table(head, rows))


def diff(
    dataset: DatasetName,
    before: Annotated[int | None, typer.Argument(help=_("A version (default: the one before)."))] = None,
    after: Annotated[int | None, typer.Argument(help=_("Another one (default: the current one)."))] = None,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."))] = 20,
    as_json: AsJson = False,
) -> None:
    """Rows that differ between two versions."""
    versions = _versions(desk().datasets.find(dataset))
    last = after or versions.current.number
    first = before or versions.before(last) or last
    changes = versions.diff(first, last, limit)
    value = {"before": first, "after": last, "changes": changes}
    show(as_json, value, *_changes_in_words(changes, first, last))


def undo(
    dataset: DatasetName,
    to: Annotated[int | None, typer.Option(help=_("Back to this version (default: the one before)."))] = None,
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier version; that is a new version, and nothing is lost."""
    versions = _versions(desk().datasets.find(dataset))
    made = versions.undo() if to is None else versions.revert(to)
    text = _("Version {number}: {train} rows to train on, {held_out} held out. {summary}")
    show(
        as_json,
        made,
        text.format(number=made.number, train=made.train_rows, held_out=made.eval_rows, summary=made.summary),
    )


def export(
    dataset: DatasetName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=_("A name that ends in .jsonl or .parquet."))
    ] = None,
    part: Annotated[str, typer.Option(help=_("train, eval, or both: then each gets a file of its own."))] = "both",
    layout: Layout = "messages",
    version: Annotated[int | None, typer.Option(help=_("An earlier version (default: the current one)."))] = None,
    overwrite: Overwrite = False,
    to_hub: Annotated[str, typer.Option(help=_("Upload it to this dataset of the Hugging Face Hub."))] = "",
    public: Annotated[
        bool, typer.Option("--public", help=_("Everyone may read it there (default: only you)."))
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help=_("Replace an earlier upload of Phi Desk there."))] = False,
    as_json: AsJson = False,
) -> None:
    """Write a dataset as JSON Lines or Parquet, or upload it to the Hugging Face Hub (with HF_TOKEN)."""
    from backend.errors import BadInput

    found = desk().datasets.find(dataset)
    if version is not None:
        found = _versions(found).dataset(version)
    if (output is None) is not bool(to_hub):
        raise BadInput(
            _("Say where to: --output or --to-hub."),
            how_to_fix=_("For example: phidesk data export my-data --output my-data.parquet"),
            code="bad_usage",
        )
    if to_hub:
        _push(found, to_hub, private=not public, replace=replace, as_json=as_json)
    elif output is not None:
        written = list(_written(found, output, part, layout, overwrite))
        lines = (_("Wrote {rows} rows to {path}.").format(rows=f"{one['rows']:,}", path=one["path"]) for one in written)
        show(as_json, {"files": written}, *lines)


def _written(dataset: Dataset, output: Path, part: str, layout: str, overwrite: bool) -> Iterator[dict[str, Any]]:
    from backend.errors import BadInput
    from backend.studio.export import export_part

    paths = {"train": Path(dataset.train_path), "eval": Path(dataset.eval_path)}
    if part not in {*paths, "both"}:
        raise BadInput(
            _("There is no part {part}; use train, eval or both.").format(part=part),
            code="no_such_part",
        )
    names = list(paths) if part == "both" else [part]
    targets = [output.with_name(f"{output.stem}-{name}{output.suffix}") if part == "both" else output for name in names]
    kinds = require_outputs(targets, layout, overwrite)
    with progress() as tell:
        for name, target, kind in zip(names, targets, kinds, strict=True):
            done = export_part(
                paths[name],
                target,
                kind=kind,
                layout=layout,
                overwrite=overwrite,
                on_progress=lambda share, name=name: tell(name, share),  # type: ignore[misc]
            )
            yield {"part": name, "path": str(done.path), "rows": done.rows, "bytes": done.bytes}


def _push(dataset: Dataset, repo_id: str, *, private: bool, replace: bool, as_json: bool) -> None:
    from backend.studio.hub_push import plan_push, push_to_hub

    secret = desk().settings.hf_token
    token = secret.get_secret_value() if secret else None
    plan = plan_push(dataset, repo_id, private=private, token=token)
    for name, rows in plan.rows:
        say(_("{file}: {rows} rows to {address}").format(file=name, rows=f"{rows:,}", address=plan.address))
    say(_("Only you can read it there.") if private else _("Everyone can read it there."))
    with progress() as tell:
        uploading = _("Uploading")
        address = push_to_hub(
            dataset,
            plan.repo_id,
            private=private,
            token=token,
            replace=replace,
            on_progress=lambda done: tell(uploading, done),
        )
    show(as_json, {"address": address, "private": private}, _("Uploaded: {address}").format(address=address))


def _versions(dataset: Dataset) -> Versions:
    return desk().datasets.versions(dataset.id)


def _changes_in_words(changes: Sequence[Change], first: int, last: int) -> Iterator[str]:
    if not changes and first == last:
        yield _("There is no version before {number} to compare with.").format(number=last)
    elif not changes:
        yield _("Versions {before} and {after} have the same rows.").format(before=first, after=last)
    for change in changes:
        kind = _("added") if change.before is None else _("removed") if change.after is None else _("changed")
        yield f"{change.part}: {kind}"
        yield from _marked("-", change.before, unlike=change.after)
        yield from _marked("+", change.after, unlike=change.before)


def _marked(mark: str, messages: Sequence[Message] | None, *, unlike: Sequence[Message] | None) -> Iterator[str]:
    """Of a changed row only the messages that differ."""
    for place, message in enumerate(messages or ()):
        if unlike is None or place >= len(unlike) or unlike[place] != message:
            yield f"  {mark} {message.role}: {message.content}"

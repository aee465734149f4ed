"""What is wanted of the Hub: which dataset, which part of it, and what becomes of its rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.domain_datasets import Decision, RecordFormat
from backend.errors import BadInput
from backend.i18n import _

_HUB_ID = re.compile(r"\w[\w.-]{0,95}(/\w[\w.-]{0,95})?", re.ASCII)
_SPLIT = re.compile(r"[\w.\-+\[\]:%() ,]{1,200}")
_REVISION = re.compile(r"[\w./-]{0,100}", re.ASCII)


@dataclass(frozen=True)
class HubRequest:
    """`hub_id` is an id of the Hub, or the full path of a folder laid out like one.

    `split` is in the words of `datasets`: a name, a part of one (`train[:1%]`, `train[10:20]`), or several joined by
    `+`. `revision` is a branch, tag or commit; empty means the newest. `mappings` (none: recognised) and `decisions`
    (what to do about findings, by code) say how records become conversations. `rows` bounds what is read.
    """

    hub_id: str
    config: str = "default"
    split: str = "train"
    revision: str = ""
    name: str = ""
    eval_fraction: float = 0.2
    seed: int = 0
    skip_bad: bool = True
    mappings: tuple[RecordFormat, ...] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    rows: int | None = None

    @property
    def is_folder(self) -> bool:
        return Path(self.hub_id).is_absolute()

    @property
    def title(self) -> str:
        """What the dataset is called where the person gives it no name."""
        return self.name or self.hub_id.rstrip("/").split("/")[-1]

    def checked(self) -> HubRequest:
        """The same without stray spaces. Raises BadInput for words that can't be meant."""
        hub_id, split, revision = self.hub_id.strip(), self.split.strip(), self.revision.strip()
        if not Path(hub_id).is_absolute() and not is_hub_id(hub_id):
            raise BadInput(
                _('"{id}" is not the id of a Hub dataset.').format(id=hub_id[:100]),
                how_to_fix=_("Write it as owner/name, such as HuggingFaceH4/ultrachat_200k."),
                code="bad_hub_id",
            )
        if not _SPLIT.fullmatch(split):
            raise bad_split(split)
        if not _REVISION.fullmatch(revision):
            raise BadInput(
                _('"{revision}" is not a revision.').format(revision=revision[:100]),
                how_to_fix=_("Use a branch, a tag or a commit, or leave it empty for the newest."),
                code="bad_revision",
            )
        if self.rows is not None and self.rows < 1:
            raise BadInput(_("At least one row is needed."), code="bad_row_count")
        values = {**vars(self), "hub_id": hub_id, "split": split, "revision": revision}
        return HubRequest(**{**values, "config": self.config.strip() or "default"})


def is_hub_id(text: str) -> bool:
    return bool(_HUB_ID.fullmatch(text))


def bad_split(split: str, raw: str = "") -> BadInput:
    return BadInput(
        _('"{split}" is not a split expression.').format(split=split[:100]),
        how_to_fix=_("Write train, or a part of it such as train[:1%] or train[:500]."),
        code="bad_split",
        raw=raw,
    )

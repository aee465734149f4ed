"""What `datasets.load_dataset` raises, in words. The classes overlap, so the message decides where it must."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from backend.errors import BadInput, NoRoom, NotFound, PhiDeskError, Unavailable
from backend.i18n import _


def in_words(error: Exception, request: Mapping[str, Any]) -> PhiDeskError:
    """`request` has hub_id, config and split."""
    text = " ".join([str(error), *(str(cause) for cause in _causes(error))])
    names = {type(cause).__name__ for cause in [error, *_causes(error)]}
    raw = f"{type(error).__name__}: {error}"
    hub_id = request["hub_id"]
    if isinstance(error, OSError) and error.errno == 28:
        return NoRoom(
            _("The disk is full."),
            how_to_fix=_("Free some space, or set HF_HOME to a folder on a larger disk."),
            code="disk_full",
            raw=raw,
        )
    if "gated" in text.lower() or "GatedRepoError" in names:
        return BadInput(
            _("{id} is gated: its owner wants you to accept terms first.").format(id=hub_id),
            how_to_fix=_(
                "Accept them on the dataset's page at huggingface.co, make a token under Settings, "
                "Access Tokens, and start Phi Desk with HF_TOKEN set to it."
            ),
            code="gated",
            raw=raw,
        )
    if match := re.search(r"BuilderConfig '?.*?'? not found\. Available: (\[.*?\])", text):
        return BadInput(
            _("{id} has no configuration {config}.").format(id=hub_id, config=request["config"]),
            how_to_fix=_("Use one of: {names}.").format(names=_names_in(match.group(1))),
            code="no_such_config",
            raw=raw,
        )
    if match := re.search(r"Unknown split .*?Should be one of (\[.*?\])", text):
        return BadInput(
            _("{id} has no split like {split}.").format(id=hub_id, split=request["split"]),
            how_to_fix=_("Use one of: {names}, or a part such as {example}.").format(
                names=_names_in(match.group(1)), example="train[:1%]"
            ),
            code="no_such_split",
            raw=raw,
        )
    if "Unrecognized instruction format" in text or "Requested slice" in text or "interval" in text:
        return BadInput(
            _('"{split}" is not a split expression.').format(split=request["split"]),
            how_to_fix=_("Write train, or a part of it such as train[:1%] or train[:500]."),
            code="bad_split",
            raw=raw,
        )
    if names & {"ConnectionError", "ConnectError", "OfflineModeIsEnabled", "ConnectTimeout", "ReadTimeout"}:
        return Unavailable(
            _("The Hugging Face Hub can't be reached."),
            how_to_fix=_("Check the network (and HF_ENDPOINT, HTTPS_PROXY where you use them), or add a file instead."),
            code="hub_unreachable",
            raw=raw,
        )
    if names & {"EmptyDatasetError", "DataFilesNotFoundError"}:
        return BadInput(
            _("{id} has no data files that can be read.").format(id=hub_id),
            how_to_fix=_("Choose a dataset of JSON, Parquet or CSV files."),
            code="empty_hub_dataset",
            raw=raw,
        )
    if names & {"DatasetNotFoundError", "RepositoryNotFoundError", "FileNotFoundError"}:
        return NotFound(
            _("There is no dataset {id} on the Hub, or it is private.").format(id=hub_id),
            how_to_fix=_("Check the id; for a private one, start Phi Desk with HF_TOKEN set to your token."),
            code="no_such_hub_dataset",
            raw=raw,
        )
    if "corresponds to no data" in text:
        return BadInput(
            _("The split {split} holds no rows.").format(split=request["split"]),
            how_to_fix=_("Take a larger part."),
            code="empty_split",
            raw=raw,
        )
    return BadInput(
        _("{id} can't be loaded.").format(id=hub_id),
        why=str(error)[:300],
        how_to_fix=_("The details may help; another dataset or a file of your own works as well."),
        code="hub_failed",
        raw=raw,
    )


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < 10:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes


def _names_in(listed: str) -> str:
    return ", ".join(re.findall(r"'([^']*)'", listed)) or listed

"""What the Hub, its viewer and `datasets.load_dataset` refuse, in words.

The classes that `load_dataset` raises overlap, so the message decides where it must.
"""

from __future__ import annotations

import re

from backend.errors import BadInput, NoRoom, NotFound, PhiDeskError, Unavailable
from backend.i18n import _
from backend.studio.hub_calls import Refusal, unreachable
from backend.studio.hub_request import HubRequest

_NO_ANSWER = {
    "ConnectionError",
    "ConnectError",
    "ConnectTimeout",
    "OfflineModeIsEnabled",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
}


def in_words(error: Exception, request: HubRequest, *, has_token: bool = False) -> PhiDeskError:
    """What `load_dataset` raised for this request."""
    text = " ".join([str(error), *(str(cause) for cause in _causes(error))])
    names = {type(cause).__name__ for cause in [error, *_causes(error)]}
    raw = f"{type(error).__name__}: {error}"
    hub_id = request.hub_id
    if isinstance(error, OSError) and error.errno == 28:
        return NoRoom(
            _("The disk is full."),
            how_to_fix=_("Free some space, or set HF_HOME to a folder on a larger disk."),
            code="disk_full",
            raw=raw,
        )
    if "RevisionNotFoundError" in names:
        return no_such_revision(hub_id, raw)
    if "GatedRepoError" in names or "gated dataset" in text:
        return gated(hub_id, has_token=has_token, raw=raw)
    if match := re.search(r"BuilderConfig '?.*?'? not found\. Available: (\[.*?\])", text):
        return BadInput(
            _("{id} has no configuration {config}.").format(id=hub_id, config=request.config),
            how_to_fix=_("Use one of: {names}.").format(names=_names_in(match.group(1))),
            code="no_such_config",
            raw=raw,
        )
    if match := re.search(r"Unknown split .*?Should be one of (\[.*?\])", text):
        return BadInput(
            _("{id} has no split like {split}.").format(id=hub_id, split=request.split),
            how_to_fix=_("Use one of: {names}, or a part such as {example}.").format(
                names=_names_in(match.group(1)), example="train[:1%]"
            ),
            code="no_such_split",
            raw=raw,
        )
    if "Unrecognized instruction format" in text or "Requested slice" in text or "interval" in text:
        return BadInput(
            _('"{split}" is not a split expression.').format(split=request.split),
            how_to_fix=_("Write train, or a part of it such as train[:1%] or train[:500]."),
            code="bad_split",
            raw=raw,
        )
    if names & _NO_ANSWER:
        return unreachable(raw)
    if names & {"EmptyDatasetError", "DataFilesNotFoundError"}:
        return BadInput(
            _("{id} has no data files that can be read.").format(id=hub_id),
            how_to_fix=_("Choose a dataset of JSON, Parquet or CSV files."),
            code="empty_hub_dataset",
            raw=raw,
        )
    if names & {"DatasetNotFoundError", "RepositoryNotFoundError", "FileNotFoundError"}:
        return no_such_dataset(hub_id, raw)
    if "corresponds to no data" in text:
        return BadInput(
            _("The split {split} holds no rows.").format(split=request.split),
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


def refused_in_words(refusal: Refusal, hub_id: str, *, has_token: bool = False) -> PhiDeskError:
    """What the Hub itself answered. `hub_id` is empty for a search."""
    raw = str(refusal)
    if refusal.code == "GatedRepo":
        return gated(hub_id, has_token=has_token, raw=raw)
    if refusal.code == "RevisionNotFound":
        return no_such_revision(hub_id, raw)
    if refusal.status == 401 and has_token and refusal.code != "RepoNotFound":
        return BadInput(
            _("The Hugging Face Hub does not accept the token in HF_TOKEN."),
            how_to_fix=_(
                "Make a new one on huggingface.co under Settings, Access Tokens, and start Phi Desk with HF_TOKEN "
                "set to it. Open datasets need none."
            ),
            code="bad_hub_token",
            raw=raw,
        )
    if hub_id and refusal.status in {401, 403, 404}:
        return no_such_dataset(hub_id, raw)
    if refusal.status == 429:
        return busy(refusal)
    return Unavailable(
        _("The Hugging Face Hub has trouble (it answered {status}).").format(status=refusal.status),
        why=refusal.message,
        how_to_fix=_("Try again in a few minutes, or add a file instead."),
        code="hub_trouble",
        raw=raw,
    )


def viewer_in_words(refusal: Refusal, hub_id: str, config: str = "", split: str = "") -> PhiDeskError:
    """What the dataset viewer answered. That there is no preview never stops an import."""
    raw = str(refusal)
    if refusal.status == 429:
        return busy(refusal)
    if refusal.code == "ResponseNotFound" and config:
        return NotFound(
            _("{id} has no split {split} in its configuration {config}.").format(id=hub_id, split=split, config=config),
            how_to_fix=_("Choose one of the list."),
            code="no_such_split",
            raw=raw,
        )
    if refusal.code in {"ResponseNotReady", "ResponseNotReadyError"} or refusal.status == 503:
        return Unavailable(
            _("The Hub is still preparing the preview of {id}.").format(id=hub_id),
            how_to_fix=_("Try again in a minute, or get the dataset without a preview."),
            code="preview_not_ready",
            raw=raw,
        )
    return Unavailable(
        _("The Hub has no preview of {id}.").format(id=hub_id),
        why=refusal.message,
        how_to_fix=_("Get the dataset without it; its examples are checked then."),
        code="no_preview",
        raw=raw,
    )


def gated(hub_id: str, kind: str = "", *, has_token: bool, raw: str = "") -> BadInput:
    """`kind` is "auto", "manual", or "" where it is not known."""
    why = {
        "auto": _("Who accepts the terms gets in at once."),
        "manual": _("The owner decides who gets in; that can take days."),
    }.get(kind, "")
    page = f"https://huggingface.co/datasets/{hub_id}"
    if has_token:
        return BadInput(
            _("{id} is gated, and the token in HF_TOKEN does not open it.").format(id=hub_id),
            why=why,
            how_to_fix=_(
                "Accept the terms at {page} with the account that the token is of. A fine-grained token also needs the "
                "permission to read gated repositories."
            ).format(page=page),
            code="gated",
            raw=raw,
        )
    return BadInput(
        _("{id} is gated: its owner wants you to accept terms first.").format(id=hub_id),
        why=why,
        how_to_fix=_(
            "Accept them at {page}, make a token on huggingface.co under Settings, Access Tokens, and start Phi Desk "
            "with HF_TOKEN set to it."
        ).format(page=page),
        code="gated",
        raw=raw,
    )


def no_such_dataset(hub_id: str, raw: str = "") -> NotFound:
    return NotFound(
        _("There is no dataset {id} on the Hub, or it is private.").format(id=hub_id),
        how_to_fix=_("Check the id; for a private one, start Phi Desk with HF_TOKEN set to your token."),
        code="no_such_hub_dataset",
        raw=raw,
    )


def no_such_revision(hub_id: str, raw: str = "") -> NotFound:
    return NotFound(
        _("{id} has no such revision.").format(id=hub_id),
        how_to_fix=_("Leave the revision empty for the newest one."),
        code="no_such_revision",
        raw=raw,
    )


def busy(refusal: Refusal) -> Unavailable:
    seconds = int(refusal.retry_after) if refusal.retry_after.isdigit() else 0
    return Unavailable(
        _("The Hugging Face Hub got too many questions from here."),
        how_to_fix=_("Try again in {seconds} seconds; with a token (HF_TOKEN) it answers more of them.").format(
            seconds=seconds
        )
        if seconds
        else _("Try again in a few minutes; with a token (HF_TOKEN) it answers more of them."),
        code="hub_busy",
        raw=str(refusal),
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

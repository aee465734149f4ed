"""A dataset to the Hugging Face Hub as Parquet with a card; nothing that is not ours is ever replaced there."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.domain import Dataset
from backend.errors import BadInput, Conflict, PhiDeskError, Unavailable
from backend.i18n import _
from backend.studio.export import export_part
from backend.studio.hub_calls import HUB, Refusal, unreachable
from backend.studio.hub_errors import refused_in_words

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPO_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_TAG = "phidesk"
_FILES = {"train": "data/train.parquet", "eval": "data/eval.parquet"}
_SPLITS = {"train": "train", "eval": "test"}
"""The Hub has no split called eval: it takes a file of that name for test."""
_NO_ANSWER = frozenset({"TransportError", "OfflineModeIsEnabled", "ConnectionError"})
"""By name, because the client underneath `huggingface_hub` has changed before."""


@dataclass(frozen=True)
class PushPlan:
    """What an upload would do: to `repo_id`, at `address`, these rows by file.

    `is_new` is False where it replaces what Phi Desk uploaded there before; `head` is the commit that is there then.
    """

    repo_id: str
    address: str
    private: bool
    is_new: bool
    rows: tuple[tuple[str, int], ...]
    head: str | None = None


def plan_push(dataset: Dataset, repo_id: str, *, private: bool = True, token: str | None) -> PushPlan:
    """Ask the Hub who one is and what is there; nothing is changed.

    A name without an owner becomes one's own. Raises BadInput without a token, or where something public is there
    but `private` is wanted (and the other way round), Conflict where something is there that Phi Desk didn't make.
    """
    repo_id = repo_id.strip().strip("/")
    if not _REPO_ID.fullmatch(repo_id) or ".." in repo_id or "--" in repo_id:
        raise BadInput(
            _('"{id}" can\'t be the name of a dataset on the Hub.').format(id=repo_id[:100]),
            how_to_fix=_("Use letters, digits, hyphens and dots, such as {example}.").format(example="my-name/my-data"),
            code="bad_hub_id",
        )
    api = _api(token)
    with _in_words(repo_id):
        if "/" not in repo_id:
            repo_id = f"{api.whoami()['name']}/{repo_id}"
        there = _look(api, repo_id)
    rows = ((_FILES["train"], dataset.train_rows), (_FILES["eval"], dataset.eval_rows))
    address = f"{api.endpoint}/datasets/{repo_id}"
    if there is None:
        return PushPlan(repo_id, address, private, True, rows)
    if bool(there.private) is not private:
        raise BadInput(
            _("{id} is there already and everyone can read it.").format(id=repo_id)
            if private
            else _("{id} is there already and private.").format(id=repo_id),
            why=_("An upload doesn't change who may read a dataset."),
            how_to_fix=_("Choose another name, or change it on the dataset's page first."),
            code="other_visibility",
        )
    files = {file.rfilename for file in there.siblings or ()} - {".gitattributes"}
    if files and _TAG not in ((there.card_data and there.card_data.get("tags")) or ()):
        raise Conflict(
            _("There is a dataset {id} already that Phi Desk didn't make.").format(id=repo_id),
            why=_("It would be overwritten."),
            how_to_fix=_("Choose another name."),
            code="not_ours",
        )
    return PushPlan(repo_id, address, private, not files, rows, there.sha)


def push_to_hub(
    dataset: Dataset,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None,
    replace: bool = False,
    on_progress: Callable[[float], None] = lambda done: None,
) -> str:
    """Upload both parts in one commit; returns the address. An earlier upload is replaced only with `replace`.

    Raises what `plan_push` does, and Unavailable where the Hub doesn't take it.
    """
    plan = plan_push(dataset, repo_id, private=private, token=token)
    if not plan.is_new and not replace:
        raise Conflict(
            _("{id} holds an earlier upload.").format(id=plan.repo_id),
            how_to_fix=_("Allow to replace it (the earlier one stays in its history), or choose another name."),
            code="repo_exists",
        )
    api = _api(token)
    with tempfile.TemporaryDirectory() as folder:
        paths = {"train": Path(dataset.train_path), "eval": Path(dataset.eval_path)}
        for part, path in paths.items():
            export_part(path, Path(folder) / f"{part}.parquet", kind="parquet")
        on_progress(0.2)
        with _in_words(plan.repo_id):
            _upload(api, plan, Path(folder), card_of(dataset))
    on_progress(1.0)
    return plan.address


def card_of(dataset: Dataset) -> str:
    """README.md: which files are which split, and where the rows come from. No licence is guessed."""
    import yaml

    head = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": _SPLITS[part], "path": path} for part, path in _FILES.items()],
            }
        ],
        "tags": [_TAG],
    }
    title = re.sub(r"[^\w .,-]", " ", dataset.name)
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n# {title}\n\n"
        f"Conversations for fine-tuning a chat model: {dataset.train_rows} to train on, {dataset.eval_rows} held out. "
        f"Version {dataset.version}, made with Phi Desk.\n\n"
        f"Each row has `messages`: a list of `role` and `content`.\n\nSHA-256 of the rows as JSON Lines: "
        f"`{dataset.sha256}`\n"
    )


def _api(token: str | None) -> HfApi:
    if not token:
        raise BadInput(
            _("Uploading needs a token of your Hugging Face account."),
            how_to_fix=_(
                "Make one that may write on huggingface.co under Settings, Access Tokens, and start Phi Desk with "
                "HF_TOKEN set to it."
            ),
            code="no_hub_token",
        )
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB, token=token)


def _look(api: HfApi, repo_id: str) -> Any:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.dataset_info(repo_id, timeout=15)
    except RepositoryNotFoundError:
        return None


def _upload(api: HfApi, plan: PushPlan, folder: Path, card: str) -> None:
    from huggingface_hub import CommitOperationAdd

    if plan.head is None:
        api.create_repo(plan.repo_id, repo_type="dataset", private=plan.private)
    files = [CommitOperationAdd(_FILES[part], folder / f"{part}.parquet") for part in _FILES]
    api.create_commit(
        plan.repo_id,
        [*files, CommitOperationAdd("README.md", card.encode())],
        commit_message="Upload with Phi Desk",
        repo_type="dataset",
        parent_commit=plan.head,
    )


@contextmanager
def _in_words(repo_id: str) -> Iterator[None]:
    """What `huggingface_hub` raises; the first cause that says something decides."""
    try:
        yield
    except PhiDeskError:
        raise
    except Exception as error:
        raise _worded(error, repo_id) from error


def _worded(error: BaseException, repo_id: str) -> PhiDeskError:
    from huggingface_hub.errors import HfHubHTTPError

    raw = f"{type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HfHubHTTPError) and cause.response is not None:
            return _refused(cause, repo_id, raw)
        if _NO_ANSWER & {kind.__name__ for kind in type(cause).__mro__}:
            return unreachable(raw)
        cause = cause.__cause__
    return Unavailable(
        _("The upload to {id} failed.").format(id=repo_id),
        why=str(error)[:300],
        how_to_fix=_("Try again; nothing that was there has changed."),
        code="upload_failed",
        raw=raw,
    )


def _refused(error: Any, repo_id: str, raw: str) -> PhiDeskError:
    status, headers = error.response.status_code, error.response.headers
    code = headers.get("X-Error-Code", "")
    if status == 403:
        return BadInput(
            _("Your token may not write to {id}.").format(id=repo_id),
            why=headers.get("X-Error-Message", "")[:300],
            how_to_fix=_("Use a token with the right to write, or a name of your own account."),
            code="not_allowed",
            raw=raw,
        )
    if status in {409, 412}:
        return Conflict(
            _("{id} was changed in the meantime.").format(id=repo_id),
            how_to_fix=_("Look at it, then upload again."),
            code="hub_conflict",
            raw=raw,
        )
    message = headers.get("X-Error-Message", "")[:300]
    return refused_in_words(Refusal(status, code, message, headers.get("Retry-After", "")), repo_id, has_token=True)

"""A model's tokenizer without its weights: from a folder, from the Hub's cache, or (a few megabytes) from the Hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .base_model import ModelSource, hub_failure, is_folder, load_tokenizer
from .chat_tokens import ChatTokenizer
from .failures import JobFailure

FILES = ["tokenizer*", "*.jinja", "*.model", "vocab.*", "merges.txt", "added_tokens.json", "special_tokens_map.json"]
"""Of a Hub repository, beside config.json: no weights, no code."""


@dataclass(frozen=True)
class ChatTokenizerSource:
    """`revision` is the commit of a Hub model, empty for a folder. `context` is what the model reads at most, 0 where
    unknown, in tokens.
    """

    chat: ChatTokenizer
    revision: str
    context: int


def load_chat_tokenizer(name: str, revision: str | None = None) -> ChatTokenizerSource:
    """Raises JobFailure: model_not_found, gated_model, hub_unreachable, bad_model, no_chat_template."""
    if is_folder(name):
        folder, commit = _look_into(Path(name).absolute()), ""
    else:
        folder = _fetch(name, revision)
        commit = folder.name
    tokenizer = load_tokenizer(ModelSource(name, folder, commit))
    return ChatTokenizerSource(ChatTokenizer(tokenizer), commit, _context(folder, tokenizer))


def _look_into(folder: Path) -> Path:
    for place in (folder, folder / "model", folder / "data" / "model"):  # the last two are of an MLflow model
        if any(place.glob("tokenizer*")):
            return place
    raise JobFailure(
        "model_not_found",
        f"There is no tokenizer in {folder}.",
        why="It has no tokenizer.json." if folder.is_dir() else "There is no such folder.",
        how_to_fix="Give the folder that holds config.json and the tokenizer, or a Hub model id.",
    )


def _fetch(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = [*FILES, "config.json"]
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=wanted))
        if any(folder.glob("tokenizer*")):
            return folder
    except (LocalEntryNotFoundError, ValueError):
        pass
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        failure = hub_failure(name, revision, error)
        if failure is None:
            raise
        raise failure from error


def _context(folder: Path, tokenizer: Any) -> int:
    """Of config.json; else what the tokenizer says, unless that is its way to say that it doesn't know."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        config = {}
    length = config.get("max_position_embeddings") if isinstance(config, dict) else None
    if not isinstance(length, int):
        length = tokenizer.model_max_length
    return int(length) if 0 < length < 10_000_000 else 0

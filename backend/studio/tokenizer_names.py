"""Where the tokenizer of a base model is found on this computer, and what tells that it is still the same one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from backend.errors import Unavailable
from backend.i18n import _
from backend.model_refs import HUB_ID

_CATALOGUE = re.compile(r"azureml://registries/[^/]+/models/([^/]+)(?:/versions/[^/]+|/labels/[^/]+)?")
_ON_THE_HUB = {
    name: f"microsoft/{name}"
    for name in (
        "Phi-3-mini-4k-instruct",
        "Phi-3-mini-128k-instruct",
        "Phi-3-medium-4k-instruct",
        "Phi-3-medium-128k-instruct",
        "Phi-3.5-mini-instruct",
        "Phi-4-mini-instruct",
    )
} | {"Phi-4": "microsoft/phi-4"}
"""Models of Azure's catalogue that their maker offers on the Hub too, with the same tokenizer and template."""
_TOKENIZER_FILES = ("tokenizer*", "*.jinja", "*.model", "vocab.*", "merges.txt", "*_map.json", "added_tokens.json")
_MLFLOW_FOLDERS = ("", "model", "data/model")


def find_tokenizer(base: str) -> str:
    """The folder or Hub id to ask, of a base model as its target names it.

    Raises Unavailable where that can't be known on this computer.
    """
    if Path(base).is_dir():
        return str(Path(base).resolve())
    if found := _CATALOGUE.fullmatch(base):
        if found[1] in _ON_THE_HUB:
            return _ON_THE_HUB[found[1]]
    elif HUB_ID.fullmatch(base):
        return base
    raise Unavailable(
        _("The tokens of {model} can't be counted here.").format(model=base),
        why=_("Its tokenizer is not on this computer, and it is not known where else to get it."),
        how_to_fix=_("Choose a base model from Hugging Face or a folder on this computer to see its token counts."),
        code="no_tokenizer_here",
    )


def identify(name: str, revision: str | None = None) -> str:
    """A file name that changes with the tokenizer's files, or with the commit of a Hub model.

    The commit is `{revision}` as long as the model isn't on this computer: the process that fetches it fills that in.
    """
    if Path(name).is_dir():
        return "folder-" + _hash_tokenizer(Path(name))
    return f"hub-{name.replace('/', '--')}-{_cached_commit(name, revision) or '{revision}'}"


def _hash_tokenizer(folder: Path) -> str:
    place = next((folder / inner for inner in _MLFLOW_FOLDERS if any((folder / inner).glob("tokenizer*"))), folder)
    digest = hashlib.blake2b(digest_size=12)
    files = {file for pattern in _TOKENIZER_FILES for file in place.glob(pattern) if file.is_file()}
    files |= {file for file in place.glob("chat_templates/*") if file.is_file()}
    for file in sorted(files | {place / "config.json"}):
        if file.exists():
            content = file.read_bytes()
            digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _cached_commit(name: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    for file in ("tokenizer_config.json", "tokenizer.json"):
        found = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(found, str):
            # .../snapshots/COMMIT/tokenizer_config.json
            return Path(found).parent.name
    return None

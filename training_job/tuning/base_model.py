"""Finds and loads a model: a folder (the Hub is then never asked) or a Hub id at a pinned commit. Safetensors only."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .failures import JobFailure
from .files import hash_files

logger = logging.getLogger(__name__)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
FILES = ["*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "LICENSE*"]
"""What is fetched from a Hub repository: no code, no pickles."""


@dataclass(frozen=True)
class ModelSource:
    """`revision` is the commit of a Hub model, or `sha256:...` of a folder's weights."""

    name: str
    folder: Path
    revision: str


def is_folder(name: str) -> bool:
    """Whether `name` means a place on this machine rather than a Hub id."""
    return Path(name).exists() or HUB_ID.fullmatch(name) is None


def find_model(name: str, revision: str | None, on_progress: Callable[[float], None]) -> ModelSource:
    """Raises JobFailure: model_not_found, no_safetensors, gated_model, hub_unreachable, disk_full."""
    if is_folder(name):
        return _look_into_folder(Path(name).absolute(), name)
    return _download(name, revision, on_progress)


def _look_into_folder(folder: Path, name: str) -> ModelSource:
    if not (folder / "config.json").is_file():
        if (folder / "MLmodel").is_file():
            # An MLflow model: what this job itself saves, or what the model catalogue of Azure ML holds.
            for inner in (folder / "model", folder / "data" / "model"):
                if (inner / "config.json").is_file():
                    return _look_into_folder(inner, name)
        raise JobFailure(
            "model_not_found",
            f"There is no model in {folder}.",
            why="It has no config.json." if folder.is_dir() else "There is no such folder.",
            how_to_fix="Give the folder that holds config.json, the tokenizer and the safetensors, or a Hub model id.",
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise _no_safetensors(name)
    return ModelSource(name, folder, "sha256:" + hash_files(weights))


def _no_safetensors(name: str) -> JobFailure:
    return JobFailure(
        "no_safetensors",
        f"The model {name} has no weights in the safetensors format.",
        why="Other formats can run code when they are opened, so they are not loaded.",
        how_to_fix="Choose a model with *.safetensors files, or convert this one with its maker's tools.",
    )


def _download(name: str, revision: str | None, on_progress: Callable[[float], None]) -> ModelSource:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.utils import filter_repo_objects

    on_progress(0.0)
    cached = _find_cached(name, revision)
    try:
        information = HfApi().model_info(name, revision=revision, files_metadata=True)
    except Exception as error:
        failure = hub_failure(name, revision, error)
        if failure is None:
            raise
        if failure.code == "hub_unreachable" and cached is not None:
            logger.info("The Hub can't be reached; the copy downloaded earlier is used: commit %s.", cached.revision)
            return cached
        raise failure from error
    sizes = {file.rfilename: file.size or 0 for file in information.siblings or []}
    wanted = list(filter_repo_objects(sizes, allow_patterns=FILES))
    if not any(file.endswith(".safetensors") for file in wanted):
        raise _no_safetensors(name)
    total = sum(sizes[file] for file in wanted)
    commit = str(information.sha)
    if cached is None or cached.revision != commit:
        _check_room(Path(constants.HF_HUB_CACHE), total, name)
    logger.info("Downloading %s at commit %s: %.1f MB.", name, commit, total / 1e6)
    try:
        # By its own name rather than the commit: only then is the copy found by that name when the Hub is away.
        bar = _progress_bar(total, on_progress)
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=FILES, tqdm_class=bar))
    except Exception as error:
        failure = hub_failure(name, revision, error)
        if failure is None:
            raise
        raise failure from error
    on_progress(1.0)
    return ModelSource(name, folder, folder.name)


def _find_cached(name: str, revision: str | None) -> ModelSource | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=FILES))
    except LocalEntryNotFoundError:
        return None
    if not any(folder.glob("*.safetensors")) or not (folder / "config.json").is_file():
        return None
    return ModelSource(name, folder, folder.name)


def _check_room(cache: Path, total: int, name: str) -> None:
    place = cache
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < total:
        raise JobFailure(
            "disk_full",
            f"The disk has no room for the model {name}.",
            why=f"It needs {total / 1e9:.1f} GB in {cache}, and {free / 1e9:.1f} GB are free.",
            how_to_fix="Delete files, choose a smaller model, or set HF_HOME to a folder on a larger disk.",
        )


def hub_failure(name: str, revision: str | None, error: Exception) -> JobFailure | None:
    """The Hub's errors in our words; None for what is not the Hub's."""
    import httpx2  # the Hub library's own client
    from huggingface_hub import errors

    raw = f"{type(error).__name__}: {error}"[:2000]
    if isinstance(error, errors.GatedRepoError):
        return JobFailure(
            "gated_model",
            f"The model {name} is gated.",
            why="Its owner wants its terms to be accepted by a signed-in account.",
            how_to_fix=f"Accept the terms on the Hub's page of {name}, make a read token there and set it as HF_TOKEN.",
            raw=raw,
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return JobFailure(
            "model_not_found",
            f"The model {name} has no revision {revision!r}.",
            how_to_fix="Leave --revision out, or copy the commit from the model's page.",
            raw=raw,
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return JobFailure(
            "model_not_found",
            f"There is no model {name!r}, neither on this machine nor on the Hugging Face Hub.",
            why="It may be misspelt, or private.",
            how_to_fix="Copy the id from the model's page (owner/name); for a private model set HF_TOKEN.",
            raw=raw,
        )
    unreachable = (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, httpx2.HTTPError)
    if isinstance(error, (*unreachable, ConnectionError, TimeoutError)):
        return JobFailure(
            "hub_unreachable",
            "The Hugging Face Hub can't be reached.",
            why=raw[:300],
            how_to_fix="Check the network and its proxy, and start again: a broken download goes on where it stopped. "
            "Or choose a model that is on this machine.",
            raw=raw,
        )
    return None


def _progress_bar(total: int, on_progress: Callable[[float], None]) -> type:
    """A silent progress bar that reports the share of bytes on disk."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.is_bytes = "Reconstructing" in str(options.get("desc"))
            options.pop("name", None)
            super().__init__(*arguments, **(options | {"disable": True}))
            self.seen = 0.0

        def update(self, n: float | None = 1) -> None:
            if self.is_bytes and total:
                self.seen += n or 0
                on_progress(min(1.0, self.seen / total))

    return Bar


def load_tokenizer(source: ModelSource) -> Any:
    """Raises JobFailure `bad_model`."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _bad_model(source, "tokenizer", error) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_model(source: ModelSource, *, attention: str, dtype: Any) -> Any:
    """Raises JobFailure `bad_model`."""
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(
            source.folder,
            attn_implementation=attention,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _bad_model(source, "model", error) from error


def read_config(source: ModelSource) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source.folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _bad_model(source, "configuration", error) from error


def count_parameters(source: ModelSource) -> int:
    """From the headers of the weight files, without loading them."""
    from safetensors import SafetensorError, safe_open

    count = 0
    for path in sorted(source.folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118  (no dictionary)
                    size = 1
                    for length in file.get_slice(name).get_shape():
                        size *= length
                    count += size
        except (OSError, SafetensorError) as error:
            raise _bad_model(source, f"file {path.name}", error) from error
    return count


def _bad_model(source: ModelSource, part: str, error: Exception) -> JobFailure:
    return JobFailure(
        "bad_model",
        f"The {part} of {source.name} can't be loaded.",
        why=f"{type(error).__name__}: {error}"[:500],
        how_to_fix="A file may be damaged or missing, or the model may need its own code, which is never run. "
        "Choose another model, or fetch this one again.",
    )

"""Rows of a Hub dataset (or of a folder laid out like one), by `datasets`, into a file of one JSON object a line.

A part of a split that ends within the first rows is streamed: nothing else is downloaded or built. For the rest the
files are downloaded (and kept in the Hub's cache), and only the splits asked for are built.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from backend.errors import BadInput, PhiDeskError
from backend.i18n import _
from backend.studio.hub_errors import in_words
from backend.studio.hub_facts import hit_of
from backend.studio.hub_request import HubRequest, bad_split

if TYPE_CHECKING:
    import datasets
    import pyarrow

STREAMED_ROWS = 50_000
"""A part that ends by this row is streamed."""
BATCH_ROWS = 1_000
NETWORK_SECONDS = 60.0
_ANY_SIZES = (10**12, 10**12 + 10**9)
"""Two lengths no split has: a part that is the same of both does not depend on the split's length."""

Tell = Callable[..., None]


@dataclass(frozen=True)
class Pinned:
    """The commit that is read, and under which licence it stands; empty for a folder, or where the Hub is away."""

    commit: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Span:
    """Rows `first` to `end` (not included) of a split."""

    split: str
    first: int
    end: int


def pin(request: HubRequest) -> Pinned:
    """The commit that the revision means now. While the Hub is away, what is in its cache may be read."""
    if request.is_folder:
        return Pinned()
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import OfflineModeIsEnabled

    _bound_waiting()
    try:
        info = HfApi().dataset_info(request.hub_id, revision=request.revision or None, timeout=NETWORK_SECONDS)
    except Exception as error:
        is_away = isinstance(error, OfflineModeIsEnabled | httpx2.TransportError)
        if is_away and (Path(HF_HUB_CACHE) / f"datasets--{request.hub_id.replace('/', '--')}").is_dir():
            return Pinned(request.revision)
        raise in_words(error, request, has_token=_has_token()) from error
    return Pinned(info.sha or "", hit_of({"id": info.id, "tags": info.tags}).licence)


def write_records(request: HubRequest, pinned: Pinned, target: Path, scratch: Path, tell: Tell) -> int:
    """How many rows were written. Raises PhiDeskError with the reason, as for an unknown split or a full disk."""
    try:
        with target.open("wb") as file:
            rows = _write(request, pinned, file, scratch, tell)
    except PhiDeskError:
        raise
    except Exception as error:
        raise in_words(error, request, has_token=_has_token()) from error
    if not rows:
        raise BadInput(
            _("The split {split} holds no rows.").format(split=request.split),
            how_to_fix=_("Take a larger part."),
            code="empty_split",
        )
    return rows


def _write(request: HubRequest, pinned: Pinned, file: IO[bytes], scratch: Path, tell: Tell) -> int:
    import datasets

    config = None if request.config == "default" and request.is_folder else request.config
    builder = datasets.load_dataset_builder(
        request.hub_id, config, revision=pinned.commit or None, cache_dir=str(scratch)
    )
    spans = spans_of(request.split, _splits_of(builder), _sizes_of(builder))
    if spans is not None and (pinned.commit or request.is_folder):
        wanted = sum(span.end - span.first for span in spans)
        parts: list[Any] = [
            builder.as_streaming_dataset(split=span.split).skip(span.first).take(span.end - span.first)
            for span in spans
        ]
    else:
        parts = [_download(builder, request.split, scratch, tell)]
        wanted = len(parts[0])
    wanted = min(wanted, request.rows or wanted)
    rows = 0
    for part in parts:
        for lines, count in islice_rows(_lines_of(part), wanted - rows):
            file.write(lines)
            rows += count
            tell("downloading", done=min(1.0, rows / max(1, wanted)), rows=rows, bytes=file.tell())
    return rows


def spans_of(split: str, names: Sequence[str], sizes: Mapping[str, int]) -> tuple[Span, ...] | None:
    """The rows that a split expression means, where that is known beforehand and near the beginning; else None.

    Raises BadInput for what is no expression, ValueError (as `datasets` does) for a split that is not there.
    """
    from datasets import ReadInstruction

    try:
        instruction = ReadInstruction.from_spec(split)
    except (ValueError, AssertionError) as error:
        raise bad_split(split, raw=str(error)) from error
    both = [instruction.to_absolute({name: sizes.get(name, size) for name in names}) for size in _ANY_SIZES]
    if both[0] != both[1] or any(one.to > STREAMED_ROWS for one in both[0]):
        return None
    return tuple(Span(one.splitname, one.from_, max(one.from_, one.to)) for one in both[0])


def islice_rows(batches: Iterator[list[bytes]], most: int) -> Iterator[tuple[bytes, int]]:
    """The lines of at most so many rows, batch by batch, each with its count."""
    for batch in batches:
        if most <= 0:
            return
        lines = batch[:most]
        most -= len(lines)
        yield b"".join(lines), len(lines)


def _splits_of(builder: datasets.DatasetBuilder) -> list[str]:
    return [str(name) for name in builder.config.data_files or builder.info.splits or {}]


def _sizes_of(builder: datasets.DatasetBuilder) -> dict[str, int]:
    """As the dataset's card says."""
    known = builder.info.splits or {}
    return {str(name): split.num_examples for name, split in known.items() if split.num_examples}


def _download(builder: datasets.DatasetBuilder, split: str, scratch: Path, tell: Tell) -> datasets.Dataset:
    from datasets import ReadInstruction

    files = builder.config.data_files
    if files:
        names = {one.splitname for one in ReadInstruction.from_spec(split).to_absolute(dict.fromkeys(files, 1))}
        builder.config.data_files = type(files)({name: kept for name, kept in files.items() if str(name) in names})
    with _growth_told(_cache_folders(scratch), tell):
        builder.download_and_prepare(verification_mode="no_checks")
    loaded: datasets.Dataset = builder.as_dataset(split=split)
    return loaded


def _lines_of(part: Any) -> Iterator[list[bytes]]:
    """Batches of rows as lines. Columns of bytes (pictures, sound) are left out: no conversation is in them."""
    import polars

    batches: Iterator[pyarrow.Table] = part.with_format("arrow").iter(batch_size=BATCH_ROWS)
    first = next(batches, None)
    if first is None:
        return
    kept = [field.name for field in first.schema if "binary" not in str(field.type)]
    if any("extension<" in str(field.type) for field in first.schema):  # of mixed types, which Arrow can't hold
        yield from _decoded_lines(part, kept)
        return
    while first is not None:
        table = first.select([name for name in kept if name in first.column_names])
        text = polars.from_arrow(table).write_ndjson()  # type: ignore[union-attr]
        yield text.encode().splitlines(keepends=True)
        first = next(batches, None)


def _decoded_lines(part: Any, columns: Sequence[str]) -> Iterator[list[bytes]]:
    import orjson

    rows = iter(part.select_columns(list(columns)))
    while batch := list(islice(rows, BATCH_ROWS)):
        yield [orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in batch]


def _bound_waiting() -> None:
    """Of every request that huggingface_hub makes in this process: by itself it waits for ever."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def make() -> Any:
        client = default_client_factory()
        client.timeout = NETWORK_SECONDS
        return client

    set_client_factory(make)


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def _cache_folders(scratch: Path) -> tuple[Path, ...]:
    from huggingface_hub.constants import HF_HUB_CACHE

    return scratch, Path(HF_HUB_CACHE)


@contextmanager
def _growth_told(folders: Sequence[Path], tell: Tell) -> Iterator[None]:
    """While the block runs, tell how many bytes came: `datasets` itself does not say."""
    before, ended = _bytes_in(folders), threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            tell("downloading", bytes=max(0, _bytes_in(folders) - before))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _bytes_in(folders: Sequence[Path]) -> int:
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += 0 if path.is_symlink() else path.stat().st_size
            except OSError:
                continue
    return total

"""What the Hub says of a dataset, as values: search results, configs and splits, first rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.domain import Failure, Message
from backend.domain_datasets import RecordFormat


@dataclass(frozen=True)
class HubHit:
    """One dataset that a search found. `gated` is "", "auto" (one accepts and is in) or "manual" (its owner decides).

    `size` is the Hub's own category of rows such as "100K<n<1M"; `bytes` are those of its files. Both may be unknown.
    """

    id: str
    downloads: int = 0
    likes: int = 0
    licence: str = ""
    size: str = ""
    bytes: int | None = None
    gated: str = ""
    is_private: bool = False
    updated: datetime | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubSplit:
    """`rows` and `bytes` (in memory) are None where the Hub does not know; `is_estimate` where it counted a part."""

    config: str
    name: str
    rows: int | None = None
    bytes: int | None = None
    is_estimate: bool = False


@dataclass(frozen=True)
class HubAbout:
    """One dataset before it is fetched. `revision` is the commit that `splits` and an import are of.

    `access` says what stands between a person and the data, and what to do; None where it is open to them.
    `note` tells in words why `splits` are missing or uncounted.
    """

    hit: HubHit
    revision: str
    splits: tuple[HubSplit, ...] = ()
    access: Failure | None = None
    note: str = ""

    @property
    def configs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(split.config for split in self.splits))

    def splits_of(self, config: str) -> tuple[HubSplit, ...]:
        return tuple(split for split in self.splits if split.config == config)


@dataclass(frozen=True)
class HubRows:
    """The first rows of a split. `conversations` are the same rows as messages, None where one can't become any.

    `cut_columns` were too long for the viewer and are shown in part.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    format: RecordFormat
    conversations: tuple[tuple[Message, ...] | None, ...]
    total: int | None = None
    cut_columns: tuple[str, ...] = ()


def hit_of(facts: Mapping[str, Any]) -> HubHit:
    """Of one entry of /api/datasets. What is missing or of another type is left unknown."""
    listed = facts.get("tags")
    tags = [tag for tag in listed if isinstance(tag, str)] if isinstance(listed, list) else []
    return HubHit(
        id=str(facts["id"]),
        downloads=_count(facts.get("downloads")) or 0,
        likes=_count(facts.get("likes")) or 0,
        licence=", ".join(_tagged(tags, "license")),
        size=next(iter(_tagged(tags, "size_categories")), ""),
        bytes=_count(facts.get("mainSize")) or _count(facts.get("usedStorage")),
        gated=facts["gated"] if isinstance(facts.get("gated"), str) else "",
        is_private=facts.get("private") is True,
        updated=_moment(facts.get("lastModified")),
        languages=_tagged(tags, "language"),
    )


def splits_of_sizes(sizes: Mapping[str, Any]) -> tuple[HubSplit, ...]:
    """Of the viewer's /size."""
    found = []
    for one in sizes["size"]["splits"]:
        estimate = _count(one.get("estimated_num_rows"))
        rows = estimate if estimate is not None else _count(one.get("num_rows"))
        is_part = estimate is not None or sizes.get("partial") is True
        found.append(
            HubSplit(str(one["config"]), str(one["split"]), rows, _count(one.get("num_bytes_memory")), is_part)
        )
    return tuple(found)


def splits_of_names(listed: Mapping[str, Any]) -> tuple[HubSplit, ...]:
    """Of the viewer's /splits, which counts nothing."""
    return tuple(HubSplit(str(one["config"]), str(one["split"])) for one in listed["splits"])


def splits_of_card(card: object) -> tuple[HubSplit, ...]:
    """Of a dataset's own card (`dataset_info`, else `configs`), where the viewer says nothing."""
    if not isinstance(card, Mapping):
        return ()
    found: dict[tuple[str, str], HubSplit] = {}
    for config in _mappings(card.get("configs")):
        name = str(config.get("config_name", "default"))
        for files in _mappings(config.get("data_files")):
            if files.get("split"):
                found[name, str(files["split"])] = HubSplit(name, str(files["split"]))
    for info in _mappings(card.get("dataset_info")):
        name = str(info.get("config_name", "default"))
        for split in _mappings(info.get("splits")):
            if split.get("name"):
                found[name, str(split["name"])] = HubSplit(
                    name, str(split["name"]), _count(split.get("num_examples")), _count(split.get("num_bytes"))
                )
    return tuple(found.values())


def _mappings(value: object) -> Iterable[Mapping[str, Any]]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, Mapping)]


def _tagged(tags: Iterable[str], kind: str) -> tuple[str, ...]:
    return tuple(tag.removeprefix(f"{kind}:") for tag in tags if tag.startswith(f"{kind}:"))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None

"""Malformed and odd files, and what reading each must find. `python -m tests.corpus` measures them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from tests.corpus import cut_off, encodings, json_shapes, other_kinds, packed, parquet_files, tables, wrong_types
from tests.corpus.case import Case

GROUPS = {
    "cut off": cut_off,
    "encodings and line ends": encodings,
    "JSON": json_shapes,
    "wrong types and turns": wrong_types,
    "tables": tables,
    "Parquet": parquet_files,
    "gzip": packed,
    "other kinds, names, folders": other_kinds,
}


@lru_cache(maxsize=1)
def cases_by_group() -> Mapping[str, tuple[Case, ...]]:
    return {title: tuple(group.cases()) for title, group in GROUPS.items()}


def all_cases() -> tuple[Case, ...]:
    return tuple(case for group in cases_by_group().values() for case in group)

"""The dataset viewer's API (datasets-server): splits, sizes, features and rows. Shapes as its OpenAPI document says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.hub_emulator.hub_routes import may_read
from tests.hub_emulator.repos import Repo
from tests.hub_emulator.wire import Reply, Request, error, routes

if TYPE_CHECKING:
    from tests.hub_emulator.server import HubEmulator

MOST_ROWS = 100
MOST_BYTES = 1_000_000
"""Of /first-rows; beyond it long cells are cut and become text."""

Rows = list[dict[str, Any]]


def opened(hub: HubEmulator, request: Request, *needed: str) -> Repo | Reply:
    """The dataset if it can be viewed, else the viewer's refusal: without a right to it, it is just not there."""
    missing = [name for name in ("dataset", *needed) if not request.query.get(name)]
    if missing:
        return error(422, "MissingRequiredParameter", f"Parameter '{missing[0]}' is required")
    repo = hub.repos.get(request.query["dataset"])
    if repo is None or ((repo.gated or repo.private) and not may_read(repo, request)):
        if request.token:
            said = "The dataset does not exist, or is not accessible with the current credentials."
            return error(404, "ExternalAuthenticatedError", said)
        said = "The dataset does not exist, or is not accessible without authentication."
        return error(401, "ExternalUnauthenticatedError", said)
    if repo.viewer is None:
        return error(501, "DatasetWithScriptNotSupportedError", "The dataset viewer can't read this dataset.")
    return repo


def opened_split(hub: HubEmulator, request: Request) -> tuple[Repo, Rows] | Reply:
    repo = opened(hub, request, "config", "split")
    if isinstance(repo, Reply):
        return repo
    rows = (repo.viewer or {}).get(request.query["config"], {}).get(request.query["split"])
    return error(404, "ResponseNotFound", "Not found.") if rows is None else (repo, rows)


def _bytes(rows: Rows) -> int:
    return len(json.dumps(rows))


def _splits(repo: Repo) -> list[tuple[dict[str, str], Rows]]:
    return [
        ({"dataset": repo.id, "config": config, "split": split}, rows)
        for config, splits in (repo.viewer or {}).items()
        for split, rows in splits.items()
    ]


@routes.on("GET", "/viewer/is-valid")
def is_valid(request: Request, hub: HubEmulator) -> Reply:
    repo = opened(hub, request)
    if isinstance(repo, Reply) and repo.status != 501:
        return repo
    can = not isinstance(repo, Reply)
    return Reply(200, {"preview": can, "viewer": can, "search": can, "filter": can, "statistics": can})


@routes.on("GET", "/viewer/splits")
def list_splits(request: Request, hub: HubEmulator) -> Reply:
    repo = opened(hub, request)
    if isinstance(repo, Reply):
        return repo
    return Reply(200, {"splits": [named for named, _rows in _splits(repo)], "pending": [], "failed": []})


@routes.on("GET", "/viewer/size")
def size(request: Request, hub: HubEmulator) -> Reply:
    repo = opened(hub, request)
    if isinstance(repo, Reply):
        return repo
    splits = [
        {
            **named,
            "num_bytes_parquet_files": _bytes(rows) // 2,
            "num_bytes_memory": _bytes(rows),
            "num_rows": len(rows),
            "num_columns": len(rows[0]) if rows else 0,
            "estimated_num_rows": None,
        }
        for named, rows in _splits(repo)
    ]
    totals = ("num_bytes_parquet_files", "num_bytes_memory", "num_rows")
    configs = [
        {
            "dataset": repo.id,
            "config": config,
            **{key: sum(one[key] for one in splits if one["config"] == config) for key in totals},
            "num_bytes_original_files": sum(map(len, repo.files.values())),
            "num_columns": 0,
            "estimated_num_rows": None,
        }
        for config in repo.viewer or {}
    ]
    whole = {
        "dataset": repo.id,
        **{key: sum(one[key] for one in splits) for key in totals},
        "num_bytes_original_files": sum(map(len, repo.files.values())),
        "estimated_num_rows": None,
    }
    found = {"dataset": whole, "configs": configs, "splits": splits}
    return Reply(200, {"size": found, "pending": [], "failed": [], "partial": False})


@routes.on("GET", "/viewer/info")
def info(request: Request, hub: HubEmulator) -> Reply:
    repo = opened(hub, request)
    if isinstance(repo, Reply):
        return repo
    described: dict[str, Any] = {}
    for config, splits in (repo.viewer or {}).items():
        first = next((rows for rows in splits.values() if rows), [])
        described[config] = {
            "dataset_name": repo.id.split("/")[-1],
            "config_name": config,
            "features": {one["name"]: one["type"] for one in features_of(first)},
            "splits": {
                name: {"name": name, "num_bytes": _bytes(rows), "num_examples": len(rows)}
                for name, rows in splits.items()
            },
        }
    return Reply(200, {"dataset_info": described, "pending": [], "failed": [], "partial": False})


@routes.on("GET", "/viewer/first-rows")
def first_rows(request: Request, hub: HubEmulator) -> Reply:
    found = opened_split(hub, request)
    if isinstance(found, Reply):
        return found
    repo, rows = found
    sent: list[dict[str, Any]] = []
    left = MOST_BYTES
    for number, row in enumerate(rows[:MOST_ROWS]):
        cut = [name for name, cell in row.items() if len(json.dumps(cell)) > left // 10]
        shown = {name: json.dumps(cell)[:100] if name in cut else cell for name, cell in row.items()}
        left -= len(json.dumps(shown))
        sent.append({"row_idx": number, "row": shown, "truncated_cells": cut})
    named = {"dataset": repo.id, "config": request.query["config"], "split": request.query["split"]}
    is_cut = any(one["truncated_cells"] for one in sent)
    return Reply(200, {**named, "features": features_of(rows), "rows": sent, "truncated": is_cut})


@routes.on("GET", "/viewer/rows")
def rows_page(request: Request, hub: HubEmulator) -> Reply:
    offset, length = int(request.query.get("offset", 0)), int(request.query.get("length", MOST_ROWS))
    if length > MOST_ROWS or offset < 0:
        return error(422, "InvalidParameter", f"Parameter 'length' must not be greater than {MOST_ROWS}")
    found = opened_split(hub, request)
    if isinstance(found, Reply):
        return found
    rows = found[1]
    page = [
        {"row_idx": number, "row": row, "truncated_cells": []}
        for number, row in enumerate(rows[offset : offset + length], start=offset)
    ]
    body = {"features": features_of(rows), "rows": page, "num_rows_total": len(rows), "partial": False}
    return Reply(200, {**body, "num_rows_per_page": MOST_ROWS})


def features_of(rows: Rows) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        {"feature_idx": number, "name": name, "type": _feature(next((row[name] for row in rows if name in row), None))}
        for number, name in enumerate(names)
    ]


def _feature(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _feature(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return {"feature": _feature(value[0] if value else None), "_type": "List"}
    kind = {str: "string", bool: "bool", int: "int64", float: "float64"}.get(type(value), "null")
    return {"dtype": kind, "_type": "Value"}

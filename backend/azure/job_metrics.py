"""What the workspace's MLflow, or the run's own metrics.jsonl, says of a job: measurements and how far it is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.domain import MetricPoint
from backend.i18n import _

PROGRESS_TAG = "phidesk.progress"
"""A JSON object that training_job/tuning/tracking.py keeps up to date."""
ENOUGH_STEPS = 10
"""Steps that must be seen before their speed says anything about the rest."""
PAGE = 1000
# Of the catalogue's recipe (the Trainer's own names): measured once at the end, and no curve.
NO_CURVE = ("runtime", "samples_per_second", "steps_per_second", "total_flos", "model_preparation_time")


@dataclass(frozen=True)
class TrackedRun:
    """A run of MLflow: when it began and ended, its tags, and the newest value of each metric with its step."""

    started_at: datetime | None = None
    ended_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    latest: Mapping[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    step: int = 0
    total_steps: int = 0
    seconds_left: float | None = None
    phase: str = ""
    phase_done: float | None = None
    heartbeat_at: datetime | None = None


class Tracking:
    """The workspace's MLflow by its REST interface; importing the package would take seconds."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def _ask(self, what: str, **query: str) -> dict[str, Any]:
        values = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        path = f"/mlflow/v2.0{self.connection.workspace_path()}/api/2.0/mlflow/{what}?{values}"
        return self.connection.data_plane("GET", path)

    def run(self, name: str) -> TrackedRun | None:
        """None before the job has one."""
        from azure.core.exceptions import ResourceNotFoundError

        with in_words(_("Reading the run's measurements")):
            try:
                found = self._ask("runs/get", run_id=name).get("run") or {}
            except ResourceNotFoundError:
                return None
        info, data = found.get("info") or {}, found.get("data") or {}
        return TrackedRun(
            started_at=_moment(info.get("start_time")),
            ended_at=_moment(info.get("end_time")),
            tags={str(tag.get("key")): str(tag.get("value")) for tag in data.get("tags") or []},
            latest={
                str(metric["key"]): (float(metric["value"]), int(metric.get("step") or 0))
                for metric in data.get("metrics") or []
            },
        )

    def history(self, name: str, key: str) -> list[tuple[float, int, float]]:
        """Time in seconds, step and value of each measurement."""
        found: list[tuple[float, int, float]] = []
        token = ""
        while True:
            more = {"page_token": token} if token else {}
            page = self._ask("metrics/get-history", run_id=name, metric_key=key, max_results=str(PAGE), **more)
            found += [
                (float(one["timestamp"]) / 1000, int(one.get("step") or 0), float(one["value"]))
                for one in page.get("metrics") or []
            ]
            token = str(page.get("next_page_token") or "")
            if not token:
                return found

    def points(self, name: str) -> list[MetricPoint]:
        """In order of their steps, as `metrics.jsonl` would have them."""
        run = self.run(name)
        keys = run.latest if run else {}
        named = {key: place for key in keys if (place := place_of(key, keys))}
        if not named:
            return []
        with in_words(_("Reading the run's measurements")), ThreadPoolExecutor(8) as pool:
            histories = dict(zip(named, pool.map(lambda key: self.history(name, key), named), strict=True))
        return join_points(
            (*named[key], time, step, value) for key, history in histories.items() for time, step, value in history
        )


def place_of(key: str, all_keys: Iterable[str]) -> tuple[str, str] | None:
    """The kind and name that we give a metric of MLflow; None for what is no curve of the training."""
    if "/" in key or key.startswith("system") or any(key.endswith(end) for end in NO_CURVE):
        return None
    if key.startswith("eval_"):
        return "eval", key.removeprefix("eval_")
    if key.startswith("train_"):
        name = key.removeprefix("train_")
        return None if name in all_keys else ("train", name)  # the recipe's own mean at the end
    return "train", key


def join_points(values: Iterable[tuple[str, str, float, int, float]]) -> list[MetricPoint]:
    """Kind, name, time, step and value of each to points: one per kind and step."""
    times: dict[tuple[str, int], float] = {}
    joined: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for kind, name, time, step, value in values:
        joined[kind, step][name] = value
        times[kind, step] = min(time, times.get((kind, step), time))
    points = [MetricPoint(times[key], key[0], key[1], found) for key, found in joined.items()]
    return sorted(points, key=lambda point: (point.step, point.time, point.kind != "train"))


def join_attempts(attempts: Iterable[Sequence[MetricPoint]]) -> list[MetricPoint]:
    """A later attempt measures again from its checkpoint on; what the lost one said about that is dropped."""
    joined: list[MetricPoint] = []
    for points in attempts:
        if points:
            first = points[0].step
            joined = [point for point in joined if point.step < first] + list(points)
    return joined


def read_lines(content: bytes) -> list[dict[str, Any]]:
    """The whole records of a metrics.jsonl; its first and last line may be torn."""
    records = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "kind" in record and isinstance(record.get("time"), int | float):
            records.append(record)
    return records


def points_of(records: Sequence[Mapping[str, Any]]) -> list[MetricPoint]:
    return [
        MetricPoint(
            float(record["time"]),
            str(record["kind"]),
            int(record.get("step", 0)),
            {
                name: float(value)
                for name, value in record.items()
                if name not in ("time", "kind", "step", "total_steps") and isinstance(value, int | float)
            },
        )
        for record in records
        if record["kind"] in ("train", "eval")
    ]


def progress_of_tag(run: TrackedRun) -> Progress | None:
    """What the training job wrote about itself; a catalogue's recipe only leaves the steps of its metrics."""
    try:
        said = json.loads(run.tags[PROGRESS_TAG])
        step, total = int(said.get("step", 0)), int(said.get("total_steps", 0))
        done = said.get("done")
        return Progress(
            step=step,
            total_steps=total,
            seconds_left=_seconds_left(
                step, total, float(said["time"]), int(said.get("first_step", step)), float(said.get("first_time", 0))
            ),
            phase=str(said.get("phase", "")),
            phase_done=float(done) if done is not None else None,
            heartbeat_at=datetime.fromtimestamp(float(said["time"]), UTC),
        )
    except (KeyError, ValueError, TypeError):
        steps = [step for _value, step in run.latest.values()]
        return Progress(step=max(steps)) if steps else None


def progress_of_lines(records: Sequence[Mapping[str, Any]]) -> Progress | None:
    if not records:
        return None
    counted = [record for record in records if record.get("total_steps") and "step" in record]
    moving = [record for record in counted if record["kind"] in ("train", "heartbeat") and record["step"] > 0]
    phase: Mapping[str, Any] = next((record for record in reversed(records) if record["kind"] == "phase"), {})
    step, total = (int(counted[-1]["step"]), int(counted[-1]["total_steps"])) if counted else (0, 0)
    left = None
    if moving:
        first, last = moving[0], moving[-1]
        left = _seconds_left(int(last["step"]), total, last["time"], int(first["step"]), first["time"])
    return Progress(
        step=step,
        total_steps=total,
        seconds_left=left,
        phase=str(phase.get("phase", "")) or ("training" if counted else ""),
        phase_done=phase.get("done"),
        heartbeat_at=datetime.fromtimestamp(float(records[-1]["time"]), UTC),
    )


def _seconds_left(step: int, total: int, time: float, first_step: int, first_time: float) -> float | None:
    if step - first_step < ENOUGH_STEPS or total < step:
        return None
    return max(0.0, (time - first_time) / (step - first_step) * (total - step))


def _moment(value: object) -> datetime | None:
    """Milliseconds since the epoch, as MLflow writes them (a number or its text)."""
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
    return datetime.fromtimestamp(number / 1000, UTC) if number > 0 else None

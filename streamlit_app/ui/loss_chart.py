"""The loss over the steps, train and check, as a Vega-Lite dict: the cheapest chart to redraw every second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.domain import MetricPoint
from backend.i18n import _

MAX_POINTS = 1200
TRAIN = _("Training")
CHECK = _("Check")


def series(points: Sequence[MetricPoint]) -> list[dict[str, Any]]:
    """Rows of the chart. A resumed run measures some steps again: the later measurement counts."""
    rows: list[dict[str, Any]] = []
    for kind, name in (("train", TRAIN), ("eval", CHECK)):
        by_step = {point.step: point.values["loss"] for point in with_loss(points, kind)}
        rows += [{"step": step, "loss": round(loss, 5), "series": name} for step, loss in thin(sorted(by_step.items()))]
    return rows


def with_loss(points: Sequence[MetricPoint], kind: str) -> list[MetricPoint]:
    return [point for point in points if point.kind == kind and "loss" in point.values]


def thin(points: Sequence[tuple[int, float]], limit: int = MAX_POINTS) -> list[tuple[int, float]]:
    """At most about `limit` points: the lowest and the highest of each bucket, so that peaks stay visible."""
    if len(points) <= limit:
        return list(points)
    width = -(-len(points) * 2 // limit)
    kept: set[int] = {0, len(points) - 1}
    for start in range(0, len(points), width):
        bucket = range(start, min(start + width, len(points)))
        kept.add(min(bucket, key=lambda index: points[index][1]))
        kept.add(max(bucket, key=lambda index: points[index][1]))
    return [points[index] for index in sorted(kept)]


def spec() -> dict[str, Any]:
    """The same at every tick: only the data changes, so the browser redraws lines and not the whole chart."""
    colour = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [TRAIN, CHECK], "range": ["#4c8fd6", "#d9822b"]},
        "legend": {"orient": "top", "symbolType": "stroke", "symbolStrokeWidth": 3},
    }
    tooltip = [
        {"field": "series", "title": " "},
        {"field": "step", "title": _("Step"), "format": ","},
        {"field": "loss", "title": _("Loss"), "format": ".3f"},
    ]
    axes = {
        "x": {"field": "step", "type": "quantitative", "title": _("Step"), "axis": {"format": ",d", "tickMinStep": 1}},
        "y": {"field": "loss", "type": "quantitative", "title": _("Loss"), "scale": {"zero": False, "nice": True}},
        "color": colour,
        "tooltip": tooltip,
    }
    return {
        "height": 280,
        "config": {"mark": {"aria": False}},  # the chart has one description; an empty layer would have none
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2, "interpolate": "monotone"}, "encoding": axes},
            {
                "transform": [{"filter": {"field": "series", "equal": CHECK}}],
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": axes,
            },
        ],
    }


def alt(points: Sequence[MetricPoint]) -> str:
    losses = {kind: [point.values["loss"] for point in with_loss(points, kind)] for kind in ("train", "eval")}
    parts = [_("Line chart of the loss over the steps.")]
    for kind, name in (("train", TRAIN), ("eval", CHECK)):
        if losses[kind]:
            parts.append(
                _("{name}: from {first} to {last}.").format(
                    name=name, first=f"{losses[kind][0]:.2f}", last=f"{losses[kind][-1]:.2f}"
                )
            )
    return " ".join(parts)

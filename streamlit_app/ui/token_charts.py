"""Histograms of token counts, as Vega-Lite dicts: bars, and a rule where the maximum length cuts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backend.i18n import _
from streamlit_app.ui import numbers

if TYPE_CHECKING:
    from backend.studio.token_table import Bin

BAR, RULE = "#4c8fd6", "#d9822b"


def bars(bins: Sequence[Bin]) -> list[dict[str, Any]]:
    """One row a bar. The last bin has no end: it is drawn as wide as the others, and its label says so."""
    width = bins[0].high - bins[0].low if bins and bins[0].high is not None else 1
    return [
        {
            "low": one.low,
            "high": one.high if one.high is not None else one.low + width,
            "n": one.count,
            "name": name(one),
        }
        for one in bins
    ]


def name(one: Bin) -> str:
    if one.high is None:
        return _("{n} and more").format(n=numbers.count(one.low))
    return _("{low} to {high}").format(low=numbers.count(one.low), high=numbers.count(one.high - 1))


def has_rule(max_length: int, end: int) -> bool:
    """Whether the maximum length is near enough to the bars, which reach to `end`, to be drawn beside them."""
    return 0 < max_length <= 2 * end


def spec(counted: str, max_length: int, end: int, *, ink: str) -> dict[str, Any]:
    """`counted` names what a bar counts; `ink` is the colour of texts."""
    reach = max(end, max_length) if has_rule(max_length, end) else end
    tooltip = [{"field": "name", "title": _("Tokens")}, {"field": "n", "title": counted, "format": ","}]
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "color": BAR, "binSpacing": 1},
            "encoding": {
                "x": {
                    "field": "low",
                    "type": "quantitative",
                    "bin": "binned",
                    "scale": {"domain": [0, reach], "nice": False},
                    "title": _("Tokens"),
                    "axis": {"format": ",d", "tickCount": 6, "grid": False},
                },
                "x2": {"field": "high"},
                "y": {"field": "n", "type": "quantitative", "title": counted, "axis": {"format": ",d", "tickCount": 4}},
                "tooltip": tooltip,
            },
        }
    ]
    if has_rule(max_length, end):
        once = {"values": [{"at": max_length}]}  # the data of the bars would draw it once for each
        at = {"field": "at", "type": "quantitative"}
        layers += [
            {
                "data": once,
                "mark": {"type": "rule", "color": RULE, "strokeWidth": 2, "strokeDash": [6, 3]},
                "encoding": {"x": at},
            },
            {
                "data": once,
                "mark": {
                    "type": "text",
                    "align": "right" if 2 * max_length > reach else "left",
                    "dx": -6 if 2 * max_length > reach else 6,
                    "dy": 8,
                    "y": 0,
                    "text": _("Maximum length {n}").format(n=numbers.count(max_length)),
                    "color": ink,
                },
                "encoding": {"x": at},
            },
        ]
    # the chart has one description; a layer without its own would be a picture without a name
    return {"height": 220, "config": {"mark": {"aria": False}}, "layer": layers}


def alt(title: str, bins: Sequence[Bin]) -> str:
    """The figures of the bars, the empty ones left out."""
    told = [_("{range} tokens: {n}").format(range=name(one), n=numbers.count(one.count)) for one in bins if one.count]
    return _("{title}, bar chart. {figures}.").format(title=title, figures="; ".join(told))

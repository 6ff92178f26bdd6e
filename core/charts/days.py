"""Size over days with adds and drops: what was (`core.history.backtest`), or what comes (`core.history.forecast`)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from core.charts.style import Chart, Spec, palette, quantity, signed, styled, word

SIZES: Final = (64, 4)
"""Where the line lies, in pixels from the top: the least and the greatest size."""
CHANGES: Final = (122, 80)
"""Where the bars lie: most drops, most adds."""
HEIGHT: Final = 142
"""With the axis below: what is drawn in a page fits axes into the height."""
NAMES: Final = 44
"""The width of what stands at the left, in pixels."""


def days_chart(frame: pl.DataFrame, theme: str = "light", expected: bool = False) -> Chart:
    """A line of sizes, and below it adds (up, green) and drops (down, orange). `expected`: dashed, not yet happened."""
    shown = frame.with_columns(
        at=pl.col("at").dt.epoch("ms"),
        below=-pl.col("drops"),
        when=pl.col("at").dt.strftime("%-d %b %Y %H:%M UTC"),
        present=pl.col("at") == frame["at"][0 if expected else -1],
        gone=pl.Series([signed(-each) for each in frame["drops"]], dtype=pl.String),
        come=pl.Series([signed(each) for each in frame["adds"]], dtype=pl.String),
    )
    ticks = [_utc(frame["at"][at]) for at in (0, len(frame) // 2, -1)]
    axis = {
        "format": "%-d %b", "values": ticks, "title": None, "ticks": False, "domain": False, "grid": False,
        "labelFlush": True,
    }  # fmt: skip
    encoding = {
        "x": {"field": "at", "type": "temporal", "scale": {"type": "utc", "padding": 6}, "axis": axis},
        "tooltip": [
            word("when", title="as of"),
            quantity("size", title="members", format=","),
            word("come", title="adds in 24 h"),
            word("gone", title="drops in 24 h"),
        ],
    }
    layers = [{"layer": _sizes(shown, theme, expected)}, {"layer": _changes(shown, theme)}]
    apart = {"scale": {"y": "independent"}}
    return styled(shown, {"height": HEIGHT, "encoding": encoding, "layer": layers, "resolve": apart}, theme)


def _utc(at: datetime) -> Spec:
    return {
        "year": at.year, "month": at.month, "date": at.day, "hours": at.hour, "minutes": at.minute, "utc": True,
    }  # fmt: skip


def _sizes(shown: pl.DataFrame, theme: str, expected: bool) -> list[Spec]:
    colours = palette(theme)
    sizes = shown["size"].to_list()
    level = {"domain": [max(sizes[0] - 1, 0), sizes[0] + 1]} if len(set(sizes)) == 1 else {}
    axis = {
        "tickCount": 3, "format": "~s", "domain": False, "ticks": False, **({"values": sizes[:1]} if level else {}),
        "minExtent": NAMES, "maxExtent": NAMES,
        "titleY": 34, "titleAnchor": "middle", "titleX": -NAMES + 6,
    }  # fmt: skip
    y = quantity(
        "size", title="members", scale={"zero": False, "nice": not level, "range": list(SIZES), **level}, axis=axis
    )
    dash = [4, 3] if expected else [1, 0]
    line = {"type": "line", "color": colours.members, "strokeWidth": 2, "strokeDash": dash}
    end = {"type": "circle", "color": colours.members, "size": 50, "opacity": 1}
    hover = {"type": "circle", "opacity": 0, "size": 160}
    return [
        {"mark": line, "encoding": {"y": y}},
        {"transform": [{"filter": "datum.present"}], "mark": end, "encoding": {"y": y}},
        {"mark": hover, "encoding": {"y": y}},
    ]


def _changes(shown: pl.DataFrame, theme: str) -> list[Spec]:
    colours = palette(theme)
    most = max([*shown["adds"].to_list(), *shown["drops"].to_list(), 1])
    axis = {
        "values": [-most / 2, most / 2], "labelExpr": "datum.value > 0 ? 'adds' : 'drops'", "grid": False,
        "domain": False, "ticks": False, "minExtent": NAMES, "maxExtent": NAMES, "title": None, "orient": "left",
    }  # fmt: skip
    scale = {"domain": [-most, most], "nice": False, "range": list(CHANGES)}
    return [
        {
            "mark": {"type": "bar", "color": colour, "size": 5},
            "encoding": {"y": quantity(field, axis=axis, scale=scale)},
        }
        for field, colour in (("adds", colours.adds), ("below", colours.drops))
    ]

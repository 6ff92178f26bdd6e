"""Size over days with adds and drops: what was (`core.history.backtest`), or what comes (`core.history.forecast`)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import altair as alt
import polars as pl

from core.charts.style import palette, signed, styled

SIZES: Final = (64, 4)
"""Where the line lies, in pixels from the top: the least and the greatest size."""
CHANGES: Final = (122, 80)
"""Where the bars lie: most drops, most adds."""
HEIGHT: Final = 154
"""With the axis below: what is drawn in a page fits axes into the height."""
NAMES: Final = 44
"""The width of what stands at the left, in pixels."""


def days_chart(frame: pl.DataFrame, theme: str = "light", expected: bool = False) -> alt.LayerChart:
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
    axis = alt.Axis(format="%-d %b", values=ticks, title=None, ticks=False, domain=False, grid=False, labelFlush=True)
    base = alt.Chart(shown).encode(
        x=alt.X("at:T", scale=alt.Scale(type="utc", padding=6), axis=axis),
        tooltip=[
            alt.Tooltip("when:N", title="as of"),
            alt.Tooltip("size:Q", title="members", format=","),
            alt.Tooltip("come:N", title="adds in 24 h"),
            alt.Tooltip("gone:N", title="drops in 24 h"),
        ],
    )
    chart = alt.LayerChart(
        layer=[_sizes(base, theme, expected), _changes(base, shown, theme)],
        height=HEIGHT,
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(y="independent")),
    )
    return styled(chart, theme)


def _utc(at: datetime) -> alt.DateTime:
    return alt.DateTime(year=at.year, month=at.month, date=at.day, hours=at.hour, minutes=at.minute, utc=True)


def _sizes(base: alt.Chart, theme: str, expected: bool) -> alt.LayerChart:
    colours = palette(theme)
    y = alt.Y(
        "size:Q", title="members", scale=alt.Scale(zero=False, nice=True, range=list(SIZES)),
        axis=alt.Axis(
            tickCount=3, format="~s", domain=False, ticks=False, minExtent=NAMES, maxExtent=NAMES, titleY=34,
            titleAnchor="middle", titleX=-NAMES + 6,
        ),
    )  # fmt: skip
    line = base.mark_line(color=colours.members, strokeWidth=2, strokeDash=[4, 3] if expected else [1, 0]).encode(y=y)
    end = base.mark_circle(color=colours.members, size=50, opacity=1).encode(y=y).transform_filter("datum.present")
    hover = base.mark_circle(opacity=0, size=160).encode(y=y)
    return alt.LayerChart(layer=[line, end, hover])


def _changes(base: alt.Chart, shown: pl.DataFrame, theme: str) -> alt.LayerChart:
    colours = palette(theme)
    most = max([*shown["adds"].to_list(), *shown["drops"].to_list(), 1])
    axis = alt.Axis(
        values=[-most / 2, most / 2], labelExpr="datum.value > 0 ? 'adds' : 'drops'", grid=False, domain=False,
        ticks=False, minExtent=NAMES, maxExtent=NAMES, title=None, orient="left",
    )  # fmt: skip
    scale = alt.Scale(domain=[-most, most], nice=False, range=list(CHANGES))
    adds = base.mark_bar(color=colours.adds, size=5).encode(y=alt.Y("adds:Q", axis=axis, scale=scale))
    drops = base.mark_bar(color=colours.drops, size=5).encode(y=alt.Y("below:Q", axis=axis, scale=scale))
    return alt.LayerChart(layer=[adds, drops])

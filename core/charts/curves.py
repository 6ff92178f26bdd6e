"""Threshold curves: the audience's size against a number of a criterion (`core.curves`)."""

from __future__ import annotations

import altair as alt
import polars as pl

from core.charts.style import layered, palette, signed


def curve_chart(frame: pl.DataFrame, unit: str, theme: str = "light", height: int = 150) -> alt.LayerChart:
    """Members against the setting; the present one is filled. A click picks a setting: selection `pick`."""
    colours = palette(theme)
    shown = frame.with_columns(change=pl.Series([signed(each) for each in frame["change"]], dtype=pl.String))
    base = alt.Chart(shown).encode(
        x=alt.X(
            "setting:Q", title=unit, scale=alt.Scale(zero=False, nice=False, padding=8),
            axis=alt.Axis(tickCount=5, grid=False, ticks=False, domain=False),
        ),
        y=alt.Y(
            "size:Q", title="members", scale=alt.Scale(zero=True, nice=True),
            axis=alt.Axis(tickCount=3, format="~s", ticks=False, domain=False),
        ),
        tooltip=[
            alt.Tooltip("setting:Q", title=unit, format=",~f"),
            alt.Tooltip("size:Q", title="members", format=","),
            alt.Tooltip("change:N", title="against now"),
        ],
    )  # fmt: skip
    pick = alt.selection_point(name="pick", fields=["setting"], nearest=True, on="click", empty=False)
    line = base.mark_line(color=colours.members, strokeWidth=2)
    points = base.mark_point(size=64, filled=True, opacity=1, stroke=colours.members, strokeWidth=1.5).encode(
        fill=alt.condition("datum.current", alt.value(colours.members), alt.value(colours.track))
    )
    present = alt.Chart(shown.filter("current")).encode(x=base.encoding.x)
    rule = present.mark_rule(color=colours.quiet, strokeDash=[2, 2])
    return layered([rule, line, points.add_params(pick)], height, theme)

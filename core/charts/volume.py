"""Volume over time: how much of something came on each day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import altair as alt
import polars as pl

from core.charts.style import palette, styled

_SHORT: Final = "datum.value === 0 ? '0' : format(datum.value, '~s')"
"""The label of a figure on an axis: 1.5k."""


def volume_chart(counts: Sequence[int], last: date, theme: str = "light") -> alt.Chart:
    """Counts of UTC days as bars, the day `last` at the right."""
    first = last - timedelta(days=len(counts) - 1)
    rows = [{"day": (first + timedelta(days=at)).isoformat(), "count": count} for at, count in enumerate(counts)]
    day = alt.Axis(format="%-d %b", grid=False, tickCount=4, ticks=False)
    bars: alt.Chart = (
        alt.Chart(pl.DataFrame(rows))
        .mark_bar(color=palette(theme).members)
        .encode(
            alt.X("utcyearmonthdate(day):T", title=None, axis=day),
            alt.Y("count:Q", title=None, axis=alt.Axis(tickCount=3, domain=False, ticks=False, labelExpr=_SHORT)),
            tooltip=[alt.Tooltip("day:N", title="day"), alt.Tooltip("count:Q", format=",")],
        )
        .properties(height=180)
    )
    return styled(bars, theme)

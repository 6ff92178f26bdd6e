"""Volume over time: how much of something came on each day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from core.charts.style import Chart, palette, quantity, styled, word

_SHORT: Final = "datum.value === 0 ? '0' : format(datum.value, '~s')"
"""The label of a figure on an axis: 1.5k."""


def volume_chart(counts: Sequence[int], last: date, theme: str = "light") -> Chart:
    """Counts of UTC days as bars, the day `last` at the right."""
    first = last - timedelta(days=len(counts) - 1)
    rows = [{"day": (first + timedelta(days=at)).isoformat(), "count": count} for at, count in enumerate(counts)]
    days = {"format": "%-d %b", "grid": False, "tickCount": 4, "ticks": False}
    figures = {"tickCount": 3, "tickMinStep": 1, "domain": False, "ticks": False, "labelExpr": _SHORT}
    encoding = {
        "x": {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None, "axis": days},
        "y": quantity("count", title=None, axis=figures),
        "tooltip": [word("day", title="day"), quantity("count", format=",")],
    }
    frame = pl.DataFrame(rows, schema={"day": pl.String(), "count": pl.Int64()})
    bars = {"type": "bar", "color": palette(theme).members}
    return styled(frame, {"height": 180, "mark": bars, "encoding": encoding}, theme)

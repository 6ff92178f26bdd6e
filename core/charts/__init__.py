"""Results as Vega-Lite charts, the same in a page and a notebook; the frame of each can be shown as a table."""

from __future__ import annotations

from core.charts.curves import curve_chart
from core.charts.days import days_chart
from core.charts.rows import composition_chart, counts_chart, overlap_chart, reach_chart
from core.charts.volume import volume_chart
from core.charts.waterfall import waterfall, waterfall_frame

__all__ = [
    "composition_chart",
    "counts_chart",
    "curve_chart",
    "days_chart",
    "overlap_chart",
    "reach_chart",
    "volume_chart",
    "waterfall",
    "waterfall_frame",
]

"""Charts of one bar a row: its name at the left, its figures in columns at the row's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import polars as pl

from core.charts.style import layered, palette, percent, times

ROW: Final = 20
"""The height of a row in pixels."""
BAR: Final = 11
NAMES: Final = 104
"""The width of the names in pixels; longer ones are cut and stand whole in the tooltip."""
COLUMN: Final = 54


def row_axis(order: list[str], bold: str | None = None, width: int = NAMES) -> alt.Y:
    """The names of rows, left-aligned, in this order."""
    weight: Any = {"condition": {"test": f"datum.value === '{bold}'", "value": 600}, "value": 400} if bold else 400
    axis = alt.Axis(
        title=None, ticks=False, domain=False, grid=False, labelAlign="left", labelPadding=width, labelLimit=width - 8,
        minExtent=width, maxExtent=width, labelFontWeight=weight, labelOverlap=False,
    )  # fmt: skip
    return alt.Y("row:N", sort=order, axis=axis, scale=alt.Scale(paddingInner=0, paddingOuter=0))


def ends(base: alt.Chart, columns: Sequence[tuple[str, str]]) -> list[alt.Chart]:
    """Texts at the rows' end, the last one outermost: (field, colour)."""
    return [
        base.mark_text(align="right", dx=-COLUMN * back).encode(
            x=alt.value("width"), text=f"{field}:N", color=alt.value(colour)
        )
        for back, (field, colour) in enumerate(reversed(columns))
    ]


def bar_scale(most: float, columns: int) -> alt.Scale:
    """A scale from 0 that leaves room for columns of figures at the right of a panel."""
    return alt.Scale(domain=[0, max(most, 1e-9) * (1 + 0.34 * columns)], nice=False, zero=True)


def _bars(
    frame: pl.DataFrame,
    share: str,
    columns: Sequence[tuple[str, str]],
    tooltip: list[Any],
    theme: str,
    most: float,
    names: int = NAMES,
) -> tuple[alt.Chart, list[alt.Chart]]:
    """The base of a frame with `row`, and its layers: track, bar, figures."""
    colours = palette(theme)
    base = alt.Chart(frame).encode(y=row_axis(frame["row"].to_list(), width=names), tooltip=tooltip)
    scale = bar_scale(most, len(columns))
    track = base.mark_bar(height=BAR, cornerRadius=2, color=colours.track).encode(
        x=alt.X("none:Q", scale=scale, axis=None), x2="whole:Q"
    )
    bar = base.mark_bar(height=BAR, cornerRadius=2, color=colours.members).encode(
        x=alt.X("none:Q", scale=scale, axis=None), x2=f"{share}:Q"
    )
    track = track.transform_calculate(none="0", whole=str(most))
    bar = bar.transform_calculate(none="0")
    return base, [track, bar, *ends(base, columns)]


def _height(frame: pl.DataFrame) -> int:
    return ROW * max(frame.height, 1)


def identity_name(identity_type: str) -> str:
    """An identity type as people call it."""
    known = {"customer_id": "Customer ID", "ios_advertising_id": "IDFA", "ios_idfv": "IDFV"}
    known |= {"android_advertising_id": "GAID", "android_uuid": "Android UUID", "amp_id": "AMP ID"}
    return known.get(identity_type, identity_type.replace("_", " ").capitalize())


def counts_chart(counts: Sequence[tuple[str, int]], total: int, theme: str = "light") -> alt.LayerChart:
    """A bar a value: how many people have it, and which share of `total`."""
    colours = palette(theme)
    frame = pl.DataFrame(
        {
            "row": [name for name, _ in counts],
            "people": [count for _, count in counts],
            "count": [f"{count:,}" for _, count in counts],
            "percent": [percent(count / total) if total else "–" for _, count in counts],
        }
    )
    tooltip = [alt.Tooltip("row:N", title="value"), alt.Tooltip("count:N", title="people"), "percent:N"]
    most = float(max((count for _, count in counts), default=1))
    columns = [("count", colours.ink), ("percent", colours.quiet)]
    return layered(_bars(frame, "people", columns, tooltip, theme, most)[1], _height(frame), theme)


def reach_chart(frame: pl.DataFrame, theme: str = "light") -> alt.LayerChart:
    """Reach by identity type (`core.composition.reach`): a bar a type, how many members and which share of them."""
    colours = palette(theme)
    shown = frame.with_columns(
        row=pl.Series([identity_name(each) for each in frame["identity_type"]], dtype=pl.String),
        count=pl.Series([f"{each:,}" for each in frame["members"]], dtype=pl.String),
        percent=pl.Series([percent(each) for each in frame["share"]], dtype=pl.String),
    )
    tooltip = [
        alt.Tooltip("row:N", title="identity"),
        alt.Tooltip("members:Q", title="members with one", format=","),
        alt.Tooltip("share:Q", title="share of members", format=".1%"),
    ]
    columns = [("count", colours.ink), ("percent", colours.quiet)]
    _, layers = _bars(shown, "share", columns, tooltip, theme, 1.0)
    return layered(layers, _height(shown), theme)


def composition_chart(frame: pl.DataFrame, theme: str = "light", against: str = "universe") -> alt.LayerChart:
    """Composition (`core.composition.composition`): a bar the members' share, a tick the others'."""
    colours = palette(theme)
    shown = frame.with_columns(
        row=pl.Series(_unlike(frame["value"].to_list()), dtype=pl.String),
        percent=pl.Series([percent(each) for each in frame["share"]], dtype=pl.String),
        times=pl.Series([times(each) for each in frame["index"]], dtype=pl.String),
    )
    tooltip = [
        alt.Tooltip("row:N", title="value"),
        alt.Tooltip("members:Q", title="members", format=","),
        alt.Tooltip("share:Q", title="share of members", format=".1%"),
        alt.Tooltip("against_share:Q", title=f"share of {against}", format=".1%"),
        alt.Tooltip("times:N", title=f"against {against}"),
    ]
    highest = max([*frame["share"].to_list(), *frame["against_share"].to_list(), 1e-9])
    columns = [("percent", colours.ink), ("times", colours.quiet)]
    base, (_, bar, *texts) = _bars(shown, "share", columns, tooltip, theme, highest)
    tick = base.mark_tick(thickness=2, height=ROW - 4, color=colours.ink, orient="vertical").encode(
        x=alt.X("against_share:Q", scale=bar_scale(highest, len(columns)), axis=None)
    )
    return layered([bar, tick, *texts], _height(shown), theme)


def _unlike(names: list[str]) -> list[str]:
    """Names as rows: empty ones are told, and none stands twice."""
    seen: dict[str, int] = {}
    rows = []
    for name in names:
        shown = name.strip() or "(empty)"
        seen[shown] = seen.get(shown, 0) + 1
        rows.append(shown if seen[shown] == 1 else f"{shown} ({seen[shown]})")
    return rows


def overlap_chart(frame: pl.DataFrame, theme: str = "light") -> alt.LayerChart:
    """Overlap with other audiences (`core.overlap`): a bar the share of the members who are in the other one too."""
    colours = palette(theme)
    shown = frame.with_columns(
        row=pl.Series(_unlike(frame["name"].to_list()), dtype=pl.String),
        count=pl.Series([f"{each:,}" for each in frame["both"]], dtype=pl.String),
        percent=pl.Series([percent(each) for each in frame["share"]], dtype=pl.String),
    )
    tooltip = [
        alt.Tooltip("name:N", title="audience"),
        alt.Tooltip("size:Q", title="its members", format=","),
        alt.Tooltip("both:Q", title="in both", format=","),
        alt.Tooltip("share:Q", title="share of these members", format=".1%"),
        alt.Tooltip("jaccard:Q", title="overlap (both / either)", format=".1%"),
    ]
    columns = [("count", colours.ink), ("percent", colours.quiet)]
    _, layers = _bars(shown, "share", columns, tooltip, theme, 1.0, 160)
    return layered(layers, _height(shown), theme)

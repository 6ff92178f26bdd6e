"""Results as Altair charts, the same in a page and a notebook."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import polars as pl

from core.evaluate import NodeSize

COLOURS: Final = {
    "light": {"start": "#b9c1cd", "kept out": "#d9730d", "brought in": "#99a7e2", "members": "#3450c4"},
    "dark": {"start": "#566274", "kept out": "#e8924a", "brought in": "#36479a", "members": "#4f6bea"},
}


def waterfall_frame(leaves: list[tuple[str, NodeSize]], universe: int, size: int) -> pl.DataFrame:
    """How each criterion narrows it: `step`, `from`, `to`, `change`, `what`, in order; `leaves` with their letters."""
    rows: list[dict[str, Any]] = []
    before = universe
    for letter, node in leaves:
        change = node.here - before
        what = "kept out" if change < 0 else "brought in"
        rows.append({"step": letter, "from": before, "to": node.here, "change": change, "what": what})
        before = node.here
    start = {"step": "Universe", "from": 0, "to": universe, "change": universe, "what": "start"}
    end = {"step": "Members", "from": 0, "to": size, "change": size, "what": "members"}
    schema = {"step": pl.String, "from": pl.Int64, "to": pl.Int64, "change": pl.Int64, "what": pl.String}
    return pl.DataFrame([start, *rows, end], schema=schema)


def waterfall(frame: pl.DataFrame, theme: str = "light") -> alt.LayerChart:
    """The waterfall of `waterfall_frame`; the figure stands at the row's end."""
    colours = COLOURS["dark" if theme == "dark" else "light"]
    shown = frame.with_columns(
        figure=pl.when(pl.col("what").is_in(["start", "members"]))
        .then(pl.format("{}", "change"))
        .otherwise(
            pl.format(
                "{}{}", pl.when(pl.col("change") < 0).then(pl.lit("−")).otherwise(pl.lit("+")), pl.col("change").abs()
            )
        )
    )
    base = alt.Chart(shown).encode(
        y=alt.Y(
            "step:N",
            sort=frame["step"].to_list(),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelOverlap=False),
        ),
    )
    bars = base.mark_bar(height=14, cornerRadius=2).encode(
        x=alt.X("from:Q", title="profiles", axis=alt.Axis(tickCount=3, grid=False, domain=False)),
        x2="to:Q",
        color=alt.Color("what:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None),
        tooltip=["step", alt.Tooltip("to:Q", title="remaining", format=","), alt.Tooltip("change:Q", format="+,")],
    )
    text = (
        base.mark_text(align="left", dx=4)
        .encode(x=alt.X("upper:Q"), text="figure:N")
        .transform_calculate(upper="max(datum.from, datum.to)")
    )
    ink = "#e7ebf2" if theme == "dark" else "#1a2230"
    chart: alt.LayerChart = (
        (bars + text.encode(color=alt.value(ink)))
        .properties(height=26 * len(frame) + 64, background="transparent")
        .configure_view(stroke=None)
    )
    return chart

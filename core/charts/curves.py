"""Threshold curves: the audience's size against a number of a criterion (`core.curves`)."""

from __future__ import annotations

from typing import Final

import polars as pl

from core.charts.style import Chart, Spec, palette, quantity, signed, styled, word

PICK: Final = "pick"
"""The name of the selection: a click picks a setting."""


def curve_chart(frame: pl.DataFrame, unit: str, theme: str = "light", height: int = 150) -> Chart:
    """Members against the setting; the present one is filled. A click picks a setting: selection `PICK`."""
    colours = palette(theme)
    shown = frame.with_columns(change=pl.Series([signed(each) for each in frame["change"]], dtype=pl.String))
    whole = {"tickMinStep": 1} if all(each == int(each) for each in frame["setting"]) else {}
    x = quantity(
        "setting", title=unit, scale={"zero": False, "nice": False, "padding": 8},
        axis={"tickCount": 5, "grid": False, "ticks": False, "domain": False, "labelPadding": 8, **whole},
    )  # fmt: skip
    nobody = {} if frame["size"].max() else {"domain": [0, 1]}  # a scale from 0 to 0 has no numbers
    y = quantity(
        "size", title="members", scale={"zero": True, "nice": True, **nobody},
        axis={"tickCount": 3, "tickMinStep": 1, "format": "~s", "ticks": False, "domain": False},
    )  # fmt: skip
    tooltip = [
        quantity("setting", title=unit, format=",~f"),
        quantity("size", title="members", format=","),
        word("change", title="against now"),
    ]
    fill = {"condition": {"test": "datum.current", "value": colours.members}, "value": colours.track}
    points = {"type": "point", "size": 64, "filled": True, "opacity": 1, "stroke": colours.members, "strokeWidth": 1.5}
    rule = {"type": "rule", "color": colours.quiet, "strokeDash": [2, 2]}
    layers: list[Spec] = [
        {"transform": [{"filter": "datum.current"}], "mark": rule, "encoding": {"x": x}},
        {"mark": {"type": "line", "color": colours.members, "strokeWidth": 2}, "encoding": {"x": x, "y": y}},
        {"name": "points", "mark": points, "encoding": {"x": x, "y": y, "tooltip": tooltip, "fill": fill}},
    ]
    select = {"type": "point", "fields": ["setting"], "nearest": True, "on": "click"}
    params = [{"name": PICK, "select": select, "views": ["points"]}]
    return styled(shown, {"height": height, "layer": layers, "params": params}, theme)

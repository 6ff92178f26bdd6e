"""Charts of one bar a row: its name at the left, its figures in columns at the row's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from core.charts.style import Chart, Spec, layered, palette, percent, quantity, times, word

ROW: Final = 20
"""The height of a row in pixels."""
BAR: Final = 11
NAMES: Final = 104
"""The width of the names in pixels; longer ones are cut and stand whole in the tooltip."""
COLUMN: Final = 54


def row_axis(order: list[str], bold: str | None = None, width: int = NAMES) -> Spec:
    """The names of rows, left-aligned, in this order."""
    weight: Any = {"condition": {"test": f"datum.value === '{bold}'", "value": 600}, "value": 400} if bold else 400
    axis = {
        "title": None, "ticks": False, "domain": False, "grid": False, "labelAlign": "left", "labelPadding": width,
        "labelLimit": width - 8, "minExtent": width, "maxExtent": width, "labelFontWeight": weight,
        "labelOverlap": False,
    }  # fmt: skip
    return word("row", sort=order, axis=axis, scale={"paddingInner": 0, "paddingOuter": 0})


def ends(columns: Sequence[tuple[str, Any]]) -> list[Spec]:
    """Texts at the rows' end, the last one outermost: (field, colour or its encoding)."""
    return [
        {
            "mark": {"type": "text", "align": "right", "dx": -COLUMN * back},
            "encoding": {
                "x": {"value": "width"},
                "text": word(field),
                "color": {"value": colour} if isinstance(colour, str) else colour,
            },
        }
        for back, (field, colour) in enumerate(reversed(columns))
    ]


def bar_scale(most: float, columns: int) -> Spec:
    """A scale from 0 that leaves room for columns of figures at the right of a panel."""
    return {"domain": [0, max(most, 1e-9) * (1 + 0.42 * columns)], "nice": False, "zero": True}


def bar(colour: str, height: int = BAR, **more: Any) -> Spec:
    """The mark of a bar."""
    return {"type": "bar", "height": height, "cornerRadius": 2, "color": colour, **more}


def _bar_to(field: str, colour: str, scale: Spec, calculate: dict[str, str]) -> Spec:
    """A bar from 0 to a field of the frame, or of what is calculated."""
    transform = [{"calculate": formula, "as": name} for name, formula in {"none": "0", **calculate}.items()]
    x = quantity("none", scale=scale, axis=None)
    return {"transform": transform, "mark": bar(colour), "encoding": {"x": x, "x2": {"field": field}}}


def _rows(frame: pl.DataFrame, tooltip: list[Any], names: int = NAMES) -> Spec:
    """The encoding that bars, ticks and figures of a frame with `row` share."""
    return {"y": row_axis(frame["row"].to_list(), width=names), "tooltip": tooltip}


def _bars(share: str, columns: Sequence[tuple[str, str]], theme: str, most: float) -> list[Spec]:
    """Track, bar, figures."""
    colours, scale = palette(theme), bar_scale(most, len(columns))
    track = _bar_to("whole", colours.track, scale, {"whole": str(most)})
    return [track, _bar_to(share, colours.members, scale, {}), *ends(columns)]


def _height(frame: pl.DataFrame) -> int:
    return ROW * max(frame.height, 1)


def identity_name(identity_type: str) -> str:
    """An identity type as people call it."""
    known = {"customer_id": "Customer ID", "ios_advertising_id": "IDFA", "ios_idfv": "IDFV"}
    known |= {"android_advertising_id": "GAID", "android_uuid": "Android UUID", "amp_id": "AMP ID"}
    return known.get(identity_type, identity_type.replace("_", " ").capitalize())


def counts_chart(counts: Sequence[tuple[str, int]], total: int, theme: str = "light") -> Chart:
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
    tooltip = [word("row", title="value"), word("count", title="people"), word("percent")]
    most = float(max((count for _, count in counts), default=1))
    layers = _bars("people", [("count", colours.ink), ("percent", colours.quiet)], theme, most)
    return layered(frame, _rows(frame, tooltip), layers, _height(frame), theme)


def reach_chart(frame: pl.DataFrame, theme: str = "light") -> Chart:
    """Reach by identity type (`core.composition.reach`): a bar a type, how many members and which share of them."""
    colours = palette(theme)
    shown = frame.with_columns(
        row=pl.Series([identity_name(each) for each in frame["identity_type"]], dtype=pl.String),
        count=pl.Series([f"{each:,}" for each in frame["members"]], dtype=pl.String),
        percent=pl.Series([percent(each) for each in frame["share"]], dtype=pl.String),
    )
    tooltip = [
        word("row", title="identity"),
        quantity("members", title="members with one", format=","),
        quantity("share", title="share of members", format=".1%"),
    ]
    layers = _bars("share", [("count", colours.ink), ("percent", colours.quiet)], theme, 1.0)
    return layered(shown, _rows(shown, tooltip), layers, _height(shown), theme)


def composition_chart(frame: pl.DataFrame, theme: str = "light", against: str = "universe") -> Chart:
    """Composition (`core.composition.composition`): a bar the members' share, a tick the others'."""
    colours = palette(theme)
    shown = frame.with_columns(
        row=pl.Series(_unlike(frame["value"].to_list()), dtype=pl.String),
        percent=pl.Series([percent(each) for each in frame["share"]], dtype=pl.String),
        times=pl.Series([times(each) for each in frame["index"]], dtype=pl.String),
    )
    tooltip = [
        word("row", title="value"),
        quantity("members", title="members", format=","),
        quantity("share", title="share of members", format=".1%"),
        quantity("against_share", title=f"share of {against}", format=".1%"),
        word("times", title=f"against {against}"),
    ]
    highest = max([*frame["share"].to_list(), *frame["against_share"].to_list(), 1e-9])
    columns = [("percent", colours.ink), ("times", colours.quiet)]
    _, share, *texts = _bars("share", columns, theme, highest)
    tick = {
        "mark": {"type": "tick", "thickness": 2, "height": ROW - 4, "color": colours.ink, "orient": "vertical"},
        "encoding": {"x": quantity("against_share", scale=bar_scale(highest, len(columns)), axis=None)},
    }
    return layered(shown, _rows(shown, tooltip), [share, tick, *texts], _height(shown), theme)


def _unlike(names: list[str]) -> list[str]:
    """Names as rows: empty ones are told, and none stands twice."""
    seen: dict[str, int] = {}
    rows = []
    for name in names:
        shown = name.strip() or "(empty)"
        seen[shown] = seen.get(shown, 0) + 1
        rows.append(shown if seen[shown] == 1 else f"{shown} ({seen[shown]})")
    return rows


def overlap_chart(frame: pl.DataFrame, theme: str = "light") -> Chart:
    """Overlap with other audiences (`core.overlap`): a bar the share of the members who are in the other one too."""
    colours = palette(theme)
    shown = frame.with_columns(
        row=pl.Series(_unlike(frame["name"].to_list()), dtype=pl.String),
        count=pl.Series([f"{each:,}" for each in frame["both"]], dtype=pl.String),
        percent=pl.Series([percent(each) for each in frame["share"]], dtype=pl.String),
    )
    tooltip = [
        word("name", title="audience"),
        quantity("size", title="its members", format=","),
        quantity("both", title="in both", format=","),
        quantity("share", title="share of these members", format=".1%"),
        quantity("jaccard", title="overlap (both / either)", format=".1%"),
    ]
    layers = _bars("share", [("count", colours.ink), ("percent", colours.quiet)], theme, 1.0)
    return layered(shown, _rows(shown, tooltip, 160), layers, _height(shown), theme)

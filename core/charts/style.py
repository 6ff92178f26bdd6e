"""How charts look: colours by meaning, light and dark, and figures in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import altair as alt

Chart = TypeVar("Chart", bound=alt.TopLevelMixin)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they mean; the same meaning has the same colour everywhere."""

    ink: str
    quiet: str
    line: str
    track: str
    members: str
    adds: str
    drops: str
    excluded: str
    start: str
    kept_out: str
    brought_in: str


PALETTES: Final = {
    "light": Palette(
        ink="#1a2230",
        quiet="#586375",
        line="#dde1e8",
        track="#e4e7ee",
        members="#3450c4",
        adds="#1f9d61",
        drops="#d9730d",
        excluded="#c6362c",
        start="#b9c1cd",
        kept_out="#d7dce5",
        brought_in="#99a7e2",
    ),
    "dark": Palette(
        ink="#e7ebf2",
        quiet="#9ba7b8",
        line="#2c3441",
        track="#2a3240",
        members="#4f6bea",
        adds="#3fb77e",
        drops="#e8924a",
        excluded="#f0665b",
        start="#566274",
        kept_out="#343e4d",
        brought_in="#36479a",
    ),
}


def palette(theme: str) -> Palette:
    """The colours of "light" or "dark"."""
    return PALETTES["dark" if theme == "dark" else "light"]


def styled(chart: Chart, theme: str) -> Chart:
    """A chart without frame and background, small quiet type, hairlines."""
    colours = palette(theme)
    quiet: dict[str, Any] = {"labelColor": colours.quiet, "titleColor": colours.quiet, "labelFontSize": 12}
    configured: Chart = (
        chart.configure(background="transparent", font="Source Sans, sans-serif", padding=0)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=colours.line, domainColor=colours.line, tickColor=colours.line, titleFontSize=12,
            titleFontWeight="normal", **quiet,
        )
        .configure_text(fontSize=12.5)
    )  # fmt: skip
    return configured


def layered(layers: Sequence[alt.Chart], height: int, theme: str) -> alt.LayerChart:
    """Layers as one styled chart of a height in pixels."""
    return styled(alt.LayerChart(layer=list(layers), height=height), theme)


def signed(number: int) -> str:
    """ "+96", "−1,980", "0"."""
    sign = "−" if number < 0 else "+" if number > 0 else ""
    return f"{sign}{abs(number):,}"


def percent(share: float) -> str:
    """ "38.2 %", with a no-break space."""
    return f"{100 * share:.1f}\u00a0%"


def times(index: float | None) -> str:
    """ "× 1.59"; a dash where there is nothing to compare with."""
    return "–" if index is None else f"×\u00a0{index:.2f}"

"""How charts look: colours by meaning, light and dark, and figures in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

Spec = dict[str, Any]
"""A part of a Vega-Lite document."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite document without its data, and the frame that it shows.

    Written out by hand: building one with Altair costs a tenth of a second, and a page draws four after every edit.
    """

    frame: pl.DataFrame
    spec: Mapping[str, Any]

    def document(self) -> Spec:
        """With the frame as it is in place of values: what `st.vega_lite_chart` takes."""
        return {"data": {"values": self.frame}, **self.spec}

    def altair(self) -> alt.LayerChart | alt.Chart:
        """As an Altair chart, to be changed, joined with others, or saved; checked against Vega-Lite's schema."""
        import altair as alt

        kind = alt.LayerChart if "layer" in self.spec else alt.Chart
        return kind.from_dict({"data": {"values": self.frame.to_dicts()}, **self.spec})

    def _repr_mimebundle_(self, *args: Any, **keys: Any) -> Any:
        return self.altair()._repr_mimebundle_(*args, **keys)


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


def styled(frame: pl.DataFrame, spec: Spec, theme: str) -> Chart:
    """A chart without frame and background, small quiet type, hairlines."""
    colours = palette(theme)
    axis = {
        "gridColor": colours.line,
        "domainColor": colours.line,
        "tickColor": colours.line,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": colours.quiet,
        "titleColor": colours.quiet,
        "labelFontSize": 12,
    }
    config = {
        "background": "transparent",
        "font": "Source Sans, sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "text": {"fontSize": 12.5},
    }
    edges = {"left": 0, "top": 0, "right": 0, "bottom": 0}  # Streamlit adds 20 pixels below unless told
    return Chart(frame, {**spec, "padding": edges, "config": config})


def layered(frame: pl.DataFrame, encoding: Spec, layers: Sequence[Spec], height: int, theme: str) -> Chart:
    """Layers that share an encoding as one styled chart of a height in pixels."""
    return styled(frame, {"height": height, "encoding": encoding, "layer": list(layers)}, theme)


def quantity(field: str, **more: Any) -> Spec:
    """An encoding by a number of the frame."""
    return {"field": field, "type": "quantitative", **more}


def word(field: str, **more: Any) -> Spec:
    """An encoding by a text of the frame."""
    return {"field": field, "type": "nominal", **more}


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

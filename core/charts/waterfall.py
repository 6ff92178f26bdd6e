"""How each criterion narrows or widens the audience, in the order of its letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from core.charts.rows import BAR, ROW, bar, bar_scale, ends, row_axis
from core.charts.style import Chart, Spec, layered, palette, quantity, signed, word
from core.criteria import And, Criterion, Not, Or
from core.formula import leaf_letters

if TYPE_CHECKING:
    from core.evaluate import Evaluation

FRAME: Final = pl.Schema(
    {
        "row": pl.String(),
        "path": pl.String(),
        "sentence": pl.String(),
        "from": pl.Int64(),
        "to": pl.Int64(),
        "change": pl.Int64(),
        "what": pl.String(),
        "figure": pl.String(),
    }
)
"""`what`: start, kept out, brought in, excluded, members. `from` and `to`: the audience before and after the step."""


def waterfall_frame(evaluation: Evaluation, names: Mapping[str, str] | None = None) -> pl.DataFrame:
    """A row a criterion ("A", "and B", "or C", "exclude D") with what it leaves, and the members at the end.

    `names`: what leaves are called, by path, where it is not their letter in this tree.
    """
    here = {node.path: node.here for node in evaluation.criteria}
    rows: list[dict[str, Any]] = []
    before = 0
    called = {**leaf_letters(evaluation.audience.root), **(names or {})}
    for path, leaf, join, excluded in steps_of(evaluation.audience.root, "root", "", excluded=False):
        letter = called[path]
        after = here[path]
        change = after - before
        what = "brought in" if change >= 0 else "excluded" if excluded else "kept out"
        name = f"exclude {letter}" if excluded else f"{join} {letter}".strip()
        first = not rows
        row = {"row": name, "path": path, "sentence": leaf.sentence, "from": before, "to": after, "change": change}
        rows.append({**row, "what": "start" if first else what, "figure": f"{after:,}" if first else signed(change)})
        before = after
    size = evaluation.size
    last = {"row": "Members", "path": "root", "sentence": evaluation.audience.root.sentence}
    rows.append({**last, "from": 0, "to": size, "change": size, "what": "members", "figure": f"{size:,}"})
    return pl.DataFrame(rows, schema=FRAME)


def steps_of(node: Criterion, path: str, join: str, *, excluded: bool) -> Iterator[tuple[str, Criterion, str, bool]]:
    """Path, leaf, the word that joins it to what stands before, and whether it is excluded, in order."""
    if isinstance(node, Not):
        yield from steps_of(node.criterion, f"{path}.criterion", join, excluded=not excluded)
    elif isinstance(node, And | Or):
        word = "and" if isinstance(node, And) else "or"
        for at, (segment, child) in enumerate(node.children()):
            yield from steps_of(child, f"{path}.{segment}", word if at else join, excluded=excluded)
    else:
        yield path, node, join, excluded


def waterfall(frame: pl.DataFrame, theme: str = "light") -> Chart:
    """The waterfall of `waterfall_frame`; the figure stands at the row's end."""
    colours = palette(theme)
    fills = {
        "start": colours.start,
        "kept out": colours.kept_out,
        "brought in": colours.brought_in,
        "excluded": colours.excluded,
        "members": colours.members,
    }
    shown = frame.with_columns(until=pl.col("to"), since=pl.col("from"))
    encoding = {
        "y": row_axis(frame["row"].to_list(), bold="Members", width=86),
        "tooltip": [
            word("sentence", title="people who"),
            word("figure", title="change"),
            quantity("until", title="profiles here", format=","),
        ],
    }
    most = max([*frame["from"].to_list(), *frame["to"].to_list(), 1])
    span = {"x": quantity("since", scale=bar_scale(most, 1), axis=None), "x2": {"field": "until"}}
    colour = word("what", scale={"domain": list(fills), "range": list(fills.values())}, legend=None)
    # What it outlines speaks for itself; a layer without any bar would be a picture without words.
    outline = {"filled": False, "stroke": colours.quiet, "strokeDash": [3, 2], "strokeWidth": 1, "aria": False}
    inked = {"condition": {"test": "datum.what === 'excluded'", "value": colours.excluded}, "value": colours.ink}
    dashed: Spec = {"transform": [{"filter": "datum.what === 'kept out'"}], "encoding": span}
    layers = [
        {"mark": bar(colours.start, BAR + 2), "encoding": {**span, "color": colour}},
        {**dashed, "mark": bar(colours.quiet, BAR + 2, **outline)},
        *ends([("figure", inked)]),
    ]
    return layered(shown, encoding, layers, ROW * len(frame), theme)

"""What a calculated attribute gives: who has a value, how the values lie, and some people with theirs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import polars as pl

from core.criteria.calculated import CalculatedAttribute
from core.criteria.measures import Values
from core.data.snapshot import Snapshot
from core.scope import Scope

BARS: Final = 12
"""At most so many bars: bins of numbers and days, or the most frequent texts and one for the others."""
SAMPLES: Final = 10
_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Computed:
    """A calculated attribute over everybody who was seen in its workspace by `now`."""

    people: int
    having: int
    """Who has a value; counts, sums and unique counts of nothing are 0 and a value."""
    figures: tuple[tuple[str, object], ...]
    """Least, middle, mean and greatest, where values have an order."""
    bars: tuple[tuple[str, int], ...]
    """Values, or bins of them, and how many people have one of them; of lists, one of their elements."""
    samples: tuple[tuple[int, object], ...]
    """Some mpids with their values, spread over the values."""


def compute(
    snapshots: Callable[[], Iterable[Snapshot]], attribute: CalculatedAttribute, workspace: str, now_ms: int
) -> Computed:
    """What the attribute gives at `now` over the parts of a version, which have no profile in common."""

    def parts_of(texts: bool) -> list[pl.DataFrame]:
        return [_values(snapshot, attribute, workspace, now_ms, texts) for snapshot in snapshots()]

    parts = parts_of(texts=False)
    if len({part.schema["value"] for part in parts}) > 1:  # numbers in some parts and texts in others
        parts = parts_of(texts=True)
    frame = pl.concat(parts).sort("mpid")  # a mean depends on the order
    given = frame.drop_nulls("value")
    values = given["value"]
    if values.dtype.is_numeric():
        figures, bars = _of_numbers(values)
    elif values.dtype.is_temporal():
        figures, bars = _of_moments(values)
    else:
        figures, bars = (), _of_texts(values)
    return Computed(frame.height, given.height, figures, bars, _samples(given))


def _values(
    snapshot: Snapshot, attribute: CalculatedAttribute, workspace: str, now_ms: int, texts: bool
) -> pl.DataFrame:
    """`mpid` and `value` (number, moment or text; lists as JSON texts) of everybody in the workspace.

    `texts`: numbers as texts, too.
    """
    scope = Scope(snapshot, (workspace,), frozenset(), None, now_ms)
    measure = attribute.measure(workspace, scope)
    values = measure.texts() if texts and isinstance(measure, Values) else measure.values()
    if isinstance(measure, Values) and attribute.result_type == "list":
        values = measure.column.tagged().replace("z", None).str.slice(1)
    frame = pl.DataFrame({"mpid": snapshot.mpid, "value": values})
    return frame.filter(pl.Series(scope.universe))


def _of_numbers(values: pl.Series) -> tuple[tuple[tuple[str, object], ...], tuple[tuple[str, int], ...]]:
    numbers = values.cast(pl.Float64)
    if numbers.is_empty():
        return (), ()
    figures = (
        ("least", numbers.min()),
        ("median", numbers.median()),
        ("mean", numbers.mean()),
        ("greatest", numbers.max()),
    )
    distinct = numbers.unique().sort()
    if len(distinct) <= BARS:
        counted = dict(numbers.value_counts().iter_rows())
        return figures, tuple((_number(each), counted[each]) for each in distinct)
    return figures, _bins(numbers.to_numpy())


def _bins(numbers: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[tuple[str, int], ...]:
    """Bins of one round width up to the 98th percentile; the last one holds the rest."""
    low, high = float(numbers.min()), float(np.quantile(numbers, 0.98))
    width = _round_width((high - low) / (BARS - 1) or 1.0)
    start = math.floor(low / width) * width
    which = np.minimum(((numbers - start) // width).astype(np.int64), BARS - 1)
    counts = np.bincount(which, minlength=BARS)
    last = int(which.max())
    labels = [f"{_number(start + at * width)} – {_number(start + (at + 1) * width)}" for at in range(last + 1)]
    if float(numbers.max()) >= start + (last + 1) * width:
        labels[last] = f"{_number(start + last * width)} and more"
    return tuple(zip(labels, counts[: last + 1].tolist(), strict=True))


def _round_width(least: float) -> float:
    """The next round number: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(each * power for each in _ROUND if each * power >= least * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"


def _of_moments(values: pl.Series) -> tuple[tuple[tuple[str, object], ...], tuple[tuple[str, int], ...]]:
    if values.is_empty():
        return (), ()
    figures = (("first", values.min()), ("median", values.median()), ("last", values.max()))
    months = values.dt.strftime("%Y-%m").value_counts().sort("value").tail(BARS)
    return figures, tuple((str(month), count) for month, count in months.iter_rows())


def _of_texts(values: pl.Series) -> tuple[tuple[str, int], ...]:
    """The most frequent texts; a list counts once for each of its elements."""
    texts = values.cast(pl.String)
    if len(texts) and texts.str.starts_with("[").all():
        texts = pl.Series([item for text in texts for item in orjson.loads(text)], dtype=pl.String)
    counted = texts.alias("value").value_counts().sort("count", "value", descending=[True, False])
    shown = tuple((str(value), int(count)) for value, count in counted.head(BARS).iter_rows())
    rest = int(counted["count"].slice(BARS).sum()) if counted.height > BARS else 0
    return (*shown, ("others", rest)) if rest else shown


def _samples(given: pl.DataFrame) -> tuple[tuple[int, object], ...]:
    """People from the least to the greatest value, evenly spread."""
    if given.is_empty():
        return ()
    ordered = given.sort("value", "mpid")
    places = np.unique(np.linspace(0, ordered.height - 1, SAMPLES).round().astype(np.int64))
    rows: Sequence[tuple[int, object]] = ordered[places.tolist()].rows()
    return tuple(rows)

"""Measures: the one value a profile that a criterion computes and its matcher judges.

Thresholds, evidence, near misses and forecasts read measures; none of them is an engine of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.values import NO_MOMENT, Column, Mask, Millis, plain

if TYPE_CHECKING:
    from core.criteria.matchers import Matcher, Moment, Number


class Measure:
    """One value a profile."""

    def values(self) -> pl.Series:
        """The values to look at, one a profile, null where there is none."""
        raise AssertionError


@dataclass(frozen=True)
class Marks(Measure):
    """Yes or no: a membership."""

    mask: Mask

    def values(self) -> pl.Series:
        return pl.Series("value", self.mask)


@dataclass(frozen=True)
class Counts(Measure):
    """How many events, days or values: int64, 0 where none."""

    counts: npt.NDArray[np.int64]

    def values(self) -> pl.Series:
        return pl.Series("value", self.counts)

    def match(self, number: Number) -> Mask:
        """Who has a count that the operator accepts."""
        holds = number.floats(self.counts.astype(np.float64))
        return ~holds if number.operator.negated else holds


@dataclass(frozen=True)
class Amounts(Measure):
    """Exact decimals: `scaled[i] / scale / parts[i]` where `present[i]`.

    `scaled` holds whole numbers below 2^53 in float64, so sums are exact in any order; `exact` replaces it where a
    total does not fit (by profile). `parts` divides an average, all ones otherwise.
    """

    scaled: npt.NDArray[np.float64]
    scale: int
    parts: npt.NDArray[np.int64] | None
    present: Mask
    exact: dict[int, Fraction] | None = None

    def floats(self) -> npt.NDArray[np.float64]:
        """The values rounded to float64; NaN where there is none."""
        numbers = self.scaled / self.scale
        if self.parts is not None:
            numbers = numbers / np.maximum(self.parts, 1)
        if self.exact is not None:
            for at, value in self.exact.items():
                numbers[at] = _float(value)
        numbers[~self.present] = np.nan
        return numbers

    def values(self) -> pl.Series:
        return pl.Series("value", self.floats()).fill_nan(None)

    def fraction(self, at: int) -> Fraction:
        """The exact value of profile `at`."""
        if self.exact is not None:
            return self.exact[at]
        return Fraction(int(self.scaled[at]), self.scale * (1 if self.parts is None else int(self.parts[at])))

    def match(self, number: Number) -> Mask:
        """Who has a value that the operator accepts; without a value nobody does, negative operators included."""
        numbers = self.floats()
        holds = number.floats(numbers)
        for at in np.flatnonzero(number.near(numbers) & self.present):
            holds[at] = number.exactly(self.fraction(int(at)))
        return (~holds if number.operator.negated else holds) & self.present


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass(frozen=True)
class Values(Measure):
    """One free-form value a profile; `present` leaves people out altogether (aggregates without a value)."""

    column: Column
    present: Mask | None = None

    def values(self) -> pl.Series:
        entries: list[object] = [None, None, *(plain(entry) for entry in self.column.dictionary.entries)]
        if all(isinstance(entry, int | float) and not isinstance(entry, bool) for entry in entries[2:]):
            table = pl.Series("value", entries, dtype=pl.Float64, strict=False)
        else:
            texts = [entry if isinstance(entry, str | None) else str(entry) for entry in entries]
            table = pl.Series("value", texts, dtype=pl.String)
        return table.gather(pl.Series(self.column.codes))

    def match(self, matcher: Matcher, now_ms: int) -> Mask:
        """Who has a value that the matcher accepts."""
        mask = matcher.table(self.column.dictionary, now_ms)[self.column.codes]
        return mask if self.present is None else mask & self.present


@dataclass(frozen=True)
class Several(Measure):
    """Several free-form values a profile: rows of (profile, value)."""

    size: int
    profile: npt.NDArray[np.uint32]
    column: Column

    def values(self) -> pl.Series:
        rows = pl.DataFrame({"profile": self.profile, "value": self.column.tagged().str.slice(1)})
        joined = rows.group_by("profile").agg(pl.col("value").unique().sort())
        every = pl.DataFrame({"profile": np.arange(self.size, dtype=np.uint32)})
        return every.join(joined, on="profile", how="left", maintain_order="left")["value"]

    def match(self, matcher: Matcher, now_ms: int) -> Mask:
        """A positive operator holds when one value satisfies it, a negative one when its twin holds for none."""
        positive = matcher.positive(self.column.dictionary, now_ms)
        mask = np.zeros(self.size, np.bool_)
        mask[self.profile[positive[self.column.codes]]] = True
        return ~mask if matcher.operator.negated else mask


@dataclass(frozen=True)
class Moments(Measure):
    """A moment a profile: int64 UTC milliseconds, `NO_MOMENT` where there is none."""

    moments: Millis

    def values(self) -> pl.Series:
        series = pl.Series("value", self.moments)
        dated = pl.select(pl.when(pl.lit(series) != NO_MOMENT).then(pl.lit(series))).to_series().rename("value")
        return dated.cast(pl.Datetime("ms", "UTC"))

    def match(self, moment: Moment, now_ms: int) -> Mask:
        """Whose moment lies inside the matcher's window."""
        mask = moment.moments(self.moments, now_ms)
        return ~mask if moment.operator.negated else mask


@dataclass(frozen=True)
class Distances(Measure):
    """Kilometers a profile: float64, NaN where no place is known."""

    kilometers: npt.NDArray[np.float64]

    def values(self) -> pl.Series:
        return pl.Series("value", self.kilometers).fill_nan(None)

"""Measures: the one value a profile that a criterion computes and its matcher judges.

Thresholds, evidence, near misses and forecasts read measures; none of them is an engine of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.criteria.matchers import Moment, Number
from core.data.coded import ABSENT, FIRST, LIMB, Column
from core.data.facts import Held
from core.data.values import NO_MOMENT, Mask, Millis, plain

if TYPE_CHECKING:
    from core.criteria.matchers import Matcher
    from core.scope import Scope


_PLAIN_LIMBS: Final = 30
"""Numbers of more limbs may be beyond float64."""


class Measure:
    """One value a profile."""

    def values(self) -> pl.Series:
        """The values to look at, one a profile, null where there is none."""
        raise AssertionError

    def positive(self, matcher: Matcher, scope: Scope) -> Mask:
        """Who has a value that the matcher's positive twin accepts: bool, one a profile."""
        raise AssertionError

    def present(self) -> Mask:
        """Who has a value."""
        raise AssertionError

    def numbers(self) -> npt.NDArray[np.float64] | None:
        """The values as numbers, NaN where there is none; None where they are no numbers."""
        return None

    def moments_of(self) -> Millis | None:
        """The values as moments, `NO_MOMENT` where there is none; None where they are none."""
        return None

    def at(self, profile: int) -> Any:
        """The value of one profile (its index), None where there is none."""
        return self.values()[profile]


@dataclass(frozen=True)
class Marks(Measure):
    """Yes or no: a membership."""

    mask: Mask

    def values(self) -> pl.Series:
        return pl.Series("value", self.mask)


@dataclass(frozen=True)
class Counts(Measure):
    """How many events, days or values: whole numbers, 0 where none."""

    counts: npt.NDArray[np.signedinteger[Any]]

    def numbers(self) -> npt.NDArray[np.float64]:
        return self.counts.astype(np.float64)

    def values(self) -> pl.Series:
        return pl.Series("value", self.counts.astype(np.int64))

    def positive(self, matcher: Matcher, scope: Scope) -> Mask:
        if isinstance(matcher, Number):
            return matcher.wholes(self.counts)
        return self.present()

    def present(self) -> Mask:
        return np.ones(len(self.counts), np.bool_)


@dataclass(frozen=True)
class Amounts(Measure):
    """Exact decimals: the sum of `limbs[i] * LIMB^i`, divided by `scale` and `parts`, where `present_`.

    Limbs are whole numbers, one a profile; all but the last lie between 0 and LIMB. `parts` divides an average.
    """

    limbs: tuple[npt.NDArray[np.signedinteger[Any]], ...]
    scale: int
    parts: npt.NDArray[np.signedinteger[Any]] | None
    present_: Mask

    def floats(self) -> npt.NDArray[np.float64]:
        """The values rounded to float64; NaN where there is none."""
        if len(self.limbs) > _PLAIN_LIMBS or self.scale > 10**300:
            numbers = np.array([_float(self.fraction(at)) for at in range(len(self.present_))])
        else:
            numbers = self.limbs[-1].astype(np.float64)
            for limb in reversed(self.limbs[:-1]):
                numbers = numbers * LIMB + limb
            numbers /= self.scale
            if self.parts is not None:
                numbers /= np.maximum(self.parts, 1)
        numbers[~self.present_] = np.nan
        return numbers

    def values(self) -> pl.Series:
        return pl.Series("value", self.floats()).fill_nan(None)

    def numbers(self) -> npt.NDArray[np.float64]:
        return self.floats()

    def fraction(self, at: int) -> Fraction:
        """The exact value of profile `at`."""
        whole = sum(int(limb[at]) * LIMB**place for place, limb in enumerate(self.limbs))
        return Fraction(whole, self.scale * (1 if self.parts is None else max(int(self.parts[at]), 1)))

    def positive(self, matcher: Matcher, scope: Scope) -> Mask:
        if not isinstance(matcher, Number):
            return self.present_
        if self.parts is None and len(self.limbs) == 1:
            return matcher.wholes(self.limbs[0], self.scale) & self.present_
        who = np.flatnonzero(self.present_)
        some = Amounts(
            tuple(limb[who] for limb in self.limbs),
            self.scale,
            None if self.parts is None else self.parts[who],
            np.ones(len(who), np.bool_),
        )
        numbers = some.floats()
        found = matcher.floats(numbers)
        for at in np.flatnonzero(matcher.near(numbers)):
            found[at] = matcher.exactly(some.fraction(int(at)))
        holds = np.zeros(len(self.present_), np.bool_)
        holds[who] = found
        return holds

    def present(self) -> Mask:
        return self.present_


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass(frozen=True)
class Values(Measure):
    """One free-form value a profile."""

    column: Column

    def values(self) -> pl.Series:
        entries: list[object] = [None, None, *(plain(entry) for entry in self.column.dictionary.entries)]
        if all(isinstance(entry, int | float) and not isinstance(entry, bool) for entry in entries[2:]):
            table = pl.Series("value", entries, dtype=pl.Float64, strict=False)
        else:
            return self.texts()
        return table.gather(pl.Series(self.column.codes.astype(np.uint32)))

    def texts(self) -> pl.Series:
        """The values as texts, whatever they are."""
        entries: list[object] = [None, None, *(plain(entry) for entry in self.column.dictionary.entries)]
        texts = [entry if isinstance(entry, str | None) else str(entry) for entry in entries]
        table = pl.Series("value", texts, dtype=pl.String)
        return table.gather(pl.Series(self.column.codes.astype(np.uint32)))

    def positive(self, matcher: Matcher, scope: Scope) -> Mask:
        return self.column.where(scope.positive(matcher, self.column.dictionary))

    def present(self) -> Mask:
        return np.asarray(self.column.codes != ABSENT)

    def moments_of(self) -> Millis:
        dictionary = self.column.dictionary
        table = np.full(len(dictionary), NO_MOMENT, np.int64)
        table[dictionary.owner] = dictionary.moment
        return np.asarray(table[self.column.codes])

    def numbers(self) -> npt.NDArray[np.float64]:
        dictionary = self.column.dictionary
        table = np.full(len(dictionary), np.nan)
        table[dictionary.owner] = dictionary.number
        return np.asarray(table[self.column.codes])

    def at(self, profile: int) -> Any:
        code = int(self.column.codes[profile])
        return plain(self.column.dictionary.entries[code - FIRST]) if code >= FIRST else None


@dataclass(frozen=True)
class Several(Measure):
    """Several free-form values a profile."""

    held: Held

    def values(self) -> pl.Series:
        profile, column = self.held.rows()
        rows = pl.DataFrame({"profile": profile, "value": column.tagged().str.slice(1)})
        joined = rows.group_by("profile").agg(pl.col("value").unique().sort())
        every = pl.DataFrame({"profile": np.arange(len(self.held.first.codes), dtype=np.uint32)})
        return every.join(joined, on="profile", how="left", maintain_order="left")["value"]

    def positive(self, matcher: Matcher, scope: Scope) -> Mask:
        table = scope.positive(matcher, self.held.first.dictionary)
        mask = self.held.first.where(table)
        mask[self.held.profile[self.held.more.where(table)]] = True
        return mask

    def present(self) -> Mask:
        return np.asarray(self.held.first.codes != ABSENT)

    def at(self, profile: int) -> list[str]:
        more = self.held.more.take(np.flatnonzero(self.held.profile == profile))
        held = pl.concat([self.held.first.take(np.array([profile])).tagged(), more.tagged()])
        return held.str.slice(1).drop_nulls().unique().sort().to_list()


@dataclass(frozen=True)
class Moments(Measure):
    """A moment a profile: int64 UTC milliseconds. There is none where it is before `since` or, if given, not `held`."""

    moments: Millis
    since: int = NO_MOMENT + 1
    held: Mask | None = None

    def moments_of(self) -> Millis:
        every = self.held is None and self.since == NO_MOMENT + 1
        return self.moments if every else np.where(self.present(), self.moments, NO_MOMENT)

    def values(self) -> pl.Series:
        series = pl.Series("value", self.moments_of())
        dated = pl.select(pl.when(pl.lit(series) != NO_MOMENT).then(pl.lit(series))).to_series().rename("value")
        return dated.cast(pl.Datetime("ms", "UTC"))

    def positive(self, matcher: Matcher, scope: Scope) -> Mask:
        if isinstance(matcher, Moment):
            return matcher.moments(self.moments_of(), scope.now_ms)
        return self.present()

    def present(self) -> Mask:
        return np.asarray(self.moments >= self.since) if self.held is None else self.held

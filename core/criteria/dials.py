"""Dials: the numbers of a criterion that can be turned. Gaps: how far a profile is from the other answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from core.data.values import NO_MOMENT, Millis

if TYPE_CHECKING:
    from core.criteria.matchers import Number

Numbers = npt.NDArray[np.float64]

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Dial:
    """One number of a criterion: where it stands ("frequency.value", "when.amount", "value.0"), and what it counts.

    `measured`: it is compared with a measure (`Criterion.compared_by`), which says which settings are worth a look;
    else it is a length of time. `scale`: how many units of the measure one of its own is (1.609344 for miles).
    """

    key: str
    words: str
    setting: float
    whole: bool = False
    measured: bool = True
    scale: float = 1.0

    def under(self, key: str) -> Dial:
        """The dial of a part that stands at a key."""
        return Dial(f"{key}.{self.key}", self.words, self.setting, self.whole, self.measured, self.scale)


def dials_of(key: str, value: Any, words: str, *, whole: bool = False, scale: float = 1.0) -> Iterator[Dial]:
    """The dial of a number, or the two of a [low, high]."""
    if isinstance(value, tuple):
        for at, each in enumerate(value):
            yield Dial(f"{key}.{at}", f"{words}, {('from', 'to')[at]}", each, whole, scale=scale)
    else:
        yield Dial(key, words, value, whole, scale=scale)


def turned(data: Any, key: str, setting: float) -> Any:
    """A document, or a list in one, with another number at a key such as "when.amount" or "where.0.value"."""
    first, _, rest = key.partition(".")
    if isinstance(data, list):
        at = int(first)
        return [*data[:at], turned(data[at], rest, setting) if rest else setting, *data[at + 1 :]]
    return {**data, first: turned(data[first], rest, setting) if rest else setting}


@dataclass(frozen=True, slots=True)
class Gap:
    """How far each profile's value is from the nearest one with the other answer; NaN where there is none.

    `unit`: what it counts, "" where it is the value's own. `whole`: only whole numbers count.
    """

    unit: str
    values: Numbers
    whole: bool = False


def number_gap(matcher: Number, numbers: Numbers, wanted: bool, whole: bool) -> Numbers:
    """How far numbers are from the nearest one that a number operator answers with `wanted`: 0 for those that it does.

    `whole`: only whole numbers count, so that 2 is 1 away from "more than 2".
    """
    low, high = limits(matcher, 1.0 if whole else 0.0)
    if wanted != matcher.operator.negated:
        gaps = np.maximum(np.maximum(low - numbers, numbers - high), 0.0)
    else:
        step = 1.0 if whole else 0.0
        inside = (numbers >= low) & (numbers <= high)
        gaps = np.where(inside, np.minimum(numbers - low, high - numbers) + step, 0.0)
    gaps[np.isnan(numbers) | np.isinf(gaps)] = np.nan
    return np.asarray(gaps)


def limits(matcher: Number, step: float) -> tuple[float, float]:
    """The least and the greatest number that the positive twin accepts; `step` past a limit that it does not."""
    if isinstance(matcher.value, tuple):
        return float(matcher.value[0]), float(matcher.value[1])
    value = float(matcher.value)
    return {
        "equals": (value, value),
        "greater_than": (value + step, np.inf),
        "at_least": (value, np.inf),
        "less_than": (-np.inf, value - step),
        "at_most": (-np.inf, value),
    }[matcher.operator.twin]


def moment_gap(moments: Millis, bounds: tuple[int, int], wanted: bool) -> Gap:
    """How many days moments lie outside of bounds, or inside of them where the other answer is wanted."""
    known = moments != NO_MOMENT
    at = moments.astype(np.float64)
    first, last = (float(bound) for bound in bounds)
    if wanted:
        gaps = np.maximum(np.maximum(first - at, at - last), 0.0)
    else:
        gaps = np.where((at >= first) & (at <= last), np.minimum(at - first, last - at), 0.0)
    far = float(1 << 60)
    gaps[~known | (gaps > far)] = np.nan
    return Gap("days", np.asarray(gaps / DAY_MS))

"""Aggregates over a user's events or products: one value a profile, exact in decimal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from core.criteria.measures import Amounts, Counts, Measure, Moments, Values
from core.data.values import ABSENT, FIRST, NO_MOMENT, Codes, Column, Dictionary, Millis, merge

Profiles = npt.NDArray[np.uint32]
Index = npt.NDArray[np.int64]

UNIQUE_LIST_LIMIT = 100


@dataclass(frozen=True)
class Gathered:
    """The values of qualifying events (or of their products): one row a value, in no particular order."""

    size: int
    profile: Profiles
    timestamp_ms: Millis
    arrival: Index
    column: Column

    @classmethod
    def of(cls, size: int, parts: list[tuple[Profiles, Millis, Index, Column]]) -> Gathered:
        """The parts of several stores as one."""
        if not parts:
            none = np.zeros(0, np.int64)
            return cls(size, none.astype(np.uint32), none, none, Column.missing(0))
        columns = merge([part[3] for part in parts])
        codes = np.concatenate([column.codes for column in columns])
        profile, times, arrival = (np.concatenate([part[at] for part in parts]) for at in range(3))
        return cls(size, profile, times, arrival, Column(codes, columns[0].dictionary))

    @property
    def dictionary(self) -> Dictionary:
        """The dictionary of the values."""
        return self.column.dictionary

    def numbers(self) -> tuple[Profiles, Index]:
        """Profile and text position of every value that reads as a number."""
        rows, at = self.column.flat()
        numeric = self.dictionary.numeric[at]
        return self.profile[rows[numeric]], at[numeric]

    def texts(self) -> tuple[Profiles, Index]:
        """Profile and text number (`Dictionary.text_ids`) of every value that reads as text."""
        rows, at = self.column.flat()
        ids = self.dictionary.text_ids[at]
        return self.profile[rows[ids >= 0]], ids[ids >= 0]

    def by_text(self) -> tuple[Profiles, Index, Index]:
        """Distinct (profile, text number) with how often, ordered by both."""
        profile, ids = self.texts()
        width = int(self.dictionary.text_ids.max(initial=-1)) + 1
        pairs, counts = np.unique(profile.astype(np.int64) * max(width, 1) + ids, return_counts=True)
        return (pairs // max(width, 1)).astype(np.uint32), pairs % max(width, 1), counts


def _counted(size: int, profile: Profiles) -> npt.NDArray[np.int64]:
    return np.bincount(profile, minlength=size)


def total(values: Gathered) -> Amounts:
    """`sum`: 0 where there is no value."""
    profile, at = values.numbers()
    everybody = np.ones(values.size, np.bool_)
    scaled = values.dictionary.scaled
    if scaled is not None:
        weights = scaled[1][at]
        if np.abs(weights).sum() < 2**53:
            sums = np.bincount(profile, weights=weights, minlength=values.size).astype(np.float64)
            return Amounts(sums, scaled[0], None, everybody)
    exact = {at: sum(items, Fraction(0)) for at, items in _fractions(values, profile, at).items()}
    return _exact(values.size, exact, everybody, Fraction(0))


def average(values: Gathered) -> Amounts:
    """`average`: nothing where there is no value."""
    profile, _ = values.numbers()
    sums, counts = total(values), _counted(values.size, profile)
    if sums.exact is None:
        return Amounts(sums.scaled, sums.scale, counts, counts > 0)
    exact = {at: value / int(counts[at]) for at, value in sums.exact.items() if counts[at]}
    return _exact(values.size, exact, counts > 0, Fraction(0))


def extreme(values: Gathered, largest: bool) -> Amounts:
    """`minimum` / `maximum`: nothing where there is no value."""
    profile, at = values.numbers()
    present = _counted(values.size, profile) > 0
    scaled = values.dictionary.scaled
    if scaled is None:
        choose = max if largest else min
        exact = {at: choose(items) for at, items in _fractions(values, profile, at).items()}
        return _exact(values.size, exact, present, Fraction(0))
    best = np.full(values.size, -np.inf if largest else np.inf)
    (np.maximum if largest else np.minimum).at(best, profile, scaled[1][at])
    best[~present] = 0
    return Amounts(best, scaled[0], None, present)


def _fractions(values: Gathered, profile: Profiles, at: Index) -> dict[int, list[Fraction]]:
    """Every number of every profile as a fraction: slow, and right for numbers of any length."""
    known = {position: Fraction(values.dictionary.decimal(position)) for position in set(at.tolist())}
    found: dict[int, list[Fraction]] = defaultdict(list)
    for who, position in zip(profile.tolist(), at.tolist(), strict=True):
        found[who].append(known[position])
    return found


def _exact(size: int, exact: dict[int, Fraction], present: npt.NDArray[np.bool_], rest: Fraction) -> Amounts:
    every = {**{int(at): rest for at in np.flatnonzero(present)}, **exact}
    return Amounts(np.zeros(size), 1, None, present, every)


def unique_count(values: Gathered) -> Counts:
    """`unique_count`: distinct texts, case kept; 0 where there is no value."""
    return Counts(_counted(values.size, values.by_text()[0]))


def edge(values: Gathered, last: bool) -> Values:
    """`first` / `last` value that is not null; of events at one moment the later arrival is last."""
    rows = np.flatnonzero(values.column.codes >= FIRST)
    order = rows[np.lexsort((values.arrival[rows], values.timestamp_ms[rows]))]
    order = order if last else order[::-1]
    codes: Codes = np.zeros(values.size, np.uint32)
    codes[values.profile[order]] = values.column.codes[order]
    return Values(Column(codes, values.dictionary))


def most_frequent(values: Gathered) -> Values:
    """The value met most often; ties go to the alphabetically first. Absent where there is no value."""
    profile, ids, counts = values.by_text()
    order = np.lexsort((-ids, counts, profile))  # the last of a profile: most often, then alphabetically first
    best = np.full(values.size, -1, np.int64)
    best[profile[order]] = ids[order]
    representative = np.zeros(len(values.dictionary.text_ids) + 1, np.uint32)
    texts = np.flatnonzero(values.dictionary.text_ids >= 0)
    representative[values.dictionary.text_ids[texts]] = values.dictionary.owner[texts]
    codes = np.where(best >= 0, representative[best], np.uint32(ABSENT)).astype(np.uint32)
    return Values(Column(codes, values.dictionary))


def unique_list(values: Gathered) -> Values:
    """The distinct texts of each profile, alphabetical, the first 100. Absent where there is no value."""
    profile, ids, _ = values.by_text()
    texts = np.flatnonzero(values.dictionary.text_ids >= 0)
    by_id: dict[int, str] = {int(values.dictionary.text_ids[at]): values.dictionary.texts[int(at)] for at in texts}
    lists: dict[int, list[str]] = defaultdict(list)
    for who, number in zip(profile.tolist(), ids.tolist(), strict=True):
        if len(lists[who]) < UNIQUE_LIST_LIMIT:
            lists[who].append(by_id[number])
    entries: list[str | None] = [None] * values.size
    for who, items in lists.items():
        entries[who] = "l" + orjson.dumps(items).decode()
    return Values(Column.of(pl.Series(entries, dtype=pl.String)))


def moment(values: Gathered, last: bool) -> Moments:
    """`first_timestamp` / `last_timestamp` of the events."""
    order = np.argsort(values.timestamp_ms, kind="stable")
    order = order if last else order[::-1]
    moments = np.full(values.size, NO_MOMENT, np.int64)
    moments[values.profile[order]] = values.timestamp_ms[order]
    return Moments(moments)


FUNCTIONS: Final[dict[str, Callable[[Gathered], Measure]]] = {
    "sum": total,
    "average": average,
    "minimum": lambda values: extreme(values, largest=False),
    "maximum": lambda values: extreme(values, largest=True),
    "unique_count": unique_count,
    "first": lambda values: edge(values, last=False),
    "last": lambda values: edge(values, last=True),
}


def aggregate(function: str, values: Gathered) -> Measure:
    """The measure of an aggregate function of DEFINITION 3.1."""
    return FUNCTIONS[function](values)

"""Aggregates over a user's events or products: one value a profile, exact in decimal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from core.criteria.matchers import Number, Presence
from core.criteria.measures import Amounts, Counts, Measure, Moments, Values
from core.data.values import ABSENT, FIRST, NO_MOMENT, Codes, Column, Dictionary, Millis, merge

if TYPE_CHECKING:
    from core.criteria.comparison import Comparison
    from core.sql import Sql, SqlScope

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


# -- as SQL: `values` is a query with mpid, value (tagged), timestamp_ms, arrival and inner_place ----------------------

TOTALS: Final = frozenset({"sum", "unique_count"})
"""What is 0 for those without a value."""
AMOUNTS: Final = frozenset({*TOTALS, "average", "minimum", "maximum"})


def totalled_sql(rows: Sql, holds: Sql, matcher: Number, to: SqlScope) -> Sql:
    """Who has rows whose total `holds`, or none where 0 satisfies the matcher; negative operators turned round."""
    who = rows.select("mpid", append=False).group_by("mpid")
    if matcher.exactly(Fraction(0)):
        found = to.opposite(to.members(who.having(to.opposite(holds))))
    else:
        found = to.members(who.having(holds))
    return to.opposite(found) if matcher.operator.negated else found


def aggregate_sql(function: str, values: Sql, comparison: Comparison, to: SqlScope) -> Sql:
    """Who has an aggregate that satisfies the comparison."""
    matcher = comparison.matcher
    if isinstance(matcher, Presence):
        found = has_value_sql(function, values, to)
    elif isinstance(matcher, Number) and function in AMOUNTS:
        rows, holds = _amount_sql(function, values, matcher, to)
        if function in TOTALS:
            return totalled_sql(rows, holds, matcher, to)
        found = to.members(rows.select("mpid").group_by("mpid").having(holds))
    else:
        found = to.members(_one_sql(function, values, to).where(matcher.sql_any(to.column("value"), to)).select("mpid"))
    return to.opposite(found) if matcher.operator.negated else found


def has_value_sql(function: str, values: Sql, to: SqlScope) -> Sql:
    """Who has an aggregate."""
    if function in TOTALS:
        return to.truth(True)
    return to.members((_numbers_sql if function in AMOUNTS else _given_sql)(values, to).select("mpid"))


def _amount_sql(function: str, values: Sql, matcher: Number, to: SqlScope) -> tuple[Sql, Sql]:
    """The rows that count, and whether their aggregate satisfies the matcher's twin."""
    if function == "unique_count":
        return _texts_sql(values, to), matcher.sql_number(to.distinct(_text(to)), to.number)
    number = to.call("exact_of", to.column("value"))
    name = {"minimum": "MIN", "maximum": "MAX"}.get(function, "SUM")
    parts = to.call("COUNT", number) if function == "average" else to.number(1)
    # An average is compared by its sum, because a quotient is rounded.
    holds = matcher.sql_number(to.call(name, number), lambda limit: to.decimal(limit) * parts)
    return _numbers_sql(values, to), holds


def _text(to: SqlScope) -> Sql:
    return to.call("text_of", to.column("value"))


def _flat(values: Sql, to: SqlScope) -> Sql:
    """An entry with several values as several rows."""
    rows = to.select(values.subquery("v")).join(to.unnested(to.call("values_of", to.column("value", "v")), "each"))
    return to.select(rows.select("v.mpid", to.column("each").as_("value")).subquery("f"))


def _numbers_sql(values: Sql, to: SqlScope) -> Sql:
    return _flat(values, to).where(to.present(to.call("number_of", to.column("value"))))


def _texts_sql(values: Sql, to: SqlScope) -> Sql:
    return _flat(values, to).where(to.present(_text(to)))


def _given_sql(values: Sql, to: SqlScope) -> Sql:
    return to.select(values.subquery("v"), to.column("value").neq(to.text("z")))


def _one_sql(function: str, values: Sql, to: SqlScope) -> Sql:
    """The one value of those who have any: mpid and value."""
    if function in ("first", "last"):
        order = [(name, function == "last") for name in ("timestamp_ms", "arrival", "inner_place")]
        return to.ranked(_given_sql(values, to).select("*"), order).where(to.column("place").eq(1))
    texts = _texts_sql(values, to).select("mpid", to.call("CONCAT", to.text("s"), _text(to)).as_("value"), append=False)
    counted = to.select(texts.subquery("t")).select("mpid", "value", to.count().as_("often")).group_by("mpid", "value")
    if function == "most_frequent":
        return to.ranked(counted, [("often", True), ("value", False)]).where(to.column("place").eq(1))
    kept = to.ranked(counted, [("value", False)]).where(to.column("place") <= UNIQUE_LIST_LIMIT)
    every = to.call("TO_JSON", to.call("LIST", to.call("SUBSTR", to.column("value"), to.number(2))))
    listed = kept.select("mpid", to.call("CONCAT", to.text("l"), every).as_("value")).group_by("mpid")
    return to.select(listed.subquery("l"))

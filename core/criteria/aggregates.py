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
from core.data import kernels
from core.data.events import Events, Index, Rows
from core.data.values import ABSENT, FIRST, LIMB, NO_MOMENT, Codes, Column, Dictionary, Millis, merge

if TYPE_CHECKING:
    from core.criteria.comparison import Comparison
    from core.sql import Sql, SqlScope

Profiles = npt.NDArray[np.uint32]

UNIQUE_LIST_LIMIT = 100
_MOST: Final = 1 << 62
"""No whole number that is added up may come near to this."""

_TEXTS: Final = pl.DataFrame(schema={"text": pl.String, "tag": pl.String})


@dataclass(frozen=True)
class Piece:
    """Values of some rows of a segment: whose each is, and as codes. `rows` in the same order, for their times."""

    events: Events
    rows: Rows | Index
    profile: Profiles
    column: Column

    def times(self) -> Millis:
        """UTC milliseconds, one a value."""
        return self.rows.times() if isinstance(self.rows, Rows) else self.events.times_of(self.rows)

    def arrival(self) -> Index:
        """Order of arrival, one a value."""
        arrival = self.events.arrival
        return self.rows.take(arrival) if isinstance(self.rows, Rows) else arrival[self.rows]


@dataclass(frozen=True)
class Gathered:
    """The values of qualifying events (or of their products) of `size` profiles, segment by segment."""

    size: int
    pieces: list[Piece]

    def by_text(self) -> tuple[Profiles, Index, Index, pl.Series]:
        """Distinct (profile, text) with how often, ordered by both; a text is its place in the last, tagged."""
        dictionaries = [piece.column.dictionary for piece in self.pieces]
        known = pl.concat([_TEXTS, *(pl.DataFrame({"text": each.raw, "tag": each.tags}) for each in dictionaries)])
        known = known.drop_nulls().group_by("text").agg(pl.col("tag").max()).sort("text")
        width, texts = max(len(known), 1), pl.Enum(known["text"])
        pairs = [np.zeros(0, np.int64)]
        for piece, dictionary in zip(self.pieces, dictionaries, strict=True):
            ids = dictionary.raw.cast(texts).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
            rows, at = piece.column.flat()
            readable = ids[at] >= 0
            pairs.append(piece.profile[rows[readable]].astype(np.int64) * width + ids[at[readable]])
        every = np.sort(np.concatenate(pairs))
        begins = np.flatnonzero(np.diff(every, prepend=-1))
        counts = np.diff(begins, append=len(every))
        tagged = pl.select(pl.concat_str(pl.lit(known["tag"]), pl.lit(known["text"]))).to_series()
        return (every[begins] // width).astype(np.uint32), every[begins] % width, counts, tagged

    def limbs(self, rows: int) -> tuple[int, list[tuple[Index, ...]]]:
        """A power of ten that makes every number whole, and for every piece the numbers of its texts times it in limbs.

        As many limbs for all; only one where the sum of so many rows fits into it.
        """
        decimals = max((piece.column.dictionary.decimals for piece in self.pieces), default=0)
        found = [piece.column.dictionary.limbs(decimals) for piece in self.pieces]
        most = max((len(limbs) for limbs in found), default=1)
        largest = max((int(np.abs(limbs[-1]).max(initial=0)) for limbs in found), default=0)
        if most == 1 and largest * max(rows, 1) < _MOST:
            return 10**decimals, found
        split = [(limbs[0] % LIMB, limbs[0] // LIMB) if len(limbs) == 1 else limbs for limbs in found]
        most = max(most, 2)
        return 10**decimals, [(*limbs, *[np.zeros_like(limbs[0])] * (most - len(limbs))) for limbs in split]

    def numbers(self) -> npt.NDArray[np.int64]:
        """How many values that read as a number each profile has."""
        counts = np.zeros(self.size, np.int64)
        for piece in self.pieces:
            ones = piece.column.dictionary.numeric.astype(np.int64)
            kernels.add(piece.profile, piece.column.codes, piece.column.dictionary.over_codes(np.add, ones), counts)
        return counts


def total(values: Gathered) -> Amounts:
    """`sum`: 0 where there is no value."""
    scale, limbs = values.limbs(sum(len(piece.profile) for piece in values.pieces))
    sums = [np.zeros(values.size, np.int64) for _ in limbs[0]] if limbs else [np.zeros(values.size, np.int64)]
    for piece, mine in zip(values.pieces, limbs, strict=True):
        for limb, added in zip(mine, sums, strict=True):
            kernels.add(piece.profile, piece.column.codes, piece.column.dictionary.over_codes(np.add, limb), added)
    for at in range(1, len(sums)):  # carried over, so that no two limbs cancel each other out
        sums[at] += sums[at - 1] // LIMB
        sums[at - 1] %= LIMB
    return Amounts(tuple(sums), scale, None, np.ones(values.size, np.bool_))


def average(values: Gathered) -> Amounts:
    """`average`: nothing where there is no value."""
    sums, counts = total(values), values.numbers()
    return Amounts(sums.limbs, sums.scale, counts, counts > 0)


def extreme(values: Gathered, largest: bool) -> Amounts:
    """`minimum` / `maximum`: nothing where there is no value."""
    scale, limbs = values.limbs(rows=1)
    every = [np.concatenate(each) for each in zip(*limbs, strict=True)] or [np.zeros(0, np.int64)]
    # What is compared: the number itself, or where it has several limbs its place among all of them.
    order = np.lexsort(every) if len(every) > 1 else None
    weights = every[0] if order is None else np.argsort(order)
    turn = 1 if largest else -1
    best = np.full(values.size, NO_MOMENT, np.int64)
    at = 0
    for piece in values.pieces:
        dictionary = piece.column.dictionary
        mine = np.where(dictionary.numeric, weights[at : at + len(dictionary.texts)] * turn, NO_MOMENT)
        at += len(dictionary.texts)
        kernels.highest(piece.profile, dictionary.over_codes(np.maximum, mine)[piece.column.codes], best)
    present = best != NO_MOMENT
    best = np.where(present, best * turn, 0)
    chosen = [best] if order is None else [limb[order[best]] for limb in every]
    return Amounts(tuple(chosen), scale, None, present)


def unique_count(values: Gathered) -> Counts:
    """`unique_count`: distinct texts, case kept; 0 where there is no value."""
    return Counts(np.bincount(values.by_text()[0], minlength=values.size))


def edge(values: Gathered, last: bool) -> Values:
    """`first` / `last` value that is not null; of events at one moment the later arrival is last."""
    turn = 1 if last else -1
    held = [piece.column.codes >= FIRST for piece in values.pieces]
    for ordered in (Piece.times, Piece.arrival):
        best = np.full(values.size, NO_MOMENT, np.int64)
        whens = [ordered(piece)[mask] * turn for piece, mask in zip(values.pieces, held, strict=True)]
        for piece, mask, when in zip(values.pieces, held, whens, strict=True):
            kernels.highest(piece.profile[mask], when, best)
        for piece, mask, when in zip(values.pieces, held, whens, strict=True):
            mask[mask] = when == best[piece.profile[mask]]
    columns = merge([piece.column.take(np.flatnonzero(mask)) for piece, mask in zip(values.pieces, held, strict=True)])
    codes: Codes = np.zeros(values.size, np.uint32)
    for piece, mask, column in zip(values.pieces, held, columns, strict=True):
        codes[piece.profile[mask][::turn]] = column.codes[::turn]  # several products of one event: in their order
    return Values(Column(codes, columns[0].dictionary if columns else Column.missing(0).dictionary))


def most_frequent(values: Gathered) -> Values:
    """The value met most often; ties go to the alphabetically first. Absent where there is no value."""
    profile, ids, counts, texts = values.by_text()
    order = np.lexsort((-ids, counts, profile))  # the last of a profile: most often, then alphabetically first
    codes: Codes = np.full(values.size, ABSENT, np.uint32)
    codes[profile[order]] = ids[order] + FIRST
    return Values(Column(codes, Dictionary(texts)))


def unique_list(values: Gathered) -> Values:
    """The distinct texts of each profile, alphabetical, the first 100. Absent where there is no value."""
    profile, ids, _, tagged = values.by_text()
    texts = tagged.str.slice(1).to_list()
    lists: dict[int, list[str]] = defaultdict(list)
    for who, number in zip(profile.tolist(), ids.tolist(), strict=True):
        if len(lists[who]) < UNIQUE_LIST_LIMIT:
            lists[who].append(texts[number])
    entries: list[str | None] = [None] * values.size
    for who, items in lists.items():
        entries[who] = "l" + orjson.dumps(items).decode()
    return Values(Column.of(pl.Series(entries, dtype=pl.String)))


def moment(rows: list[Rows], size: int, last: bool) -> Moments:
    """`first_timestamp` / `last_timestamp` of events."""
    turn = 1 if last else -1
    best = np.full(size, NO_MOMENT, np.int64)
    for part in rows:
        kernels.highest(part.take(part.events.profile), part.times() * turn, best)
    return Moments(np.where(best == NO_MOMENT, NO_MOMENT, best * turn))


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

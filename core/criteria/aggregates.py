"""Aggregates over a user's events or products: one value a profile, exact in decimal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from core.criteria.matchers import Number, Presence
from core.criteria.measures import Amounts, Counts, Measure, Values
from core.data import kernels, loops
from core.data.coded import ABSENT, FIRST, LIMB, Codes, Column, Dictionary
from core.data.columns import DAY_MS, EventStore, Products
from core.data.events import Index, Rows
from core.data.values import NO_MOMENT, Mask
from core.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from core.criteria.comparison import Comparison
    from core.sql import Sql, SqlScope

Profiles = npt.NDArray[np.uint32]
Sums = npt.NDArray[np.signedinteger[Any]]

UNIQUE_LIST_LIMIT = 100
_MOST: Final = 1 << 62
"""No whole number that is added up may come near to this."""


@dataclass(frozen=True)
class Piece:
    """Values of some events of a store, or of their products: a column, and which of its rows count."""

    frame: EventStore | Products
    rows: Rows
    column: Column
    keep: Mask

    def ranges(self, starts: Index, stops: Index) -> kernels.Ranges:
        """Ranges of the segment's rows as ranges of the column's, with what is kept of them."""
        return self.frame.places(starts), self.frame.places(stops), self.keep

    def part(self, *columns: npt.NDArray[Any]) -> kernels.Part:
        """Whose each value is and its code, as kernels read them; tables for the codes follow."""
        ranges = self.ranges(self.rows.starts, self.rows.stops)
        return kernels.Part(self.frame.profile, ranges, (self.column.codes, *columns))

    def timed(self, table: Codes) -> kernels.Part:
        """The same in order of time and arrival."""
        starts, stops, days = self.rows.runs()
        columns = (self.column.codes, table, self.frame.clock, self.frame.arrival)
        return kernels.Part(self.frame.profile, self.ranges(starts, stops), columns, (days * DAY_MS,))

    @cached_property
    def size(self) -> int:
        """How many rows of the column lie in the ranges."""
        starts, stops, _ = self.ranges(self.rows.starts, self.rows.stops)
        return int((stops - starts).sum())

    def taken(self) -> tuple[Profiles, Codes]:
        """The codes that count, row by row, and whose each is."""
        starts, stops, keep = self.ranges(self.rows.starts, self.rows.stops)
        at = loops.rows_of(starts, stops)
        profile, codes = self.frame.profile[at], self.column.codes[at]
        return (profile[keep], codes[keep]) if len(keep) else (profile, codes)


@dataclass(frozen=True)
class Gathered:
    """The values of qualifying events (or of their products) of `size` profiles, segment by segment."""

    size: int
    pieces: list[Piece]
    vocabulary: Vocabulary

    def common(self) -> tuple[Dictionary, list[Codes]]:
        """One dictionary for all pieces, and for each of them the code in it of every code of its own."""
        own = [piece.column.dictionary for piece in self.pieces]
        whole = self.vocabulary.of(own)
        return whole, [_every_code(each) if (codes := self.vocabulary.codes(each)) is None else codes for each in own]

    def rows_by_text(self) -> tuple[Profiles, Profiles, pl.Series]:
        """(profile, text) of every value; a text is its place in the last, tagged, alphabetical."""
        whole, tables = self.common()
        places, texts = whole.places_by_text
        by_code = np.concatenate([[-1, -1], places]).astype(np.int32)
        whose, which = [np.zeros(0, np.uint32)], [np.zeros(0, np.int32)]
        for piece, table in zip(self.pieces, tables, strict=True):
            profile, codes = piece.taken()
            if whole.several:
                rows, at = Column(table[codes], whole).flat()
                profile, found = profile[rows], places[at].astype(np.int32)
            else:
                found = by_code[table][codes]
            readable = found >= 0
            every = readable.all()
            whose.append(profile if every else profile[readable])
            which.append(found if every else found[readable])
        return np.concatenate(whose), np.concatenate(which).view(np.uint32), texts

    def by_text(self) -> tuple[Profiles, Index, Index, pl.Series]:
        """Distinct (profile, text) with how often, ordered by both; a text is its place in the last, tagged."""
        profile, places, texts = self.rows_by_text()
        width = max(len(texts), 1)
        every = np.sort(profile.astype(np.int64) * width + places)
        begins = np.flatnonzero(np.diff(every, prepend=-1))
        counts = np.diff(begins, append=len(every))
        return (every[begins] // width).astype(np.uint32), every[begins] % width, counts, texts

    @property
    def decimals(self) -> int:
        """How many decimals the numbers have at most."""
        return decimals_of(piece.column.dictionary for piece in self.pieces)

    def addends(self) -> list[tuple[Index, ...]]:
        """For every piece what its codes add to a sum, times 10^decimals, in limbs, as many for all."""
        dictionaries = [piece.column.dictionary for piece in self.pieces]
        decimals = decimals_of(dictionaries)
        every = [dictionary.addends(decimals)[0] for dictionary in dictionaries]
        return every if one_limb(dictionaries, sum(piece.size for piece in self.pieces)) else _alike(every)

    def added(self, decimals: int) -> Sums:
        """The sum of each profile's numbers times 10^decimals, where `one_limb` holds it; as narrow as it may be."""
        parts = [piece.part(*piece.column.dictionary.halves(decimals)) for piece in self.pieces]
        return kernels.add(parts, self.size, narrow=True)

    def numbers(self) -> Sums:
        """How many values that read as a number each profile has; as narrow as they may be."""
        tables = [kernels.halves(piece.column.dictionary.numbers_a_code) for piece in self.pieces]
        parts = [piece.part(*table) for piece, table in zip(self.pieces, tables, strict=True)]
        return kernels.add(parts, self.size, narrow=True)


def decimals_of(dictionaries: Iterable[Dictionary]) -> int:
    """How many decimals the numbers of dictionaries have at most."""
    return max((each.decimals for each in dictionaries), default=0)


def one_limb(dictionaries: list[Dictionary], rows: int) -> bool:
    """Whether one limb holds every sum of so many numbers of dictionaries."""
    decimals = decimals_of(dictionaries)
    known = [each.addends(decimals) for each in dictionaries]
    largest = max((largest for _, largest in known), default=0)
    return all(len(limbs) == 1 for limbs, _ in known) and largest * max(rows, 1) < _MOST


def _every_code(dictionary: Dictionary) -> Codes:
    return np.arange(len(dictionary), dtype=np.uint32)


def _alike(found: list[tuple[Index, ...]]) -> list[tuple[Index, ...]]:
    """Numbers in limbs, two or more and as many for all."""
    split = [(limbs[0] % LIMB, limbs[0] // LIMB) if len(limbs) == 1 else limbs for limbs in found]
    most = max(map(len, split), default=2)
    return [(*limbs, *[np.zeros_like(limbs[0])] * (most - len(limbs))) for limbs in split]


def total(values: Gathered) -> Amounts:
    """`sum`: 0 where there is no value."""
    sums = [
        kernels.add(
            [piece.part(*kernels.halves(limb)) for piece, limb in zip(values.pieces, each, strict=True)], values.size
        )
        for each in zip(*values.addends(), strict=True)
    ] or [np.zeros(values.size, np.int64)]
    for at in range(1, len(sums)):  # carried over, so that no two limbs cancel each other out
        sums[at] += sums[at - 1] // LIMB
        sums[at - 1] %= LIMB
    return summed(tuple(sums), values.decimals)


def summed(sums: tuple[Sums, ...], decimals: int) -> Amounts:
    """Sums in limbs, times 10^decimals."""
    return Amounts(sums, 10**decimals, None, np.ones(len(sums[0]), np.bool_))


def average(values: Gathered) -> Amounts:
    """`average`: nothing where there is no value."""
    return averaged(total(values), values.numbers())


def averaged(sums: Amounts, counts: Sums) -> Amounts:
    """Sums divided by how many numbers they are of."""
    return Amounts(sums.limbs, sums.scale, counts, counts > 0)


def extreme(values: Gathered, largest: bool) -> Amounts:
    """`minimum` / `maximum`: nothing where there is no value."""
    found = [piece.column.dictionary.limbs(values.decimals) for piece in values.pieces]
    if any(len(limbs) > 1 for limbs in found):
        found = _alike(found)
    every = [np.concatenate(each) for each in zip(*found, strict=True)] or [np.zeros(0, np.int64)]
    # What is compared: the number itself, or where it has several limbs its place among all of them.
    order = np.lexsort(every) if len(every) > 1 else None
    weights = every[0] if order is None else np.argsort(order)
    turn, one = (1 if largest else -1), np.ones(1, np.int64)
    parts, at = [], 0
    for piece in values.pieces:
        dictionary = piece.column.dictionary
        mine = np.where(dictionary.numeric, weights[at : at + len(dictionary.texts)] * turn, NO_MOMENT)
        at += len(dictionary.texts)
        part = piece.part(dictionary.over_codes(np.maximum, mine), one)
        parts.append(part._replace(each=(np.zeros(len(part.ranges[0]), np.int64),)))
    best = kernels.highest(parts, values.size)
    present = best != NO_MOMENT
    best = np.where(present, best * turn, 0)
    chosen = [best] if order is None else [limb[order[best]] for limb in every]
    return Amounts(tuple(chosen), 10**values.decimals, None, present)


def unique_count(values: Gathered) -> Counts:
    """`unique_count`: distinct texts, case kept; 0 where there is no value."""
    profile, ids, texts = values.rows_by_text()
    return Counts(kernels.distinct(profile, ids, len(texts), values.size))


def edge(values: Gathered, last: bool) -> Values:
    """`first` / `last` value that is not null; of events at one moment the later arrival is last."""
    whole, tables = values.common()
    parts = []
    for piece, table in zip(values.pieces, tables, strict=True):
        parts.append(piece.timed(np.where(table < FIRST, 0, table)))
    return Values(Column(kernels.edge(parts, 1 if last else -1, values.size), whole))


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


FUNCTIONS: Final[dict[str, Callable[[Gathered], Measure]]] = {
    "sum": total,
    "average": average,
    "minimum": lambda values: extreme(values, largest=False),
    "maximum": lambda values: extreme(values, largest=True),
    "unique_count": unique_count,
    "first": lambda values: edge(values, last=False),
    "last": lambda values: edge(values, last=True),
    "most_frequent": most_frequent,
    "unique_list": unique_list,
}
"""The aggregate functions of DEFINITION 3.1, and what calculated attributes know beside them."""


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

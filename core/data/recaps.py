"""Recaps: what the events of one name come to for each profile, so that windows are answered without counting them all.

A recap holds each profile's newest moment, and how many events it had before some days. It covers most segments; those
that arrived since are looked at row by row, until they are so many that the recap is made again. It is kept in the
column cache, beside the oldest segment that it covers, and may be lost like everything there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data import kernels, per_profile, worth
from core.data.columns import DAY_MS
from core.data.events import Events, Index, Rows, Spans
from core.data.letters import Arrays, text_arrays, texts
from core.data.loops import NEVER
from core.data.values import Mask, Millis

LEAST: Final = 100_000
"""Fewer rows are counted as fast."""

STEPS: Final = 2
"""There are so many steps for as many rows as there are profiles, ..."""

MOST_STEPS: Final = 32
"""... but no more than these in all."""

SUM_STEPS: Final = 8
"""The same of sums, as adding rows up takes longer than counting them, ..."""

MOST_SUM_STEPS: Final = 16
"""... and they are at least four times as wide as counts."""

YOUNG: Final = 256
"""The newest segments that hold together at most one in so many rows are left out: they will soon be compacted."""

STALE: Final = 16
"""A recap serves as long as it leaves out at most one in so many rows."""

_BYTE: Final = 256
_EVER: Final = 1 << 62

Counts = npt.NDArray[np.signedinteger[Any]]
Ends = tuple[int, int]
"""The first and the last moment of a stretch, both included."""
Add = Callable[[Spans], Counts]
"""Adds up a number of the events in spans, for each of all profiles; int32 where all sums are `kernels.NARROW`."""
Kinds = tuple[tuple[str, frozenset[str | None]], ...]
"""Kinds of events, each with names of it that are left out."""


@dataclass(frozen=True)
class Which:
    """Some events of a workspace, by kinds and name (None: any). `once`: without those that another kind holds too."""

    workspace: str
    name: str | None
    kinds: Kinds
    once: bool = False

    @property
    def text(self) -> str:
        """What tells these from all others."""
        kinds = [(kind, sorted(map(repr, names))) for kind, names in self.kinds]
        return repr((self.workspace, self.name, kinds, self.once))

    def groups(self, events: Events) -> Index:
        """The numbers of the groups of a segment that hold them."""
        return events.chosen(self.workspace, self.name, self.kinds)

    def size(self, events: Events) -> int:
        """How many a segment has."""
        return sum(events.groups[at].last - events.groups[at].first for at in self.groups(events).tolist())

    def rows(self, events: Events, first_ms: int, last_ms: int) -> list[Rows]:
        """Those of a segment between two moments, both included."""
        return events.rows(self.groups(events), first_ms, last_ms, self.once)


@dataclass(frozen=True)
class Recap:
    """What some events of some segments come to, for the profiles that there were when it was made."""

    which: Which
    covered: tuple[Events, ...]
    inputs: frozenset[str]
    """The inputs through which the covered segments came."""
    latest: Millis
    """Each profile's newest moment, `NEVER` where it has none."""
    bounds: Index
    """Ascending moments: the first day's beginning, the beginnings of days between, and the first moment after all."""
    before: npt.NDArray[np.uint8]
    """How many events of each profile lie before each bound, modulo 256: shape (bounds, profiles)."""
    often: npt.NDArray[np.uint32]
    """The profiles that have more events than a byte counts."""
    often_before: Index
    """How many of theirs lie before each bound: shape (bounds, len(often))."""

    @classmethod
    def of(cls, which: Which, covered: Sequence[Events], arrays: Arrays, size: int) -> Recap:
        """The recap of `arrays`, which a later version may have made, for at most `size` profiles: the covered segments
        have none beyond."""
        bounds, latest = arrays["bounds"], arrays["latest"][:size]
        before, often_before = (arrays[name].reshape(len(bounds), -1) for name in ("before", "often_before"))
        inputs = frozenset(texts(arrays, "inputs").to_list())
        return cls(which, tuple(covered), inputs, latest, bounds, before[:, :size], arrays["often"], often_before)

    @staticmethod
    def arrays(which: Which, covered: Sequence[Events], size: int) -> Arrays:
        """What the cache keeps of some events of segments with `size` profiles."""
        rows = [part for events in covered for part in which.rows(events, -_EVER, _EVER)]
        latest, total = per_profile.latest(rows, size), per_profile.counted(rows, size)
        days = _days(rows, min(STEPS * int(total.sum()) // max(size, 1), MOST_STEPS))
        bounds = np.append(days * DAY_MS, max(int(latest.max(initial=NEVER)), int(days[-1]) * DAY_MS) + 1)
        often = np.flatnonzero(total >= _BYTE)
        before, often_before = np.zeros((len(bounds), size), np.uint8), np.zeros((len(bounds), len(often)), np.int64)
        so_far = np.zeros(size, total.dtype)
        for at, begin in enumerate(days[:-1] * DAY_MS, 1):
            stretch = int(begin), int(bounds[at]) - 1
            so_far += per_profile.counted((part for events in covered for part in which.rows(events, *stretch)), size)
            before[at], often_before[at] = so_far & (_BYTE - 1), so_far[often]
        before[-1], often_before[-1] = total & (_BYTE - 1), total[often]
        inputs = pl.Series(sorted({name for events in covered for name in events.inputs[0]}), dtype=pl.String)
        return {
            "latest": latest,
            "bounds": bounds,
            "before": before.ravel(),
            "often": often.astype(np.uint32),
            "often_before": often_before.ravel(),
            **text_arrays(inputs, "inputs"),
        }

    @property
    def source(self) -> str:
        """What tells the covered segments from all others."""
        return _source(self.covered)

    def since(self, first_ms: int) -> Mask:
        """Who has one of the events at a moment or later."""
        if first_ms > self.bounds[0]:
            return np.asarray(self.latest >= first_ms)
        some: Mask = self.before[-1] != 0
        some[self.often] = True
        return some

    def between(self, first_ms: int, last_ms: int) -> Counts:
        """How many of the events each profile has between two moments, both included; as narrow as they may be.

        Events between a moment and the bound that is nearest to it are counted row by row.
        """
        way = _way(self.bounds, first_ms, last_ms)
        counts: Counts = (self.before[way.high] - self.before[way.low]).astype(self._counter)
        counts[self.often] = self.often_before[way.high] - self.often_before[way.low]
        if way.more:
            np.add(counts, self._counted(way.more), out=counts, casting="same_kind")
        if way.less:
            np.subtract(counts, self._counted(way.less), out=counts, casting="same_kind")
        return counts

    @cached_property
    def _counter(self) -> type[np.signedinteger[Any]]:
        """What holds all that anybody has."""
        most = int(self.often_before.max(initial=_BYTE))
        return next(each for each in (np.int16, np.int32, np.int64) if most <= np.iinfo(each).max)

    def _counted(self, stretches: Sequence[Ends]) -> Counts:
        """How many events each profile has in stretches."""
        spans = [(events, *ends) for events in self.covered for ends in stretches]
        return per_profile.counted((part for span in spans for part in self.which.rows(*span)), len(self.latest))


class Way(NamedTuple):
    """How to a window: from one bound to another, with some stretches more and without some."""

    low: int
    high: int
    more: list[Ends]
    less: list[Ends]


def _way(bounds: Index, first_ms: int, last_ms: int) -> Way:
    """The way to the window between two moments, both included, that looks at the shortest stretches."""
    first, stop = max(first_ms, int(bounds[0])), min(last_ms + 1, int(bounds[-1]))
    if first >= stop:
        return Way(0, 0, [], [])
    low, high = _nearest(bounds, first), _nearest(bounds, stop)
    edges = (first, int(bounds[low])), (int(bounds[high]), stop)
    if sum(abs(end - begin) for begin, end in edges) >= stop - first:
        return Way(0, 0, [(first, stop - 1)], [])
    more = [(begin, end - 1) for begin, end in edges if begin < end]
    return Way(low, high, more, [(end, begin - 1) for begin, end in edges if begin > end])


def _nearest(bounds: Index, at_ms: int) -> int:
    """The number of the bound that is nearest to a moment, which is not before the first and not after the last."""
    after = int(bounds.searchsorted(at_ms))
    near = after > 0 and at_ms - bounds[after - 1] < bounds[after] - at_ms
    return after - 1 if near else after


def _days(rows: Iterable[Rows], steps: int) -> Index:
    """The first day of rows, and others before which there are about as many rows each time; two at least."""
    starts, stops, days = (np.concatenate(each) for each in zip(*(part.runs() for part in rows), strict=True))
    every, which = np.unique(days, return_inverse=True)
    before = np.concatenate([[0], np.cumsum(np.bincount(which, weights=stops - starts))])
    steps = max(steps, 2)
    found: Index = np.unique(before[:-1].searchsorted(np.arange(steps) * before[-1] / steps))
    return every[found[found < len(every)]]


@dataclass(frozen=True)
class Sums:
    """What a number of a recap's events adds up to for each profile."""

    recap: Recap
    bounds: Index
    """Ascending moments like those of the recap, the first and the last the same as it had when they were made."""
    since: Counts
    """The sums of what happened at each bound or later, the last left aside: shape (bounds - 1, profiles)."""

    @classmethod
    def of(cls, recap: Recap, what: str, add: Add) -> Sums:
        """The sums of what `add` adds, which is told by `what`; from the column cache or made."""
        size = len(recap.latest)
        rows = sum(recap.which.size(events) for events in recap.covered)

        def make() -> Arrays:
            every = [part for events in recap.covered for part in recap.which.rows(events, -_EVER, _EVER)]
            days = _days(every, min(SUM_STEPS * rows // max(size, 1), MOST_SUM_STEPS))
            bounds = np.append(days * DAY_MS, recap.bounds[-1])
            since = np.zeros((len(bounds), size), np.int64)
            for at in reversed(range(len(days))):
                ends = int(bounds[at]), int(bounds[at + 1]) - 1
                np.add(since[at + 1], add(dict.fromkeys(recap.covered, ends))[:size], out=since[at])
            narrow = max(since.max(initial=0), -since.min(initial=0)) < kernels.NARROW
            return {"bounds": bounds, "since": since[:-1].ravel().astype(np.int32 if narrow else np.int64, copy=False)}

        arrays = recap.covered[0].source.cache.bundle(f"sums/{recap.which.text}/{what}", recap.source, rows, make)
        return cls(recap, arrays["bounds"], arrays["since"].reshape(len(arrays["bounds"]) - 1, -1)[:, :size])

    def between(self, told: Told, size: int, add: Add) -> Counts:
        """The sums over a window for `size` profiles, not to be changed.

        What lies between the ends of the window and the bounds that are nearest to them is added row by row.
        """
        way = _way(self.bounds, told.first_ms, told.last_ms)
        parts: list[tuple[np.ufunc, Spans]] = [(np.add, dict.fromkeys(self.recap.covered, ends)) for ends in way.more]
        parts += [(np.subtract, dict.fromkeys(self.recap.covered, ends)) for ends in way.less]
        if told.others:
            parts.append((np.add, dict.fromkeys(told.others, (told.first_ms, told.last_ms))))
        sums: Counts = _grown(self._known(way.low, way.high), size, nothing=0)
        for join, spans in parts:
            sums = join(sums, add(spans))
        return sums

    def _known(self, low: int, high: int) -> Counts:
        """The sums from one bound to another."""
        if low == high:
            return np.zeros(self.since.shape[1], self.since.dtype)
        sums: Counts = self.since[low]
        return sums if high == len(self.since) else sums - self.since[high]


@dataclass(frozen=True)
class Told:
    """The events of one name between two moments, both included: what a recap tells, and rows that it leaves out."""

    recap: Recap | None
    first_ms: int
    last_ms: int
    others: list[Events]
    """The segments that the recap does not cover."""
    rest: list[Rows]
    """Their rows."""

    def some(self, size: int) -> Mask:
        """Which of `size` profiles have one."""
        if self.recap is None:
            some = np.zeros(size, np.bool_)
        elif self._newest_known:
            some = _grown(self.recap.since(self.first_ms), size, nothing=False)
        else:
            some = _grown(self.recap.between(self.first_ms, self.last_ms) > 0, size, nothing=False)
        return per_profile.marked(self.rest, some)

    def counted(self, size: int) -> Counts:
        """How many each of `size` profiles has."""
        if self.recap is None:
            return per_profile.counted(self.rest, size)
        counts = _grown(self.recap.between(self.first_ms, self.last_ms), size, nothing=0)
        return np.add(counts, per_profile.counted(self.rest, size), dtype=np.int64) if self.rest else counts

    def newest(self, size: int) -> Millis | None:
        """The moment of each profile's newest one; where it has none, any moment before `first_ms`.

        None where the recap cannot tell, as it knows of later ones. Not to be changed.
        """
        if self.recap is None:
            return per_profile.latest(self.rest, size)
        if not self._newest_known:
            return None
        known = _grown(self.recap.latest, size, nothing=NEVER)
        return per_profile.latest(self.rest, size, known) if self.rest else known

    @property
    def _newest_known(self) -> bool:
        """Whether the recap knows of none after `last_ms`."""
        return self.recap is not None and self.last_ms + 1 >= self.recap.bounds[-1]


def _grown(values: npt.NDArray[Any], size: int, nothing: int) -> npt.NDArray[Any]:
    """With an entry for each profile that came later."""
    return values if len(values) == size else np.append(values, np.full(size - len(values), nothing, values.dtype))


def recap_of(which: Which, segments: Sequence[Events], size: int, known: Recap | None) -> Recap | None:
    """The recap of some events of segments (oldest first) with `size` profiles; None where they are too few.

    `known`, or else what the column cache has, serves as long as it leaves little out.
    """
    rows = {events: count for events in segments if (count := which.size(events))}
    total = sum(rows.values())
    if not total or 2 * total < size or not worth.pays(total >= LEAST):
        return None
    if known is not None and _left_out(rows, known.covered) * STALE <= total:
        return known
    named = {events.source.identity: events for events in rows}
    cache, name = next(iter(rows)).source.cache, f"recap/{which.text}"

    def serves(source: str) -> bool:
        covered = [named[each] for each in source.split("/") if each in named]
        return len(covered) == source.count("/") + 1 and _left_out(rows, covered) * STALE <= total

    found = cache.kept(name, serves)
    if found is None:
        covered = _settled(rows, total)
        source = _source(covered)
        found = source, cache.keep(name, source, total, Recap.arrays(which, covered, size))
    return Recap.of(which, [named[each] for each in found[0].split("/")], found[1], size)


def _source(covered: Iterable[Events]) -> str:
    return "/".join(events.source.identity for events in covered)


def _left_out(rows: Mapping[Events, int], covered: Iterable[Events]) -> int:
    """How many rows lie in segments that are not covered; all of them where a covered one is gone."""
    every = sum(rows.values())
    mine = [rows.get(events) for events in covered]
    return every if None in mine else every - sum(count for count in mine if count is not None)


def _settled(rows: Mapping[Events, int], total: int) -> list[Events]:
    """The segments without the newest few rows."""
    covered = list(rows)
    young = 0
    while len(covered) > 1 and (young := young + rows[covered[-1]]) * YOUNG <= total:
        covered.pop()
    return covered

"""The events of one segment as rows of columns, and selections of them.

Rows lie in (workspace, kind, name, UTC day, profile, arrival) order. A *run* is the rows of one name and day, so an
event name is a range of runs, a window of it a narrower one, and the timestamps are read on the two days that a window
cuts only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data import kernels, loops
from core.data.coded import Codes, narrow
from core.data.columns import DAY_MS, EventStore, Group, Source
from core.data.letters import Arrays, text_arrays, texts
from core.data.memory import Memory
from core.data.runs import DAY_BITS, DAY_ZERO, DAYS, directory, run_arrays
from core.data.schema import scan
from core.data.values import Mask, Millis

_BIG: Final = 50_000
_SHARE: Final = 0.01
"""An event name with so many rows, and so much of its kind, has a store of its own; hundreds of screens share one.

The column cache follows them: who changes one counts its format up (`core.data.cache`).
"""

_FEW: Final = 1 << 14
"""So many rows cost less to look at than to split."""

Index = npt.NDArray[np.int64]
_SERIALS: Final = count()


class Events:
    """The events file of one segment. Immutable; what is asked for is read once, from the column cache if it is there.

    A group's number is its place in `groups`; `slots` are the runs, ascending: group << 32 | day.
    """

    def __init__(self, file: Path, rows: int, first_ms: int, last_ms: int, memory: Memory) -> None:
        """`first_ms`, `last_ms`: no event lies outside of the two. `memory` holds the columns that are asked for."""
        self.source, self.memory, self.serial = Source(file), memory, next(_SERIALS)
        self.size, self.first_ms, self.last_ms = rows, first_ms, last_ms
        arrays = self.source.bundle("directory", rows, lambda: directory(file))
        columns = [texts(arrays, column).to_list() for column in ("workspace", "kind", "name")]
        bounds = [arrays[column].tolist() for column in ("named", "first", "last")]
        self.groups = [
            Group(workspace, kind, name if named else None, first, last)
            for workspace, kind, name, named, first, last in zip(*columns, *bounds, strict=True)
        ]
        clusters = list(_clusters(self.groups))
        self.stores = [EventStore(self, some) for some in clusters]
        """Where the properties of events are read; each holds rows of one workspace and kind."""
        self._chosen: dict[tuple[Any, ...], Index] = {}
        self._first_groups = np.cumsum([0, *map(len, clusters)])

    @cached_property
    def store_runs(self) -> Index:
        """The first run of every store, and behind them how many runs there are."""
        starts = [store.start for store in self.stores]
        return np.append(self.begins.searchsorted(starts), len(self.slots))

    @cached_property
    def _rows(self) -> Arrays:
        bounds = np.array([(group.first, group.last) for group in self.groups], np.int64).reshape(-1, 2)
        return self.source.bundle("rows", self.size, lambda: run_arrays(self.source.file, bounds, self.size))

    @property
    def profile(self) -> npt.NDArray[np.uint32]:
        """Profile index, one a row."""
        return self._rows["profile"]

    @property
    def clock(self) -> npt.NDArray[np.uint32]:
        """Milliseconds since the UTC day began, one a row."""
        return self._rows["clock"]

    @property
    def slots(self) -> Index:
        """The runs."""
        return self._rows["slots"]

    @property
    def begins(self) -> Index:
        """The row at which each run begins, and where the last one ends."""
        return self._rows["begins"]

    @property
    def also(self) -> Index:
        """The numbers of the rows that another kind holds too."""
        return self._rows["also"]

    @cached_property
    def arrival(self) -> Index:
        """Order of arrival, one a row."""

        def make() -> Arrays:
            return {"arrival": self.read("arrival")["arrival"].to_numpy()}

        return self.source.bundle("arrival", self.size, make)["arrival"]

    @cached_property
    def inputs(self) -> tuple[list[str], Codes]:
        """The input names and a code into them, one a row."""
        return self._coded("input")

    @cached_property
    def custom_types(self) -> tuple[list[str], Codes]:
        """The custom types and a code into them, one a row."""
        return self._coded("custom_type")

    def _coded(self, name: str) -> tuple[list[str], Codes]:
        def make() -> Arrays:
            values = self.read(name)[name].fill_null("")
            known = values.unique(maintain_order=True)
            codes = values.cast(pl.Enum(known)).to_physical().to_numpy()
            return {"codes": narrow(codes, len(known)), **text_arrays(known, "known")}

        arrays = self.source.bundle(name, self.size, make)
        return texts(arrays, "known").to_list(), arrays["codes"]

    def group_of(self, row: int) -> Group:
        """What a row is."""
        return next(group for group in self.groups if group.first <= row < group.last)

    def times_of(self, rows: Index) -> Millis:
        """UTC milliseconds of rows by their numbers."""
        run = np.searchsorted(self.begins, rows, "right") - 1
        return self.days(run) * DAY_MS + self.clock[rows]

    def days(self, runs: Index) -> Index:
        """The UTC day of runs, counted from 1970."""
        return (self.slots[runs] & ((1 << DAY_BITS) - 1)) - DAY_ZERO

    def read(self, *columns: str) -> pl.DataFrame:
        """Columns of the durable file."""
        return scan("events", [self.source.file], columns).collect()

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], dict[str | None, int]]:
        numbers: dict[tuple[str, str], dict[str | None, int]] = {}
        for number, group in enumerate(self.groups):
            numbers.setdefault((group.workspace, group.kind), {})[group.name] = number
        return numbers

    def chosen(self, workspace: str, name: str | None, kinds: tuple[tuple[str, frozenset[str | None]], ...]) -> Index:
        """The numbers of the groups of a workspace, of some kinds and a name (None: any), ascending.

        Each kind comes with the names of it that are left out.
        """
        key = workspace, name, kinds
        if key not in self._chosen:
            found: list[int] = []
            for kind, leave_out in kinds:
                known = self._numbers.get((workspace, kind), {})
                names = known if name is None else [name] if name in known else []
                found += [known[each] for each in names if each not in leave_out]
            self._chosen[key] = np.array(sorted(found), np.int64)
        return self._chosen[key]

    def groups_by_store(self, groups: Index) -> Iterator[tuple[EventStore, Index]]:
        """The stores of some groups (ascending), each with which of its names they are."""
        bounds = groups.searchsorted(self._first_groups)
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            yield self.stores[number], groups[bounds[number] : bounds[number + 1]] - self._first_groups[number]

    @cached_property
    def _also_groups(self) -> Index:
        firsts = [group.first for group in self.groups]
        return np.unique(np.searchsorted(firsts, self.also, "right") - 1)

    def rows(self, groups: Index, first_ms: int, last_ms: int, once: bool = False) -> list[Rows]:
        """The rows of some groups (ascending) between two moments, both included.

        Where they are many, those of days that are cut stand apart. `once`: without rows that another kind holds too.
        """
        if first_ms > last_ms or first_ms > self.last_ms or last_ms < self.first_ms or not len(groups):
            return []
        if once and len(self.also):
            twice = np.isin(groups, self._also_groups)
            found = [rows.once() for rows in self.rows(groups[twice], first_ms, last_ms)]
            return self.rows(groups[~twice], first_ms, last_ms) + found
        first_day = _day(first_ms) if first_ms > self.first_ms else -DAYS
        last_day = _day(last_ms) if last_ms < self.last_ms else DAYS
        cut = (
            first_ms > self.first_ms and first_ms % DAY_MS != 0,
            last_ms < self.last_ms and (last_ms + 1) % DAY_MS != 0,
        )
        whole = self._runs(groups, first_day, last_day)
        if not any(cut) or not whole.size:
            return [whole] if whole.size else []
        if whole.size <= _FEW:
            times = whole.times()
            return [whole.where((times >= first_ms) & (times <= last_ms))]
        days = {day for day, is_cut in zip((first_day, last_day), cut, strict=True) if is_cut}
        found = [self._runs(groups, day, day).between(first_ms, last_ms, day) for day in sorted(days)]
        if first_day + cut[0] <= last_day - cut[1]:
            found.insert(0, self._runs(groups, first_day + cut[0], last_day - cut[1]))
        return [rows for rows in found if rows.size]

    def of_workspace(self, workspace: str, after_ms: int, until_ms: int) -> list[Rows]:
        """The rows of a workspace after a moment and up to another, whatever their kind."""
        mine = [number for number, group in enumerate(self.groups) if group.workspace == workspace]
        return self.rows(np.array(mine, np.int64), max(self.first_ms, after_ms + 1), until_ms)

    def _runs(self, groups: Index, first_day: int, last_day: int) -> Rows:
        """The rows of some groups on some days."""
        base = groups << DAY_BITS
        first = self.slots.searchsorted(base + (first_day + DAY_ZERO), "left")
        last = self.slots.searchsorted(base + (last_day + DAY_ZERO), "right")
        some = last > first
        if not some.all():
            first, last = first[some], last[some]
        if len(first) > 1:  # neighbours become one range
            apart = np.ones(len(first) + 1, np.bool_)
            apart[1:-1] = first[1:] != last[:-1]
            first, last = first[apart[:-1]], last[apart[1:]]
        return Rows(self, first, last)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a segment: ranges of runs (`first` to before `last`, ascending), of those where `keep`.

    `keep` has one entry a row of all ranges, one behind the other; without entries every row is kept.
    """

    events: Events
    first: Index
    last: Index
    keep: Mask = field(default_factory=lambda: kernels.ALL)

    @cached_property
    def starts(self) -> Index:
        """The first row of each range."""
        return self.events.begins[self.first]

    @cached_property
    def stops(self) -> Index:
        """The row after the last of each range."""
        return self.events.begins[self.last]

    @cached_property
    def size(self) -> int:
        """How many rows the ranges hold, `keep` left aside."""
        return int((self.stops - self.starts).sum())

    def __len__(self) -> int:
        return int(np.count_nonzero(self.keep)) if len(self.keep) else self.size

    @property
    def ranges(self) -> kernels.Ranges:
        """Starts, stops and keep, as kernels read them."""
        return self.starts, self.stops, self.keep

    def take(self, values: npt.NDArray[Any], start: int = 0) -> npt.NDArray[Any]:
        """These rows of an array with one entry a row of the segment from `start` on."""
        whole = values[loops.rows_of(self.starts - start, self.stops - start)]
        return whole[self.keep] if len(self.keep) else whole

    def index(self) -> Index:
        """These rows' numbers in the segment."""
        whole = loops.numbers_of(self.starts, self.stops)
        return whole[self.keep] if len(self.keep) else whole

    def between(self, first_ms: int, last_ms: int, day: int) -> Rows:
        """Those between two moments, both included, all of them being of one UTC day."""
        low, high = max(first_ms - day * DAY_MS, 0), min(last_ms - day * DAY_MS, DAY_MS)
        return self.where(kernels.between(self.events.clock, self.starts, self.stops, low, high))

    def where(self, mask: Mask) -> Rows:
        """Those that a mask over the rows of all ranges accepts too."""
        return Rows(self.events, self.first, self.last, self.keep & mask if len(self.keep) else mask)

    def picked(self, codes: Codes, table: Mask, start: int = 0) -> Mask:
        """`table[code]` of the rows of all ranges, `codes` having one entry a row of the segment from `start` on."""
        return kernels.pick(codes, self.starts - start, self.stops - start, table)

    def of(self, coded: tuple[list[str], Codes], wanted: frozenset[str]) -> Rows:
        """Those whose text (`Events.inputs`, `Events.custom_types`) is wanted."""
        names, codes = coded
        if wanted.issuperset(names):
            return self
        return self.where(self.picked(codes, np.array([name in wanted for name in names], np.bool_)))

    def of_profiles(self, wanted: Mask) -> Rows:
        """Those of wanted profiles (bool, one a profile)."""
        return self.where(self.picked(self.events.profile, wanted))

    def once(self) -> Rows:
        """Without those that another kind holds too."""
        also = self.events.also
        if not len(also):
            return self
        mask = np.zeros(self.events.size, np.bool_)
        mask[also] = True
        mask = Rows(self.events, self.first, self.last).take(mask)
        return self.where(~mask)

    def by_store(self) -> Iterator[tuple[EventStore, Rows]]:
        """These rows store by store; the properties of rows are read there."""
        bounds, stores = self.events.store_runs, self.events.stores
        low = int(bounds.searchsorted(self.first[0], "right")) - 1
        high = int(bounds.searchsorted(self.last[-1], "left"))
        if high - low == 1:
            yield stores[low], self
            return
        at = 0
        for number in range(low, high):
            begin, end = bounds[number], bounds[number + 1]
            mine = (self.first < end) & (self.last > begin)
            if mine.any():
                rows = Rows(self.events, np.maximum(self.first[mine], begin), np.minimum(self.last[mine], end))
                if len(self.keep):
                    rows = rows.where(self.keep[at : at + rows.size])
                at += rows.size
                yield stores[number], rows

    @property
    def counted(self) -> kernels.Part:
        """Whose each row is, as kernels count it."""
        return kernels.Part(self.events.profile, self.ranges)

    @property
    def dated(self) -> kernels.Part:
        """Whose and when each row is: the column `clock`, and the beginning of the day, one a range."""
        starts, stops, days = self.runs()
        return kernels.Part(self.events.profile, (starts, stops, self.keep), (self.events.clock,), (days * DAY_MS,))

    def timed(self, turn: int) -> kernels.Part:
        """The same, as `kernels.highest` reads it; a `turn` of -1 asks for the earliest."""
        dated = self.dated
        return dated._replace(columns=(*dated.columns, kernels.NO_NUMBERS, np.array([turn])))

    def runs(self) -> tuple[Index, Index, Index]:
        """First row, row after the last and UTC day of every run."""
        runs = loops.numbers_of(self.first, self.last)
        return self.events.begins[runs], self.events.begins[runs + 1], self.events.days(runs)

    def times(self) -> Millis:
        """UTC milliseconds of these rows."""
        starts, stops, days = self.runs()
        times = np.repeat(days * DAY_MS, stops - starts)
        whole = times + Rows(self.events, self.first, self.last).take(self.events.clock)
        moments: Millis = whole[self.keep] if len(self.keep) else whole
        return moments


Spans = dict[Events, tuple[int, int]]
"""What of each segment is looked at: from a first to a last moment, both included."""


def minus(spans: Spans, others: Spans) -> tuple[Spans, Spans]:
    """What of spans lies before the others, and what lies after them."""
    before, after = {}, {}
    for events, (first, last) in spans.items():
        other_first, other_last = others.get(events, (last + 1, last))
        if first < other_first:
            before[events] = (first, min(last, other_first - 1))
        if last > other_last:
            after[events] = (max(first, other_last + 1), last)
    return before, after


def rows_about(spans: Spans) -> int:
    """How many rows spans hold, if their segments are as busy all the time."""
    return sum(
        events.size * (last - first + 1) // (events.last_ms - events.first_ms + 1)
        for events, (first, last) in spans.items()
    )


def _day(ms: int) -> int:
    return max(-DAYS, min(DAYS, ms // DAY_MS))


def _clusters(groups: list[Group]) -> Iterator[list[Group]]:
    """Groups that share a store: a big one stands alone, small neighbours of one kind stand together."""
    for _, of_kind in groupby(groups, lambda group: (group.workspace, group.kind)):
        mine = list(of_kind)
        least = max(_BIG, _SHARE * (mine[-1].last - mine[0].first))
        big = [group.last - group.first >= least for group in mine]
        for alone, some in groupby(zip(mine, big, strict=True), itemgetter(1)):
            if alone:
                yield from ([group] for group, _ in some)
            else:
                yield [group for group, _ in some]

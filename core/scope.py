"""Scope: what one calculation may see (workspaces, inputs, lookback, now), and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from core.context import resolve_inputs
from core.data.coded import Column, Dictionary
from core.data.columns import EventStore
from core.data.events import Events, Index, Rows, Spans, minus, rows_about
from core.data.facts import Held, Holdings, Log
from core.data.memory import Memory
from core.data.recaps import Told
from core.data.sessions import durations
from core.data.snapshot import Snapshot
from core.data.values import Mask
from core.errors import CoreError

if TYPE_CHECKING:
    from core.criteria.base import Criterion
    from core.criteria.matchers import Matcher
    from core.criteria.measures import Measure

T = TypeVar("T")
Counters = np.ndarray[tuple[int], np.dtype[np.signedinteger[Any]]]
Inputs = frozenset[tuple[str, str]]
DAY_MS = 86_400_000
EVER = 1 << 62
OF_A_VERSION = ("mask", "measure", "once", "version")
"""What is remembered of one version only; verdicts, tallies and states of logs serve later ones."""


class Steps:
    """How far a calculation is. What `progress(done, total)` raises stops the calculation."""

    def __init__(self, progress: Callable[[int, int], None] | None = None, total: int = 1) -> None:
        self._progress, self.done, self.total = progress, 0, total

    def here(self) -> None:
        """Still at it: called before every criterion that is judged and every stretch of events that is read."""
        if self._progress is not None:
            self._progress(self.done, self.total)

    def next(self) -> None:
        """One more is done."""
        self.done += 1
        self.here()

    def over(self) -> None:
        """Nobody is told of what is asked later."""
        self._progress = None


def part_of(progress: Callable[[int, int], None] | None, done: int, total: int) -> Callable[[int, int], None] | None:
    """The progress of a calculation that is one of `total`, of which so many are done."""
    return None if progress is None else lambda *_: progress(done, total)


class Scope:
    """The data of one audience at one moment. Masks are bool, one a profile of the account (`size`)."""

    def __init__(
        self,
        snapshot: Snapshot,
        workspaces: tuple[str, ...],
        inputs: Inputs,
        lookback_days: float | None,
        now_ms: int,
        members_of: Callable[[str], Mask] | None = None,
        memory: Memory | None = None,
        named: tuple[Any, ...] = (),
        known_ms: int | None = None,
        steps: Steps | None = None,
    ) -> None:
        """`inputs`: the audience's, as (workspace, input). `members_of(id)` answers for other audiences; `named`, their
        definitions, tells scopes apart that differ in these alone. Scopes that share a `memory` share their answers.
        Windows and waits are told from `now_ms`; nothing later than `known_ms` (now itself unless given) is there.
        `steps` are told how far the calculation is."""
        self.snapshot, self.workspaces, self.inputs, self.now_ms = snapshot, workspaces, inputs, now_ms
        self.known_ms = now_ms if known_ms is None else min(known_ms, now_ms)
        self.size = snapshot.size
        self.floor_ms = -EVER if lookback_days is None else now_ms - round(lookback_days * DAY_MS)
        self._members_of = members_of
        self._memory = Memory() if memory is None else memory
        self._steps = Steps() if steps is None else steps
        self._key = (snapshot.manifest.version, workspaces, inputs, lookback_days, now_ms, self.known_ms, named)
        self._tiers = tuple(frozenset(snapshot.manifest.workspaces[each].tiers.items()) for each in workspaces)
        self.universe = snapshot.universe(workspaces, now_ms, self.known_ms)
        self._everybody = self.once(("everybody",), lambda: bool(self.universe.all()))

    def telling(self, steps: Steps) -> Scope:
        """This scope, which tells other steps how far a calculation is."""
        other = copy(self)
        other._steps = steps
        return other

    def judge(self, criterion: Criterion) -> Mask:
        """Who of the universe satisfies a criterion. Do not change the answer: it is remembered."""

        def judged() -> Mask:
            self._steps.here()
            found = criterion.judge(self)
            return found if self._everybody else found & self.universe

        return self._memory.remember(("mask", self._key, criterion.canonical), judged)

    def measure(self, criterion: Criterion) -> Measure:
        """The measure of a criterion; edits that leave `measured` alone reuse it."""
        return self._memory.remember(("measure", self._key, criterion.measured), lambda: criterion.measure(self))

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives of this scope, remembered while the version stays."""
        return self._memory.remember(("once", self._key, key), make)

    def tally(self, key: tuple[Any, ...], spans: Spans, count: Callable[[Spans], Counters]) -> Counters:
        """How many events each profile has in `spans`, or the sum of a number of theirs, as `count` gives it.

        Spans that differ little from those that were counted last under this key cost their difference only: windows
        that moved or were edited, segments that were added.
        """
        key = ("tally", *key, self._tiers)
        known: tuple[Spans, Counters] | None = self._memory.recall(key)
        before, counts = ({}, None) if known is None else known
        gained, lost = minus(spans, before), minus(before, spans)
        replaced = not before.keys() <= set(self.snapshot.segments)
        if counts is None or replaced or sum(map(rows_about, (*gained, *lost))) * 2 > rows_about(spans):
            counts = count(spans)
        elif any((*gained, *lost)) or len(counts) < self.size:
            if len(counts) < self.size:
                counts = np.concatenate([counts, np.zeros(self.size - len(counts), counts.dtype)])
            for some in filter(None, gained):
                counts = _joined(np.add, counts, count(some))
            for some in filter(None, lost):
                counts = _joined(np.subtract, counts, count(some))
        self._memory.keep(key, (spans, counts))
        return counts

    def state(self, log: Log, column: str) -> Column:
        """The latest value of a log's column at this now, one a profile."""
        return self.derived(log, column, lambda: log.state(column, self.known_ms, self.size))

    def held(self, holdings: Holdings) -> Held:
        """What profiles hold at this now."""
        return self.derived(holdings, "held", lambda: holdings.at(self.known_ms, self.size))

    def derived(self, log: Log | Holdings, name: str, make: Callable[[], T]) -> T:
        """What `make` gives of the records that a log has at this now."""
        known = log.known(self.known_ms)
        # The present is asked for most, by every scope; the past by one that soon goes.
        memory = self.snapshot.memory if known == len(log) else self._memory
        return memory.remember(("state", log.serial, name, known, self.size), make)

    def members_of(self, audience: str) -> Mask:
        """Another audience's members at this now, by its own scope."""
        if self._members_of is None:
            raise CoreError(f"This scope knows no other audiences, so it cannot tell who is in {audience!r}.")
        return self._members_of(audience)

    def positive(self, matcher: Matcher, dictionary: Dictionary) -> Mask:
        """A matcher's positive verdict on every code of a dictionary."""
        at = self.now_ms if matcher.READS == "date" else None
        key = ("verdict", dictionary.serial, matcher, at)
        # Shards may have a dictionary in common.
        return self._memory.common.remember(key, lambda: matcher.positive(dictionary, self.now_ms))

    def every_input(self) -> Inputs:
        """Every input of the scope's workspaces."""
        known: Mapping[str, Any] = self.snapshot.manifest.workspaces
        return frozenset((name, source) for name in self.workspaces for source in known[name].inputs)

    def choose_inputs(self, names: tuple[str, ...] | None, user_based: bool) -> Inputs:
        """The inputs that an event criterion reads: all of the workspaces' or the audience's, or those it names."""
        among = self.every_input() if user_based else self.inputs
        return among if names is None else resolve_inputs(names, among)[0]

    def spans(self, bounds: tuple[int, int], without_lookback: bool = False) -> Spans:
        """What of every segment lies between two moments, both included, in the lookback and up to now."""
        first_ms, last_ms = self._cut(bounds, without_lookback)
        clipped = ((each, max(first_ms, each.first_ms), min(last_ms, each.last_ms)) for each in self.snapshot.segments)
        return {events: (first, last) for events, first, last in clipped if first <= last}

    def rows(
        self,
        kind: str,
        name: str | None,
        custom_type: str | None,
        inputs: Inputs,
        spans: Spans,
        names: Callable[[EventStore], Mask | None] | None = None,
    ) -> Iterator[Rows]:
        """The events of a kind (or `any`) and name through some inputs in some spans.

        `names`: which names of a store may count (None: every one); it spares looking at the rows of the others.
        """
        for workspace in self.workspaces:
            chosen = frozenset(source for owner, source in inputs if owner == workspace)
            which = self.snapshot.which(workspace, kind, name)
            for events, (first_ms, last_ms) in spans.items() if chosen else ():
                self._steps.here()
                groups = which.groups(events)
                if names is not None:
                    groups = _narrowed(events, groups, names)
                for rows in events.rows(groups, first_ms, last_ms, which.once):
                    mine = rows.of(events.inputs, chosen)
                    if custom_type is not None:
                        mine = mine.of(events.custom_types, frozenset((custom_type,)))
                    if len(mine):
                        yield mine

    def stores(self, kind: str, name: str | None, segments: Iterable[Events]) -> Iterator[EventStore]:
        """Where some segments hold the properties of the events of a kind (or `any`) and name."""
        for workspace in self.workspaces:
            which = self.snapshot.which(workspace, kind, name)
            for events in segments:
                yield from (store for store, _ in events.groups_by_store(which.groups(events)))

    def told(
        self, kind: str, name: str | None, inputs: Inputs, bounds: tuple[int, int], without_lookback: bool = False
    ) -> list[Told]:
        """The events of a kind (or `any`) and name between two moments, both included, in the lookback and up to now:
        by what recaps tell, one entry a workspace. Empty where no recap tells anything."""
        first_ms, last_ms = self._cut(bounds, without_lookback)
        chosen = {each: frozenset(source for owner, source in inputs if owner == each) for each in self.workspaces}
        which = {each: self.snapshot.which(each, kind, name) for each in self.workspaces if chosen[each]}
        recaps = {each: self.snapshot.recap(some) for each, some in which.items()}
        recaps = {each: recap for each, recap in recaps.items() if recap is not None and recap.inputs <= chosen[each]}
        found = []
        for workspace, some in which.items() if recaps else ():
            self._steps.here()
            recap = recaps.get(workspace)
            covered = recap.covered if recap is not None else ()
            others = [each for each in self.snapshot.segments if each not in covered]
            rest = (
                part.of(each.inputs, chosen[workspace])
                for each in others
                for part in some.rows(each, first_ms, last_ms)
            )
            found.append(Told(recap, first_ms, last_ms, others, [part for part in rest if len(part)]))
        return found

    def _cut(self, bounds: tuple[int, int], without_lookback: bool) -> tuple[int, int]:
        """What of the time between two moments is in the lookback and up to now."""
        return max(bounds[0], -EVER if without_lookback else self.floor_ms), min(bounds[1], self.known_ms)

    def event_column(self, store: EventStore, where: str, name: str) -> Column:
        """A property of the events of a store, one row an event; a session's duration is joined from its end."""
        if where == "field" and name == "session_duration_ms" and store.kind == "session":
            return durations(store, self.snapshot, self.known_ms)
        return store.column(where, name)


def _joined(join: np.ufunc, counts: Counters, others: Counters) -> Counters:
    """Counters added or taken off; those of two bytes become wider where they might overflow."""
    wide = np.result_type(counts, others)
    if wide == np.int16 and int(counts.max(initial=0)) + int(others.max(initial=0)) > np.iinfo(wide).max:
        wide = np.dtype(np.int32)
    found: Counters = join(counts, others, dtype=wide)
    return found


def _narrowed(events: Events, groups: Index, names: Callable[[EventStore], Mask | None]) -> Index:
    """Those of some groups of a segment whose names may count."""
    masks = [(names(store), mine) for store, mine in events.groups_by_store(groups)]
    if all(mask is None for mask, _ in masks):
        return groups
    wanted = [np.ones(len(mine), np.bool_) if mask is None else mask[mine] for mask, mine in masks]
    found: Index = groups[np.concatenate(wanted)]
    return found

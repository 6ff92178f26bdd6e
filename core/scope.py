"""Scope: what one calculation may see (workspaces, inputs, lookback, now), and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from core.context import resolve_inputs
from core.data.columns import EventStore
from core.data.events import Events, Rows
from core.data.schema import EVENT_KINDS
from core.data.sessions import durations
from core.data.snapshot import Snapshot
from core.data.values import NO_MOMENT, Column, Dictionary, Mask
from core.errors import CoreError

if TYPE_CHECKING:
    from core.criteria.base import Criterion
    from core.criteria.matchers import Matcher
    from core.criteria.measures import Measure

T = TypeVar("T")
Inputs = frozenset[tuple[str, str]]
DAY_MS = 86_400_000
EVER = 1 << 62
ANY = "any"
"""The kind that stands for every kind."""


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
    ) -> None:
        """`inputs`: the audience's, as (workspace, input); `members_of(id)` answers for other audiences."""
        self.snapshot, self.workspaces, self.inputs, self.now_ms = snapshot, workspaces, inputs, now_ms
        self.size = snapshot.size
        self.floor_ms = -EVER if lookback_days is None else now_ms - round(lookback_days * DAY_MS)
        self._members_of = members_of
        self._masks: dict[str, Mask] = {}
        self._measures: dict[str, Measure] = {}
        self._rows: dict[tuple[Any, ...], list[Rows]] = {}
        self._once: dict[tuple[Any, ...], Any] = {}
        self.universe = self._universe()

    def _universe(self) -> Mask:
        seen = np.zeros(self.size, np.bool_)
        for workspace in self.workspaces:
            first = self.snapshot.first_seen(workspace)
            seen |= (first != NO_MOMENT) & (first <= self.now_ms)
        days = self.snapshot.manifest.profile_retention_days
        if days is not None:
            recent = np.zeros(self.size, np.bool_)
            for workspace in self.workspaces:
                last = self.snapshot.last_seen(workspace, self.now_ms)
                recent |= (last != NO_MOMENT) & (last >= self.now_ms - round(days * DAY_MS))
            seen &= recent
        return seen

    def judge(self, criterion: Criterion) -> Mask:
        """Who of the universe satisfies a criterion. Do not change the answer: it is remembered."""
        key = criterion.canonical
        if key not in self._masks:
            self._masks[key] = criterion.judge(self) & self.universe
        return self._masks[key]

    def measure(self, criterion: Criterion) -> Measure:
        """The measure of a criterion; edits that leave `measured` alone reuse it."""
        key = criterion.measured
        if key not in self._measures:
            self._measures[key] = criterion.measure(self)
        return self._measures[key]

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives, remembered in this scope."""
        if key not in self._once:
            self._once[key] = make()
        found: T = self._once[key]
        return found

    def members_of(self, audience: str) -> Mask:
        """Another audience's members at this now, by its own scope."""
        if self._members_of is None:
            raise CoreError(f"This scope knows no other audiences, so it cannot tell who is in {audience!r}.")
        return self._members_of(audience)

    def positive(self, matcher: Matcher, dictionary: Dictionary) -> Mask:
        """A matcher's positive verdict on every code of a dictionary, remembered with the dictionary."""
        key = (matcher, self.now_ms) if matcher.READS == "date" else matcher
        if key not in dictionary.verdicts:
            dictionary.verdicts[key] = matcher.positive(dictionary, self.now_ms)
        return dictionary.verdicts[key]

    def every_input(self) -> Inputs:
        """Every input of the scope's workspaces."""
        known: Mapping[str, Any] = self.snapshot.manifest.workspaces
        return frozenset((name, source) for name in self.workspaces for source in known[name].inputs)

    def choose_inputs(self, names: tuple[str, ...] | None, user_based: bool) -> Inputs:
        """The inputs that an event criterion reads: all of the workspaces' or the audience's, or those it names."""
        among = self.every_input() if user_based else self.inputs
        return among if names is None else resolve_inputs(names, among)[0]

    def rows(
        self,
        kind: str,
        name: str | None,
        custom_type: str | None,
        inputs: Inputs,
        bounds: tuple[int, int],
        without_lookback: bool = False,
    ) -> list[Rows]:
        """The events of a kind (or `any`) and name through some inputs between two moments, both included."""
        floor_ms = -EVER if without_lookback else self.floor_ms
        first_ms, last_ms = max(bounds[0], floor_ms), min(bounds[1], self.now_ms)
        key = (kind, name, custom_type, inputs, first_ms, last_ms)
        if key not in self._rows:
            found = (rows for events in self.snapshot.segments for rows in self._find(events, *key))
            self._rows[key] = [rows for rows in found if len(rows)]
        return self._rows[key]

    def _find(
        self,
        events: Events,
        kind: str,
        name: str | None,
        custom_type: str | None,
        inputs: Inputs,
        first_ms: int,
        last_ms: int,
    ) -> Iterator[Rows]:
        kinds = EVENT_KINDS if kind == ANY else (kind,)
        for workspace in self.workspaces:
            chosen = frozenset(source for owner, source in inputs if owner == workspace)
            named = (events.chosen(workspace, one, name, self.demoted(workspace, one)) for one in kinds if chosen)
            groups = np.array(sorted(number for some in named for number in some), np.int64)
            for rows in events.rows(groups, first_ms, last_ms, once=kind == ANY):
                through = rows.of(events.inputs, chosen)
                yield through if custom_type is None else through.of(events.custom_types, frozenset((custom_type,)))

    def demoted(self, workspace: str, kind: str) -> frozenset[str | None]:
        """The event names of a kind whose tier is not personalize in a workspace."""
        tiers = self.snapshot.manifest.workspaces[workspace].tiers
        return frozenset(name for (of_kind, name), tier in tiers.items() if of_kind == kind and tier != "personalize")

    def event_column(self, store: EventStore, where: str, name: str) -> Column:
        """A property of the events of a store, one row an event; a session's duration is joined from its end."""
        if where == "field" and name == "session_duration_ms" and store.kind == "session":
            return durations(store, self.snapshot, self.now_ms)
        return store.column(where, name)

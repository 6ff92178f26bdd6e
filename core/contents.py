"""Contents: what the data of a dataset holds, looked at without an audience."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from core import catalog
from core.account import Account
from core.computed import Computed, compute
from core.criteria.calculated import calculated_attribute
from core.data.manifest import Segment
from core.data.snapshot import Snapshot
from core.data.values import millis
from core.data.views import views
from core.entries import Entry, InputUse, entries, inputs
from core.evaluate import attribute_frame
from core.profile import Match, Profile, Timeline, find_profiles, profile_of, recently_seen, timeline_of
from core.scope import Scope, Steps
from core.suggest import Values

Steady = Callable[[int, int], None]
"""Told (done, total) of calculations; what it raises stops them."""

DATA_END_AFTER = timedelta(hours=24)
"""Data that ends longer than this before the clock is looked at as of its end (DEFINITION 2)."""


class Contents(Account):
    """What a dataset holds. Whoever is one has a snapshot of its version, or several: one a shard."""

    _snapshot: Snapshot

    @property
    def shard_count(self) -> int:
        """How many shards it is split into; 0 for a dataset that is not split."""
        return len(self._manifest.shards)

    @property
    def end(self) -> datetime | None:
        """The latest moment in the data, None while there is none."""
        end_ms = self._end_ms()
        return None if end_ms is None else datetime.fromtimestamp(end_ms / 1000, UTC)

    def _end_ms(self) -> int | None:
        return self._snapshot.end_ms

    @property
    def start(self) -> datetime | None:
        """The first moment in the data, None while there is none."""
        first = [segment.first_ms for segment in self._segments() if segment.first_ms is not None]
        return datetime.fromtimestamp(min(first) / 1000, UTC) if first else None

    @property
    def size(self) -> tuple[int, int]:
        """How many profiles and events it holds."""
        return self._manifest.profiles, sum(segment.tables.get("events", 0) for segment in self._segments())

    def _segments(self) -> Iterable[Segment]:
        return self._manifest.segments

    def as_of(self, clock: datetime) -> datetime:
        """The `now` to use where a user gives none: the clock, or the data's end where it lies more than 24 h back."""
        end = self.end
        return end if end is not None and clock - end > DATA_END_AFTER else clock

    def catalog(self) -> pl.DataFrame:
        """Everything that the data holds by name, with counts and first and last time (`core.catalog.overview`)."""
        return catalog.overview(self._snapshot)

    def entries(self, *, now: datetime, progress: Steady | None = None) -> list[Entry]:
        """Every name of the catalog with volume up to `now`, data type and samples (`core.entries.entries`).

        `progress(done, total)` counts shards and is called within them too; what it raises stops the work.
        """
        return entries(self._snapshots(), millis(now), Steps(progress, max(self.shard_count, 1)))

    def inputs(self, *, now: datetime, progress: Steady | None = None) -> list[InputUse]:
        """Every input with what came through it (`core.entries.inputs`); `progress` as that of `entries`."""
        return inputs(self._snapshots(), millis(now), Steps(progress, max(self.shard_count, 1)))

    def values(
        self, kind: str, name: str, *, workspace: str, event: tuple[str, str | None] | None = None
    ) -> pl.DataFrame:
        """The values of a name with how often they occur, most frequent first (`core.catalog.values`)."""
        self._known_workspace(workspace)
        return catalog.values(self._snapshot, kind, name, workspace, event)

    def identity_types(self) -> list[str]:
        """Every identity type that can be asked for: the known ones, then those that only the data has."""
        return catalog.identity_types(self._snapshots())

    def sql_views(self) -> str:
        """DuckDB statements for views over this version's Parquet files, for plain SQL and `Audience.to_sql`."""
        return views(self._store, self._manifest)

    def event_attributes(self, workspaces: Iterable[str]) -> list[str]:
        """Every custom attribute key of the events of some workspaces, ascending."""
        wanted = set(workspaces)
        stores = (store for store in self._snapshot.event_stores() if store.workspace in wanted)
        return sorted({key for store in stores for key in store.attribute_keys})

    def suggested(
        self, kind: str, name: str, workspaces: Iterable[str], event: tuple[str, str | None] | None = None
    ) -> Values:
        """The values of a name in some workspaces, to choose from (`core.suggest.Values`)."""
        known = [each for each in workspaces if each in self.workspaces]
        return Values(catalog.counted(self.values(kind, name, workspace=each, event=event) for each in known))

    def events(self, name: str | None = None, *, kind: str | None = None, workspace: str | None = None) -> pl.LazyFrame:
        """Events as a lazy frame: `mpid`, `timestamp`, workspace, input, kind, name, fields, attributes, products."""
        return catalog.events(self._snapshot, name, kind, workspace)

    def profiles(
        self, attributes: Iterable[str], *, workspace: str | None = None, now: datetime | None = None
    ) -> pl.DataFrame:
        """Everybody seen in a workspace (the first one) with user attributes as of `now` (the data's end)."""
        chosen = workspace if workspace is not None else next(iter(self.workspaces), "")
        self._known_workspace(chosen)
        end = self.end or datetime(1970, 1, 1, tzinfo=UTC)
        scope = Scope(self._snapshot, (chosen,), frozenset(), None, millis(now or end))
        return attribute_frame(scope, scope.universe, attributes, chosen)

    def find(self, text: str, *, now: datetime) -> list[Match]:
        """Profiles with that mpid or an identity of exactly that value (`core.profile.find_profiles`)."""
        return find_profiles(self._snapshots(), text, millis(now))

    def profile(self, mpid: int, *, now: datetime) -> Profile:
        """Everything known of an mpid as of `now`; CoreError where it was not seen by then."""
        return profile_of(self._snapshot, mpid, now)

    def recently_seen(self, *, now: datetime, limit: int = 10) -> list[tuple[int, datetime]]:
        """The mpids that were active last by `now`, with the moment, newest first."""
        return recently_seen(self._snapshots(), millis(now), limit)

    def timeline(
        self, mpid: int, *, now: datetime, kinds: Iterable[str] = (), offset: int = 0, limit: int = 25
    ) -> Timeline:
        """A page of the events of an mpid up to `now`, newest first (`core.profile.timeline_of`)."""
        chosen = frozenset(kinds)
        return timeline_of(self._snapshot, mpid, millis(now), kinds=chosen, offset=offset, limit=limit)

    def compute(self, definition: dict[str, Any], *, workspace: str, now: datetime) -> Computed:
        """What a calculated attribute, saved or not, would give (`core.computed`). Raises DefinitionError."""
        parsed = calculated_attribute(definition)
        self._known_workspace(workspace)
        return compute(self._snapshots, parsed, workspace, millis(now))

    def _snapshots(self) -> Iterable[Snapshot]:
        return [self._snapshot]

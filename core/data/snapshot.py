"""One version of a dataset, read only: what criteria read, loaded when first asked for and then remembered.

Segments are immutable, so their event stores are shared by every later version that still holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data import kernels
from core.data.coded import Dictionary
from core.data.columns import DAY_MS, EventStore
from core.data.events import Events
from core.data.facts import Activity, Seen
from core.data.leases import Lease
from core.data.letters import Arrays
from core.data.manifest import Manifest, Segment
from core.data.memory import Memory
from core.data.recaps import Add, Recap, Sums, Which, recap_of
from core.data.schema import ANY, EVENT_KINDS
from core.data.store import Store
from core.data.values import NO_MOMENT, Mask, Millis
from core.data.version import Version
from core.data.vocabulary import Vocabulary

T = TypeVar("T")
NEVER = 1 << 62


class Snapshot(Version):
    """What one version of a dataset holds. Not to be changed by whoever reads it."""

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        earlier: Snapshot | None = None,
        lease: Lease | None = None,
        memory: Memory | None = None,
    ) -> None:
        """`earlier` shares what it has opened of the same segments; for the rest see `Version`."""
        super().__init__(store, manifest, lease, memory)
        self._opened: dict[Path, Events] = dict(earlier._opened) if earlier else {}

    @cached_property
    def _segments(self) -> dict[Path, Events]:
        """The events of each segment's file, opened when first asked for: who only loads needs none."""
        files = {
            file: segment
            for segment in self.manifest.segments
            for file in self.store.files("events", segments=[segment])
        }
        self._opened = {file: self._opened.get(file) or self._events(file, segment) for file, segment in files.items()}
        return self._opened

    def _events(self, file: Path, segment: Segment) -> Events:
        first, last = segment.first_ms, segment.last_ms
        bounds = -NEVER if first is None else first, NEVER if last is None else last
        return Events(file, segment.tables["events"], *bounds, self.memory)

    @cached_property
    def end_ms(self) -> int | None:
        """The latest time in the data, None while there is none."""
        times = [segment.last_ms for segment in self.manifest.segments if segment.last_ms is not None]
        return max(times) if times else None

    def events(self, workspace: str, kind: str) -> list[EventStore]:
        """The event stores of a workspace and kind."""
        return [store for store in self.event_stores() if store.workspace == workspace and store.kind == kind]

    def event_stores(self) -> list[EventStore]:
        """Every event store."""
        return [store for events in self._segments.values() for store in events.stores]

    def prepare(self, going: Callable[[], bool]) -> None:
        """Fill the column cache of this version, as long as it is `going`."""
        for workspace in self.manifest.workspaces:
            self._activity(workspace)
            for make in self._facts(workspace):
                if not going():
                    return
                make()
        for store in self.event_stores():
            if not going():
                return
            store.prepare()
        for which in self.named():
            if not going():
                return
            self.recap(which)

    def which(self, workspace: str, kind: str, name: str | None) -> Which:
        """The events of a kind (or `any`) and name (None: any) of a workspace that criteria read."""
        tiers = self.manifest.workspaces[workspace].tiers
        kinds = EVENT_KINDS if kind == ANY else (kind,)
        unread = [(of, each) for (of, each), tier in tiers.items() if tier != "personalize" and name in (None, each)]
        left_out = {one: frozenset(each for of, each in unread if of == one) for one in kinds}
        return Which(workspace, name, tuple(left_out.items()), once=kind == ANY)

    def recap(self, which: Which) -> Recap | None:
        """What some events come to for each profile; None where they are so few that counting them is as fast."""

        def make() -> tuple[Recap | None]:
            found = recap_of(which, self.segments, self.size, self.memory.recall(("recap", which)))
            if found is not None:
                self.memory.keep(("recap", which), found)
            return (found,)

        return self.remember(("recap", which), make)[0]

    def sums(self, recap: Recap, what: str, add: Add) -> Sums:
        """What `add` adds up of the events of a recap; `what` tells it."""

        def make() -> Sums:
            known: Sums | None = self.memory.recall(("sums", recap.which, what))
            found = known if known is not None and known.recap is recap else Sums.of(recap, what, add)
            self.memory.keep(("sums", recap.which, what), found)
            return found

        return self.remember(("sums", recap.which, what), make)

    def named(self) -> Iterator[Which]:
        """Events that criteria may ask for by a name, or by a kind that has none, and those of all kinds."""
        asked = {(group.workspace, group.kind, group.name) for events in self.segments for group in events.groups}
        for workspace, kind, name in sorted(asked, key=repr):
            if kind in EVENT_KINDS:
                yield self.which(workspace, kind, name)
        yield from (self.which(workspace, ANY, None) for workspace in self.manifest.workspaces)

    def vocabulary(self, *key: Any, among: Sequence[Dictionary]) -> Vocabulary:
        """What the segments hold of a property of some events; it grows as they are asked. Shards that hold much the
        same have one together; `among`: what it is to be asked of."""
        for memory in (self.memory.common, self.memory):
            found = memory.remember(("vocabulary", *key), Vocabulary)
            if found.suits(among):
                break
        return found

    @property
    def segments(self) -> list[Events]:
        """The events of every segment that has some."""
        return list(self._segments.values())

    def _seen(self, segment: Segment, workspace: str) -> Seen:
        """When profiles were first and last seen by a segment."""
        if not segment.tables:
            return Seen(np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.int64))
        rows = sum(segment.tables.get(table, 0) for table in ("events", "batches"))
        arrays = self.source(segment).bundle(
            f"seen/{workspace}", rows, lambda: self._read_seen(segment, workspace, NO_MOMENT, NEVER)
        )
        return Seen(arrays["profile"], arrays["first_ms"], arrays["last_ms"])

    def _read_seen(self, segment: Segment, workspace: str, after_ms: int, until_ms: int) -> Arrays:
        """When profiles were first and last seen by a segment after a moment and up to another."""
        if until_ms == NEVER:
            profile, times = self._read_batches(segment, workspace)
        else:  # history asks for many moments of the past
            key = ("batches", segment.name, workspace)
            profile, times = self.remember(key, lambda: self._read_batches(segment, workspace))
            known = slice(*np.searchsorted(times, [after_ms, until_ms], "right"))
            profile, times = profile[known], times[known]
        files = self.store.files("events", segments=[segment])
        rows = [each for file in files for each in self._segments[file].of_workspace(workspace, after_ms, until_ms)]

        def latest(turn: int) -> Millis:
            parts = [kernels.moments(profile, times, turn), *(each.timed(turn) for each in rows)]
            return kernels.highest(parts, self.size)

        last, first = latest(1), latest(-1)
        seen = np.flatnonzero(last != NO_MOMENT)
        return {"profile": seen.astype(np.uint32), "first_ms": -first[seen], "last_ms": last[seen]}

    def _read_batches(self, segment: Segment, workspace: str) -> tuple[npt.NDArray[np.uint32], Millis]:
        """Whose batches a segment has and their times, in order of time."""
        mine = pl.col("workspace") == workspace
        batches = self.store.read("batches", segments=[segment]).filter(mine).select("profile", "time_ms").collect()
        batches = batches.sort("time_ms")
        return batches["profile"].to_numpy(), batches["time_ms"].to_numpy()

    def _activity(self, workspace: str) -> Activity:
        none = np.zeros(0, np.int64)

        def followed(known: Activity, segment: Segment) -> Activity:
            return known.followed_by(self._seen(segment, workspace), self.size)

        return self._carried(("activity", workspace), self.manifest.segments, Activity(none, none), followed)

    def first_seen(self, workspace: str) -> Millis:
        """Each profile's first activity ever in a workspace, `NO_MOMENT` where there is none."""
        first = self._activity(workspace).first_ms
        return first if len(first) == self.size else np.append(first, np.full(self.size - len(first), NO_MOMENT))

    def last_seen(self, workspace: str, now_ms: int) -> Millis:
        """Each profile's last activity in a workspace at `now`, `NO_MOMENT` where there is none."""
        end = self.end_ms
        at = now_ms if end is None else min(now_ms, end)
        known_moments = dict(self.moments(("last", workspace)))

        def last() -> Millis:
            moments = np.full(self.size, NO_MOMENT)
            if at == end:
                known = self._activity(workspace).last_ms
                moments[: len(known)] = known
                return moments
            known_at = max((each for each in known_moments if each < at), default=NO_MOMENT)
            if known_at != NO_MOMENT:  # what is new since then is less than everything
                moments[:] = known_moments[known_at]
            for segment in self.manifest.segments:
                if segment.last_ms is not None and segment.last_ms <= known_at:
                    continue
                whole = known_at == NO_MOMENT and segment.last_ms is not None and segment.last_ms <= at
                seen = self._seen(segment, workspace) if whole else None
                part = vars(seen) if seen else self._read_seen(segment, workspace, known_at, at)
                moments[part["profile"]] = np.maximum(moments[part["profile"]], part["last_ms"])
            return moments

        return self.remember_at(("last", workspace), at, last)

    def universe(self, workspaces: tuple[str, ...], now_ms: int, known_ms: int) -> Mask:
        """Who can be a member of an audience of some workspaces at `now` (DEFINITION 2): bool, one a profile.

        Nobody was seen later than `known_ms`.
        """
        days = self.manifest.profile_retention_days
        end = self.end_ms
        until_ms = known_ms if end is None else min(known_ms, end)

        def make() -> Mask:
            seen = np.zeros(self.size, np.bool_)
            for workspace in workspaces:
                first = self.first_seen(workspace)
                seen |= (first != NO_MOMENT) & (first <= known_ms)
            if days is not None:
                recent = np.zeros(self.size, np.bool_)
                for workspace in workspaces:
                    last = self.last_seen(workspace, known_ms)
                    recent |= (last != NO_MOMENT) & (last >= now_ms - round(days * DAY_MS))
                seen &= recent
            return seen

        retained = () if days is None else (now_ms,)
        return self.remember(("universe", *workspaces, until_ms, *retained), make)

"""One version of a dataset, read only: what criteria read, loaded when first asked for and then remembered.

Segments are immutable, so their event stores are shared by every later version that still holds them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.cache import Arrays
from core.data.columns import EventStore, Source
from core.data.events import Events
from core.data.facts import Activity, Holdings, Log
from core.data.leases import Lease
from core.data.manifest import Manifest, Segment
from core.data.store import Store
from core.data.values import NO_MOMENT, Column

T = TypeVar("T")
NEVER = 1 << 62

MOMENTS: Final = 4
"""For how many moments a derived state is kept."""


class Snapshot:
    """What one version of a dataset holds. Not to be changed by whoever reads it."""

    def __init__(
        self, store: Store, manifest: Manifest, earlier: Snapshot | None = None, lease: Lease | None = None
    ) -> None:
        """`earlier` shares what it has opened of the same segments; `lease` keeps the segments on disk."""
        self.store, self.manifest, self._lease = store, manifest, lease
        self._memo: dict[tuple[Any, ...], Any] = {}
        self._opened: dict[Path, Events] = dict(earlier._opened) if earlier else {}
        self._activity: dict[tuple[str, str], Activity] = dict(earlier._activity) if earlier else {}

    @cached_property
    def _segments(self) -> dict[Path, Events]:
        """The events of each segment's file, opened when first asked for: who only loads needs none."""
        files = {
            file: segment
            for segment in self.manifest.segments
            for file in self.store.files("events", segments=[segment])
        }
        self._opened = {file: self._opened.get(file) or _events(file, segment) for file, segment in files.items()}
        return self._opened

    def remember(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives, remembered in this snapshot."""
        if key not in self._memo:
            self._memo[key] = make()
        found: T = self._memo[key]
        return found

    def remember_at(self, key: tuple[Any, ...], at_ms: int, make: Callable[[], T]) -> T:
        """What `make` gives at a moment, remembered for the last few moments only: history asks for many."""
        kept: dict[int, T] = self.remember(("at", *key), dict)
        if at_ms not in kept:
            made = make()
            while len(kept) >= MOMENTS:
                kept.pop(next(iter(kept)), None)
            kept[at_ms] = made
            return made
        return kept[at_ms]

    def table(self, table: str) -> pl.LazyFrame:
        """A table of this version as a lazy frame, with the columns of `schema.TABLES`."""
        return self.store.read(table, self.manifest)

    @property
    def size(self) -> int:
        """The number of profiles in the account."""
        return self.manifest.profiles

    @cached_property
    def _profiles(self) -> pl.DataFrame:
        return self.table("profiles").collect().sort("profile")

    @cached_property
    def mpid(self) -> npt.NDArray[np.int64]:
        """The mpid of each profile index."""
        return self._profiles["mpid"].to_numpy()

    @cached_property
    def hash(self) -> npt.NDArray[np.uint64]:
        """The stable hash of each mpid, for fair samples."""
        return self._profiles["hash"].to_numpy()

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

    @property
    def segments(self) -> list[Events]:
        """The events of every segment that has some."""
        return list(self._segments.values())

    def activity(self, workspace: str) -> list[Activity]:
        """When profiles were seen in a workspace, segment by segment."""
        return [self._seen(segment, workspace) for segment in self.manifest.segments]

    def _seen(self, segment: Segment, workspace: str) -> Activity:
        key = (segment.name, workspace)
        if key not in self._activity:
            files = [file for table in ("events", "batches") for file in self.store.files(table, segments=[segment])]
            if not files:
                return Activity(np.zeros(0, np.uint32), np.zeros(0, np.int64))
            rows = segment.tables.get("events", 0)
            arrays = Source(files[0]).bundle(f"activity/{workspace}", rows, lambda: self._read_seen(segment, workspace))
            self._activity[key] = Activity(arrays["profile"], arrays["time_ms"])
        return self._activity[key]

    def _read_seen(self, segment: Segment, workspace: str) -> Arrays:
        mine = pl.col("workspace") == workspace
        batches, events = (self.store.read(table, segments=[segment]).filter(mine) for table in ("batches", "events"))
        seen = pl.concat(
            [
                batches.select("profile", "time_ms").collect(),
                events.select("profile", time_ms="timestamp_ms").collect(),
            ]
        )
        order = np.argsort(seen["time_ms"].to_numpy(), kind="stable")
        return {"profile": seen["profile"].to_numpy()[order], "time_ms": seen["time_ms"].to_numpy()[order]}

    def first_seen(self, workspace: str) -> npt.NDArray[np.int64]:
        """Each profile's first activity ever in a workspace, `NO_MOMENT` where there is none."""

        def first() -> npt.NDArray[np.int64]:
            moments = np.full(self.size, NO_MOMENT, np.int64)
            for activity in self.activity(workspace):
                each = activity.first(self.size)
                earlier = (each != NO_MOMENT) & ((moments == NO_MOMENT) | (each < moments))
                moments[earlier] = each[earlier]
            return moments

        return self.remember(("first", workspace), first)

    def last_seen(self, workspace: str, now_ms: int) -> npt.NDArray[np.int64]:
        """Each profile's last activity in a workspace at `now`, `NO_MOMENT` where there is none."""
        end = self.end_ms
        at = now_ms if end is None else min(now_ms, end)

        def last() -> npt.NDArray[np.int64]:
            moments = np.full(self.size, NO_MOMENT, np.int64)
            for activity in self.activity(workspace):
                np.maximum(moments, activity.last(at, self.size), out=moments)
            return moments

        return self.remember_at(("last", workspace), at, last)

    def _log(self, table: str, order: list[str], columns: list[str], **match: str | None) -> Log:
        def read() -> Log:
            mine = [pl.col(name).eq_missing(pl.lit(value, pl.String)) for name, value in match.items()]
            frame = self.table(table).filter(*mine).select("profile", *order, *columns).collect()
            return Log(frame.sort(order, maintain_order=True))

        return self.remember((table, *match.values()), read)

    def attribute(self, workspace: str, key: str) -> Log:
        """The log of a user attribute: tagged `value`, null where it was deleted."""
        return self._log("attributes", ["time_ms", "arrival"], ["value"], workspace=workspace, key=key)

    def consent(self, workspace: str, regulation: str, purpose: str | None) -> Log:
        """The log of a consent: `consented`."""
        match = {"workspace": workspace, "regulation": regulation, "purpose": purpose}
        return self._log("consents", ["time_ms", "arrival"], ["consented"], **match)

    def locations(self, workspace: str) -> Log:
        """The log of locations, parts as tagged texts; at one moment an event's record beats its batch's."""

        def read() -> Log:
            names = ["country", "state", "city", "zip", "dma"]
            texts = [pl.concat_str(pl.lit("s"), name).alias(name) for name in names]
            frame = self._located(workspace).select("profile", "time_ms", "latitude", "longitude", *texts)
            return Log(frame)

        return self.remember(("locations", workspace), read)

    def coordinates(self, workspace: str) -> Log:
        """The log of locations that have a latitude and a longitude."""

        def read() -> Log:
            known = pl.col("latitude").is_not_null() & pl.col("longitude").is_not_null()
            return Log(self._located(workspace).filter(known).select("profile", "time_ms", "latitude", "longitude"))

        return self.remember(("coordinates", workspace), read)

    def _located(self, workspace: str) -> pl.DataFrame:
        frame = self.table("locations").filter(pl.col("workspace") == workspace).collect()
        return frame.sort("time_ms", "source", "arrival", maintain_order=True)

    def attributions(self, workspace: str, event: str) -> Log:
        """The log of install or uninstall attributions; at one moment an event beats `attribution_info`."""
        columns = ["publisher", "campaign", "deleted"]
        return self._log("attributions", ["time_ms", "source", "arrival"], columns, workspace=workspace, event=event)

    def _holdings(self, table: str, kind: str, workspace: str, name: str, tag: str) -> Holdings:
        def read() -> Holdings:
            mine = (pl.col("workspace") == workspace) & (pl.col(kind) == name)
            value = pl.concat_str(pl.lit(tag), pl.col("value"))
            frame = self.table(table).filter(mine).select("profile", "time_ms", value=value).collect()
            return Holdings(frame["profile"].to_numpy(), frame["time_ms"].to_numpy(), Column.of(frame["value"]))

        return self.remember((table, workspace, name), read)

    def identities(self, workspace: str, identity_type: str) -> Holdings:
        """Every identity of a type seen in a workspace."""
        return self._holdings("identities", "identity_type", workspace, identity_type, "s")

    def devices(self, workspace: str, field: str) -> Holdings:
        """Every value of a device field seen in a workspace."""
        return self._holdings("devices", "field", workspace, field, "")

    def keys(self, table: str, column: str, workspace: str) -> frozenset[str]:
        """The distinct values of a name column of a fact table in a workspace: attribute keys, identity types."""

        def read() -> frozenset[str]:
            frame = self.table(table).filter(pl.col("workspace") == workspace).select(pl.col(column).unique())
            return frozenset(frame.collect()[column].drop_nulls().to_list())

        return self.remember(("keys", table, column, workspace), read)


def _events(file: Path, segment: Segment) -> Events:
    first, last = segment.first_ms, segment.last_ms
    return Events(file, segment.tables["events"], -NEVER if first is None else first, NEVER if last is None else last)

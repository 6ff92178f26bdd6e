"""A load: rows whose users are not known yet become a segment; copies are dropped, users resolved, all or nothing.

    with Loader(store, workspace=..., input=..., kind="platform") as load:
        load.stage(part)            # in order of arrival, as often as needed
        report = load.commit()

Whoever makes `Part`s (batches, mapped tables) knows nothing of profiles, copies or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.keys import KeySet, keys_of
from core.data.manifest import Manifest
from core.data.resolution import Owners
from core.data.segments import BATCH_KEYS, EVENT_KEYS, SegmentWriter
from core.data.store import Store
from core.errors import InputError

_FROM_EVENTS: Final = ("locations", "attributions")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not loaded: where it stood (`line` counts from 1, None for a whole source) and why."""

    source: str
    line: int | None
    reason: str


@dataclass(frozen=True)
class LoadReport:
    """What a load did: `duplicates` of batches and events, `skipped` development batches, `cut` limits applied."""

    batches: int = 0
    events: int = 0
    profiles: int = 0
    duplicates: int = 0
    skipped: int = 0
    cut: int = 0
    refusals: list[Refusal] = field(default_factory=list)


@dataclass
class Part:
    """Rows of a load whose users are not resolved yet.

    `users`: row i is user i: mpid Int64 or null, arrival Int64, optionally request_id String (its copies are dropped).
    `tables`: frames by name in schema.TABLES, with `user` UInt32 (row number in `users`) instead of `profile`,
    `arrival` relative to the part, without workspace and input; any other column may be left out, it is null.
    `arrivals`: how many arrival numbers the part takes, from 0 on. Rows of events with one arrival are one event.
    A user without mpid is found by its rows of `identities`; those rows are in document order.
    """

    users: pl.DataFrame
    tables: dict[str, pl.DataFrame]
    arrivals: int


class Loader:
    """One load into one input. Holds the write lock; what is staged is nowhere to be seen until `commit`."""

    def __init__(self, store: Store, *, workspace: str, input: str, kind: str) -> None:
        self._store, self._workspace, self._input, self._kind = store, workspace, input, kind
        self._exit = ExitStack()

    def __enter__(self) -> Loader:
        Manifest().with_input(self._workspace, self._input, self._kind)
        writer = self._exit.enter_context(self._store.writing())
        try:
            self._manifest = writer.manifest.with_input(self._workspace, self._input, self._kind)
            segments = SegmentWriter(writer, self._workspace, self._input)
            self._segments = self._exit.enter_context(segments)
        except BaseException:
            self._exit.close()
            raise
        self._scope = f"{self._workspace}/{self._input}"
        self._batch_keys = KeySet(self._key_files(BATCH_KEYS))
        self._event_keys = KeySet(self._key_files(EVENT_KEYS))
        self._owners = Owners(self._store, self._manifest)
        self._arrivals = self._manifest.next_arrival
        self._batches = self._events = self._duplicates = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _key_files(self, name: str) -> list[Path]:
        counted = name.removesuffix(".npy")
        return [
            self._store.file(segment, name)
            for segment in self._manifest.segments
            # Format 1 did not say which segments have keys.
            if counted in segment.tables or (self._store.folder(segment) / name).exists()
        ]

    def stage(self, part: Part) -> None:
        """Takes a part, which arrives after all earlier ones; drops copies, resolves users."""
        alive = self._first_seen(part.users)
        tables = {name: _of_users(frame, alive) for name, frame in part.tables.items()}
        mpids = part.users["mpid"] if alive.all() else _kept(part.users["mpid"], alive)
        identities = tables.get("identities")
        resolved = self._owners.resolve(mpids, part.users["arrival"], identities)
        if "events" in tables:
            self._drop_copies(tables, resolved)
        touched = pl.Series(resolved if alive.all() else resolved[alive]).unique().to_numpy()
        self._batches += len(tables["batches"]) if "batches" in tables else 0
        staged = {name: self._settled(frame, resolved) for name, frame in tables.items() if len(frame)}
        self._arrivals += part.arrivals
        self._segments.add(staged, touched, self._batch_keys, self._event_keys)

    def _settled(self, frame: pl.DataFrame, mpids: npt.NDArray[np.int64]) -> pl.DataFrame:
        """The frame with mpids for users and with absolute arrivals."""
        columns = [column for column in frame.get_columns() if column.name not in ("user", "arrival")]
        columns.append(pl.Series("mpid", mpids[frame["user"].to_numpy()]))
        if "arrival" in frame.columns:
            columns.append(pl.Series("arrival", frame["arrival"].to_numpy() + self._arrivals))
        return pl.DataFrame(columns)

    def _first_seen(self, users: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Which users are no copies of an earlier batch."""
        alive = np.ones(len(users), dtype=bool)
        if "request_id" in users.columns:
            named = users["request_id"].is_not_null().to_numpy()
            if named.any():
                keys = keys_of(self._scope, users["request_id"].drop_nulls())
                alive[named] = ~self._batch_keys.add(keys)
            self._duplicates += int((~alive).sum())
        return alive

    def _drop_copies(self, tables: dict[str, pl.DataFrame], mpids: npt.NDArray[np.int64]) -> None:
        """Drops events that were seen before, with the rows that they gave to other tables; counts the others."""
        events = tables["events"]
        arrival = events["arrival"].to_numpy()
        ascending = bool((arrival[1:] > arrival[:-1]).all())
        first = np.arange(len(arrival)) if ascending else np.unique(arrival, return_index=True)[1]
        self._events += len(first)
        if "message_id" not in events.columns:
            return
        first = first[events["message_id"].is_not_null().to_numpy()[first]]
        if not len(first):
            return
        named = events.select("user", "arrival", "message_id")
        named = named if len(first) == len(named) else named[first]
        keys = keys_of(self._scope, named["message_id"], mpids[named["user"].to_numpy()])
        copied = self._event_keys.add(keys)
        if copied.any():
            gone = named["arrival"].filter(pl.Series(copied)).implode()
            self._events -= int(copied.sum())
            self._duplicates += int(copied.sum())
            tables["events"] = events.filter(~pl.col("arrival").is_in(gone))
            for name in _FROM_EVENTS:
                if name in tables:
                    of_gone = (pl.col("source") == "event") & pl.col("arrival").is_in(gone)
                    tables[name] = tables[name].filter(~of_gone)

    def commit(self, *, skipped: int = 0, cut: int = 0, refusals: Sequence[Refusal] = ()) -> LoadReport:
        """Makes what was staged the dataset's next version; without any news there is no new version."""
        profiles = self._segments.commit(self._manifest, self._arrivals, self._batch_keys, self._event_keys)
        return LoadReport(
            batches=self._batches,
            events=self._events,
            profiles=profiles,
            duplicates=self._duplicates,
            skipped=skipped,
            cut=cut,
            refusals=list(refusals),
        )


def _of_users(frame: pl.DataFrame, alive: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """The rows of living users."""
    if alive.all():
        return frame
    users = frame["user"].to_numpy()
    if len(users) and int(users.max()) >= len(alive):
        raise InputError("A row names a user that its part does not have.", "")
    return frame.filter(pl.Series(alive[users], dtype=pl.Boolean))


def _kept(mpids: pl.Series, alive: npt.NDArray[np.bool_]) -> pl.Series:
    """Users that are copies need no resolution: they get any mpid."""
    return mpids.to_frame().select(pl.when(pl.Series(alive)).then(pl.col("mpid")).otherwise(0))["mpid"]

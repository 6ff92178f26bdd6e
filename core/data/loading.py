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

from core.data.codebook import Codebook
from core.data.group import FLAT, Staged, keys_of_events
from core.data.keys import KeySet, keys_of
from core.data.manifest import Manifest
from core.data.resolution import Owners
from core.data.segments import BATCH_KEYS, EVENT_KEYS, SegmentWriter
from core.data.store import Store
from core.errors import InputError

_OWN: Final = frozenset({"message_id", "session_uuid"})
"""Texts of events of which each has its own, mostly."""


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
    `FLAT` tables have `event` (row number in `events`; UInt32) or `product` (in `products`) instead, in the order in
    which entries of one row stand: `event_attributes` and `product_attributes` are keys with tagged values, `products`
    tagged fields.
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
            self._batch_keys = KeySet(self._key_files(BATCH_KEYS))
            event_keys = KeySet(self._key_files(EVENT_KEYS))
            segments = SegmentWriter(writer, self._workspace, self._input, self._batch_keys, event_keys)
            self._segments = self._exit.enter_context(segments)
        except BaseException:
            self._exit.close()
            raise
        self._scope = f"{self._workspace}/{self._input}"
        self._owners = Owners(self._store, self._manifest)
        self._arrivals = self._manifest.next_arrival
        self._codebook = Codebook()
        self._batches = self._duplicates = 0
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
        # Events stay, as rows of other tables name them by number; their group leaves out those of copies.
        own = ("events", *FLAT)
        tables = {name: frame if name in own else _of_users(frame, alive) for name, frame in part.tables.items()}
        mpids = part.users["mpid"] if alive.all() else _kept(part.users["mpid"], alive)
        resolved = self._owners.resolve(mpids, part.users["arrival"], tables.get("identities"))
        self._batches += len(tables["batches"]) if "batches" in tables else 0
        staged = {name: self._settled(name, frame) for name, frame in tables.items() if len(frame)}
        self._arrivals += part.arrivals
        keys = keys_of_events(self._scope, staged["events"], resolved) if "events" in staged else None
        self._segments.add(Staged(staged, resolved, None if alive.all() else alive, keys))

    def _settled(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with absolute arrivals; texts of events as codes."""
        columns = frame.get_columns()
        if name == "events":
            columns = [each if each.name in _OWN else self._codebook.coded(each.name, each) for each in columns]
        if "arrival" in frame.columns:
            columns = [each + self._arrivals if each.name == "arrival" else each for each in columns]
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

    def commit(self, *, skipped: int = 0, cut: int = 0, refusals: Sequence[Refusal] = ()) -> LoadReport:
        """Makes what was staged the dataset's next version; without any news there is no new version."""
        profiles = self._segments.commit(self._manifest, self._arrivals)
        return LoadReport(
            batches=self._batches,
            events=self._segments.events,
            profiles=profiles,
            duplicates=self._duplicates + self._segments.duplicates,
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

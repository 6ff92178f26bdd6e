"""One version of a dataset: its tables, what is remembered of it, and the facts of profiles that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.coded import Column, merge
from core.data.columns import Source, column_arrays, column_of
from core.data.facts import Holdings, Log
from core.data.leases import Lease
from core.data.letters import Arrays
from core.data.manifest import Manifest, Segment
from core.data.memory import Memory
from core.data.schema import TABLES
from core.data.store import Store

T = TypeVar("T")

_EVENT_LATER: Final = 1 << 61
"""Added to an arrival, it puts a record behind every arrival."""

MOMENTS: Final = 4
"""For how many moments a derived state is kept."""


class Version:
    """What one version holds of profiles. Not to be changed by whoever reads it."""

    def __init__(
        self, store: Store, manifest: Manifest, lease: Lease | None = None, memory: Memory | None = None
    ) -> None:
        """`lease` keeps the segments on disk. `memory` holds the facts that are taken from several segments or derived,
        and columns of events; all versions share it."""
        self.store, self.manifest, self._lease = store, manifest, lease
        self.memory = Memory() if memory is None else memory
        self._kept_moments: dict[tuple[Any, ...], list[int]] = {}

    def remember(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives of this version, remembered."""
        return self.memory.remember(("version", self.manifest.version, *key), make)

    def remember_at(self, key: tuple[Any, ...], at_ms: int, make: Callable[[], T]) -> T:
        """What `make` gives at a moment, remembered for the last few moments only: history asks for many."""
        made = self.remember((*key, at_ms), make)
        kept = self._kept_moments.setdefault(key, [])
        if at_ms not in kept:
            kept.append(at_ms)
            for gone in kept[:-MOMENTS]:
                self.memory.drop(("version", self.manifest.version, *key, gone))
            del kept[:-MOMENTS]
        return made

    def moments(self, key: tuple[Any, ...]) -> dict[int, Any]:
        """What `remember_at` keeps of a key, by moment."""
        version = self.manifest.version
        found = {at: self.memory.recall(("version", version, *key, at)) for at in self._kept_moments.get(key, ())}
        return {at: value for at, value in found.items() if value is not None}

    def table(self, table: str) -> pl.LazyFrame:
        """A table of this version as a lazy frame, with the columns of `schema.TABLES`."""
        return self.store.read(table, self.manifest)

    @property
    def size(self) -> int:
        """The number of profiles in the account."""
        return self.manifest.profiles

    @cached_property
    def _profiles(self) -> pl.DataFrame:
        return self.table("profiles").collect().sort("profile").select("mpid", "hash")

    @cached_property
    def mpid(self) -> npt.NDArray[np.int64]:
        """The mpid of each profile index."""
        return self._profiles["mpid"].to_numpy()

    @cached_property
    def hash(self) -> npt.NDArray[np.uint64]:
        """The stable hash of each mpid, for fair samples."""
        return self._profiles["hash"].to_numpy()

    def source(self, segment: Segment) -> Source:
        """Where the column cache keeps what derives from a segment: beside the first of its files."""
        return Source(self.store.folder(segment) / f"{next(iter(segment.tables))}.parquet")

    def present(self, table: str, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays that derive from every record of a table, from the column cache or made."""
        segments = [segment for segment in self.manifest.segments if table in segment.tables]
        if not segments:
            return make()
        sources = [self.source(segment) for segment in segments]
        which = "/".join([name, str(self.size), *(source.identity for source in sources)])
        return sources[-1].bundle(f"present/{which}", sum(segment.tables[table] for segment in segments), make)

    def _carried(
        self, key: tuple[Any, ...], segments: Sequence[Segment], nothing: T, followed: Callable[[T, Segment], T]
    ) -> T:
        """What segments give one after the other; what an earlier version made of the first of them is carried on."""
        names = tuple(segment.name for segment in segments)
        known: tuple[str, ...]
        value: T
        known, value = self.memory.recall(("carried", *key)) or ((), nothing)
        if names[: len(known)] != known:
            known, value = (), nothing
        for segment in segments[len(known) :]:
            value = followed(value, segment)
        if names != known:
            self.memory.keep(("carried", *key), (names, value))
        return value

    def _log(
        self,
        table: str,
        names: Sequence[str],
        texts: Callable[[str], pl.Expr] = pl.col,
        numbers: Sequence[str] = (),
        **match: str | None,
    ) -> Log:
        """The log of the records of a table that match: tagged texts by name, and (all or none of them) numbers."""
        key = (table, *match.values(), *names, *numbers)
        segments = [segment for segment in self.manifest.segments if table in segment.tables]

        def read(records: pl.LazyFrame) -> Arrays:
            mine = [pl.col(name).eq_missing(pl.lit(value, pl.String)) for name, value in match.items()]
            mine += [pl.col(name).is_not_null() for name in numbers]
            order = pl.col("arrival")
            if "source" in TABLES[table].names():
                order += (pl.col("source") == "event").cast(pl.Int64) * _EVENT_LATER
            columns = [texts(name).alias(name) for name in names]
            found = records.filter(*mine).select("profile", "time_ms", order.alias("order"), *columns, *numbers)
            return Log.arrays(found.collect())

        def followed(known: Log | None, segment: Segment) -> Log:
            records = self.store.read(table, segments=[segment])
            arrays = self.source(segment).bundle(repr(key), segment.tables[table], lambda: read(records))
            log = Log.of(arrays, names, numbers)
            return log if known is None else known.followed_by(log)

        log: Log | None = self._carried(key, segments, None, followed)
        if log is not None:
            return log
        nothing = pl.LazyFrame(schema=TABLES[table])
        return self.remember(("none", *key), lambda: Log.of(read(nothing), names, numbers))

    def attribute(self, workspace: str, key: str) -> Log:
        """The log of a user attribute: tagged `value`, null where it was deleted."""
        return self._log("attributes", ["value"], workspace=workspace, key=key)

    def consent(self, workspace: str, regulation: str, purpose: str | None) -> Log:
        """The log of a consent: tagged `consented`."""

        def tagged(name: str) -> pl.Expr:
            return pl.when(name).then(pl.lit("btrue")).otherwise(pl.lit("bfalse"))

        return self._log("consents", ["consented"], tagged, workspace=workspace, regulation=regulation, purpose=purpose)

    def locations(self, workspace: str) -> Log:
        """The log of locations, parts as tagged texts; at one moment an event's record beats its batch's."""
        names = ("country", "state", "city", "zip", "dma")
        return self._log("locations", names, lambda name: pl.concat_str(pl.lit("s"), name), workspace=workspace)

    def coordinates(self, workspace: str) -> Log:
        """The log of locations that have a latitude and a longitude."""
        return self._log("locations", (), numbers=("latitude", "longitude"), workspace=workspace)

    def attributions(self, workspace: str, event: str) -> Log:
        """The log of install or uninstall attributions: `publisher`, `campaign`, and `kept`; null where it was deleted.

        At one moment an event beats `attribution_info`.
        """

        def tagged(name: str) -> pl.Expr:
            return pl.when(~pl.col("deleted")).then(pl.lit("btrue") if name == "kept" else pl.col(name))

        return self._log("attributions", ["publisher", "campaign", "kept"], tagged, workspace=workspace, event=event)

    def _holdings(self, table: str, kind: str, workspace: str, name: str, tag: str) -> Holdings:
        key = (table, workspace, name)
        segments = [segment for segment in self.manifest.segments if table in segment.tables]

        def followed(known: Holdings, segment: Segment) -> Holdings:
            def read() -> Arrays:
                mine = (pl.col("workspace") == workspace) & (pl.col(kind) == name)
                found = self.store.read(table, segments=[segment]).filter(mine)
                frame = found.select("profile", "time_ms", value=pl.concat_str(pl.lit(tag), "value")).collect()
                columns = column_arrays(Column.of(frame["value"]))
                return {"profile": frame["profile"].to_numpy(), "time_ms": frame["time_ms"].to_numpy(), **columns}

            arrays = self.source(segment).bundle(repr(key), segment.tables[table], read)
            column = column_of(arrays)
            if not len(known.profile):
                return Holdings(arrays["profile"], arrays["time_ms"], column)
            before, after = merge([known.column, column])
            return Holdings(
                np.concatenate([known.profile, arrays["profile"]]),
                np.concatenate([known.time_ms, arrays["time_ms"]]),
                Column(np.concatenate([before.codes, after.codes]), before.dictionary),
            )

        none = Holdings(np.zeros(0, np.uint32), np.zeros(0, np.int64), Column.missing(0))
        return self._carried(key, segments, none, followed)

    def identities(self, workspace: str, identity_type: str) -> Holdings:
        """Every identity of a type seen in a workspace."""
        return self._holdings("identities", "identity_type", workspace, identity_type, "s")

    def devices(self, workspace: str, field: str) -> Holdings:
        """Every value of a device field seen in a workspace."""
        return self._holdings("devices", "field", workspace, field, "")

    def keys(self, table: str, column: str, workspace: str) -> frozenset[str]:
        """The distinct values of a name column of a fact table in a workspace: attribute keys, identity types."""

        def read() -> frozenset[str]:
            rows = self.store.read(table, self.manifest, columns=("workspace", column))
            frame = rows.filter(pl.col("workspace") == workspace).select(pl.col(column).unique())
            return frozenset(frame.collect()[column].drop_nulls().to_list())

        return self.remember(("keys", table, column, workspace), read)

    def _facts(self, workspace: str) -> Iterator[Callable[[], object]]:
        """What reads each kind of fact of a workspace."""
        yield from (partial(self.attribute, workspace, key) for key in self.keys("attributes", "key", workspace))
        types = self.keys("identities", "identity_type", workspace)
        yield from (partial(self.identities, workspace, each) for each in types)
        yield from (partial(self.devices, workspace, field) for field in self.keys("devices", "field", workspace))
        yield partial(self.locations, workspace)
        yield partial(self.coordinates, workspace)

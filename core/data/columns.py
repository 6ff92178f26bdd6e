"""Events as columns: one store a segment, workspace and kind, its columns read when a criterion first needs them.

Rows lie in (name, UTC day, profile, arrival) order, so an event name is a slice and a window of it is a narrower slice.
Counting is a scatter over `profile`; a property is a column of dictionary codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.cache import LEAST_ROWS, Arrays, Cache, text_arrays, texts
from core.data.values import Codes, Column, Dictionary, Mask, Millis, narrow

DAY_MS: Final = 86_400_000
_DAYS: Final = 1 << 30

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bag:
    """An attribute bag of many rows: for each key the rows that have it and their tagged values."""

    size: int
    keys: dict[str, tuple[Index, pl.Series]]

    @classmethod
    def of(cls, bags: pl.Series) -> Bag:
        """The bag of a `schema.BAG` column."""
        rows, pairs = _flat(bags)
        parts = pairs.with_columns(row=rows).partition_by("key", as_dict=True, maintain_order=True)
        keys = {str(key[0]): (part["row"].to_numpy(), part["value"]) for key, part in parts.items()}
        return cls(len(bags), keys)

    def column(self, key: str) -> Column:
        """One key as a column; absent where a row does not have it."""
        if key not in self.keys:
            return Column.missing(self.size)
        rows, values = self.keys[key]
        inner = Column.of(values)
        codes = np.zeros(self.size, inner.codes.dtype)
        codes[rows] = inner.codes
        return Column(codes, inner.dictionary)


def _flat(lists: pl.Series) -> tuple[Index, pl.DataFrame]:
    """The structs of a list column one below the other, and the row of each; empty and null lists have none."""
    counts = lists.list.len().fill_null(0).to_numpy()
    rows = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    filled = lists.filter(pl.Series(counts > 0))
    return rows, filled.explode().rename("each").to_frame().unnest("each")


@dataclass
class Products:
    """The products of a store's events, one below the other; `owner` is the event row of each."""

    owner: Index
    frame: pl.DataFrame
    _columns: dict[tuple[str, str], Column] = field(default_factory=dict)

    @classmethod
    def of(cls, products: pl.Series) -> Products:
        """The products of a `schema.PRODUCT` list column."""
        return cls(*_flat(products))

    @cached_property
    def _bag(self) -> Bag:
        return Bag.of(self.frame["attributes"])

    def column(self, where: str, name: str) -> Column:
        """A product's `field` or `attribute` as a column, one row a product."""
        key = (where, name)
        if key not in self._columns:
            self._columns[key] = self._bag.column(name) if where == "attribute" else Column.of(self.frame[name])
        return self._columns[key]


class EventStore:
    """The events of one segment, workspace and kind. Immutable; columns are read once, when first asked for.

    They come from the column cache where it has them, else from the durable Parquet.
    """

    def __init__(
        self, source: Source, workspace: str, kind: str, start: int, names: list[tuple[str | None, int, int]]
    ) -> None:
        """`start`: the first row in the file; `names`: (name, first row, row after the last) within this store."""
        self._source, self.workspace, self.kind = source, workspace, kind
        self._start = start
        self.names = {name: (first, last) for name, first, last in names}
        self.size = max(last for _, _, last in names)
        self._columns: dict[tuple[str, str], Column] = {}

    def read(self, *columns: str) -> pl.DataFrame:
        """Columns of the durable file, rows in the store's order."""
        return pl.scan_parquet(self._source.file).slice(self._start, self.size).select(columns).collect()

    def lazy(self, row: int) -> pl.LazyFrame:
        """One row of the durable file, all columns."""
        return pl.scan_parquet(self._source.file).slice(self._start + row, 1)

    def bundle(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays derived from these events, from the column cache or made."""
        return self._source.bundle(f"{self.workspace}/{self.kind}/{name}", self.size, make)

    @cached_property
    def _base(self) -> Arrays:
        def make() -> Arrays:
            frame = self.read("profile", "timestamp_ms", "arrival", "also")
            times = frame["timestamp_ms"].to_numpy()
            return {
                "profile": frame["profile"].to_numpy(),
                "day": (times // DAY_MS).astype(np.int32),
                "clock": (times % DAY_MS).astype(np.uint32),
                "arrival": frame["arrival"].to_numpy(),
                "also": frame["also"].to_numpy(),
            }

        return self.bundle("base", make)

    @property
    def profile(self) -> npt.NDArray[np.uint32]:
        """Profile index, one a row."""
        return self._base["profile"]

    @property
    def day(self) -> npt.NDArray[np.int32]:
        """UTC days since 1970, one a row."""
        return self._base["day"]

    @property
    def arrival(self) -> Index:
        """Order of arrival, one a row."""
        return self._base["arrival"]

    @property
    def also(self) -> Mask:
        """Rows that another kind holds too, one a row."""
        return self._base["also"]

    def times(self, rows: Index | slice) -> Millis:
        """UTC milliseconds of some rows."""
        return self.day[rows].astype(np.int64) * DAY_MS + self._base["clock"][rows]

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

        arrays = self.bundle(name, make)
        return texts(arrays, "known").to_list(), arrays["codes"]

    @cached_property
    def _bag(self) -> Bag:
        return Bag.of(self.read("attributes")["attributes"])

    @cached_property
    def products(self) -> Products:
        """The products of these events."""
        return Products.of(self.read("products")["products"])

    @cached_property
    def attribute_keys(self) -> list[str]:
        """Every custom attribute key that some row has."""
        arrays = self.bundle("keys", lambda: text_arrays(pl.Series(list(self._bag.keys), dtype=pl.String), "keys"))
        return texts(arrays, "keys").to_list()

    def column(self, where: str, name: str) -> Column:
        """A standard `field` or a custom `attribute` as a column, one row an event."""
        key = (where, name)
        if key not in self._columns:
            arrays = self.bundle(f"{where}/{name}", lambda: column_arrays(self._make(where, name)))
            self._columns[key] = column_of(arrays)
        return self._columns[key]

    def _make(self, where: str, name: str) -> Column:
        return self._bag.column(name) if where == "attribute" else Column.of(self.read(name)[name])

    def slice(self, name: str | None) -> Rows | None:
        """The rows of one event name, None if it has none."""
        if name not in self.names:
            return None
        return Rows(self, *self.names[name])

    def everything(self, leave_out: frozenset[str | None]) -> Iterator[Rows]:
        """The rows of every name but those left out."""
        for name, (first, last) in self.names.items():
            if name not in leave_out:
                yield Rows(self, first, last)


def column_arrays(column: Column) -> Arrays:
    """A column as arrays for the cache."""
    return {"codes": column.codes, **text_arrays(column.dictionary.entries, "entries")}


def column_of(arrays: Arrays) -> Column:
    """The column of `column_arrays`."""
    return Column(arrays["codes"], Dictionary(texts(arrays, "entries")))


@dataclass(frozen=True)
class Source:
    """A segment's events file and its place in the column cache."""

    file: Path

    @cached_property
    def _identity(self) -> str:
        """What tells this file from every other: its size and a hash of its end, where Parquet keeps its index."""
        size = self.file.stat().st_size
        with self.file.open("rb") as opened:
            opened.seek(max(0, size - (1 << 16)))
            return f"{size}-{xxhash.xxh3_128_hexdigest(opened.read())}"

    def bundle(self, name: str, rows: int, make: Callable[[], Arrays]) -> Arrays:
        """Arrays derived from this file, from the cache or made."""
        folder = self.file.parents[2] / "cache" / self.file.parent.name
        return Cache(folder).bundle(name, self._identity, rows, make) if rows >= LEAST_ROWS else make()


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a store, all of one event name: `start` to `stop`, of those where `keep` (None: all)."""

    store: EventStore
    start: int
    stop: int
    keep: Mask | None = None

    def __len__(self) -> int:
        return self.stop - self.start if self.keep is None else int(np.count_nonzero(self.keep))

    @property
    def span(self) -> slice:
        """The rows as a slice, `keep` left aside."""
        return slice(self.start, self.stop)

    def take(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """These rows of an array that has one entry a row of the store."""
        part = values[self.start : self.stop]
        return part if self.keep is None else part[self.keep]

    def index(self) -> Index:
        """These rows' numbers in the store."""
        if self.keep is None:
            return np.arange(self.start, self.stop, dtype=np.int64)
        return np.flatnonzero(self.keep) + self.start

    def where(self, mask: Mask) -> Rows:
        """Those that a mask over `span` accepts too."""
        return Rows(self.store, self.start, self.stop, mask if self.keep is None else self.keep & mask)

    def within(self, first_ms: int, last_ms: int) -> Rows:
        """Those with a timestamp between the two, both included. Timestamps are read on the two edge days only."""
        if self.keep is not None:
            raise ValueError("narrow the time first")
        days = self.store.day[self.span]
        first_day, last_day = _day(first_ms), _day(last_ms)
        start = self.start + int(np.searchsorted(days, first_day, "left"))
        stop = self.start + int(np.searchsorted(days, last_day, "right"))
        if start >= stop:
            return Rows(self.store, start, start)
        days = self.store.day[start:stop]
        opening = int(np.searchsorted(days, first_day, "right"))
        closing = int(np.searchsorted(days, last_day, "left"))
        early = self.store.times(slice(start, start + opening)) < first_ms
        late = self.store.times(slice(start + closing, stop)) > last_ms
        if not (early.any() or late.any()):
            return Rows(self.store, start, stop)
        keep = np.ones(stop - start, np.bool_)
        keep[:opening] = ~early
        keep[closing:] &= ~late
        return Rows(self.store, start, stop, keep)

    def through(self, inputs: frozenset[str]) -> Rows:
        """Those that came through one of the inputs."""
        names, codes = self.store.inputs
        allowed = np.array([name in inputs for name in names], np.bool_)
        return self if allowed.all() else self.where(allowed[codes[self.span]])

    def of_type(self, custom_type: str) -> Rows:
        """Those of one custom type."""
        names, codes = self.store.custom_types
        return self.where(np.array([name == custom_type for name in names], np.bool_)[codes[self.span]])

    def times(self) -> Millis:
        """UTC milliseconds of these rows."""
        times = self.store.times(self.span)
        return times if self.keep is None else times[self.keep]

    def counts(self, size: int) -> npt.NDArray[np.int64]:
        """How many of these rows each profile has: shape (size,)."""
        return np.bincount(self.take(self.store.profile), minlength=size)


def _day(ms: int) -> np.int32:
    return np.int32(max(-_DAYS, min(_DAYS, ms // DAY_MS)))


def open_events(file: Path, rows: int) -> list[EventStore]:
    """The stores of one segment's events file of so many rows."""
    source = Source(file)
    arrays = source.bundle("directory", rows, lambda: _directory(file))
    names: dict[tuple[str, str], list[tuple[str | None, int, int]]] = {}
    columns = [texts(arrays, column).to_list() for column in ("workspace", "kind", "name")]
    bounds = [arrays[column].tolist() for column in ("named", "first", "last")]
    for workspace, kind, name, named, first, last in zip(*columns, *bounds, strict=True):
        names.setdefault((workspace, kind), []).append((name if named else None, first, last))
    stores = []
    for (workspace, kind), parts in names.items():
        start = parts[0][1]
        shifted = [(name, first - start, last - start) for name, first, last in parts]
        stores.append(EventStore(source, workspace, kind, start, shifted))
    return stores


def _directory(file: Path) -> Arrays:
    """Where each (workspace, kind, name) begins and ends in a file."""
    group = ["workspace", "kind", "name"]
    runs = (
        pl.scan_parquet(file)
        .select(group)
        .with_row_index("row")
        .select(*group, "row", run=pl.struct(group).rle_id())
        .collect()
        .group_by("run", maintain_order=True)
        .agg(pl.col(group).first(), first=pl.col("row").min(), last=pl.col("row").max() + 1)
    )
    bounds = {name: runs[name].cast(pl.Int64).to_numpy() for name in ("first", "last")}
    return {
        **text_arrays(runs["workspace"], "workspace"),
        **text_arrays(runs["kind"], "kind"),
        **text_arrays(runs["name"].fill_null(""), "name"),
        "named": runs["name"].is_not_null().to_numpy(),
        **bounds,
    }

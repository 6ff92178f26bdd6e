"""Events as columns: one store a segment, workspace and kind, its columns read when a criterion first needs them.

Rows lie in (name, UTC day, profile, arrival) order, so an event name is a slice and a window of it is a narrower slice.
Counting is a scatter over `profile`; a property is a column of dictionary codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.values import Column, Mask, Millis

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
        codes = np.zeros(self.size, np.uint32)
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
    """The events of one segment, workspace and kind. Immutable; columns are read once, when first asked for."""

    def __init__(
        self, file: Path, workspace: str, kind: str, start: int, names: list[tuple[str | None, int, int]]
    ) -> None:
        """`start`: the first row in the file; `names`: (name, first row, row after the last) within this store."""
        self.file, self.workspace, self.kind = file, workspace, kind
        self._start = start
        self.names = {name: (first, last) for name, first, last in names}
        self.size = max(last for _, _, last in names)
        self._columns: dict[tuple[str, str], Column] = {}

    def read(self, *columns: str) -> pl.DataFrame:
        """Columns of the durable file, rows in the store's order."""
        return pl.scan_parquet(self.file).slice(self._start, self.size).select(columns).collect()

    @cached_property
    def _base(self) -> pl.DataFrame:
        return self.read("profile", "timestamp_ms", "arrival", "input", "custom_type", "also")

    @cached_property
    def profile(self) -> npt.NDArray[np.uint32]:
        """Profile index, one a row."""
        return self._base["profile"].to_numpy()

    @cached_property
    def timestamp_ms(self) -> Millis:
        """UTC milliseconds, one a row."""
        return self._base["timestamp_ms"].to_numpy()

    @cached_property
    def day(self) -> npt.NDArray[np.int32]:
        """UTC days since 1970, one a row."""
        return (self.timestamp_ms // DAY_MS).astype(np.int32)

    @cached_property
    def arrival(self) -> Index:
        """Order of arrival, one a row."""
        return self._base["arrival"].to_numpy()

    @cached_property
    def also(self) -> Mask:
        """Rows that another kind holds too, one a row."""
        return self._base["also"].to_numpy()

    @cached_property
    def inputs(self) -> tuple[list[str], npt.NDArray[np.uint32]]:
        """The input names and a code into them, one a row."""
        return _codes(self._base["input"])

    @cached_property
    def custom_types(self) -> tuple[list[str], npt.NDArray[np.uint32]]:
        """The custom types and a code into them, one a row."""
        return _codes(self._base["custom_type"].fill_null(""))

    @cached_property
    def _bag(self) -> Bag:
        return Bag.of(self.read("attributes")["attributes"])

    @cached_property
    def products(self) -> Products:
        """The products of these events."""
        return Products.of(self.read("products")["products"])

    @property
    def attribute_keys(self) -> list[str]:
        """Every custom attribute key that some row has."""
        return list(self._bag.keys)

    def column(self, where: str, name: str) -> Column:
        """A standard `field` or a custom `attribute` as a column, one row an event."""
        key = (where, name)
        if key not in self._columns:
            column = self._bag.column(name) if where == "attribute" else Column.of(self.read(name)[name])
            self._columns[key] = column
        return self._columns[key]

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


def _codes(names: pl.Series) -> tuple[list[str], npt.NDArray[np.uint32]]:
    known = names.unique(maintain_order=True)
    return known.to_list(), names.cast(pl.Enum(known)).to_physical().cast(pl.UInt32).to_numpy()


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
        times, days = self.store.timestamp_ms[start:stop], self.store.day[start:stop]
        keep = np.ones(stop - start, np.bool_)
        opening = int(np.searchsorted(days, first_day, "right"))
        keep[:opening] = times[:opening] >= first_ms
        closing = int(np.searchsorted(days, last_day, "left"))
        keep[closing:] &= times[closing:] <= last_ms
        return Rows(self.store, start, stop, None if keep.all() else keep)

    def through(self, inputs: frozenset[str]) -> Rows:
        """Those that came through one of the inputs."""
        names, codes = self.store.inputs
        allowed = np.array([name in inputs for name in names], np.bool_)
        return self if allowed.all() else self.where(allowed[codes[self.span]])

    def of_type(self, custom_type: str) -> Rows:
        """Those of one custom type."""
        names, codes = self.store.custom_types
        return self.where(np.array([name == custom_type for name in names], np.bool_)[codes[self.span]])

    def counts(self, size: int) -> npt.NDArray[np.int64]:
        """How many of these rows each profile has: shape (size,)."""
        return np.bincount(self.take(self.store.profile), minlength=size)


def _day(ms: int) -> np.int32:
    return np.int32(max(-_DAYS, min(_DAYS, ms // DAY_MS)))


def open_events(file: Path) -> list[EventStore]:
    """The stores of one segment's events file."""
    runs = (
        pl.scan_parquet(file)
        .select("workspace", "kind", "name")
        .with_row_index("row")
        .select("workspace", "kind", "name", "row", run=pl.struct("workspace", "kind", "name").rle_id())
        .collect()
        .group_by("run", maintain_order=True)
        .agg(pl.col("workspace", "kind", "name").first(), first=pl.col("row").min(), last=pl.col("row").max() + 1)
    )
    stores = []
    for (workspace, kind), part in runs.group_by("workspace", "kind", maintain_order=True):
        start = int(part["first"][0])
        names = [
            (name, first - start, last - start) for name, first, last in part.select("name", "first", "last").rows()
        ]
        stores.append(EventStore(file, str(workspace), str(kind), start, names))
    return stores

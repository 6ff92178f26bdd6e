"""The properties of events as columns of codes: one store a segment, workspace, kind and big event name.

Columns come from the column cache where it has them, else from the durable Parquet, when a criterion first asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data import kernels, loops
from core.data.cache import LEAST_ROWS, Cache
from core.data.coded import Codes, Column, Dictionary
from core.data.letters import Arrays, text_arrays, texts
from core.data.schema import PRODUCT_FIELDS, scan, there
from core.data.store import CACHE
from core.data.values import Mask, Millis

if TYPE_CHECKING:
    from core.data.events import Events

DAY_MS: Final = 86_400_000
DENSE: Final = 0.25
"""A column that holds something in fewer rows is kept as the rows that have a value."""

Index = npt.NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one (workspace, kind, name): from `first` to before `last`."""

    workspace: str
    kind: str
    name: str | None
    first: int
    last: int


class Pack:
    """Columns by key over the same rows, as the arrays of one bundle of the column cache."""

    def __init__(self, size: int, arrays: Arrays) -> None:
        self.size, self._arrays = size, arrays
        self._places = {key: place for place, key in enumerate(texts(arrays, "keys").to_list())}

    @staticmethod
    def arrays(size: int, columns: Iterable[tuple[str, Index, pl.Series]]) -> Arrays:
        """The bundle of columns: key, the rows that have a value, and their tagged values."""
        keys, arrays = [], {}
        for place, (key, rows, values) in enumerate(columns):
            keys.append(key)
            column = Column.of(values)
            codes = column.codes
            if len(rows) >= size * DENSE:
                codes = np.zeros(size, column.codes.dtype)
                codes[rows] = column.codes
            else:
                arrays[f"{place}.rows"] = rows.astype(np.uint32)
            arrays[f"{place}.codes"] = codes
            arrays |= text_arrays(column.dictionary.entries, f"{place}")
        return arrays | text_arrays(pl.Series(keys, dtype=pl.String), "keys")

    @property
    def keys(self) -> list[str]:
        """The keys that some row has."""
        return list(self._places)

    def column(self, key: str) -> Column:
        """One key as a column; absent where a row does not have it."""
        return self._column(self._places[key]) if key in self._places else Column.missing(self.size)

    def _column(self, place: int) -> Column:
        codes = self._arrays[f"{place}.codes"]
        if (rows := self._arrays.get(f"{place}.rows")) is not None:
            dense = np.zeros(self.size, codes.dtype)
            dense[rows] = codes
            codes = dense
        return Column(codes, Dictionary(texts(self._arrays, f"{place}")))


def _flat(lists: pl.Series) -> tuple[Index, pl.DataFrame]:
    """The structs of a list column one below the other, and the row of each; empty and null lists have none."""
    counts = lists.list.len().fill_null(0).to_numpy()
    rows = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    filled = lists.filter(pl.Series(counts > 0))
    return rows, filled.explode().rename("each").to_frame().unnest("each")


def _bag(bags: pl.Series) -> Iterator[tuple[str, Index, pl.Series]]:
    """The columns of a `schema.BAG` column."""
    rows, pairs = _flat(bags)
    parts = pairs.with_columns(row=rows).partition_by("key", as_dict=True, maintain_order=True)
    for key, part in parts.items():
        yield str(key[0]), part["row"].to_numpy(), part["value"]


class Products:
    """The products of a store's events, one below the other; `owner` is the event row of each, ascending."""

    def __init__(self, store: EventStore, arrays: Arrays) -> None:
        self.owner: Index = arrays["owner"]
        self._store, self._pack = store, Pack(len(self.owner), arrays)

    @cached_property
    def single(self) -> bool:
        """Whether each event has just one product."""
        return len(self.owner) == self._store.size and bool((self.owner[1:] > self.owner[:-1]).all())

    @property
    def begins(self) -> Index | None:
        """The first product of each event, and behind them how many there are; None where each event has just one."""
        if self.single:
            return None

        def make() -> Index:
            counts = np.bincount(self.owner, minlength=self._store.size)
            return np.append(0, np.cumsum(counts))

        return self._store.remembered("products/begins", make)

    def places(self, rows: Index) -> Index:
        """Where the products of events begin that are given by their rows of the segment."""
        within = rows - self._store.start
        return within if self.begins is None else self.begins[within]

    def _of_owners(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if self.begins is None else values[self.owner]

    @property
    def profile(self) -> npt.NDArray[np.uint32]:
        """Profile index, one a product."""
        if self.single:
            return self._store.profile
        return self._store.remembered("products/profile", lambda: self._of_owners(self._store.profile))

    @property
    def clock(self) -> npt.NDArray[np.uint32]:
        """Milliseconds since the UTC day began, one a product."""
        return self._of_owners(self._store.clock)

    @property
    def arrival(self) -> Index:
        """Order of arrival, one a product."""
        return self._of_owners(self._store.arrival)

    def kept(self, keep: Mask, rows: tuple[Index, Index]) -> Mask:
        """A mask over the events of ranges (their rows of the segment) as one over their products."""
        if self.begins is None or not len(keep):
            return keep
        events = loops.numbers_of(rows[0] - self._store.start, rows[1] - self._store.start)
        return np.repeat(keep, self.begins[events + 1] - self.begins[events])

    def some(self, mask: Mask, rows: tuple[Index, Index]) -> Mask:
        """A mask over the products of the events of ranges as one over the events: those with one that it accepts."""
        if self.begins is None:
            return mask
        return kernels.some(self.owner, mask, rows[0] - self._store.start, rows[1] - self._store.start, self.begins)

    @staticmethod
    def arrays(products: pl.Series) -> Arrays:
        """The bundle of a `schema.PRODUCT` list column."""
        owner, frame = _flat(products)

        def columns() -> Iterator[tuple[str, Index, pl.Series]]:
            for name in PRODUCT_FIELDS:
                values = frame[name]
                if values.null_count() < len(values):
                    yield f"field/{name}", values.is_not_null().arg_true().to_numpy(), values.drop_nulls()
            for key, rows, values in _bag(frame["attributes"]):
                yield f"attribute/{key}", rows, values

        return {"owner": owner, **Pack.arrays(len(owner), columns())}

    @property
    def attributes(self) -> list[str]:
        """The custom attributes that some product has."""
        return [key.removeprefix("attribute/") for key in self._pack.keys if key.startswith("attribute/")]

    def column(self, where: str, name: str) -> Column:
        """A product's `field` or `attribute` as a column, one row a product."""
        key = f"{where}/{name}"
        return self._store.remembered(f"product/{key}", lambda: self._pack.column(key))


class EventStore:
    """Some neighbouring rows of a segment, all of one workspace and kind. Immutable; columns are remembered."""

    def __init__(self, events: Events, groups: list[Group]) -> None:
        self.events = events
        self.workspace, self.kind = groups[0].workspace, groups[0].kind
        self.start, self.stop = groups[0].first, groups[-1].last
        self.size = self.stop - self.start
        self.names = {group.name: (group.first - self.start, group.last - self.start) for group in groups}
        self._by_name: dict[tuple[str, str], Codes | None] = {}

    def lazy(self, row: int) -> pl.LazyFrame:
        """One row with every column of the durable file."""
        return scan("events", [self.events.source.file], rows=(self.start + row, 1))

    def read(self, *columns: str) -> pl.DataFrame:
        """Columns of the durable file, rows in the store's order."""
        return scan("events", [self.events.source.file], columns, (self.start, self.size)).collect()

    def bundle(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays derived from these events, from the column cache or made."""
        return self.events.source.bundle(f"{self.start}/{name}", self.size, make)

    def remembered(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives of these events, as long as the memory of their dataset holds it."""
        return self.events.memory.remember(("events", self.events.serial, self.start, name), make)

    @property
    def profile(self) -> npt.NDArray[np.uint32]:
        """Profile index, one a row."""
        return self.events.profile[self.start : self.stop]

    @property
    def clock(self) -> npt.NDArray[np.uint32]:
        """Milliseconds since the UTC day began, one a row."""
        return self.events.clock[self.start : self.stop]

    def places(self, rows: Index) -> Index:
        """Rows of the segment as rows of this store."""
        return rows - self.start

    def days(self, first: int, last: int) -> tuple[Index, Index, Index]:
        """The UTC days of the rows of one or more names, name by name and ascending: each day (since 1970), its first
        row, and the row after its last."""
        begins = self.events.begins
        runs = np.arange(*np.searchsorted(begins, (self.start + first, self.start + last)))
        return self.events.days(runs), begins[runs] - self.start, begins[runs + 1] - self.start

    @property
    def bounds(self) -> Index:
        """The row at which each run begins, and where the last one ends."""
        first, last = self.events.begins.searchsorted((self.start, self.stop))
        return self.events.begins[first : last + 1] - self.start

    @property
    def day(self) -> Index:
        """UTC days since 1970, one a row."""
        days, begins, ends = self.days(0, self.size)
        return np.repeat(days, ends - begins)

    @property
    def arrival(self) -> Index:
        """Order of arrival, one a row."""
        return self.events.arrival[self.start : self.stop]

    @property
    def also(self) -> Mask:
        """Rows that another kind holds too, one a row."""
        also = self.events.also
        mask = np.zeros(self.size, np.bool_)
        mask[also[(also >= self.start) & (also < self.stop)] - self.start] = True
        return mask

    def times(self, rows: Index | slice) -> Millis:
        """UTC milliseconds of some rows."""
        if isinstance(rows, slice):
            return self.day[rows] * DAY_MS + self.clock[rows]
        return self.events.times_of(self.start + rows)

    @cached_property
    def _attributes(self) -> Pack:
        arrays = self.bundle("attributes", lambda: Pack.arrays(self.size, _bag(self.read("attributes")["attributes"])))
        return Pack(self.size, arrays)

    @cached_property
    def products(self) -> Products:
        """The products of these events."""
        return Products(self, self.bundle("products", lambda: Products.arrays(self.read("products")["products"])))

    def prepare(self) -> None:
        """Make what the column cache is to hold of these events, fields aside: they are quick to read."""
        if self.size >= LEAST_ROWS:
            assert self.events.profile is not None and self._attributes and self.products

    @property
    def attribute_keys(self) -> list[str]:
        """Every custom attribute key that some row has."""
        return self._attributes.keys

    def column(self, where: str, name: str) -> Column:
        """A standard `field` or a custom `attribute` as a column, one row an event."""

        def make() -> Column:
            if where == "attribute":
                return self._attributes.column(name)
            return column_of(self.bundle(f"field/{name}", lambda: column_arrays(Column.of(self.read(name)[name]))))

        return self.remembered(f"{where}/{name}", make)

    def by_name(self, where: str, name: str) -> Codes | None:
        """A property that is the same on all rows of each name, one code a name: a screen's name, for one.

        None where the rows of a name differ, and where all rows have one name.
        """
        key = where, name
        if key not in self._by_name:
            self._by_name[key] = None
            if len(self.names) > 1:
                codes, (first, last) = self.column(where, name).codes, np.array(list(self.names.values())).T
                if (codes[first] == codes[last - 1]).all() and (codes == np.repeat(codes[first], last - first)).all():
                    self._by_name[key] = codes[first]
        return self._by_name[key]


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
    def identity(self) -> str:
        """What tells this file from every other: its size and a hash of its end, where Parquet keeps its index."""
        size = there(self.file).stat().st_size
        with self.file.open("rb") as opened:
            opened.seek(max(0, size - (1 << 16)))
            return f"{size}-{xxhash.xxh3_128_hexdigest(opened.read())}"

    def bundle(self, name: str, rows: int, make: Callable[[], Arrays]) -> Arrays:
        """Arrays derived from this file, from the cache or made."""
        return self.cache.bundle(name, self.identity, rows, make) if rows >= LEAST_ROWS else make()

    @property
    def cache(self) -> Cache:
        """Where the column cache has what derives from this segment."""
        return Cache(self.file.parents[2] / CACHE / self.file.parent.name)

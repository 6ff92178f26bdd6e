"""A group of staged rows: parts of a load put together, without the copies among them, as the files of a segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from core.data.keys import Keys, KeySet, keys_of, taken
from core.data.numbering import Mpids
from core.data.ordering import Index, ascending, event_order, grouped, ranks, stable_order
from core.data.parquet import GROUP_ROWS, Arrays, arrow_of, constant, lists_of, write_groups
from core.data.schema import PRODUCT_FIELDS, TABLES

Mask = npt.NDArray[np.bool_]

FLAT: Final = {"event_attributes": "event", "products": "event", "product_attributes": "product"}
"""Staged tables that become lists in the rows of another one, and their column that says in which row."""

_FROM_EVENTS: Final = ("locations", "attributions")
_HELD: Final = {"identities": "identity_type", "devices": "field"}
"""What profiles hold: each value once."""


@dataclass
class Staged:
    """A part of a load whose users are known: tables as in `core.data.loading.Part`, with arrivals of the load.

    `mpids`: one a user. Of users that are not `alive` (copies of batches) there are only rows of events.
    """

    tables: dict[str, pl.DataFrame]
    mpids: Mpids
    alive: Mask | None
    """None: all of them."""
    keys: Keys | None
    """By which copies of its events are told (`keys_of_events`)."""

    @property
    def size(self) -> int:
        """How much of a group it is, in events: what is said of profiles takes a quarter of the room, a row."""
        rows = {name: table.height for name, table in self.tables.items() if name not in FLAT}
        events = rows.pop("events", 0)
        return events + sum(rows.values()) // 4


def keys_of_events(scope: str, events: pl.DataFrame, mpids: Mpids) -> Keys | None:
    """One key an event, zeros where it has no message id; None where none has one. `mpids`: one a user."""
    if "message_id" not in events.columns:
        return None
    ids, user = events["message_id"], events["user"].to_numpy()
    if not ids.null_count():
        return keys_of(scope, ids, mpids[user])
    rows = np.flatnonzero(ids.is_not_null().to_numpy())
    keys = np.zeros((2, len(ids)), np.uint64)
    keys[:, rows] = keys_of(scope, ids.gather(pl.Series(rows)), mpids[user[rows]])
    return keys


class Group:
    """The users of some parts, and once it was filled, their rows."""

    def __init__(self, parts: Sequence[Staged]) -> None:
        self.mpids = np.concatenate([part.mpids for part in parts])
        dead = [part.alive is not None for part in parts]
        self.alive = (
            np.concatenate([np.ones(len(each.mpids), np.bool_) if each.alive is None else each.alive for each in parts])
            if any(dead)
            else None
        )
        self.tables: dict[str, pl.DataFrame] = {}
        self.events = self.duplicates = 0
        self._keys: Keys | None = None
        self._fresh: Mask | None = None
        """Which rows of events are no copies; None: all of them."""

    def fill(self, parts: list[Staged]) -> None:
        """Takes the rows of the parts, which are none afterwards."""
        users = [len(part.mpids) for part in parts]
        sizes = {"user": users, **{owner: _heights(parts, table) for owner, table in _OWNERS.items()}}
        names = dict.fromkeys(name for part in parts for name in part.tables)
        self.tables = {
            name: _joined([part.tables.pop(name, None) for part in parts], owner, np.cumsum([0, *sizes[owner][:-1]]))
            for name, owner in ((name, FLAT.get(name, "user")) for name in names)
        }
        if any(part.keys is not None for part in parts):
            every = zip(parts, sizes["event"], strict=True)
            keys = [np.zeros((2, size), np.uint64) if part.keys is None else part.keys for part, size in every]
            self._keys = keys[0] if len(keys) == 1 else np.concatenate(keys, axis=1)
        parts.clear()

    def drop_copies(self, known: KeySet) -> None:
        """Marks events that were seen before, and drops the rows that they gave to other tables; counts the others."""
        if "events" not in self.tables:
            return
        events = self.tables["events"]
        arrival = events["arrival"].to_numpy()
        ascending = bool((arrival[1:] > arrival[:-1]).all())
        rows = None if ascending else np.unique(arrival, return_index=True)[1]
        if self.alive is not None:
            self._fresh = self.alive[events["user"].to_numpy()]
            rows = _where(self._fresh, rows)
        self.events = len(arrival) if rows is None else len(rows)
        if self._keys is None:
            return
        if events["message_id"].null_count():
            rows = _where(events["message_id"].is_not_null().to_numpy(), rows)
        copied = known.add(self._keys if rows is None else taken(self._keys, rows))
        self._keys = None
        if copied.any():
            gone = arrival[copied] if rows is None else arrival[rows[copied]]
            fresh = ~np.isin(arrival, gone)
            self._fresh = fresh if self._fresh is None else self._fresh & fresh
            self.events -= len(gone)
            self.duplicates = len(gone)
            for name in _FROM_EVENTS:
                if name in self.tables:
                    of_gone = (pl.col("source") == "event") & pl.col("arrival").is_in(pl.Series(gone).implode())
                    self.tables[name] = self.tables[name].filter(~of_gone)

    def touched(self) -> tuple[Mpids, Index]:
        """The mpids that were named, each once, and for each user the place of its own among them (-1: a copy's)."""
        named = self.mpids if self.alive is None else self.mpids[self.alive]
        order, ordered = ascending(named)
        begins = np.zeros(len(named), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
        places = np.empty(len(named), np.int64)
        places[order] = np.cumsum(begins)
        begins[:1] = True
        if self.alive is not None:
            some, places = places, np.full(len(self.mpids), -1)
            places[self.alive] = some
        return ordered[begins], places

    def has_rows(self, mine: Mask | None) -> bool:
        """Whether users that are `mine` (None: all) have any row."""
        kept = {} if self._fresh is None else {"events": self._fresh}
        for name, frame in self.tables.items():
            if name not in FLAT and len(frame):
                some = kept.get(name) if mine is None else mine[frame["user"].to_numpy()] & kept.get(name, True)
                if some is None or some.any():
                    return True
        return False

    def write(
        self, folder: Path, profile: npt.NDArray[np.uint32], mine: Mask | None, constants: Mapping[str, str]
    ) -> tuple[dict[str, int], list[int]]:
        """Writes the files of users that are `mine` (None: all); the rows of each table, and moments that bound them.

        `profile`: the index of each user's profile.
        """
        rows: dict[str, int] = {}
        moments: list[int] = []

        def note(table: str, times: npt.NDArray[np.int64]) -> None:
            if len(times):
                rows[table] = len(times)
                moments.extend((int(times.min()), int(times.max())))

        def facts() -> None:
            for name in self.tables:
                if name not in FLAT and name != "events":
                    note(name, self._write_facts(name, folder, profile, mine, constants))

        with ThreadPoolExecutor(1) as beside:
            done = beside.submit(facts)
            if "events" in self.tables:
                note("events", self._write_events(folder, profile, mine, constants))
            done.result()
        return {name: rows[name] for name in TABLES if name in rows}, moments

    def _write_facts(
        self, name: str, folder: Path, profile: npt.NDArray[np.uint32], mine: Mask | None, constants: Mapping[str, str]
    ) -> npt.NDArray[np.int64]:
        """Writes one table as it came, but what profiles hold once; the times of its rows."""
        frame = self.tables[name]
        user = frame["user"].to_numpy()
        frame = frame.drop("user").with_columns(pl.Series("profile", profile[user]))
        if mine is not None:
            frame = frame.filter(pl.Series(mine[user]))
        if name in _HELD:
            frame = _once(frame, _HELD[name])
        if len(frame):
            given = {column.name: arrow_of(column) for column in frame.get_columns()}
            columns = _columns(name, given, frame.height, constants)
            write_groups([columns], folder / f"{name}.parquet", _filled(columns, frame))
        return frame["time_ms"].to_numpy()

    def _write_events(
        self, folder: Path, profile: npt.NDArray[np.uint32], mine: Mask | None, constants: Mapping[str, str]
    ) -> npt.NDArray[np.int64]:
        """Writes the events in order, their attributes and products with them; the times of its rows."""
        events = self.tables["events"]
        user = events["user"].to_numpy()
        who = profile[user]
        kept = self._fresh if mine is None else mine[user] if self._fresh is None else mine[user] & self._fresh
        if kept is None or kept.all():
            order = event_order(events, who)
        else:
            rows = np.flatnonzero(kept)
            order = rows[event_order(events[rows], who[rows])]
        said = [each for each in events.drop("user").get_columns() if each.null_count() < len(events)]
        bags = Bags(self.tables, len(events), order)

        def groups() -> Iterator[Arrays]:
            for start in range(0, len(order), GROUP_ROWS):
                some = order[start : start + GROUP_ROWS]
                at = pl.Series(some)
                given = {column.name: arrow_of(column.gather(at)) for column in said}
                given |= {"profile": arrow_of(pl.Series(who[some])), **bags.arrays(start, start + len(some))}
                yield _columns("events", given, len(some), constants)

        if len(order):
            write_groups(groups(), folder / "events.parquet", _filled(TABLES["events"], events))
        times = events["timestamp_ms"].to_numpy()
        return times if len(order) == len(times) else times[order]


class Bags:
    """The attributes and products of events that stand in an order."""

    def __init__(self, tables: Mapping[str, pl.DataFrame], events: int, order: Index) -> None:
        """`order`: which of so many events stand in the file, one after the other."""
        at = np.full(events, -1, np.int64)
        at[order] = np.arange(len(order))
        self._attributes = _Entries(tables.get("event_attributes"), "event", at, len(order))
        self._products = _Entries(tables.get("products"), "event", at, len(order))
        own = tables.get("product_attributes")
        self._own = _Entries(own, "product", self._products.at, len(self._products.frame)) if own is not None else None
        held = self._products.frame
        self._fields = [each for each in PRODUCT_FIELDS if each in held.columns and held[each].count()]

    def arrays(self, start: int, stop: int) -> Arrays:
        """The columns `attributes` and `products` of some rows; what no event or product has is left out."""
        found = {}
        if len(self._attributes.frame):
            offsets, entries = self._attributes.of(start, stop)
            found["attributes"] = lists_of(offsets, {name: arrow_of(entries[name]) for name in ("key", "value")})
        if len(self._products.frame):
            offsets, entries = self._products.of(start, stop)
            fields: dict[str, Any] = {name: arrow_of(entries[name]) for name in self._fields}
            if self._own is not None:
                fields["attributes"] = self._own_attributes(self._own, start, stop)
            # A struct has some field, though nobody said anything of these products.
            found["products"] = lists_of(offsets, fields or {"id": pa.nulls(len(entries), pa.large_string())})
        return found

    def _own_attributes(self, own: _Entries, start: int, stop: int) -> Any:
        offsets, entries = own.of(*(int(self._products.offsets[at]) for at in (start, stop)))
        return lists_of(offsets, {name: arrow_of(entries[name]) for name in ("key", "value")})


class _Entries:
    """Entries of lists in the order of the rows that hold them, and where those of each row begin."""

    def __init__(self, frame: pl.DataFrame | None, owner: str, at: Index, size: int) -> None:
        """`at`: the place of each row that the column `owner` may name, below `size`; -1: it is left out."""
        frame = pl.DataFrame({owner: []}, schema={owner: pl.Int64}) if frame is None else frame
        places = at[frame[owner].to_numpy()]
        self.offsets = np.zeros(size + 1, np.int64)
        self.at = np.arange(len(frame))
        """The place of each entry of the frame among those of all rows, -1 where it is left out."""
        if (places < 0).any() or (places[1:] < places[:-1]).any():
            kept = np.flatnonzero(places >= 0)
            order = kept[stable_order([places[kept]])]
            self.at = np.full(len(frame), -1, np.int64)
            self.at[order] = np.arange(len(order))
            frame, places = frame[order], places[order]
        np.cumsum(np.bincount(places, minlength=size), out=self.offsets[1:])
        self.frame = frame

    def of(self, start: int, stop: int) -> tuple[Index, pl.DataFrame]:
        """The entries of some rows, and where those of each begin among them, and the last end."""
        offsets = self.offsets[start : stop + 1]
        return offsets - offsets[0], self.frame.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _columns(table: str, given: Arrays, size: int, constants: Mapping[str, str]) -> Arrays:
    """The columns of a table in order, those of the load and flags that nobody set constant."""
    found = {}
    for name, dtype in TABLES[table].items():
        if name in given:
            found[name] = given[name]
        elif name in constants:
            found[name] = constant(constants[name], size)
        elif dtype == pl.Boolean:
            found[name] = arrow_of(pl.repeat(False, size, eager=True))
    return found


def _filled(columns: Iterable[str], frame: pl.DataFrame) -> list[str]:
    """Which columns are null in no row, where a frame has those that may be null."""
    return [name for name in columns if name not in frame.columns or not frame[name].null_count()]


def _once(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """Each value of a profile once, since its first time and, where there are arrivals, at its last: in order."""
    order, at = grouped([ranks(frame[what]), ranks(frame["value"]), frame["profile"].to_numpy()])
    columns = frame.select(what, "value", "profile")[pl.Series(order[at])].get_columns()
    columns.append(pl.Series("time_ms", np.minimum.reduceat(frame["time_ms"].to_numpy()[order], at)))
    if "arrival" in frame.columns:
        columns.append(pl.Series("arrival", np.maximum.reduceat(frame["arrival"].to_numpy()[order], at)))
    return pl.DataFrame(columns)


def _where(mask: Mask, rows: Index | None) -> Index:
    """Those of some rows (None: all) that a mask over all of them accepts."""
    return np.flatnonzero(mask) if rows is None else rows[mask[rows]]


_OWNERS: Final = {"event": "events", "product": "products"}


def _heights(parts: Sequence[Staged], table: str) -> list[int]:
    return [part.tables[table].height if table in part.tables else 0 for part in parts]


def _joined(frames: Sequence[pl.DataFrame | None], owner: str, shifts: Index) -> pl.DataFrame:
    """Frames below each other; columns that some lack are null there. `shifts`: what is added to the column `owner`,
    numbers of rows of another table, in each."""
    held = [(at, frame) for at, frame in enumerate(frames) if frame is not None]
    columns = []
    for name in dict.fromkeys(name for _, frame in held for name in frame.columns):
        pieces = {at: frame[name] for at, frame in held if name in frame.columns}
        if name == owner:
            pieces = {at: piece.cast(pl.UInt32) + int(shifts[at]) for at, piece in pieces.items()}
        dtypes = {piece.dtype for piece in pieces.values()}
        if len(dtypes) > 1:  # a text column that was coded in some parts only
            pieces = {at: piece.cast(pl.String) for at, piece in pieces.items()}
        nothing = next(iter(pieces.values())).clear()
        every = [pieces[at] if at in pieces else nothing.extend_constant(None, frame.height) for at, frame in held]
        columns.append(pl.concat(every, rechunk=True).alias(name))
    return pl.DataFrame(columns)

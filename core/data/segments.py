"""From staged rows to segment files: profiles numbered, rows sorted, files written, one commit at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.keys import KeySet, scatter
from core.data.manifest import Manifest, Segment
from core.data.numbering import Mpids, Numbering, indexes_of
from core.data.schema import TABLES
from core.data.store import Store, Writer, explained

BATCH_KEYS: Final = "batch_keys.npy"
EVENT_KEYS: Final = "event_keys.npy"
GROUP_EVENTS: Final = 4_000_000
"""A load above this many events is written as several segments, so that memory stays bounded."""

WRITTEN: Final[dict[str, Any]] = {"compression": "zstd", "compression_level": 1, "row_group_size": 512 << 10}
"""How Parquet is written: smaller groups of rows take longer to write, bigger ones to read a few rows of."""

_SHARD_SALT: Final = np.uint64(0x5851F42D4C957F2D)
_DAY_MS: Final = 86_400_000

Tables = dict[str, pl.DataFrame]


class SegmentWriter:
    """Collects staged rows (schema.TABLES with mpid for profile) in groups. A full group is written as a segment in a
    thread while the next one is collected; until the commit nothing names them.

    In a sharded dataset every shard has groups of its own, and keys have segments beside them: copies are told before
    rows are split.
    """

    def __init__(self, writer: Writer, workspace: str, input: str) -> None:
        self._writer = writer
        self._name = f"{writer.manifest.version + 1:08d}"
        constants = {"workspace": workspace, "input": input}
        self._sharded = bool(writer.manifest.shards)
        self._parts = [
            _Part(writer, store, self._name, constants, writer.manifest.part(number))
            for number, store in enumerate(writer.store.parts(writer.manifest))
        ]
        self._keys: dict[Path, dict[str, int]] = {}
        self._events = 0
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        for folder in (*(folder for part in self._parts for folder in part.folders), *self._keys):
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, tables: Tables, touched: Mpids, batch_keys: KeySet, event_keys: KeySet) -> None:
        """Takes the rows of one part of a load, and the mpids that it names; writes groups that are full."""
        for part, own, mpids in zip(
            self._parts, _split(tables, len(self._parts)), _shares(touched, len(self._parts)), strict=True
        ):
            part.add(own, mpids)
        self._events += len(tables["events"]) if "events" in tables else 0
        if self._events >= GROUP_EVENTS:
            self._writing = self._thread.submit(_each_in_turn, self._taken(batch_keys, event_keys))

    def _taken(self, batch_keys: KeySet, event_keys: KeySet) -> list[Callable[[], None]]:
        """What writes all that was collected, once the group before it is written; its keys are saved."""
        if self._writing is not None:
            self._writing.result()
        groups = [group for part in self._parts if (group := part.take()) is not None]
        self._save(batch_keys, event_keys)
        self._events = 0
        return groups

    def _save(self, batch_keys: KeySet, event_keys: KeySet) -> None:
        """Puts new keys into the folder of the newest group or, in a sharded dataset, into one of their own."""
        if not (batch_keys.fresh or event_keys.fresh):
            return
        counts = {"batch_keys": batch_keys.fresh, "event_keys": event_keys.fresh}
        if self._sharded:
            folder = self._writer.new_folder(f"{self._name}-{len(self._keys)}")
        else:
            folder = self._parts[0].folders[-1]
        self._keys[folder] = {name: count for name, count in counts.items() if count}
        with explained(self._writer.store.path, "written"):
            batch_keys.save(folder / BATCH_KEYS)
            event_keys.save(folder / EVENT_KEYS)

    def commit(self, manifest: Manifest, arrivals: int, batch_keys: KeySet, event_keys: KeySet) -> int:
        """Commits every group as a segment; no commit when the manifest would not change. How many profiles the load
        touched.
        """
        _each_in_turn(self._taken(batch_keys, event_keys))
        for number, part in enumerate(self._parts):
            manifest = manifest.with_part(number, part.finish(manifest.part(number)))
        manifest = replace(manifest, segments=self._with_keys(manifest.segments))
        if manifest != self._writer.manifest:
            self._writer.commit(replace(manifest, next_arrival=arrivals))
        for part in self._parts:
            part.folders = []
        self._keys = {}
        return sum(len(part.numbering.touched) for part in self._parts)

    def _with_keys(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """Segments with the number of keys in their folders; in a sharded dataset those of keys come after them."""
        if self._sharded:
            return (*segments, *(Segment(folder.name, counts, None, None) for folder, counts in self._keys.items()))
        counts = {folder.name: each for folder, each in self._keys.items()}
        return tuple(
            replace(each, tables={**each.tables, **counts[each.name]}) if each.name in counts else each
            for each in segments
        )


def _each_in_turn(groups: Sequence[Callable[[], None]]) -> None:
    for group in groups:
        group()


class _Part:
    """The groups of one shard, or of a dataset without shards."""

    def __init__(
        self, writer: Writer, store: Store, name: str, constants: Mapping[str, str], manifest: Manifest
    ) -> None:
        self._writer, self._store, self._name, self._constants = writer, store, name, constants
        self._pending: dict[str, list[pl.DataFrame]] = {}
        self._touched: list[Mpids] = []
        self._segments: list[Segment] = []
        self.numbering = Numbering(store.read("profiles", manifest), manifest.profiles)
        self.folders: list[Path] = []

    def add(self, tables: Tables, touched: Mpids) -> None:
        """Takes rows, and the mpids that were named."""
        for name, frame in tables.items():
            self._pending.setdefault(name, []).append(frame)
        if len(touched):
            self._touched.append(touched)

    def take(self) -> Callable[[], None] | None:
        """What writes all rows taken so far as a segment, to be called in the order of the groups; None without rows.

        Profiles that were named without any row are known already: what they did was a copy.
        """
        if not self._touched:
            return None
        pending, touched = self._pending, self._touched
        self._pending, self._touched = {}, []
        folder = None
        if pending:
            folder = self._writer.new_folder(f"{self._name}-{len(self.folders)}", self._store)
            self.folders.append(folder)

        def write() -> None:
            numbered, new = self.numbering.take(touched)
            if folder is not None:
                tables = {name: pending.pop(name) for name in list(pending)}
                self._segments.append(self._write(folder, tables, new, numbered))

        return write

    def finish(self, manifest: Manifest) -> Manifest:
        """The part's manifest with every group that was written."""
        segments = (*manifest.segments, *self._segments)
        return replace(manifest, segments=segments, profiles=self.numbering.count)

    def _write(
        self, folder: Path, tables: dict[str, list[pl.DataFrame]], new: pl.DataFrame, numbered: pl.DataFrame
    ) -> Segment:
        rows: dict[str, int] = {}
        moments: list[int] = []
        if len(new):
            rows["profiles"] = self._file(folder, "profiles", new)
        for name in list(tables):
            staged = pl.concat(tables.pop(name), how="diagonal")
            columns = staged.drop("mpid").with_columns(indexes_of(staged["mpid"], numbered)).get_columns()
            del staged
            shaped = _shaped(name, columns)
            if len(shaped):
                times = shaped["timestamp_ms" if name == "events" else "time_ms"].to_numpy()
                moments += [int(times.min()), int(times.max())]
                rows[name] = self._file(folder, name, shaped)
        return Segment(folder.name, rows, min(moments, default=None), max(moments, default=None))

    def _file(self, folder: Path, table: str, frame: pl.DataFrame) -> int:
        """Writes the columns of the table in order, those of the load constant; returns the number of rows."""
        columns = []
        for name, dtype in TABLES[table].items():
            if name in frame.columns:
                column = frame[name]
                columns.append(column if column.dtype == dtype else column.cast(dtype))
            elif name in self._constants or dtype == pl.Boolean:
                value = self._constants.get(name, False)
                columns.append(pl.Series(name, [value], dtype=dtype).new_from_index(0, len(frame)))
        with explained(self._writer.store.path, "written"):
            write(pl.DataFrame(columns), folder / f"{table}.parquet")
        return len(frame)


def write(rows: pl.DataFrame, file: Path) -> None:
    """Writes rows of a table as a file of a segment, without the columns that are null in all of them."""
    said = [column for column in rows.get_columns() if column.null_count() < len(column)]
    pl.DataFrame(said).write_parquet(file, **WRITTEN)


def shard_of(mpids: Mpids, shards: int) -> npt.NDArray[np.int64]:
    """The shard of each mpid: a salted hash of it, the same for ever."""
    return (scatter(mpids.view(np.uint64) + _SHARD_SALT) >> np.uint64(1)).astype(np.int64) % shards


def _shares(mpids: Mpids, shards: int) -> list[Mpids]:
    """The mpids of each shard."""
    if shards == 1:
        return [mpids]
    own = shard_of(mpids, shards)
    return [mpids[own == number] for number in range(shards)]


def _split(tables: Tables, shards: int) -> list[Tables]:
    """The rows of each shard, in their order."""
    if shards == 1:
        return [tables]
    result: list[Tables] = [{} for _ in range(shards)]
    for name, frame in tables.items():
        own = shard_of(frame["mpid"].to_numpy(), shards)
        ordered_by_shard = frame.rechunk()[pl.Series(np.argsort(own, kind="stable"))]
        start = 0
        for number, count in enumerate(np.bincount(own, minlength=shards).tolist()):
            if count:
                result[number][name] = ordered_by_shard.slice(start, count)
            start += count
    return result


def _shaped(name: str, columns: list[pl.Series]) -> pl.DataFrame:
    """Events in order (which takes the columns away one by one), one identity a profile, one device value a profile;
    everything else as it came.
    """
    if name == "events":
        order = _order(pl.DataFrame(columns))
        return pl.DataFrame([_gathered(columns.pop(0), order) for _ in range(len(columns))])
    held = {"identities": "identity_type", "devices": "field"}
    return _once(pl.DataFrame(columns), held[name]) if name in held else pl.DataFrame(columns)


def _once(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """Each value of a profile once, since its first time and, where there are arrivals, at its last: in order."""
    keys = [_ranks(frame[what]), _ranks(frame["value"]), frame["profile"].to_numpy()]
    order = _stable_order(keys)
    begins = np.zeros(len(order), np.bool_)
    begins[:1] = True
    for key in keys:
        begins[1:] |= np.diff(key[order]) != 0
    at = np.flatnonzero(begins)
    columns = frame.select(what, "value", "profile")[pl.Series(order[at])].get_columns()
    columns.append(pl.Series("time_ms", np.minimum.reduceat(frame["time_ms"].to_numpy()[order], at)))
    if "arrival" in frame.columns:
        columns.append(pl.Series("arrival", np.maximum.reduceat(frame["arrival"].to_numpy()[order], at)))
    return pl.DataFrame(columns)


def ordered(events: pl.DataFrame) -> pl.DataFrame:
    """By workspace, kind, name, UTC day, profile, arrival; the rows of a profile and kind come in order of arrival."""
    order = _order(events)
    return pl.DataFrame([_gathered(column, order) for column in events.get_columns()])


def _gathered(column: pl.Series, order: pl.Series) -> pl.Series:
    # In one chunk first: gathering lists of structs from many chunks takes ten times as long.
    return column.rechunk().gather(order)


def _order(events: pl.DataFrame) -> pl.Series:
    named = [_ranks(events[name]) for name in ("workspace", "kind", "name") if name in events.columns]
    day = events["timestamp_ms"].to_numpy() // _DAY_MS
    day -= day.min() if len(day) else 0
    return pl.Series(_stable_order([*named, day, events["profile"].to_numpy()]))


def _stable_order(keys: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """The order by keys (whole numbers from 0 on), the first one first, else as they are: packed where they fit."""
    size = len(keys[0])
    bits = [int(key.max(initial=0)).bit_length() for key in keys]
    own = size.bit_length()
    if sum(bits) > 64:
        return np.lexsort(keys[::-1])
    packed = np.zeros(size, np.uint64)
    for key, width in zip(keys, bits, strict=True):
        packed = (packed << np.uint64(width)) | key.astype(np.uint64)
    if sum(bits) + own > 64:
        return np.argsort(packed, kind="stable")
    # With its own number in the lower bits a row needs no stable order, and numbers are sorted faster than places.
    numbered = pl.Series((packed << np.uint64(own)) | np.arange(size, dtype=np.uint64))
    return (numbered.sort().to_numpy() & np.uint64((1 << own) - 1)).astype(np.int64)


def _ranks(texts: pl.Series) -> npt.NDArray[np.uint32]:
    """Numbers in the order of the texts, null first."""
    known = texts.unique().drop_nulls().sort()
    codes = texts.cast(pl.Enum(known)).to_physical().cast(pl.UInt32)
    return (codes + 1).fill_null(0).to_numpy()

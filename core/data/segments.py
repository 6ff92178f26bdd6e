"""From staged rows to segment files: profiles numbered, rows sorted, files written, one commit at the end."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.keys import KeySet, scatter
from core.data.manifest import Manifest, Segment
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
_IDENTITY: Final = ["identity_type", "value", "mpid"]
_DEVICE: Final = ["field", "value", "mpid"]

Mpids = npt.NDArray[np.int64]
Tables = dict[str, pl.DataFrame]


class SegmentWriter:
    """Collects staged rows (schema.TABLES with mpid for profile) in groups; each group becomes a segment at commit.

    In a sharded dataset every shard has groups of its own, and keys have segments beside them: copies are told before
    rows are split.
    """

    def __init__(self, writer: Writer, workspace: str, input: str) -> None:
        self._writer = writer
        self._name = f"{writer.manifest.version + 1:08d}"
        constants = {"workspace": workspace, "input": input}
        self._sharded = bool(writer.manifest.shards)
        self._parts = [_Part(writer, store, self._name, constants) for store in writer.store.parts(writer.manifest)]
        self._keys: dict[Path, dict[str, int]] = {}
        self._events = 0

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in (*(folder for part in self._parts for folder in part.folders), *self._keys):
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, tables: Tables, batch_keys: KeySet, event_keys: KeySet) -> None:
        """Takes the rows of one part of a load; puts full groups aside on disk."""
        for part, own in zip(self._parts, _split(tables, len(self._parts)), strict=True):
            part.add(own)
        self._events += len(tables["events"]) if "events" in tables else 0
        if self._events >= GROUP_EVENTS:
            for part in self._parts:
                part.put_aside()
            self._save(batch_keys, event_keys)
            self._events = 0

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

    def commit(self, manifest: Manifest, touched: Mpids, arrivals: int, batch_keys: KeySet, event_keys: KeySet) -> None:
        """Writes every group as a segment and commits them together; no commit when the manifest would not change.

        `touched`: the mpids that any staged row names, ascending.
        """
        shares = shard_of(touched, len(self._parts))
        for number, part in enumerate(self._parts):
            finished = part.finish(manifest.part(number), touched[shares == number])
            manifest = manifest.with_part(number, finished)
        self._save(batch_keys, event_keys)
        manifest = replace(manifest, segments=self._with_keys(manifest.segments))
        if manifest != self._writer.manifest:
            self._writer.commit(replace(manifest, next_arrival=arrivals))
        for part in self._parts:
            part.folders = []
        self._keys = {}

    def _with_keys(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """Segments with the number of keys in their folders; in a sharded dataset those of keys come after them."""
        if self._sharded:
            return (*segments, *(Segment(folder.name, counts, None, None) for folder, counts in self._keys.items()))
        counts = {folder.name: each for folder, each in self._keys.items()}
        return tuple(
            replace(each, tables={**each.tables, **counts[each.name]}) if each.name in counts else each
            for each in segments
        )


class _Part:
    """The groups of one shard, or of a dataset without shards."""

    def __init__(self, writer: Writer, store: Store, name: str, constants: Mapping[str, str]) -> None:
        self._writer, self._store, self._name, self._constants = writer, store, name, constants
        self._pending: dict[str, list[pl.DataFrame]] = {}
        self._aside = self._staged = 0
        self.folders: list[Path] = []

    def add(self, tables: Tables) -> None:
        """Takes rows."""
        for name, frame in tables.items():
            self._pending.setdefault(name, []).append(frame)

    def put_aside(self) -> None:
        """Puts what is there into a folder, the last one until its group is full."""
        if not self._pending:
            return
        if not self.folders or self._aside >= GROUP_EVENTS:
            self._new_folder()
        tables = self._joined()
        self._staged += 1
        self._aside += len(tables["events"]) if "events" in tables else 0
        for name, frame in tables.items():
            with explained(self._writer.store.path, "written"):
                file = self.folders[-1] / f"staged-{name}-{self._staged:08d}"
                frame.write_parquet(file, compression="lz4", statistics=False)

    def _new_folder(self) -> None:
        self.folders.append(self._writer.new_folder(f"{self._name}-{len(self.folders)}", self._store))
        self._aside = 0

    def _joined(self) -> Tables:
        joined = {name: pl.concat(frames, how="diagonal") for name, frames in self._pending.items()}
        self._pending = {}
        return joined

    def finish(self, manifest: Manifest, touched: Mpids) -> Manifest:
        """Writes every group as a segment; the part's manifest with them. `touched`: its mpids, ascending."""
        profiles = self._store.read("profiles", manifest)
        indexes, new = number_profiles(profiles, manifest.profiles, touched)
        aside = list(self.folders)
        last = self._joined()
        if last or (len(new) and not aside):
            self._new_folder()
        segments: list[Segment] = []
        for folder in self.folders:
            tables = _taken(folder) if folder in aside else last
            segments.append(self._write(folder, tables, new if not segments else new.clear(), touched, indexes))
        return replace(manifest, segments=(*manifest.segments, *segments), profiles=manifest.profiles + len(new))

    def _write(self, folder: Path, tables: Tables, new: pl.DataFrame, touched: Mpids, indexes: pl.Series) -> Segment:
        rows: dict[str, int] = {}
        moments: list[int] = []
        if len(new):
            rows["profiles"] = self._file(folder, "profiles", new)
        for name, staged in tables.items():
            shaped = _shaped(name, staged)
            if len(shaped):
                at = np.searchsorted(touched, shaped["mpid"].to_numpy())
                times = shaped["timestamp_ms" if name == "events" else "time_ms"].to_numpy()
                moments += [int(times.min()), int(times.max())]
                numbered = shaped.hstack([indexes[at].alias("profile")])
                rows[name] = self._file(folder, name, ordered(numbered) if name == "events" else numbered)
        return Segment(folder.name, rows, min(moments, default=None), max(moments, default=None))

    def _file(self, folder: Path, table: str, frame: pl.DataFrame) -> int:
        """Writes all columns of the table in order, the missing ones constant; returns the number of rows."""
        columns = []
        for name, dtype in TABLES[table].items():
            if name in frame.columns:
                column = frame[name]
                columns.append(column if column.dtype == dtype else column.cast(dtype))
            else:
                default = False if dtype == pl.Boolean else self._constants.get(name)
                columns.append(pl.Series(name, [default], dtype=dtype).new_from_index(0, len(frame)))
        with explained(self._writer.store.path, "written"):
            pl.DataFrame(columns).write_parquet(folder / f"{table}.parquet", **WRITTEN)
        return len(frame)


def shard_of(mpids: Mpids, shards: int) -> npt.NDArray[np.int64]:
    """The shard of each mpid: a salted hash of it, the same for ever."""
    return (scatter(mpids.view(np.uint64) + _SHARD_SALT) >> np.uint64(1)).astype(np.int64) % shards


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


def number_profiles(known: pl.LazyFrame, count: int, touched: Mpids) -> tuple[pl.Series, pl.DataFrame]:
    """The profile index of each touched mpid, and the new rows of `profiles`: numbered on in order of their hash."""
    numbers = np.full(len(touched), -1, dtype=np.int64)
    if count:
        wanted = pl.LazyFrame({"mpid": pl.Series(touched, dtype=pl.Int64)})
        old = known.select("mpid", "profile").join(wanted, on="mpid", how="semi").collect()
        numbers[np.searchsorted(touched, old["mpid"].to_numpy())] = old["profile"].to_numpy()
    fresh = np.flatnonzero(numbers < 0)
    hashes = np.array([xxhash.xxh3_64_intdigest(each, seed=1) for each in _eights(touched[fresh])], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    given = np.arange(count, count + len(fresh))
    numbers[fresh[order]] = given
    new = {"profile": given.astype(np.uint32), "mpid": touched[fresh[order]], "hash": hashes[order]}
    return pl.Series("profile", numbers.astype(np.uint32)), pl.DataFrame(new, schema=TABLES["profiles"])


def _eights(mpids: Mpids) -> list[bytes]:
    data = mpids.astype("<i8").tobytes()
    return [data[start : start + 8] for start in range(0, len(data), 8)]


def _taken(folder: Path) -> Tables:
    """The rows that were put aside in a folder, which then holds them no more."""
    files = sorted(folder.glob("staged-*"))
    read: dict[str, list[pl.DataFrame]] = {}
    for file in files:
        read.setdefault(file.name.split("-")[1], []).append(pl.read_parquet(file, memory_map=False))
        file.unlink()
    return {name: pl.concat(frames, how="diagonal") for name, frames in read.items()}


def _shaped(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """One identity a profile, one device value a profile; everything else as it came."""
    if name == "identities":
        once = frame.lazy().group_by(_IDENTITY).agg(pl.col("time_ms").min(), pl.col("arrival").max())
        return once.sort("identity_type", "value").collect()
    if name == "devices":
        return frame.lazy().group_by(_DEVICE).agg(pl.col("time_ms").min()).sort("field", "value").collect()
    return frame


def ordered(events: pl.DataFrame) -> pl.DataFrame:
    """By workspace, kind, name, UTC day, profile, arrival; the rows of a profile and kind come in order of arrival."""
    named = [_ranks(events[name]) for name in ("workspace", "kind", "name") if name in events.columns]
    day = events["timestamp_ms"].to_numpy() // _DAY_MS
    order = _stable_order([*named, day - day.min(initial=0), events["profile"].to_numpy()])
    # In one chunk first: gathering lists of structs from many chunks takes ten times as long.
    return events.rechunk()[pl.Series(order)]


def _stable_order(keys: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """The order by keys (whole numbers from 0 on), the first one first, else as they are: packed where they fit."""
    bits = [int(key.max(initial=0)).bit_length() for key in keys]
    if sum(bits) > 64:
        return np.lexsort(keys[::-1])
    packed = np.zeros(len(keys[0]), np.uint64)
    for key, width in zip(keys, bits, strict=True):
        packed = (packed << np.uint64(width)) | key.astype(np.uint64)
    return np.argsort(packed, kind="stable")


def _ranks(names: pl.Series) -> npt.NDArray[np.int64]:
    """Numbers in the order of the names, null first."""
    known = names.unique().drop_nulls().sort()
    codes = names.cast(pl.Enum(known)).to_physical().cast(pl.Int64) + 1
    return codes.fill_null(0).to_numpy()

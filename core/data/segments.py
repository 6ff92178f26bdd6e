"""From staged rows to segment files: profiles numbered, rows sorted, files written, one commit at the end."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.keys import KeySet
from core.data.schema import TABLES
from core.data.store import Manifest, Segment, Writer, explained

BATCH_KEYS: Final = "batch_keys.npy"
EVENT_KEYS: Final = "event_keys.npy"
GROUP_EVENTS: Final = 2_000_000
"""A load above this many events is written as several segments, so that memory stays bounded."""

_DAY_MS: Final = 86_400_000
_IDENTITY: Final = ["identity_type", "value", "mpid"]
_DEVICE: Final = ["field", "value", "mpid"]

Mpids = npt.NDArray[np.int64]
Tables = dict[str, pl.DataFrame]


class SegmentWriter:
    """Collects staged rows (schema.TABLES with mpid for profile) in groups; each group becomes a segment at commit."""

    def __init__(self, writer: Writer, workspace: str, input: str) -> None:
        self._writer = writer
        self._constants = {"workspace": workspace, "input": input}
        self._name = f"{writer.manifest.version + 1:08d}"
        self._pending: dict[str, list[pl.DataFrame]] = {}
        self._events = 0
        self._folders: list[Path] = []

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, tables: Mapping[str, pl.DataFrame], batch_keys: KeySet, event_keys: KeySet) -> None:
        """Takes the rows of one part; puts a full group aside on disk."""
        for name, frame in tables.items():
            self._pending.setdefault(name, []).append(frame)
        self._events += len(tables["events"]) if "events" in tables else 0
        if self._events >= GROUP_EVENTS:
            self._put_aside(batch_keys, event_keys)

    def _put_aside(self, batch_keys: KeySet, event_keys: KeySet) -> None:
        folder = self._new_folder(batch_keys, event_keys)
        for name, frame in self._joined().items():
            with explained(self._writer.store.path, "written"):
                frame.write_parquet(folder / f"staged-{name}", compression="lz4", statistics=False)

    def _new_folder(self, batch_keys: KeySet, event_keys: KeySet) -> Path:
        folder = self._writer.new_folder(f"{self._name}-{len(self._folders)}")
        self._folders.append(folder)
        with explained(self._writer.store.path, "written"):
            batch_keys.save(folder / BATCH_KEYS)
            event_keys.save(folder / EVENT_KEYS)
        return folder

    def _joined(self) -> Tables:
        joined = {name: pl.concat(frames, how="diagonal") for name, frames in self._pending.items()}
        self._pending, self._events = {}, 0
        return joined

    def commit(self, manifest: Manifest, touched: Mpids, arrivals: int, batch_keys: KeySet, event_keys: KeySet) -> None:
        """Writes every group as a segment and commits them together; no commit when the manifest would not change.

        `touched`: the mpids that any staged row names, ascending.
        """
        store = self._writer.store
        indexes, new = number_profiles(store.read("profiles", manifest), manifest.profiles, touched)
        aside = list(self._folders)
        last = self._joined()
        if last or (len(new) and not aside):
            self._new_folder(batch_keys, event_keys)
        segments: list[Segment] = []
        for folder in self._folders:
            tables = _taken(folder) if folder in aside else last
            segments.append(self._write(folder, tables, new if not segments else new.clear(), touched, indexes))
        self._folders = []
        changed = replace(manifest, segments=(*manifest.segments, *segments), profiles=manifest.profiles + len(new))
        if changed != self._writer.manifest:
            self._writer.commit(replace(changed, next_arrival=arrivals))

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
            pl.DataFrame(columns).write_parquet(folder / f"{table}.parquet", compression="zstd", compression_level=1)
        return len(frame)


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
    tables = {file.name.removeprefix("staged-"): pl.read_parquet(file, memory_map=False) for file in files}
    for file in files:
        file.unlink()
    return tables


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
    named = [_ranks(events[name]) for name in ("name", "kind", "workspace") if name in events.columns]
    day = events["timestamp_ms"].to_numpy() // _DAY_MS
    order = np.lexsort((events["profile"].to_numpy(), day, *named))
    # In one chunk first: gathering lists of structs from many chunks takes ten times as long.
    return events.rechunk()[pl.Series(order)]


def _ranks(names: pl.Series) -> npt.NDArray[np.int64]:
    """Numbers in the order of the names, null first."""
    known = names.unique().drop_nulls().sort()
    codes = names.cast(pl.Enum(known)).to_physical().cast(pl.Int64) + 1
    return codes.fill_null(0).to_numpy()

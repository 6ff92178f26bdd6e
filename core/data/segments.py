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
        segments = []
        for folder in self._folders:
            tables = _taken(folder) if folder in aside else last
            segments.append(self._write(folder, tables, new if not segments else new.clear(), touched, indexes))
        self._folders = []
        changed = replace(manifest, segments=(*manifest.segments, *segments), profiles=manifest.profiles + len(new))
        if changed != self._writer.manifest:
            self._writer.commit(replace(changed, next_arrival=arrivals))

    def _write(self, folder: Path, tables: Tables, new: pl.DataFrame, touched: Mpids, indexes: pl.Series) -> Segment:
        rows, times = {}, []
        written = {"profiles": new} | {name: _shaped(name, frame) for name, frame in tables.items()}
        for name, frame in written.items():
            if not len(frame):
                continue
            if name != "profiles":
                frame = frame.with_columns(profile=indexes.gather(np.searchsorted(touched, frame["mpid"].to_numpy())))
                times += [frame[time].min() for time in ("time_ms", "timestamp_ms") if time in frame.columns]
                times += [frame[time].max() for time in ("time_ms", "timestamp_ms") if time in frame.columns]
            if name == "events":
                frame = _ordered(frame)
            rows[name] = len(frame)
            with explained(self._writer.store.path, "written"):
                self._full(name, frame).write_parquet(
                    folder / f"{name}.parquet", compression="zstd", compression_level=1
                )
        moments = [int(time) for time in times if isinstance(time, int)]
        name = self._writer.finish(folder)
        return Segment(name, rows, min(moments, default=None), max(moments, default=None))

    def _full(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """All columns of the table in order, the missing ones constant."""
        columns = []
        for name, dtype in TABLES[table].items():
            if name in frame.columns:
                columns.append(pl.col(name).cast(dtype) if frame.schema[name] != dtype else pl.col(name))
            else:
                default = False if dtype == pl.Boolean else self._constants.get(name)
                columns.append(pl.lit(default, dtype=dtype).alias(name))
        return frame.select(columns)


def number_profiles(known: pl.LazyFrame, count: int, touched: Mpids) -> tuple[pl.Series, pl.DataFrame]:
    """The profile index of each touched mpid, and the new rows of `profiles`: numbered on in the order of their hash."""
    mpids = pl.Series("mpid", touched, dtype=pl.Int64)
    frame = mpids.to_frame()
    if count:
        old = known.select("mpid", "profile").join(frame.lazy(), on="mpid", how="semi").collect()
        frame = frame.join(old, on="mpid", how="left", maintain_order="left")
    else:
        frame = frame.with_columns(profile=pl.lit(None, dtype=pl.UInt32))
    fresh = frame.filter(pl.col("profile").is_null())["mpid"]
    hashes = [xxhash.xxh3_64_intdigest(fresh_bytes, seed=1) for fresh_bytes in _eights(fresh)]
    new = pl.DataFrame({"mpid": fresh, "hash": pl.Series(hashes, dtype=pl.UInt64)}).sort("hash", "mpid")
    new = new.with_columns(profile=pl.Series(np.arange(count, count + len(new), dtype=np.uint32)))
    numbered = frame.join(new, on="mpid", how="left", maintain_order="left").select(
        pl.coalesce("profile", "profile_right")
    )
    return numbered["profile"], new.select(TABLES["profiles"].names())


def _eights(mpids: pl.Series) -> list[bytes]:
    data = mpids.to_numpy().astype("<i8").tobytes()
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


def _ordered(events: pl.DataFrame) -> pl.DataFrame:
    """By kind, name, UTC day, profile, arrival."""
    named = [name for name in ("kind", "name") if name in events.columns]
    groups = events.select(named).unique().sort(named).with_row_index("group")
    coded = events.select(named).join(groups, on=named, how="left", nulls_equal=True, maintain_order="left")
    keys = events.select("profile", "arrival", day=pl.col("timestamp_ms") // _DAY_MS)
    order = keys.with_columns(coded["group"]).with_row_index("row").sort("group", "day", "profile", "arrival")["row"]
    return events[order]

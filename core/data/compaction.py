"""Compaction: the segments of many loads become few, in the same order, with the same rows. Readers never notice.

Merging happens beside the dataset and without its lock; the commit swaps a run of segments for their sum. The merged
ones are retired, and removed once no reader of their time is left (`core.data.store`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from core.data.keys import merge_files
from core.data.manifest import Manifest, Retired, Segment
from core.data.ordering import ordered
from core.data.parquet import Arrays, arrow_of, write, write_groups
from core.data.schema import PRODUCT, TABLES, checked, scan
from core.data.segments import BATCH_KEYS, EVENT_KEYS
from core.data.store import Store, explained
from core.errors import DatasetBusy

LEAST: Final = 8
"""So many segments in a row are worth merging."""

GROWTH: Final = 2
"""A segment joins the newer ones when it is at most so many times as big as they are together.

Every row is then rewritten a number of times that grows with the logarithm of the dataset only.
"""

CHUNK_ROWS: Final = 1_000_000
"""About so many events are in memory at a time."""

_FOLDER: Final = "compacting"
_LOCK: Final = ".compacting.lock"
_COMMIT_SECONDS: Final = 600.0
_DAY_MS: Final = 86_400_000
_SORTED: Final[Mapping[str, tuple[str, ...]]] = {
    "attributes": ("workspace", "key", "time_ms", "arrival"),
    "consents": ("workspace", "regulation", "purpose", "time_ms", "arrival"),
    "identities": ("workspace", "identity_type", "value", "profile"),
    "devices": ("workspace", "field", "value", "profile"),
}
"""The order of facts, so that whoever asks for one key reads its rows only; other tables stay as they arrived."""

_ONCE: Final[Mapping[str, list[pl.Expr]]] = {
    "identities": [pl.col("time_ms").min(), pl.col("arrival").max()],
    "devices": [pl.col("time_ms").min()],
}
"""What is held once a profile: the first time and the last arrival stand."""

Name = tuple[str, str, bool, str]


def compact(store: Store, *, full: bool = False) -> bool:
    """Merges a run of segments where that is due, or all of them; False where there is nothing to do.

    Raises DatasetBusy while another process compacts, or where the lock is not to be had for the commit.
    """
    with _alone(store):
        manifest = store.manifest()
        done = [_compact(store, number, full) for number in range(len(manifest.shards) or 1)]
        if manifest.shards:
            done.append(_compact(store, None, full))
    return any(done)


def _compact(store: Store, number: int | None, full: bool) -> bool:
    """One part of a dataset: a shard, the whole without shards or, with None, the keys beside the shards."""
    manifest, lease = store.held()
    try:
        part = store if number is None else store.parts(manifest)[number]
        segments = (manifest if number is None else manifest.part(number)).segments
        chosen = list(segments) if full else due(segments)
        if len(chosen) < 2:
            return False
        folder = part.path / _FOLDER
        with explained(store.path, "compacted"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            merged = merge([(part.folder(segment), segment) for segment in chosen], folder)
        with store.writing(_COMMIT_SECONDS) as writer:
            name = f"{writer.manifest.version + 1:08d}-merged"
            writer.adopt(folder, name, part)
            writer.commit(_swapped(writer.manifest, number, chosen, replace(merged, name=name)))
    finally:
        lease.release()
    return True


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    try:
        with FileLock(store.path / _LOCK, timeout=0):
            yield
    except Timeout as error:
        raise DatasetBusy(f"{store.path} is being compacted already.", "Nothing has to be done.") from error


def due(segments: Sequence[Segment]) -> list[Segment]:
    """The run of newest segments that should become one, empty while they are few."""
    chosen: list[Segment] = []
    rows = 0
    for segment in reversed(segments):
        size = sum(segment.tables.values())
        if chosen and size > GROWTH * rows:
            break
        chosen.insert(0, segment)
        rows += size
    return chosen if len(chosen) >= LEAST else []


def _swapped(manifest: Manifest, number: int | None, chosen: Sequence[Segment], merged: Segment) -> Manifest:
    """With the sum of a run for the run. Only compactions remove segments, so the run still stands there."""
    part = manifest if number is None else manifest.part(number)
    at = part.segments.index(chosen[0])
    part = replace(
        part,
        segments=(*part.segments[:at], merged, *part.segments[at + len(chosen) :]),
        retired=(*part.retired, *(Retired(segment.name, manifest.generation) for segment in chosen)),
    )
    whole = part if number is None else manifest.with_part(number, part)
    return replace(whole, generation=manifest.generation + 1)


def merge(parts: Sequence[tuple[Path, Segment]], folder: Path) -> Segment:
    """Writes the rows of segments, given oldest first, into an empty folder as one segment (named after it)."""
    rows: dict[str, int] = {}
    for table in TABLES:
        files = [source / f"{table}.parquet" for source, segment in parts if table in segment.tables]
        if files:
            target = folder / f"{table}.parquet"
            rows[table] = _merge_events(files, target) if table == "events" else _merge_facts(table, files, target)
    for name, keys in (("batch_keys", BATCH_KEYS), ("event_keys", EVENT_KEYS)):
        files = [source / keys for source, segment in parts if name in segment.tables]
        if files:
            merge_files(files, folder / keys)
            rows[name] = sum(segment.tables.get(name, 0) for _, segment in parts)
    firsts = [segment.first_ms for _, segment in parts if segment.first_ms is not None]
    lasts = [segment.last_ms for _, segment in parts if segment.last_ms is not None]
    return Segment(folder.name, rows, min(firsts, default=None), max(lasts, default=None))


def _merge_facts(table: str, files: list[Path], target: Path) -> int:
    frame = scan(table, files)
    if table in _ONCE:
        key = [name for name in TABLES[table] if name not in ("time_ms", "arrival")]
        frame = frame.group_by(key).agg(_ONCE[table]).select(*TABLES[table])
    if table in _SORTED:
        frame = frame.sort(_SORTED[table], maintain_order=True)
    merged = frame.collect()
    write(merged, target)
    return merged.height


@dataclass(frozen=True)
class _Slice:
    """Consecutive rows of an events file."""

    file: Path
    first: int
    rows: int

    def read(self, *columns: str, types: Mapping[str, pl.DataType] = MappingProxyType({})) -> pl.DataFrame:
        """Columns of these rows; `types` as in `scan`."""
        return scan("events", [self.file], columns, (self.first, self.rows), types).collect()


def _merge_events(files: list[Path], target: Path) -> int:
    """Merges files that are sorted alike, some names (or some days of a big name) at a time."""
    total = 0
    columns, filled, types = _told(files)

    def groups() -> Iterator[Arrays]:
        nonlocal total
        for slices in _chunks(files):
            frame = ordered(pl.concat([part.read(*columns, types=types) for part in slices]))
            yield {column.name: arrow_of(column) for column in frame.get_columns()}
            total += frame.height

    write_groups(groups(), target, filled)
    return total


def _told(files: list[Path]) -> tuple[list[str], list[str], dict[str, pl.DataType]]:
    """The columns that some events file has, those that are null in no row of any, and what the products are that have
    the fields which some file has."""
    schemas = [pq.read_schema(checked(file, ())) for file in files]
    columns = [name for name in TABLES["events"] if any(name in each.names for each in schemas)]
    filled = [name for name in columns if all(name in each.names and not each.field(name).nullable for each in schemas)]
    products = [each.field("products").type.value_type for each in schemas if "products" in each.names]
    fields = {field.name for product in products for field in product}
    kept = [field for field in PRODUCT.fields if field.name in fields]
    return columns, filled, {"products": pl.List(pl.Struct(kept))} if kept else {}


def _chunks(files: list[Path]) -> Iterator[list[_Slice]]:
    """Slices of the files that hold the same names, about `CHUNK_ROWS` rows together, in the order of the names."""
    named = [_names(file) for file in files]
    held: dict[Path, _Slice] = {}
    for name in sorted({name for each in named for name in each}):
        slices = [each[name] for each in named if name in each]
        rows = sum(part.rows for part in slices)
        if held and sum(part.rows for part in held.values()) + rows > CHUNK_ROWS:
            yield list(held.values())
            held = {}
        if rows > CHUNK_ROWS:
            yield from _days(slices)
            continue
        for part in slices:
            before = held.get(part.file)
            held[part.file] = part if before is None else _Slice(part.file, before.first, before.rows + part.rows)
    if held:
        yield list(held.values())


def _names(file: Path) -> dict[Name, _Slice]:
    """Where the rows of each (workspace, kind, name) lie in a file; null names come before all others."""
    group = ["workspace", "kind", "name"]
    counts = scan("events", [file], group).group_by(group).agg(rows=pl.len()).collect().rows()
    keys = sorted(((workspace, kind, name is not None, name or ""), rows) for workspace, kind, name, rows in counts)
    firsts = np.cumsum([0, *(rows for _, rows in keys)]).tolist()
    return {key: _Slice(file, first, rows) for (key, rows), first in zip(keys, firsts, strict=False)}


def _days(slices: list[_Slice]) -> Iterator[list[_Slice]]:
    """The slices of one name cut at the same days, about `CHUNK_ROWS` rows together (a day is never cut)."""
    days = [part.read("timestamp_ms")["timestamp_ms"].to_numpy() // _DAY_MS for part in slices]
    known, counts = np.unique(np.concatenate(days), return_counts=True)
    group = np.cumsum(counts) // CHUNK_ROWS
    bounds = known[np.flatnonzero(np.diff(group, prepend=-1))]
    cuts = [[*np.searchsorted(each, bounds).tolist(), len(each)] for each in days]
    for at in range(len(bounds)):
        yield [
            _Slice(part.file, part.first + cut[at], cut[at + 1] - cut[at])
            for part, cut in zip(slices, cuts, strict=True)
            if cut[at + 1] > cut[at]
        ]

"""The sample slice: the rows of a fair share of the profiles, kept beside each segment as a small segment of its own.

DIR/cache/<segment>/sample-<one in>/segments/<segment>/<table>.parquet     what derives from the segment, and INDEX

Profiles are those with hash(mpid) < 2^64 / one_in, numbered anew in the order of their old numbers, so that everything
that reads a dataset reads its slice. It is a cache: filled behind loads, made again where it is missing or damaged.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
import xxhash

from core.data.columns import Source
from core.data.manifest import Manifest, Segment
from core.data.schema import TABLES, held_columns, scan
from core.data.store import CACHE, Store
from core.errors import DatasetError

SAMPLE: Final = 50_000
"""About how many profiles are sampled for an estimate."""

LEAST: Final = 4
"""A slice of more than a quarter of the profiles is not worth its place."""

INDEX: Final = "INDEX.json"
"""What a slice derives from, its tables with their rows and checksums."""

Hashes = npt.NDArray[np.uint64]


def one_in_of(profiles: int) -> int | None:
    """Of how many profiles one is in the slice, so that it holds the sample of `profiles`; None: too few for a slice.

    A power of two, so that it stays while profiles arrive, until they are twice as many.
    """
    one_in = 1 << max(profiles // SAMPLE, 1).bit_length() - 1
    return one_in if one_in >= LEAST else None


class SampleStore(Store):
    """The slices of a dataset's segments as a store of their own, for reading."""

    def __init__(self, whole: Store, one_in: int) -> None:
        super().__init__(whole.path)
        self._whole, self.one_in = whole, one_in
        self._sound: dict[str, dict[str, Any]] = {}

    def folder(self, segment: Segment) -> Path:
        """Where a segment's slice is."""
        home = self._whole.path / CACHE / segment.name / f"sample-{self.one_in}"
        return home / self._whole.folder(segment).relative_to(self._whole.path)

    def opened(self, manifest: Manifest) -> Manifest | None:
        """The slice of a version as the manifest of a dataset; None unless every segment has one that is sound."""
        indexes = [self._index(segment) for segment in manifest.segments]
        segments = [
            replace(segment, tables=index["tables"])
            for segment, index in zip(manifest.segments, indexes, strict=True)
            if index is not None
        ]
        if len(segments) < len(manifest.segments):
            return None
        profiles = sum(segment.tables.get("profiles", 0) for segment in segments)
        return replace(manifest, segments=tuple(segments), profiles=profiles)

    def fill(self, manifest: Manifest, hashes: Hashes, going: Callable[[], bool]) -> None:
        """Make what is missing of the slice of a version, as long as it is `going`. `hashes`: one a profile."""
        kept = np.flatnonzero(hashes <= np.uint64((1 << 64) // self.one_in - 1)).astype(np.uint32)
        for segment in manifest.segments:
            if not going():
                return
            if self._index(segment) is None:
                self._make(segment, kept)

    def _index(self, segment: Segment) -> dict[str, Any] | None:
        """What the index of a segment's slice says; None where it is missing, damaged or of other files."""
        if segment.name in self._sound:
            return self._sound[segment.name]
        folder = self.folder(segment)
        try:
            index: dict[str, Any] = orjson.loads((folder / INDEX).read_bytes())
            sound = index["source"] == self._source(segment) and all(
                _checksum(folder / f"{table}.parquet") == index["checksums"][table] for table in index["tables"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None  # whatever is wrong with it, the segment has the truth
        if not sound:
            return None
        self._sound[segment.name] = index
        return index

    def _source(self, segment: Segment) -> str:
        return "/".join(Source(file).identity for file in self._files(segment).values())

    def _files(self, segment: Segment) -> dict[str, Path]:
        return {table: self._whole.file(segment, f"{table}.parquet") for table in segment.tables if table in TABLES}

    def _make(self, segment: Segment, kept: npt.NDArray[np.uint32]) -> None:
        """Write the slice of a segment: all of it or, on a disk that is full or not to be written, nothing."""
        folder = self.folder(segment)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unfinished-"))
        except OSError:
            return  # it only costs time
        try:
            rows = {table: _sliced(table, file, unfinished, kept) for table, file in self._files(segment).items()}
            tables = {table: count for table, count in rows.items() if count}
            checksums = {table: _checksum(unfinished / f"{table}.parquet") for table in tables}
            index = {"source": self._source(segment), "tables": tables, "checksums": checksums}
            (unfinished / INDEX).write_bytes(orjson.dumps(index))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(unfinished, folder)
        except (OSError, pl.exceptions.PolarsError, DatasetError):  # of damaged files, whoever asks them tells
            shutil.rmtree(unfinished, ignore_errors=True)


def _sliced(table: str, file: Path, target: Path, kept: npt.NDArray[np.uint32]) -> int:
    """Write the rows of some profiles (ascending) to a file of the same name in another folder; how many they are.

    DatasetError where the file is damaged."""

    def renumbered(profile: pl.Series) -> pl.Series:
        return pl.Series(profile.name, np.searchsorted(kept, profile.to_numpy()).astype(np.uint32))

    mine = pl.col("profile").is_in(pl.Series(kept).implode())
    number = pl.col("profile").map_batches(renumbered, return_dtype=pl.UInt32, is_elementwise=True)
    rows = scan(table, [file], held_columns(file)).filter(mine).with_columns(number)
    rows.sink_parquet(target / file.name, maintain_order=True)
    return int(pl.scan_parquet(target / file.name, glob=False).select(pl.len()).collect().item())


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        digest = xxhash.xxh3_64()
        while block := opened.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()

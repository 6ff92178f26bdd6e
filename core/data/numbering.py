"""Which index a profile has: the one it was given when it first arrived, or the next free one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.cache import LEAST_ROWS
from core.data.columns import Source
from core.data.letters import Arrays
from core.data.manifest import Manifest
from core.data.schema import TABLES, scan
from core.data.store import Store

_TABLE: Final = "profiles"

Mpids = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.uint32]
Index = npt.NDArray[np.int64]

Numbers = tuple[Mpids, Indexes]
"""Mpids, ascending, and the indexes of their profiles."""


class Numbering:
    """The indexes of the profiles that a load touches, known ones and new ones."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        """A numbering that goes on where a version of a dataset, or of one shard, ends."""
        self._store, self._manifest = store, manifest
        self.count = manifest.profiles
        """The next free index."""
        self._touched: list[Numbers] = []

    @property
    def touched(self) -> int:
        """How many profiles were asked for so far."""
        return sum(len(mpids) for mpids, _ in self._touched)

    def take(self, mpids: Mpids) -> tuple[Indexes, pl.DataFrame]:
        """The indexes of some profiles (each given once, ascending), and the rows of `profiles` of those that are new,
        numbered on in the order of their hash.
        """
        indexes, rest = np.zeros(len(mpids), np.uint32), np.arange(len(mpids))

        def look(numbers: Numbers) -> None:
            nonlocal rest
            places = _places(numbers[0], mpids[rest])
            known = places >= 0
            indexes[rest[known]] = numbers[1][places[known]]
            rest = rest[~known]

        for numbers in self._touched:
            look(numbers)
        untouched = rest
        for numbers in self._stored() if len(rest) else ():
            look(numbers)
        given, new = self._new(mpids[rest])
        indexes[rest] = given
        if len(untouched):
            self._touched.append((mpids[untouched], indexes[untouched]))
        return indexes, new

    def _stored(self) -> Iterator[Numbers]:
        """The profiles of the version: those of big segments from the column cache, small ones together."""
        small: list[Path] = []
        for segment in self._manifest.segments:
            for file in self._store.files(_TABLE, segments=[segment]):
                if (rows := segment.tables[_TABLE]) < LEAST_ROWS:
                    small.append(file)
                else:
                    arrays = Source(file).bundle("numbers", rows, partial(_numbers, [file]))
                    yield arrays["mpid"], arrays["profile"]
        if small:
            arrays = _numbers(small)
            yield arrays["mpid"], arrays["profile"]

    def _new(self, mpids: Mpids) -> tuple[Indexes, pl.DataFrame]:
        """New indexes of mpids, and their rows."""
        eights = mpids.astype("<i8").view("V8").tolist()  # of bytes
        hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, eights, repeat(1)), np.uint64, len(mpids))
        order = np.argsort(hashes)
        numbers = np.arange(self.count, self.count + len(mpids)).astype(np.uint32)
        self.count += len(mpids)
        given = np.empty(len(mpids), np.uint32)
        given[order] = numbers
        rows = {"profile": numbers, "mpid": mpids[order], "hash": hashes[order]}
        return given, pl.DataFrame(rows, schema=TABLES[_TABLE])


def _numbers(files: list[Path]) -> Arrays:
    """The profiles of some files, ascending by mpid."""
    frame = scan(_TABLE, files, ("mpid", "profile")).collect().sort("mpid")
    return {name: frame[name].to_numpy() for name in frame.columns}


def _places(known: Mpids, asked: Mpids) -> Index:
    """Where each of some mpids stands among known ones, -1 where it does not; all are ascending."""
    if not len(known):
        return np.full(len(asked), -1)
    places = np.minimum(known.searchsorted(asked), len(known) - 1)
    return np.where(known[places] == asked, places, -1)

"""Which index a profile has: the one it was given when it first arrived, or the next free one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.schema import TABLES

_NUMBERED: Final = {"mpid": pl.Int64, "profile": pl.UInt32}

Mpids = npt.NDArray[np.int64]


class Numbering:
    """The indexes of the profiles that a load touches, known ones and new ones."""

    def __init__(self, known: pl.LazyFrame, count: int) -> None:
        """`known`: the dataset's `profiles`; `count`: how many they are."""
        self._known, self._stored = known, count
        self.count = count
        """The next free index."""
        self.touched = pl.DataFrame(schema=_NUMBERED)
        """Columns mpid and profile: every profile that was asked for so far, once."""

    def take(self, mpids: Sequence[Mpids]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The indexes (mpid, profile) of some profiles, any of them several times, and the rows of `profiles` of those
        that are new, numbered on in the order of their hash.
        """
        asked = pl.concat([pl.Series("mpid", each, dtype=pl.Int64) for each in mpids]).unique().to_frame()
        before = asked.join(self.touched, on="mpid") if len(self.touched) else self.touched
        rest = asked.join(before, on="mpid", how="anti") if len(before) else asked
        stored = pl.DataFrame(schema=_NUMBERED)
        if self._stored and len(rest):
            stored = self._known.select("mpid", "profile").join(rest.lazy(), on="mpid", how="semi").collect()
            rest = rest.join(stored, on="mpid", how="anti") if len(stored) else rest
        new = self._new(rest["mpid"].to_numpy())
        fresh = pl.concat([stored, new.select("mpid", "profile")])
        self.touched = pl.concat([self.touched, fresh])
        return pl.concat([before, fresh]), new

    def _new(self, mpids: Mpids) -> pl.DataFrame:
        digest = xxhash.xxh3_64_intdigest
        hashes = np.array([digest(each, seed=1) for each in _eights(mpids)], dtype=np.uint64)
        order = np.argsort(hashes)
        given = np.arange(self.count, self.count + len(mpids)).astype(np.uint32)
        self.count += len(mpids)
        return pl.DataFrame({"profile": given, "mpid": mpids[order], "hash": hashes[order]}, schema=TABLES["profiles"])


def indexes_of(mpids: pl.Series, numbered: pl.DataFrame) -> pl.Series:
    """The index of each mpid, all of which are in `numbered` (mpid, profile)."""
    return mpids.to_frame("mpid").join(numbered, on="mpid", how="left", maintain_order="left")["profile"]


def _eights(mpids: Mpids) -> list[bytes]:
    data = mpids.astype("<i8").tobytes()
    return [data[start : start + 8] for start in range(0, len(data), 8)]

"""Which index a profile has: the one it was given when it first arrived, or the next free one."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.schema import TABLES

_NUMBERED: Final = {"mpid": pl.Int64, "profile": pl.UInt32}

Mpids = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.uint32]


class Numbering:
    """The indexes of the profiles that a load touches, known ones and new ones."""

    def __init__(self, known: pl.LazyFrame, count: int) -> None:
        """`known`: the dataset's `profiles`; `count`: how many they are."""
        self._known, self._stored = known, count
        self.count = count
        """The next free index."""
        self.touched = pl.DataFrame(schema=_NUMBERED)
        """Columns mpid and profile: every profile that was asked for so far, once."""

    def take(self, mpids: Mpids) -> tuple[Indexes, pl.DataFrame]:
        """The indexes of some profiles, each of them given once, and the rows of `profiles` of those that are new,
        numbered on in the order of their hash.
        """
        indexes = np.zeros(len(mpids), np.uint32)
        rest = pl.DataFrame({"mpid": mpids}).with_row_index("place")

        def found_in(known: pl.LazyFrame) -> pl.DataFrame:
            nonlocal rest
            found = known.join(rest.lazy(), on="mpid").collect()
            indexes[found["place"].to_numpy()] = found["profile"].to_numpy()
            rest = rest.join(found, on="mpid", how="anti") if len(found) else rest
            return found.select("mpid", "profile")

        if len(self.touched):
            found_in(self.touched.lazy())
        asked = [self.touched]
        if self._stored and len(rest):
            asked.append(found_in(self._known.select("mpid", "profile")))
        given, new = self._new(rest["mpid"].to_numpy())
        indexes[rest["place"].to_numpy()] = given
        self.touched = pl.concat([*asked, new.select("mpid", "profile")])
        return indexes, new

    def _new(self, mpids: Mpids) -> tuple[Indexes, pl.DataFrame]:
        """New indexes of mpids, and their rows."""
        digest, eights = xxhash.xxh3_64_intdigest, mpids.astype("<i8").tobytes()
        each = (digest(eights[start : start + 8], seed=1) for start in range(0, len(eights), 8))
        hashes = np.fromiter(each, np.uint64, len(mpids))
        order = np.argsort(hashes)
        numbers = np.arange(self.count, self.count + len(mpids)).astype(np.uint32)
        self.count += len(mpids)
        given = np.empty(len(mpids), np.uint32)
        given[order] = numbers
        rows = {"profile": numbers, "mpid": mpids[order], "hash": hashes[order]}
        return given, pl.DataFrame(rows, schema=TABLES["profiles"])

"""How many different values there are: exact as long as they are few, else estimated from the least of their hashes.

What two segments or shards hold together is counted without their values: the least hashes of both are those of the
union (k minimum values, Bar-Yossef et al. 2002). With 1,024 of them the standard error is 3 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

KEPT: Final = 1024
"""Fewer different values than this are counted exactly."""


@dataclass(frozen=True, slots=True)
class Distinct:
    """The different values of a name."""

    least: bytes
    """The least hashes of its values, ascending: at most `KEPT`, uint64."""

    @staticmethod
    def of(hashes: npt.NDArray[np.uint64]) -> Distinct:
        """Of the hashes of values, each as often as it likes."""
        return Distinct(np.unique(hashes)[:KEPT].tobytes())

    @staticmethod
    def union(parts: Iterable[Distinct]) -> Distinct:
        """The different values of several parts together."""
        return Distinct.of(np.concatenate([each._hashes for each in parts]))

    @property
    def exact(self) -> bool:
        """Whether `count` is no estimate."""
        return len(self._hashes) < KEPT

    @property
    def count(self) -> int:
        """How many there are; an estimate in two figures."""
        hashes = self._hashes
        if self.exact:
            return len(hashes)
        return int(float(f"{(KEPT - 1) * 2.0**64 / float(hashes[-1]):.2g}"))

    @property
    def _hashes(self) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self.least, np.uint64)


def least(values: pl.LazyFrame, *keys: str) -> pl.LazyFrame:
    """Tagged values (`value` beside the keys, each once) as the least hashes of each key, in a column `hash`.

    Values that read as one text are one value. Nulls are left out.
    """
    texts = values.select(*keys, text=pl.col("value").str.slice(1)).drop_nulls("text")
    hashed = texts.with_columns(hash=pl.col("text").map_batches(_hashed, return_dtype=pl.UInt64))
    return hashed.group_by(keys).agg(pl.col("hash").unique().bottom_k(KEPT)).explode("hash")


def _hashed(texts: pl.Series) -> pl.Series:
    """Hashes that are the same in every process: polars' own are not."""
    digest = xxhash.xxh3_64_intdigest
    return pl.Series([digest(text) for text in texts.cast(pl.Binary).to_list()], dtype=pl.UInt64)

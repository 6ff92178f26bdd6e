"""Texts as codes: the dictionaries of a load's text columns, so that texts that repeat are held and written once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

_LOOKED_AT: Final = 1 << 16
_FEW: Final = 64
"""A dictionary is not begun for fewer rows: it would take longer than what it spares. A column with so few texts in
many rows is always coded."""

_MOST: Final = 1_000_000
"""A dictionary that has grown to so many texts takes no more."""


class Codebook:
    """A dictionary a column, which grows from part to part: equal texts of a column have equal codes in all parts.

    Several threads may use it. A coded series is Categorical; a column whose texts seldom repeat stays String.
    """

    def __init__(self) -> None:
        self._begun: dict[str, pl.Series | None] = {}
        self._tagged: dict[str, tuple[pl.Series, int]] = {}
        self._lock = Lock()

    def coded(self, column: str, texts: pl.Series, rows: int | None = None) -> pl.Series:
        """The texts of a column as codes; a series that is not String stays as it is. `rows`: of how many the texts
        are, if each stands for many."""
        rows = len(texts) if rows is None else rows
        begun = self._of(column, texts, rows) if texts.dtype == pl.String() else None
        if begun is None:
            return texts
        coded = texts.cast(begun.dtype)
        if _above(coded) > _MOST:
            self._begun[column] = None
        return coded

    def tagged(self, column: str, texts: pl.Series) -> pl.Series:
        """The texts of a column as tagged texts (`core.data.values`), coded where `coded` codes them."""
        raw = self.coded(column, texts)
        if raw.dtype == pl.String():
            return "s" + raw
        with self._lock:
            begun, known = self._tagged.get(column) or (_begun(), 0)
            above = max(_above(raw), known)
            if above > known:
                # Nothing else goes into this dictionary, so that its codes are those of the untagged one.
                ("s" + texts_of(np.arange(known, above, dtype=np.uint32), raw.dtype)).cast(begun.dtype)
            self._tagged[column] = begun, above
        return raw.to_physical().cat.to(begun.dtype)

    def recoded(self, column: str, series: pl.Series, made: Callable[[pl.Series], pl.Series]) -> pl.Series:
        """What `made` makes of texts, coded as those of a column; each distinct text is looked at once."""
        if series.dtype == pl.String():
            return self.coded(column, made(series))
        every = np.arange(_above(series), dtype=np.uint32)
        made_of = made(texts_of(every, series.dtype))
        return self.coded(column, made_of, len(series)).gather(series.to_physical())

    def numbered(self, column: str, texts: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The distinct texts of a column so far, and for each text its place among them, null for null."""
        raw = self.coded(column, texts)
        if raw.dtype == pl.String():
            distinct = raw.unique().drop_nulls()
            return distinct, raw.cast(pl.Enum(distinct)).to_physical()
        return texts_of(np.arange(_above(raw), dtype=np.uint32), raw.dtype), raw.to_physical()

    def repeated(self, column: str, text: str, rows: int) -> pl.Series:
        """One text in so many rows, as codes of a column of which nothing else is asked."""
        with self._lock:
            begun = self._begun.get(column)
            if begun is None:
                begun = self._begun[column] = _begun()
        return pl.Series([text]).cast(begun.dtype).new_from_index(0, rows)

    def _of(self, column: str, texts: pl.Series, rows: int) -> pl.Series | None:
        with self._lock:
            if column not in self._begun and rows < _FEW:
                return None
            if column not in self._begun:
                some = texts.drop_nulls().head(_LOOKED_AT)
                among = rows if rows > len(texts) else len(some)
                repeated = len(some) <= _FEW or some.n_unique() * 2 <= among
                self._begun[column] = _begun() if repeated else None
            return self._begun[column]


def _begun() -> pl.Series:
    """A new dictionary, as a series without rows: polars forgets the texts of one that no series has."""
    return pl.Series([], dtype=pl.Categorical(pl.Categories.random()))


def _above(coded: pl.Series) -> int:
    """The number after the greatest code."""
    greatest = coded.to_physical().max()
    return int(greatest) + 1 if isinstance(greatest, int) else 0


def equals(series: pl.Series, *texts: str) -> pl.Series:
    """Where a series of texts, coded or not, is one of some texts; null where it is null."""
    if series.dtype == pl.String():
        return series.is_in(texts)
    every = texts_of(np.arange(_above(series), dtype=np.uint32), series.dtype)
    return every.is_in(texts).gather(series.to_physical())


def alike(*series: pl.Series) -> list[pl.Series]:
    """Series of texts of one type: as they are where it is the same for all, else as String."""
    if len({each.dtype for each in series}) > 1:
        return [each.cast(pl.String) for each in series]
    return [*series]


def texts_of(codes: npt.NDArray[np.uint32], dtype: pl.DataType) -> pl.Series:
    """The texts of some codes."""
    return pl.Series(codes, dtype=pl.UInt32).cat.to(dtype).cast(pl.String)


def held_codes(codes: pl.Series) -> npt.NDArray[np.uint32]:
    """Which codes (UInt32) a series has, ascending."""
    some = codes.drop_nulls() if codes.null_count() else codes
    return np.flatnonzero(np.bincount(some.to_numpy())).astype(np.uint32)

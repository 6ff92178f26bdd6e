"""Vocabularies: what the dictionaries of one property hold in all segments together.

A property has a dictionary of its own in every segment. Judging each of them would judge the same values many times, so
their values are put together once and judged there; each dictionary then looks its codes up. So do shards of a dataset.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import polars as pl

from core.data.memory import Holder
from core.data.values import ABSENT, FIRST, NULL, Codes, Dictionary, Mask

_DRAWN: Final = 1000
"""So many entries of a dictionary tell whether it is like a vocabulary."""


class Vocabulary(Holder):
    """One growing dictionary of the entries of many; a code that it gave stays. Several threads may use it."""

    def __init__(self) -> None:
        self._dictionary: Dictionary | None = None
        self._codes: WeakKeyDictionary[Dictionary, Codes | None] = WeakKeyDictionary()
        self._strange: WeakSet[Dictionary] = WeakSet()
        """Those that it does not suit."""
        self._lock = threading.Lock()

    def suits(self, dictionaries: Iterable[Dictionary]) -> bool:
        """Whether it is still empty, or holds most entries of these already: it would hardly grow by them."""
        with self._lock:
            fresh = [each for each in dict.fromkeys(dictionaries) if each not in self._codes]
            if self._dictionary is None or not fresh:
                return True
            if any(each in self._strange for each in fresh):
                return False
            drawn = pl.concat([each.entries.gather_every(len(each.entries) // _DRAWN + 1) for each in fresh]).unique()
            known = self._dictionary.entries.is_in(drawn.implode()).sum()
            if 2 * int(known) >= len(drawn):
                return True
            self._strange.update(fresh)
            return False

    def of(self, dictionaries: Iterable[Dictionary]) -> Dictionary:
        """A dictionary with every entry of these; the first that was ever asked for is its beginning."""
        with self._lock:
            fresh = [each for each in dict.fromkeys(dictionaries) if each not in self._codes]
            if self._dictionary is None:
                self._dictionary = fresh.pop(0) if fresh else Dictionary(pl.Series([], dtype=pl.String))
                self._codes[self._dictionary] = None
            if fresh:
                self._dictionary = self._extended(self._dictionary, fresh)
            return self._dictionary

    def _extended(self, known: Dictionary, fresh: list[Dictionary]) -> Dictionary:
        size = len(known.entries)
        every = pl.concat([known.entries, *(each.entries for each in fresh)])
        entries = every.unique(maintain_order=True)
        places = every.slice(size).cast(pl.Enum(entries)).to_physical().to_numpy() + np.uint32(FIRST)
        at = 0
        for each in fresh:
            mine = places[at : at + len(each.entries)]
            self._codes[each] = np.concatenate([np.array([ABSENT, NULL], np.uint32), mine])
            at += len(mine)
        return Dictionary(entries) if len(entries) > size else known

    def holds(self) -> list[Any]:
        with self._lock:
            return [self._dictionary, *self._codes.values()]

    def codes(self, dictionary: Dictionary) -> Codes | None:
        """The code here of each code of a dictionary that was asked for; None: they are the same."""
        return self._codes[dictionary]

    def seen_from(self, dictionary: Dictionary, table: Mask) -> Mask:
        """A table over the codes here as one over the codes of a dictionary that was asked for."""
        codes = self.codes(dictionary)
        return table[: len(dictionary)] if codes is None else table[codes]

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
import numpy.typing as npt
import polars as pl

from core.data.coded import ABSENT, FIRST, NULL, Codes, Dictionary
from core.data.memory import Holder
from core.data.values import Mask

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
        every = pl.concat([each.entries for each in fresh])
        places = _places(known.entries, every)
        new = places < 0
        entries = known.entries
        if new.any():
            others = every.filter(pl.Series(new))
            added = others.unique(maintain_order=True)
            places[new] = others.cast(pl.Enum(added)).to_physical().cast(pl.Int64).to_numpy() + len(entries)
            entries = pl.concat([entries, added])
        at, codes = 0, (places + FIRST).astype(np.uint32)
        for each in fresh:
            mine = codes[at : at + len(each.entries)]
            self._codes[each] = np.concatenate([np.array([ABSENT, NULL], np.uint32), mine])
            at += len(mine)
        return Dictionary(entries) if new.any() else known

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


def _places(known: pl.Series, texts: pl.Series) -> npt.NDArray[np.int64]:
    """Where each text stands among known ones, which are distinct; -1 for those that do not.

    They are found by their hashes, which takes a third of the time of a join. The texts are compared then; one whose
    hash is that of another known one counts as unknown only if it is.
    """
    hashes, wanted = known.hash().to_numpy(), texts.hash().to_numpy()
    order, asked = (pl.Series(each).arg_sort().to_numpy() for each in (hashes, wanted))
    ascending = hashes[order]
    at = np.empty(len(wanted), np.int64)
    at[asked] = np.searchsorted(ascending, wanted[asked])  # in their order they lie close together
    places = order.astype(np.int64)[np.minimum(at, len(order) - 1)] if len(order) else at
    alike = hashes[places] == wanted if len(order) else np.zeros(len(at), np.bool_)
    places[~alike] = -1
    found = np.flatnonzero(alike)
    other = found[(known.gather(places[found]) != texts.gather(found)).to_numpy()]
    for each in other.tolist():
        places[each] = next(iter((known == texts[each]).arg_true()), -1)
    return places

"""A sieve: tells of most keys that a set does not hold them, without a look at the set (a blocked Bloom filter).

Each key sets four bits of one word. With 16 bits a key in all, one in 200 that are not there passes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Halves = npt.NDArray[np.uint64]
"""First halves of keys, ascending: neighbours have neighbouring words."""

_KEYS_A_WORD: Final = 4
_MOST_BITS: Final = 25
"""At most so many bits number the words: 256 MB. What holds more than 150 million keys lets more pass."""

_SHIFTS: Final = (np.uint64(6), np.uint64(12), np.uint64(18))
_WITHIN: Final = np.uint64(63)
_ONE: Final = np.uint64(1)
_AT_ONCE: Final = 1 << 16
"""So many keys are looked at, at a time: what is worked out of them stays at hand."""


class Sieve:
    """Which keys were put in, perhaps; for certain, which were not."""

    def __init__(self, keys: int) -> None:
        """An empty one, for so many keys."""
        bits = min(max((keys // _KEYS_A_WORD).bit_length(), 1), _MOST_BITS)
        self._words, self._shift = np.zeros(1 << bits, np.uint64), np.uint64(64 - bits)
        self.room = _KEYS_A_WORD << bits if bits < _MOST_BITS else np.iinfo(np.int64).max
        """So many keys it takes before more of them pass than should."""

    def put(self, halves: Halves) -> None:
        """Puts keys in."""
        for start in range(0, len(halves), _AT_ONCE):
            places, bits = self._of(halves[start : start + _AT_ONCE])
            begins = np.flatnonzero(np.diff(places, prepend=-1))
            self._words[places[begins]] |= np.bitwise_or.reduceat(bits, begins)

    def passes(self, halves: Halves) -> npt.NDArray[np.bool_]:
        """Which keys may have been put in."""
        found = np.empty(len(halves), np.bool_)
        for start in range(0, len(halves), _AT_ONCE):
            places, bits = self._of(halves[start : start + _AT_ONCE])
            np.equal(self._words[places] & bits, bits, out=found[start : start + _AT_ONCE])
        return found

    def _of(self, halves: Halves) -> tuple[npt.NDArray[np.int64], Halves]:
        """Each key's word, by its upper bits, and its bits in there, by its lower ones."""
        bits = _ONE << (halves & _WITHIN)
        for shift in _SHIFTS:
            bits |= _ONE << ((halves >> shift) & _WITHIN)
        return (halves >> self._shift).view(np.int64), bits

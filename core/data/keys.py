"""Sets of 128-bit keys by which copies of batches and events are found; a segment keeps its own in an `.npy` file.

A set is an array of shape (2, n), uint64, ascending by its first row. That two of n texts have one key has a
probability below n² / 2^129: never.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from core.data.ordering import ascending
from core.data.sieve import Sieve

_SHARE: Final = 4_000_000
_AT_ONCE: Final = 1 << 14

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_SALTS: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))


def keys_of(scope: str, texts: pl.Series, mpids: npt.NDArray[np.int64] | None = None) -> Keys:
    """One key a text, within a scope and, if given, one user a text; shape (2, n), in the order of the texts."""
    digest, binary = xxhash.xxh3_128_digest, texts.cast(pl.Binary)
    keys = np.empty((2, len(texts)), np.uint64)
    for start in range(0, len(texts), _AT_ONCE):  # so few at once lie in memory that is at hand
        digests = b"".join(map(digest, binary.slice(start, _AT_ONCE).to_list()))
        keys[:, start : start + _AT_ONCE] = np.frombuffer(digests, dtype=">u8").reshape(-1, 2).T
    keys ^= np.frombuffer(xxhash.xxh3_128_digest(scope.encode()), dtype=">u8").astype(np.uint64)[:, None]
    if mpids is not None:
        for half, salt in enumerate(_SALTS):
            keys[half] ^= scatter(mpids.view(np.uint64) + salt)
    return keys


def scatter(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection of 64-bit numbers that spreads close ones (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def taken(keys: Keys, order: npt.NDArray[Any]) -> Keys:
    """Some keys in an order: half by half, which takes a quarter of the time that both at once do."""
    taken = np.empty((2, len(order)), np.uint64)
    for half, into in zip(keys, taken, strict=True):
        np.take(half, order, out=into, mode="clip")
    return taken


def copies(keys: Keys) -> Mask:
    """Which keys stood earlier in the same array."""
    first = pl.Series(keys[0]).sort().to_numpy()
    result = np.zeros(keys.shape[1], dtype=bool)
    if (first[1:] == first[:-1]).any():
        order = np.lexsort((np.arange(len(first)), keys[1], keys[0]))
        ordered = keys[:, order]
        result[order[1:]] = (ordered[:, 1:] == ordered[:, :-1]).all(axis=0)
    return result


def find(known: Keys, keys: Keys) -> npt.NDArray[np.int64]:
    """The position of each key in a set, -1 for those that it does not hold."""
    at = np.searchsorted(known[0], keys[0], side="left")
    result = np.full(keys.shape[1], -1, dtype=np.int64)
    pending = np.arange(keys.shape[1])
    while len(pending):
        pending = pending[at[pending] < known.shape[1]]
        pending = pending[known[0][at[pending]] == keys[0][pending]]
        equal = known[1][at[pending]] == keys[1][pending]
        result[pending[equal]] = at[pending[equal]]
        pending = pending[~equal]
        at[pending] += 1
    return result


def distinct(keys: Keys) -> Keys:
    """The set of the keys of an array."""
    once = keys[:, ~copies(keys)]
    return taken(once, ascending(once[0])[0])


class KeySet:
    """The keys of committed segments (mapped from their files) and of the load so far. Threads may share it."""

    def __init__(self, files: list[Path]) -> None:
        self._committed: list[Keys] = [np.load(file, mmap_mode="r") for file in files]
        self._fresh: list[Keys] = []
        self._asked = 0
        self._sieve: Sieve | None = None
        self._lock = Lock()

    def add(self, keys: Keys) -> Mask:
        """Adds keys, tells which of them were there already (or stood earlier in the same array)."""
        order, first = ascending(keys[0])
        ordered = np.empty_like(keys)
        ordered[0] = first
        np.take(keys[1], order, out=ordered[1], mode="clip")
        unlike = bool((first[1:] != first[:-1]).all())
        known = np.zeros(keys.shape[1], dtype=bool) if unlike else copies(keys)
        with self._lock:
            known[order] |= self._holds(ordered)
            self._push(ordered[:, ~known[order]] if known.any() else ordered)
        return known

    def _holds(self, ordered: Keys) -> Mask:
        """Which keys of a set are in this one."""
        found = np.zeros(ordered.shape[1], dtype=bool)
        self._asked += len(found)
        parts = (*self._committed, *self._fresh)
        # To put a key into the sieve takes half as long as to look one up in one part.
        if self._sieve is None and self._asked * len(parts) > self._size:
            self._sift(self._size + len(found))
        at = np.arange(len(found)) if self._sieve is None else np.flatnonzero(self._sieve.passes(ordered[0]))
        asked = ordered if len(at) == len(found) else ordered[:, at]
        for part in parts:
            found[at] |= find(part, asked) >= 0
        return found

    def _sift(self, room: int) -> None:
        """Makes a sieve that has room for twice as many keys."""
        self._sieve = Sieve(2 * room)
        for part in (*self._committed, *self._fresh):
            self._sieve.put(part[0])

    @property
    def _size(self) -> int:
        return sum(part.shape[1] for part in (*self._committed, *self._fresh))

    def _push(self, ordered: Keys) -> None:
        if self._sieve is not None:
            if self._size + ordered.shape[1] > self._sieve.room:
                self._sift(self._size + ordered.shape[1])
            self._sieve.put(ordered[0])
        while self._fresh and self._fresh[-1].shape[1] <= 2 * ordered.shape[1]:
            ordered = _merged([self._fresh.pop(), ordered])
        if ordered.shape[1]:
            self._fresh.append(ordered)

    @property
    def fresh(self) -> int:
        """How many keys are not saved yet."""
        return sum(part.shape[1] for part in self._fresh)

    def save(self, file: Path) -> int:
        """Writes the fresh keys, which are then read from that file; how many, and no file when there are none."""
        with self._lock:
            saved = self.fresh
            if saved:
                np.save(file, _merged(self._fresh))
                self._fresh = []
                self._committed.append(np.load(file, mmap_mode="r"))
            return saved


def _merged(parts: list[Keys]) -> Keys:
    if len(parts) == 1:
        return parts[0]
    keys = np.concatenate(parts, axis=1)
    return taken(keys, np.argsort(keys[0], kind="stable"))  # it sees that these are runs in order, and merges them


def merge_files(files: Sequence[Path], target: Path) -> None:
    """Merges the keys of segments into one file, a share of all keys at a time; no file where there are none."""
    parts = [np.load(file, mmap_mode="r") for file in files]
    total = sum(part.shape[1] for part in parts)
    if not total:
        return
    merged = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint64, shape=(2, total))
    with target.open("r+b") as file:  # a full disk is told now; later the system would kill the process
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    shares = max(1, total // _SHARE)
    bounds = np.array([at * (2**64 // shares) for at in range(1, shares)], dtype=np.uint64)
    cuts = [[0, *np.searchsorted(part[0], bounds).tolist(), part.shape[1]] for part in parts]
    start = 0
    for at in range(shares):
        share = _merged([part[:, cut[at] : cut[at + 1]] for part, cut in zip(parts, cuts, strict=True)])
        merged[:, start : start + share.shape[1]] = share
        start += share.shape[1]
    merged.flush()


class KeyMap:
    """The newest number given to each key; what is put later replaces what was put earlier."""

    def __init__(self) -> None:
        self._levels: list[tuple[Keys, npt.NDArray[np.int64]]] = []

    def put(self, keys: Keys, numbers: npt.NDArray[np.int64]) -> None:
        """Gives numbers to keys; of equal keys the last one counts."""
        while self._levels and self._levels[-1][0].shape[1] <= 2 * keys.shape[1]:
            older, theirs = self._levels.pop()
            keys, numbers = np.concatenate([older, keys], axis=1), np.concatenate([theirs, numbers])
        last = ~copies(keys[:, ::-1])[::-1]
        keys, numbers = keys[:, last], numbers[last]
        order, _ = ascending(keys[0])
        self._levels.append((keys[:, order], numbers[order]))

    def get(self, keys: Keys) -> tuple[Mask, npt.NDArray[np.int64]]:
        """Which keys have a number, and the numbers (0 where there is none)."""
        found, numbers = np.zeros(keys.shape[1], dtype=bool), np.zeros(keys.shape[1], dtype=np.int64)
        for known, theirs in reversed(self._levels):
            at = find(known, keys)
            fresh = (at >= 0) & ~found
            numbers[fresh] = theirs[at[fresh]]
            found |= fresh
        return found, numbers

"""The six inner loops over rows: compiled by numba once that is loaded, numpy until then, with the same answers.

Loading starts in the background when a process has looked at enough rows for it to pay, and nobody waits for it. All
numbers are whole, so that no order of adding matters. Rows are ranges (`starts`, `stops`) of the arrays that hold them;
`keep` says which rows of all ranges, one behind the other, count (empty: all of them).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from os import cpu_count
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Index: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Ranges: TypeAlias = tuple[Index, Index, Mask]
"""`starts`, `stops`, `keep`."""

ENOUGH: Final = 3_000_000
"""So many rows in one process, and the compiler pays."""

BLOCK: Final = 1 << 19
"""Rows that a thread takes at once."""

ALL: Final[Mask] = np.zeros(0, np.bool_)
"""The `keep` that keeps every row."""

NEVER: Final = np.iinfo(np.int64).min
"""No moment, no number: lower than all."""


# The loops: plain Python for numba to compile.


def _count(profile: Array, starts: Index, stops: Index, keep: Mask, counts: Array) -> None:
    at = 0
    for each in range(len(starts)):
        start, stop = starts[each], stops[each]
        if len(keep):
            for row in range(start, stop):
                counts[profile[row]] += keep[at + row - start]
            at += stop - start
        else:
            for row in range(start, stop):
                counts[profile[row]] += 1


def _pick(codes: Array, starts: Index, stops: Index, table: Mask, out: Mask) -> None:
    at = 0
    for each in range(len(starts)):
        for row in range(starts[each], stops[each]):
            out[at] = table[codes[row]]
            at += 1


def _add(profile: Array, codes: Array, weights: Index, sums: Index) -> None:
    for row in range(len(profile)):
        sums[profile[row]] += weights[codes[row]]


def _highest(profile: Array, values: Index, best: Index) -> None:
    for row in range(len(profile)):
        if values[row] > best[profile[row]]:
            best[profile[row]] = values[row]


def _mark(profile: Array, starts: Index, stops: Index, keep: Mask, bits: Array, marks: Array) -> None:
    at = 0
    for each in range(len(starts)):
        start, stop, bit = starts[each], stops[each], bits[each]
        for row in range(start, stop):
            if len(keep) == 0 or keep[at + row - start]:
                marks[profile[row]] |= bit
        at += stop - start


def _chain(profile: Array, times: Index, step: Array, steps: int, within: int, moments: Index) -> None:
    # Rows are put together by profile (a counting sort), then each profile's few by time.
    begins = np.zeros(len(moments) + 1, np.int64)
    for row in range(len(profile)):
        begins[profile[row] + 1] += 1
    for each in range(len(moments)):
        begins[each + 1] += begins[each]
    free, order = begins.copy(), np.empty(len(profile), np.int64)
    for row in range(len(profile)):
        order[free[profile[row]]] = row
        free[profile[row]] += 1
    # For each step the latest start of a chain that came so far, `before` this moment and `upto` it.
    before, upto = np.empty(steps, np.int64), np.empty(steps, np.int64)
    for each in range(len(moments)):
        mine = order[begins[each] : begins[each + 1]]
        if len(mine) > 64:
            mine = mine[np.argsort(times[mine])]
        for at in range(1, len(mine) if len(mine) <= 64 else 1):
            row, place = mine[at], at
            while place > 0 and times[mine[place - 1]] > times[row]:
                mine[place] = mine[place - 1]
                place -= 1
            mine[place] = row
        before[:] = NEVER
        upto[:] = NEVER
        now = NEVER
        for row in mine:
            time, which = times[row], step[row]
            if time != now:
                before[:] = upto
                now = time
            start = time if which == 0 else before[which - 1]
            upto[which] = max(start, upto[which])
            if which == steps - 1 and start != NEVER and time - start <= within:
                moments[each] = time


# Their twins in numpy.


def numbers_of(starts: Index, stops: Index) -> Index:
    """The numbers in ranges, one behind the other."""
    if len(starts) == 1:
        return np.arange(starts[0], stops[0])
    lengths = stops - starts
    ends = np.cumsum(lengths)
    numbers: Index = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    return numbers


def rows_of(starts: Index, stops: Index) -> Index | slice:
    """Ranges as what indexes an array; one range makes no copy."""
    return slice(int(starts[0]), int(stops[0])) if len(starts) == 1 else numbers_of(starts, stops)


def _count_numpy(profile: Array, starts: Index, stops: Index, keep: Mask, counts: Array) -> None:
    chosen = profile[rows_of(starts, stops)]
    counts += np.bincount(chosen[keep] if len(keep) else chosen, minlength=len(counts)).astype(counts.dtype)


def _pick_numpy(codes: Array, starts: Index, stops: Index, table: Mask, out: Mask) -> None:
    out[:] = table[codes[rows_of(starts, stops)]]


def _add_numpy(profile: Array, codes: Array, weights: Index, sums: Index) -> None:
    np.add.at(sums, profile, weights[codes])


def _highest_numpy(profile: Array, values: Index, best: Index) -> None:
    np.maximum.at(best, profile, values)


def _mark_numpy(profile: Array, starts: Index, stops: Index, keep: Mask, bits: Array, marks: Array) -> None:
    chosen, lengths = profile[rows_of(starts, stops)], stops - starts
    for bit in np.unique(bits):
        mine = np.repeat(bits == bit, lengths)
        marks[chosen[mine & keep if len(keep) else mine]] |= bit


def _chain_numpy(profile: Array, times: Index, step: Array, steps: int, within: int, moments: Index) -> None:
    # Every row is one number, its place among all (profile, time). From each row of the last step the chain goes back
    # to the latest earlier row of the step before: no other chain that ends there starts later.
    order = np.lexsort((times, profile))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(profile[order]) != 0) | (np.diff(times[order]) != 0)
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(new)
    each = [order[step[order] == number] for number in range(steps)]
    starts = ends = each[-1]
    for earlier in reversed(each[:-1]):
        at = np.searchsorted(place[earlier], place[starts], "left") - 1
        found = at >= 0
        ends, starts = ends[found], earlier[at[found]]
        same = profile[starts] == profile[ends]
        ends, starts = ends[same], starts[same]
    quick = ends[times[ends] - times[starts] <= within]
    np.maximum.at(moments, profile[quick], times[quick])


Mode = Literal["numpy", "compiled"]
MODES: Final[tuple[Mode, ...]] = ("numpy", "compiled")
_LOOPS: Final = {
    "count": _count,
    "pick": _pick,
    "add": _add,
    "highest": _highest,
    "mark": _mark,
    "chain": _chain,
}
_TWINS: Final[dict[str, Callable[..., None]]] = {
    "count": _count_numpy,
    "pick": _pick_numpy,
    "add": _add_numpy,
    "highest": _highest_numpy,
    "mark": _mark_numpy,
    "chain": _chain_numpy,
}


def _examples() -> dict[str, list[tuple[Any, ...]]]:
    """Calls of every shape that occurs, so that each is compiled."""
    profile, one, keep = np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1, np.bool_)
    codes = [np.zeros(1, dtype) for dtype in (np.uint8, np.uint16, np.uint32)]
    marks = np.zeros(1, np.uint64)
    read = _frozen
    return {
        "count": [(*read(profile, one, one + 1, keep), np.zeros(1, np.int32))],
        "pick": [(*read(each, one, one + 1, keep), np.zeros(1, np.bool_)) for each in codes],
        "add": [(*read(profile, each, one), np.zeros(1, np.int64)) for each in codes],
        "highest": [(*read(profile, one), np.zeros(1, np.int64))],
        "mark": [(*read(profile, one, one + 1, keep, marks), np.zeros(1, np.uint64))],
        "chain": [(*read(profile, one, codes[1]), 1, 0, np.zeros(1, np.int64))],
    }


class _State:
    """Which loops run; one for the process, like the code that it holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.compiled: dict[str, Callable[..., None]] = {}
        self.only: Mode | None = None
        self.rows = 0

    def load(self) -> None:
        """Compile every loop, or take it from numba's cache on disk. Stops between two when the program ends."""
        import numba

        for name, calls in _examples().items():
            if not threading.main_thread().is_alive():
                return
            plain: Any = _LOOPS[name]
            try:
                loop = numba.njit(nogil=True, cache=True)(plain)
            except RuntimeError:  # no folder to keep compiled code in: it is compiled anew in every process
                loop = numba.njit(nogil=True)(plain)
            for call in calls:
                loop(*call)
            self.compiled[name] = loop

    def wake(self) -> None:
        """Begin to load in the background, once."""
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self.load, name="kernels")
                self.thread.start()


_state: Final = _State()


@contextmanager
def only(mode: Mode) -> Iterator[None]:
    """Within it, every loop is of one kind; for tests and measurements. Waits until the compiled ones are loaded."""
    if mode == "compiled":
        _state.wake()
        assert _state.thread is not None
        _state.thread.join()
    before, _state.only = _state.only, mode
    try:
        yield
    finally:
        _state.only = before


def _loop(name: str, rows: int) -> Callable[..., None]:
    _state.rows += rows
    if _state.rows >= ENOUGH and _state.thread is None:
        _state.wake()
    return _TWINS[name] if _state.only == "numpy" else _state.compiled.get(name, _TWINS[name])


def _frozen(*arrays: Array) -> list[Array]:
    """The arrays read only and in one piece: mapped ones are, and each kind of array would be compiled by itself."""
    found = []
    for array in arrays:
        view = np.ascontiguousarray(array).view()
        view.flags.writeable = False
        found.append(view)
    return found


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(cpu_count() or 1, 8), "kernels")


def _pieces(ranges: Ranges) -> Iterator[tuple[Ranges, slice]]:
    """The ranges in pieces of `BLOCK` rows, and which of all rows each is."""
    starts, stops, keep = ranges
    ends = np.cumsum(stops - starts)
    total = int(ends[-1]) if len(ends) else 0
    if total <= 2 * BLOCK:
        yield ranges, slice(0, total)
        return
    begins = ends - (stops - starts)
    for first in range(0, total, BLOCK):
        last = min(first + BLOCK, total)
        some = slice(np.searchsorted(ends, first, "right"), np.searchsorted(ends, last, "left") + 1)
        shift = starts[some] - begins[some]
        piece = np.maximum(begins[some], first) + shift, np.minimum(ends[some], last) + shift, keep[first:last]
        yield piece, slice(first, last)


def count(parts: Sequence[tuple[Array, Ranges]], size: int) -> Array:
    """How many rows each profile has in all parts (`profile` and its ranges): whole numbers, shape (size,)."""
    work = [(profile, piece, at.stop - at.start) for profile, ranges in parts for piece, at in _pieces(ranges)]
    total = sum(rows for _, _, rows in work)
    loop = _loop("count", total)
    if total >= np.iinfo(np.int32).max:
        loop = _count_numpy  # only then could a counter overflow

    def run(some: list[tuple[Array, Ranges, int]]) -> Array:
        counts = np.zeros(size, np.int64 if total >= np.iinfo(np.int32).max else np.int32)
        for profile, ranges, _ in some:
            loop(*_frozen(profile, *ranges), counts)
        return counts

    if total <= 2 * BLOCK:
        return run(work)
    shares = min(_pool()._max_workers, -(-total // BLOCK))
    found = list(_pool().map(run, (work[at::shares] for at in range(shares))))
    for other in found[1:]:
        found[0] += other
    return found[0]


def pick(codes: Array, starts: Index, stops: Index, table: Mask) -> Mask:
    """`table[codes]` of the rows of ranges: bool, one a row."""
    out = np.empty(int((stops - starts).sum()), np.bool_)
    loop = _loop("pick", len(out))
    pieces = list(_pieces((starts, stops, ALL)))

    def run(piece: tuple[Ranges, slice]) -> None:
        (first, last, _), at = piece
        loop(*_frozen(codes, first, last, table), out[at])

    for _ in map(run, pieces) if len(pieces) == 1 else _pool().map(run, pieces):
        pass
    return out


def add(profile: Array, codes: Array, weights: Index, sums: Index) -> None:
    """sums[p] += weights[codes[row]] for every row of profile p; the caller sees to it that nothing overflows."""
    _loop("add", len(profile))(*_frozen(profile, codes, weights), sums)


def highest(profile: Array, values: Index, best: Index) -> None:
    """best[p] = the largest of itself and the values of profile p."""
    _loop("highest", len(profile))(*_frozen(profile, values), best)


def mark(profile: Array, ranges: Ranges, bits: Array, marks: Array) -> None:
    """marks[p] |= the bit (uint64, one a range) of every range in which profile p has a row."""
    _loop("mark", int((ranges[1] - ranges[0]).sum()))(*_frozen(profile, *ranges, bits), marks)


def chain(profile: Array, times: Index, step: Array, steps: int, within: int | None, size: int) -> Index:
    """Each profile's latest completion of all steps in strictly ascending time, `NEVER` where there is none.

    One row an event: its profile, time and step from 0 (uint16). `within` bounds last time - first time.
    """
    moments = np.full(size, NEVER, np.int64)
    bound = np.iinfo(np.int64).max if within is None else within
    _loop("chain", len(profile))(*_frozen(profile, times, step), steps, bound, moments)
    return moments

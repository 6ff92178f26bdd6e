"""The inner loops over rows, run over all of them: in pieces, by several threads where there are many.

All numbers are whole, so that no order of adding matters. Rows are ranges (`starts`, `stops`) of the arrays that hold
them; `keep` says which rows of all ranges, one behind the other, count (empty: all of them). Nothing is copied row by
row before it is counted: the loops read the columns where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from os import cpu_count
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from core.data.compiling import frozen, loop_of
from core.data.loops import NEVER, PAGE, Array, Index, Mask, numbers_of

Ranges: TypeAlias = tuple[Index, Index, Mask]
"""`starts`, `stops`, `keep`."""

BLOCK: Final = 1 << 19
"""Rows that a thread takes at once."""

SHARE: Final = 1 << 21
"""So many rows are shared out between threads."""

LETTERS: Final = 1 << 21
"""Letters of texts that a thread takes at once."""

NARROW: Final = 1 << 28
"""Sums nearer to zero are held in four bytes where that is asked for: up to seven of them can be added up."""

ALL: Final[Mask] = np.zeros(0, np.bool_)
"""The `keep` that keeps every row."""

NO_NUMBERS: Final[Index] = np.zeros(0, np.int64)
"""The `numbers` of values that stand for themselves."""


class Part(NamedTuple):
    """Some rows of arrays that have one entry a row, and what a loop reads beside them."""

    profile: Array
    ranges: Ranges
    columns: tuple[Array, ...] = ()
    """One entry a row, or tables that rows are looked up in: the same for every range."""
    each: tuple[Array, ...] = ()
    """One entry a range."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(cpu_count() or 1, 8), "kernels")


def _rows(ranges: Ranges) -> int:
    return int((ranges[1] - ranges[0]).sum())


def _pieces(ranges: Ranges) -> Iterator[tuple[Ranges, slice, slice]]:
    """The ranges in pieces of `BLOCK` rows; which of all ranges and which of all rows each is."""
    starts, stops, keep = ranges
    ends = np.cumsum(stops - starts)
    total = int(ends[-1]) if len(ends) else 0
    if total <= 2 * BLOCK:
        yield ranges, slice(None), slice(0, total)
        return
    begins = ends - (stops - starts)
    for first in range(0, total, BLOCK):
        last = min(first + BLOCK, total)
        some = slice(int(np.searchsorted(ends, first, "right")), int(np.searchsorted(ends, last, "left")) + 1)
        shift = starts[some] - begins[some]
        piece = np.maximum(begins[some], first) + shift, np.minimum(ends[some], last) + shift, keep[first:last]
        yield piece, some, slice(first, last)


def _cut(part: Part) -> Iterator[Part]:
    for ranges, some, _ in _pieces(part.ranges):
        yield Part(part.profile, ranges, part.columns, tuple(each[some] for each in part.each))


def _fill(
    loop: Callable[..., None], parts: Iterable[Part], *out: Array, after: Callable[..., None] | None = None
) -> tuple[Array, ...]:
    for profile, ranges, columns, each in parts:
        loop(*frozen(profile, *ranges, *columns, *each), *out)
        if after is not None:
            after(*out)
    return out


def _filled(
    name: str,
    parts: Iterable[Part],
    fresh: Callable[[], tuple[Array, ...]],
    after: Callable[..., None] | None = None,
) -> list[tuple[Array, ...]]:
    """What a loop makes of all parts. Where there are many rows, several threads fill arrays of their own.

    Parts are looked at as they come, so that what was made for one of them is still at hand; in pieces of at most two
    blocks, and `after` each it is called with what is filled.
    """
    filled = [fresh()]

    def fill(some: list[Part], rows: int) -> None:
        loop, threads = loop_of(name, rows), _pool()._max_workers if rows >= SHARE else 1
        cut = (piece for part in some for piece in _cut(part))
        if threads == 1:
            _fill(loop, cut, *filled[0], after=after)
            return
        filled.extend(fresh() for _ in range(threads - len(filled)))
        # Each thread takes the next piece when it is done with one; the small ones come last.
        pieces = iter(sorted(cut, key=lambda piece: -_rows(piece.ranges)))
        list(_pool().map(lambda at: _fill(loop, pieces, *filled[at], after=after), range(threads)))

    waiting: list[Part] = []
    rows = 0
    for part in parts:
        waiting.append(part)
        rows += _rows(part.ranges)
        if rows >= SHARE:
            fill(waiting, rows)
            waiting, rows = [], 0
    fill(waiting, rows)
    return filled


def _joined(join: np.ufunc, filled: list[tuple[Array, ...]]) -> Array:
    (first,), *others = filled
    for (other,) in others:
        join(first, other, out=first)
    return first


def count(parts: Iterable[Part], size: int) -> Array:
    """How many rows each profile has in all parts: whole numbers, shape (size,).

    They are as narrow as they may be (two bytes, if nobody has more): who adds to them widens them.
    """
    full: list[Array] = []
    room = size + 2 * BLOCK // 256 + 1  # a byte may be full when a piece begins, and is again after 256 rows of it

    def note(_: Array, found: Array) -> None:
        if found[0]:
            full.append(found[1 : 1 + int(found[0])].copy())
            found[0] = 0

    def fresh() -> tuple[Array, ...]:
        found = np.empty(room, np.uint32)
        found[0] = 0
        return np.zeros(size, np.uint8), found

    filled = _filled("count", parts, fresh, note)
    whole: Array = filled[0][0].astype(np.int16)
    for counts, _ in filled[1:]:
        whole += counts
    if full:
        who, times = np.unique(np.concatenate(full), return_counts=True)
        more = whole[who] + times * 256
        whole = whole.astype(np.result_type(whole, np.min_scalar_type(-1 - int(more.max(initial=0)))), copy=False)
        whole[who] = more
    return whole


def pick(codes: Array, starts: Index, stops: Index, table: Mask) -> Mask:
    """`table[codes]` of the rows of ranges: bool, one a row."""
    out = np.empty(int((stops - starts).sum()), np.bool_)
    loop = loop_of("pick", len(out))
    pieces = list(_pieces((starts, stops, ALL)))

    def run(piece: tuple[Ranges, slice, slice]) -> None:
        (first, last, _), _, at = piece
        loop(*frozen(codes, first, last, table), out[at])

    for _ in map(run, pieces) if len(pieces) == 1 else _pool().map(run, pieces):
        pass
    return out


def between(clock: Array, starts: Index, stops: Index, low: int, high: int) -> Mask:
    """Which rows of ranges have a clock (uint32) from `low` to `high`, both included: bool, one a row."""
    out = np.empty(int((stops - starts).sum()), np.bool_)
    loop_of("between", len(out))(*frozen(clock, starts, stops), low, high, out)
    return out


def some(owner: Index, mask: Mask, starts: Index, stops: Index, begins: Index) -> Mask:
    """Which owners in ranges have something that a mask accepts: bool, one an owner.

    The mask has an entry for everything that they own, one behind the other; `owner` and `begins` tell of all owners
    whose a thing is, where the things of each begin and, last, where all end.
    """
    out = np.zeros(int((stops - starts).sum()), np.bool_)
    shifts = np.cumsum(stops - starts) - stops  # an owner and this are its place among those of the ranges
    loop_of("some", len(mask))(*frozen(owner, begins[starts], begins[stops], mask, shifts), out)
    return out


def find(letters: Array, begins: Index, word: bytes) -> Mask:
    """Which texts contain a word: bool, one a text.

    `letters` (uint8) are the texts one behind the other, `begins` where each begins and, last, where all end.
    """
    out = np.zeros(len(begins) - 1, np.bool_)
    if not word:
        return ~out
    wanted = np.frombuffer(word, np.uint8)
    often = np.bincount(letters[:: len(letters) // PAGE + 1], minlength=256)
    rare = np.argsort(often[wanted], kind="stable")[:2]
    loop, pieces = loop_of("find", len(out)), len(letters) // LETTERS + 1
    bounds = np.searchsorted(begins, np.arange(pieces + 1) * (len(letters) // pieces))
    bounds[-1] = len(out)

    def run(piece: int) -> None:
        first, last = bounds[piece], bounds[piece + 1]
        loop(*frozen(letters, begins[first : last + 1], wanted, rare), out[first:last])

    for _ in map(run, range(pieces)) if pieces == 1 else _pool().map(run, range(pieces)):
        pass
    return out


def halves(weights: Index) -> tuple[Array, Index]:
    """Whole numbers as `add` reads them: their lower 32 bits, and what lies above; that is left out where it is 0."""
    highs = weights >> 32
    return (weights & 0xFFFFFFFF).astype(np.uint32), highs if highs.any() else NO_NUMBERS


def add(parts: Iterable[Part], size: int, narrow: bool = False) -> Array:
    """For each profile the sum of the weights of its rows' codes: int64, shape (size,); if it may be `narrow`, int32
    where all sums are `NARROW`.

    A part's columns are `codes` and the two `halves` of a table of weights. The caller sees to it that nothing
    overflows.
    """

    def fresh() -> tuple[Array, ...]:
        above = np.empty(size + 1, np.int64)
        above[-1] = 0  # nothing yet: the others hold anything
        return np.zeros(size, np.uint32), above

    filled = _filled("add", parts, fresh)
    if narrow and len(filled) == 1 and not filled[0][1][-1] and filled[0][0].max(initial=0) < NARROW:
        return filled[0][0].view(np.int32)
    whole = filled[0][0].astype(np.int64)
    for number, (sums, above) in enumerate(filled):
        if number:
            whole += sums
        if above[-1]:
            whole += above[:-1] << 32
    return whole


def highest(parts: Iterable[Part], size: int, known: Index | None = None) -> Index:
    """For each profile the largest value of its rows, `NEVER` where it has none: int64, shape (size,). What is `known`
    counts, too.

    A part's columns are `values`, `numbers` and `turn` (one entry, 1 or -1), and it has `bases`, one a range. A row's
    value is numbers[values[row]]; where there are no numbers, turn * (base of its range + values[row]).
    """
    start = (lambda: (np.full(size, NEVER, np.int64),)) if known is None else (lambda: (known.copy(),))
    return _joined(np.maximum, _filled("highest", parts, start))


def moments(profile: Array, times: Index, turn: int) -> Part:
    """Moments and whose they are, as `highest` reads them; a `turn` of -1 asks for the earliest."""
    zero = np.zeros(1, np.int64)
    ranges = zero, np.array([len(profile)]), ALL
    return Part(profile, ranges, (times, NO_NUMBERS, np.array([turn])), (zero,))


def mark(parts: Iterable[Part], size: int) -> Array:
    """For each profile the bits (uint64, one a range) of every range in which it has a row, joined by `or`."""
    return _joined(np.bitwise_or, _filled("mark", parts, lambda: (np.zeros(size, np.uint64),)))


def edge(parts: Sequence[Part], turn: int, size: int) -> Array:
    """For each profile the code (table[codes[row]], 0 where it has none) of its last row that has one: uint32.

    A part's columns are `codes`, `table` (uint32; 0: the row has none), `clock` and `arrival`, and it has `bases`, one
    a range. The last row is that of the greatest (turn * (base + clock), turn * arrival); of rows that are equal in
    both, the one that comes last by turn. Parts are looked at one after the other.
    """
    times, places, last = np.full(size, NEVER, np.int64), np.empty(size, np.int64), np.zeros(size, np.uint32)
    loop, sign = loop_of("edge", sum(_rows(part.ranges) for part in parts)), np.array([turn])
    _fill(loop, (part._replace(columns=(*part.columns, sign)) for part in parts), times, places, last)
    return last


def distinct(profile: Array, values: Array, width: int, size: int) -> Index:
    """How many different values (uint32 below `width`) the rows of each profile have: int64, shape (size,)."""
    assert len(profile) <= np.iinfo(np.uint32).max, "places are numbers of 32 bits"
    counts = np.zeros(size, np.int64)
    loop_of("distinct", len(profile))(*frozen(profile, values), max(width, 1), counts)
    return counts


def chain(steps: Sequence[Sequence[Part]], within: int | None, size: int) -> Index:
    """Each profile's latest completion of all steps in strictly ascending time, `NEVER` where there is none.

    The parts of each step have the column `clock`, and `bases`, one a range: the moment of a row is their sum. In every
    range profiles ascend. `within` bounds last time - first time.
    """
    counts = [count([Part(part.profile, part.ranges) for part in parts], size) for parts in steps]
    everybody = np.logical_and.reduce([each > 0 for each in counts])
    ends = np.zeros(size + 1, np.int64)
    np.cumsum(np.where(everybody, np.add.reduce(counts, dtype=np.int64), 0), out=ends[1:])
    rows = int(ends[-1])
    times, step, free = np.empty(rows, np.int64), np.empty(rows, np.uint16), np.where(everybody, ends[:-1], -1)
    moments, bound = np.full(size, NEVER, np.int64), np.iinfo(np.int64).max if within is None else within
    place, loop = loop_of("place", rows), loop_of("chain", rows)
    # Block by block of profiles, whose rows the processor's cache holds.
    edges = np.linspace(0, size, max(rows // BLOCK, 1) + 1).astype(np.uint32)
    blocks = [[_by_profiles(part, edges) for part in parts] for parts in steps]

    def run(block: int) -> None:
        # Their rows are put together by profile (a counting sort), then each profile's few by time.
        for number, parts in enumerate(blocks):
            which = np.array([number], np.uint16)
            mine = (part[block]._replace(columns=(*part[block].columns, which)) for part in parts)
            _fill(place, mine, free, times, step)
        first, last = int(edges[block]), int(edges[block + 1])
        loop(*frozen(ends[first : last + 1]), times, step, len(steps), bound, moments[first:last])

    for _ in map(run, range(1)) if len(edges) == 2 else _pool().map(run, range(len(edges) - 1)):
        pass
    return moments


def _by_profiles(part: Part, edges: Array) -> list[Part]:
    """A part, in whose ranges profiles ascend, in parts of the profiles between every two edges."""
    if len(edges) == 2:
        return [part]
    starts, stops, keep = part.ranges
    rows = zip(starts.tolist(), stops.tolist(), strict=True)
    cuts = np.array([start + part.profile[start:stop].searchsorted(edges) for start, stop in rows], np.int64)
    before = np.cumsum(stops - starts) - stops  # a row's number and this are its place in `keep`
    found = []
    for first, last in pairwise(cuts.reshape(-1, len(edges)).T):
        mine = keep[numbers_of(first + before, last + before)] if len(keep) else keep
        found.append(part._replace(ranges=(first, last, mine)))
    return found

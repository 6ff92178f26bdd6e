"""The inner loops over rows, each beside its twin in numpy; `kernels` runs them.

They are plain Python for numba to compile. The last argument is what they fill. Rows are ranges (`starts`, `stops`) of
the arrays that hold them; `keep` says which rows of all ranges, one behind the other, count (empty: all of them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Index: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Twins: TypeAlias = dict[str, tuple[Callable[..., None], Callable[..., None]]]
"""Loops by name, each with its twin."""

NEVER: Final = np.iinfo(np.int64).min
"""No moment, no number: lower than all."""

BATCH: Final = 1024
"""So many rows are looked at before those that are kept of them count."""

PAGE: Final = 4096
"""So many letters are looked at before what was found of them is compared."""

BYTES_TO_BITS: Final = np.uint64(0x0102040810204080)
TOP_BYTE: Final = np.uint64(56)
"""Eight bytes of 0 or 1, times the one and shifted by the other, are a byte with these bits, the first one lowest."""

LOWEST: Final = np.array([0, *((bits & -bits).bit_length() - 1 for bits in range(1, 256))], np.int64)
"""The number of the lowest bit of each byte."""


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


def chosen_of(starts: Index, stops: Index, keep: Mask) -> Index | slice:
    """The rows of ranges that count, as what indexes an array."""
    rows = rows_of(starts, stops)
    if not len(keep):
        return rows
    numbers: Index = (np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows)[keep]
    return numbers


def repeated(each: Array, starts: Index, stops: Index, keep: Mask) -> Array:
    """What every chosen row's range has."""
    every = np.repeat(each, stops - starts)
    return every[keep] if len(keep) else every


def _count(profile: Array, starts: Index, stops: Index, keep: Mask, counts: Array, full: Array) -> None:
    # A byte a profile stays in the processor's cache; `full` says whose was full, one after the other, behind how many
    # they are.
    # Kept rows are first put together, a batch at a time: every row is written, and the place moves on only behind one
    # that is kept. Asking row by row would cost a wrong guess of the processor for every few rows.
    at, chosen = 0, np.empty(BATCH + 1, profile.dtype)
    for each in range(len(starts)):
        for base in range(starts[each], stops[each], BATCH):
            some = profile[base : min(base + BATCH, stops[each])]
            if len(keep):
                kept, size = keep[at : at + len(some)], 0
                for row in range(len(some)):
                    chosen[size] = some[row]
                    size += kept[row]
                at += len(some)
                some = chosen[:size]
            for row in range(len(some)):  # a number from 0 is known not to be negative: half the time
                who = some[row]
                more = np.uint8(counts[who] + np.uint8(1))
                counts[who] = more
                if more == 0:
                    full[0] += 1
                    full[full[0]] = who


def _count_numpy(profile: Array, starts: Index, stops: Index, keep: Mask, counts: Array, full: Array) -> None:
    whole = counts + np.bincount(profile[chosen_of(starts, stops, keep)], minlength=len(counts))
    counts[:] = whole & 255
    who = np.repeat(np.arange(len(whole)), whole >> 8)
    full[full[0] + 1 : full[0] + 1 + len(who)] = who
    full[0] += len(who)


def _pick(codes: Array, starts: Index, stops: Index, table: Mask, out: Mask) -> None:
    at = 0
    for each in range(len(starts)):
        some = codes[starts[each] : stops[each]]
        picked = out[at : at + len(some)]
        at += len(some)
        for row in range(len(some)):
            picked[row] = table[some[row]]


def _pick_numpy(codes: Array, starts: Index, stops: Index, table: Mask, out: Mask) -> None:
    out[:] = table[codes[rows_of(starts, stops)]]


def _between(clock: Array, starts: Index, stops: Index, low: int, high: int, out: Mask) -> None:
    at = 0
    for each in range(len(starts)):
        some = clock[starts[each] : stops[each]]
        inside = out[at : at + len(some)]
        at += len(some)
        for row in range(len(some)):
            inside[row] = low <= some[row] <= high


def _between_numpy(clock: Array, starts: Index, stops: Index, low: int, high: int, out: Mask) -> None:
    found = clock[rows_of(starts, stops)]
    out[:] = (found >= low) & (found <= high)


def _some(owner: Index, starts: Index, stops: Index, mask: Mask, shifts: Index, out: Mask) -> None:
    at = 0
    for each in range(len(starts)):
        some, shift = owner[starts[each] : stops[each]], shifts[each]
        mine = mask[at : at + len(some)]
        at += len(some)
        for row in range(len(some)):
            out[some[row] + shift] |= mine[row]


def _some_numpy(owner: Index, starts: Index, stops: Index, mask: Mask, shifts: Index, out: Mask) -> None:
    out[(owner[rows_of(starts, stops)] + np.repeat(shifts, stops - starts))[mask]] = True


def _find(letters: Array, begins: Index, word: Array, rare: Index, out: Mask) -> None:
    # Where two letters of the word stand is told for a page of places at once. Of eight places at a time those with any
    # hit are put together, their eight hits as the bits of a byte; the few that are left are compared.
    size, text, first, last = len(word), 0, rare[0], rare[-1]
    hits, chosen = np.zeros(PAGE, np.uint8), np.empty(PAGE // 8 + 1, np.int64)
    eights = hits.view(np.uint64)
    for base in range(begins[0], begins[-1] - size + 1, PAGE):
        some = min(PAGE, begins[-1] - size + 1 - base)
        left, right = letters[base + first : base + first + some], letters[base + last : base + last + some]
        for place in range(some):
            hits[place] = (left[place] == word[first]) & (right[place] == word[last])
        hits[some:] = 0
        found = 0
        for eight in range(len(eights)):
            chosen[found] = eight
            found += eights[eight] != 0
        for eight in chosen[:found]:
            bits = np.int64((eights[eight] * BYTES_TO_BITS) >> TOP_BYTE)
            while bits:
                place = base + eight * 8 + LOWEST[bits]
                bits &= bits - 1
                same = True
                for letter in range(size):
                    same &= letters[place + letter] == word[letter]
                if same:
                    while begins[text + 1] <= place:
                        text += 1
                    out[text] |= place + size <= begins[text + 1]


def _find_numpy(letters: Array, begins: Index, word: Array, rare: Index, out: Mask) -> None:
    last = begins[-1] - len(word) + 1
    hits = [letters[begins[0] + at : max(last, begins[0]) + at] == word[at] for at in rare]
    places = np.flatnonzero(np.logical_and.reduce(hits)) + begins[0]
    for at in range(len(word)):
        places = places[letters[places + at] == word[at]]
    texts = np.searchsorted(begins, places, "right") - 1
    out[texts[places + len(word) <= begins[texts + 1]]] = True


def _add(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    codes: Array,
    lows: Array,
    highs: Index,
    sums: Array,
    above: Index,
) -> None:
    # Four bytes a profile instead of eight: half of what the processor's cache has to hold. `above` has the rest, once
    # its last entry is 1; until then its other entries hold anything.
    at, chosen, coded = 0, np.empty(BATCH + 1, profile.dtype), np.empty(BATCH + 1, codes.dtype)
    for each in range(len(starts)):
        for base in range(starts[each], stops[each], BATCH):
            stop = min(base + BATCH, stops[each])
            some, their = profile[base:stop], codes[base:stop]
            if len(keep):
                kept, size = keep[at : at + len(some)], 0
                for row in range(len(some)):
                    chosen[size], coded[size] = some[row], their[row]
                    size += kept[row]
                at += len(some)
                some, their = chosen[:size], coded[:size]
            for row in range(len(some)):
                who, low = some[row], lows[their[row]]
                more = np.uint32(sums[who] + low)
                sums[who] = more
                if more < low:
                    if above[-1] == 0:
                        above[:] = 0
                        above[-1] = 1
                    above[who] += 1
            if len(highs):
                if above[-1] == 0:
                    above[:] = 0
                    above[-1] = 1
                for row in range(len(some)):
                    above[some[row]] += highs[their[row]]


def _add_numpy(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    codes: Array,
    lows: Array,
    highs: Index,
    sums: Array,
    above: Index,
) -> None:
    rows = chosen_of(starts, stops, keep)
    whole = sums.astype(np.int64)
    np.add.at(whole, profile[rows], lows[codes[rows]].astype(np.int64))
    sums[:] = whole & 0xFFFFFFFF
    above[:-1] = (whole >> 32) + (above[:-1] if above[-1] else 0)
    if len(highs):
        np.add.at(above[:-1], profile[rows], highs[codes[rows]])
    above[-1] = above[:-1].any()


def _highest(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    values: Array,
    numbers: Index,
    turn: Index,
    bases: Index,
    best: Index,
) -> None:
    at, sign = 0, turn[0]
    for each in range(len(starts)):
        some, their = profile[starts[each] : stops[each]], values[starts[each] : stops[each]]
        kept, base = keep[at : at + len(some)], bases[each]
        at += len(some)
        for row in range(len(some)):
            if len(keep) and not kept[row]:
                continue
            value = numbers[their[row]] if len(numbers) else sign * (base + np.int64(their[row]))
            best[some[row]] = max(best[some[row]], value)


def _highest_numpy(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    values: Array,
    numbers: Index,
    turn: Index,
    bases: Index,
    best: Index,
) -> None:
    rows = chosen_of(starts, stops, keep)
    if len(numbers):
        found = numbers[values[rows]]
    else:
        found = turn * (repeated(bases, starts, stops, keep) + values[rows].astype(np.int64))
    np.maximum.at(best, profile[rows], found)


def _mark(profile: Array, starts: Index, stops: Index, keep: Mask, bits: Array, marks: Array) -> None:
    at = 0
    for each in range(len(starts)):
        some, bit = profile[starts[each] : stops[each]], bits[each]
        kept = keep[at : at + len(some)]
        at += len(some)
        for row in range(len(some)):
            if len(keep) == 0 or kept[row]:
                marks[some[row]] |= bit


def _mark_numpy(profile: Array, starts: Index, stops: Index, keep: Mask, bits: Array, marks: Array) -> None:
    np.bitwise_or.at(marks, profile[chosen_of(starts, stops, keep)], repeated(bits, starts, stops, keep))


LOOPS: Final[Twins] = {
    "count": (_count, _count_numpy),
    "pick": (_pick, _pick_numpy),
    "between": (_between, _between_numpy),
    "some": (_some, _some_numpy),
    "find": (_find, _find_numpy),
    "add": (_add, _add_numpy),
    "highest": (_highest, _highest_numpy),
    "mark": (_mark, _mark_numpy),
}
"""Each loop and its twin."""

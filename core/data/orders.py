"""The inner loops that put rows in order, each beside its twin in numpy; written like those of `loops`."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.data.loops import NEVER, Array, Index, Mask, Twins, chosen_of, numbers_of, repeated


def _edge(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    codes: Array,
    table: Array,
    clock: Array,
    arrival: Index,
    turn: Index,
    bases: Index,
    times: Index,
    places: Index,
    last: Array,
) -> None:
    at, sign = 0, turn[0]
    for each in range(len(starts)):
        some, their = profile[starts[each] : stops[each]], codes[starts[each] : stops[each]]
        when, order = clock[starts[each] : stops[each]], arrival[starts[each] : stops[each]]
        kept, base = keep[at : at + len(some)], bases[each]
        at += len(some)
        for row in range(len(some)):
            code = table[their[row]]
            if code == 0 or (len(keep) and not kept[row]):
                continue
            who, time, place = some[row], sign * (base + np.int64(when[row])), sign * order[row]
            best = times[who]
            if time > best or (time == best and (place > places[who] or (place == places[who] and sign > 0))):
                times[who], places[who], last[who] = time, place, code


def _edge_numpy(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    codes: Array,
    table: Array,
    clock: Array,
    arrival: Index,
    turn: Index,
    bases: Index,
    times: Index,
    places: Index,
    last: Array,
) -> None:
    rows = chosen_of(starts, stops, keep)
    some = table[codes[rows]] != 0
    rows = numbers_of(starts, stops)[some] if isinstance(rows, slice) else rows[some]
    time = turn * (repeated(bases, starts, stops, keep)[some] + clock[rows].astype(np.int64))
    order = np.lexsort((turn * np.arange(len(rows)), turn * arrival[rows], time))
    who = profile[rows[order]]
    final = np.ones(len(who), np.bool_)  # of those that a stable sort by profile puts last
    by_profile = np.argsort(who, kind="stable")
    final[by_profile[:-1]] = who[by_profile[1:]] != who[by_profile[:-1]]
    order, who = order[final], who[final]
    time, place, code = time[order], turn * arrival[rows[order]], table[codes[rows[order]]]
    same = time == times[who]
    later = (time > times[who]) | (same & (place > places[who])) | (same & (place == places[who]) & (turn[0] > 0))
    who = who[later]
    times[who], places[who], last[who] = time[later], place[later], code[later]


def _distinct(profile: Array, values: Array, width: int, counts: Index) -> None:
    # Rows are put together by profile (a counting sort): `ends` is first how many each has, then where its next one
    # belongs, then where they end. `seen` holds the last profile (from 1) that had a value.
    ends, begin = np.zeros(len(counts), np.uint32), np.uint32(0)
    for row in range(len(profile)):
        ends[profile[row]] += np.uint32(1)
    for each in range(len(counts)):
        many = ends[each]
        ends[each] = begin
        begin += many
    together, seen = np.empty(len(profile), values.dtype), np.zeros(width, np.uint32)
    for row in range(len(profile)):
        place = ends[profile[row]]
        together[place] = values[row]
        ends[profile[row]] = place + np.uint32(1)
    first = np.uint32(0)
    for each in range(len(counts)):
        for place in range(first, ends[each]):
            counts[each] += seen[together[place]] != each + 1
            seen[together[place]] = each + 1
        first = ends[each]


def _distinct_numpy(profile: Array, values: Array, width: int, counts: Index) -> None:
    pairs = np.unique(profile.astype(np.int64) * width + values)
    counts += np.bincount(pairs // width, minlength=len(counts))


def _place(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    clock: Array,
    step: Array,
    bases: Index,
    free: Index,
    times: Index,
    steps: Array,
) -> None:
    at = 0
    for each in range(len(starts)):
        some, when = profile[starts[each] : stops[each]], clock[starts[each] : stops[each]]
        kept, base = keep[at : at + len(some)], bases[each]
        at += len(some)
        for row in range(len(some)):
            if len(keep) and not kept[row]:
                continue
            place = free[some[row]]
            if place >= 0:
                times[place], steps[place] = base + np.int64(when[row]), step[0]
                free[some[row]] = place + 1


def _place_numpy(
    profile: Array,
    starts: Index,
    stops: Index,
    keep: Mask,
    clock: Array,
    step: Array,
    bases: Index,
    free: Index,
    times: Index,
    steps: Array,
) -> None:
    rows, base = chosen_of(starts, stops, keep), repeated(bases, starts, stops, keep)
    who, when = profile[rows], base + clock[rows].astype(np.int64)
    wanted = free[who] >= 0
    who, when = who[wanted], when[wanted]
    order = np.argsort(who, kind="stable")
    counts = np.bincount(who, minlength=len(free))
    place = np.repeat(free - (np.cumsum(counts) - counts), counts) + np.arange(len(who))
    times[place], steps[place] = when[order], step[0]
    free += counts


def _chain(ends: Index, times: Index, step: Array, steps: int, within: int, moments: Index) -> None:
    # For each step the latest start of a chain that came so far, `before` this moment and `upto` it.
    before, upto = np.empty(steps, np.int64), np.empty(steps, np.int64)
    for each in range(len(moments)):
        first, last = ends[each], ends[each + 1]
        if last - first > 64:
            order = np.argsort(times[first:last])
            times[first:last] = times[first:last][order]
            step[first:last] = step[first:last][order]
        else:
            for at in range(first + 1, last):
                time, which, place = times[at], step[at], at
                while place > first and times[place - 1] > time:
                    times[place], step[place] = times[place - 1], step[place - 1]
                    place -= 1
                times[place], step[place] = time, which
        before[:] = NEVER
        upto[:] = NEVER
        now = NEVER
        for at in range(first, last):
            time, which = times[at], step[at]
            if time != now:
                before[:] = upto
                now = time
            start = time if which == 0 else before[which - 1]
            upto[which] = max(start, upto[which])
            if which == steps - 1 and start != NEVER and time - start <= within:
                moments[each] = time


def _chain_numpy(ends: Index, times: Index, step: Array, steps: int, within: int, moments: Index) -> None:
    # Every row is one number, its place among all (profile, time). From each row of the last step the chain goes back
    # to the latest earlier row of the step before: no other chain that ends there starts later.
    profile = np.repeat(np.arange(len(moments)), np.diff(ends))
    times, step = times[ends[0] : ends[-1]], step[ends[0] : ends[-1]]
    order = np.lexsort((times, profile))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(profile[order]) != 0) | (np.diff(times[order]) != 0)
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(new)
    each = [order[step[order] == number] for number in range(steps)]
    starts = finals = each[-1]
    for earlier in reversed(each[:-1]):
        at = np.searchsorted(place[earlier], place[starts], "left") - 1
        found = at >= 0
        finals, starts = finals[found], earlier[at[found]]
        same = profile[starts] == profile[finals]
        finals, starts = finals[same], starts[same]
    quick = finals[times[finals] - times[starts] <= within]
    np.maximum.at(moments, profile[quick], times[quick])


ORDERS: Final[Twins] = {
    "edge": (_edge, _edge_numpy),
    "distinct": (_distinct, _distinct_numpy),
    "place": (_place, _place_numpy),
    "chain": (_chain, _chain_numpy),
}
"""Each loop and its twin."""

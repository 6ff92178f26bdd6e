"""The loops: compiled and numpy say the same, on rows of every shape, and nobody waits for the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import kernels

SIZE = 20


def both(run: Callable[[], Any]) -> Any:
    """What a call gives, the same with both kinds of loops."""
    found = []
    for loops in kernels.MODES:
        with kernels.only(loops):
            found.append(run())
    assert np.array_equal(found[0], found[1])
    return found[0]


@st.composite
def ranges(draw: st.DrawFn, rows: int = 60) -> tuple[kernels.Ranges, list[int]]:
    """Ranges of rows with what they keep, and the numbers of the rows that are meant."""
    cuts = sorted(draw(st.sets(st.integers(0, rows), max_size=8)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    every = [row for start, stop in pairs for row in range(start, stop)]
    keep = draw(st.one_of(st.just([]), st.lists(st.booleans(), min_size=len(every), max_size=len(every))))
    bounds = np.array(pairs, np.int64).reshape(-1, 2)
    meant = [row for row, kept in zip(every, keep, strict=True) if kept] if keep else every
    return (bounds[:, 0].copy(), bounds[:, 1].copy(), np.array(keep, np.bool_)), meant


profiles = st.lists(st.integers(0, SIZE - 1), min_size=60, max_size=60).map(lambda each: np.array(each, np.uint32))


@given(profiles, ranges())
def test_count(profile: kernels.Array, some: tuple[kernels.Ranges, list[int]]) -> None:
    counts = both(lambda: kernels.count([(profile, some[0])], SIZE))
    assert counts.tolist() == [sum(profile[row] == each for row in some[1]) for each in range(SIZE)]


@given(st.sampled_from([np.uint8, np.uint16, np.uint32]), profiles, ranges())
def test_pick(dtype: Any, codes: kernels.Array, some: tuple[kernels.Ranges, list[int]]) -> None:
    table = np.arange(SIZE) % 3 == 0
    starts, stops, _ = some[0]
    picked = both(lambda: kernels.pick(codes.astype(dtype), starts, stops, table))
    rows = [row for start, stop in zip(starts, stops, strict=True) for row in range(start, stop)]
    assert picked.tolist() == [codes[row] % 3 == 0 for row in rows]


@given(st.sampled_from([np.uint8, np.uint16, np.uint32]), profiles, profiles)
def test_add(dtype: Any, profile: kernels.Array, codes: kernels.Array) -> None:
    weights = np.arange(SIZE, dtype=np.int64) * 10**15 - 7

    def run() -> kernels.Index:
        sums = np.ones(SIZE, np.int64)
        kernels.add(profile, codes.astype(dtype), weights, sums)
        return sums

    expected = [1] * SIZE
    for who, code in zip(profile.tolist(), codes.tolist(), strict=True):
        expected[who] += code * 10**15 - 7
    assert both(run).tolist() == expected


@given(profiles, st.lists(st.integers(-(2**62), 2**62), min_size=60, max_size=60))
def test_highest(profile: kernels.Array, values: list[int]) -> None:
    def run() -> kernels.Index:
        best = np.full(SIZE, kernels.NEVER)
        kernels.highest(profile, np.array(values, np.int64), best)
        return best

    expected = [max([kernels.NEVER, *(v for p, v in zip(profile, values, strict=True) if p == n)]) for n in range(SIZE)]
    assert both(run).tolist() == expected


@given(profiles, ranges(), st.lists(st.integers(0, 63), min_size=8, max_size=8))
def test_mark(profile: kernels.Array, some: tuple[kernels.Ranges, list[int]], days: list[int]) -> None:
    (starts, stops, keep), meant = some
    bits = np.uint64(1) << np.array(days[: len(starts)], np.uint64)

    def run() -> kernels.Array:
        marks = np.zeros(SIZE, np.uint64)
        kernels.mark(profile, (starts, stops, keep), bits, marks)
        return marks

    expected = [0] * SIZE
    for start, stop, day in zip(starts, stops, days, strict=False):
        for row in range(start, stop):
            if row in meant:
                expected[profile[row]] |= 1 << day
    assert both(run).tolist() == expected


def completions(events: list[tuple[int, int]], steps: int, within: int | None) -> int:
    """The latest completion by trying every chain: events of one profile as (time, step)."""
    found = [kernels.NEVER]

    def follow(step: int, began: int, now: int) -> None:
        if step == steps:
            found.append(now if within is None or now - began <= within else kernels.NEVER)
            return
        for time, which in events:
            if which == step and (step == 0 or time > now):
                follow(step + 1, time if step == 0 else began, time)

    follow(0, 0, 0)
    return max(found)


chained = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 2)), max_size=24)


@given(chained, st.integers(1, 3), st.none() | st.integers(0, 6))
def test_chain(rows: list[tuple[int, int, int]], steps: int, within: int | None) -> None:
    rows = [row for row in rows if row[2] < steps]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    profile, times, step = columns[:, 0].astype(np.uint32), columns[:, 1].copy(), columns[:, 2].astype(np.uint16)
    moments = both(lambda: kernels.chain(profile, times, step, steps, within, 4))
    mine = [[(time, which) for who, time, which in rows if who == each] for each in range(4)]
    assert moments.tolist() == [completions(events, steps, within) for events in mine]


@pytest.mark.parametrize("kept", [False, True])
def test_much_work_is_shared(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks cut inside ranges and between them, in several threads."""
    monkeypatch.setattr(kernels, "BLOCK", 100)
    dice = np.random.default_rng(3)
    profile = dice.integers(0, SIZE, 5_000).astype(np.uint32)
    starts = np.array([0, 37, 1_000, 1_200, 4_999])
    stops = np.array([30, 900, 1_001, 4_321, 5_000])
    rows = np.concatenate([np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)])
    keep = dice.random(len(rows)) < 0.5 if kept else kernels.ALL
    counts = both(lambda: kernels.count([(profile, (starts, stops, keep)), (profile, (starts, stops, keep))], SIZE))
    meant = rows[keep] if kept else rows
    assert counts.tolist() == (2 * np.bincount(profile[meant], minlength=SIZE)).tolist()
    table = np.arange(SIZE) % 2 == 0
    assert both(lambda: kernels.pick(profile, starts, stops, table)).tolist() == (profile[rows] % 2 == 0).tolist()


def test_the_compiler_is_loaded_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    state = kernels._State()
    monkeypatch.setattr(kernels, "_state", state)
    monkeypatch.setattr(kernels, "ENOUGH", 100)
    profile, one = np.zeros(60, np.uint32), (np.array([0]), np.array([60]), kernels.ALL)
    assert kernels.count([(profile, one)], 1).tolist() == [60]
    assert state.thread is None, "too little to do"
    assert kernels.count([(profile, one)], 1).tolist() == [60]
    assert state.thread is not None
    state.thread.join()
    assert set(state.compiled) == set(kernels._LOOPS)
    assert kernels.count([(profile, one)], 1).tolist() == [60]

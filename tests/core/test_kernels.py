"""The loops: compiled and numpy say the same, on rows of every shape, and nobody waits for the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import compiling, kernels, loops

SIZE = 20


def both(run: Callable[[], Any]) -> Any:
    """What a call gives, the same with both kinds of loops."""
    found = []
    for mode in compiling.MODES:
        with compiling.only(mode):
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
def test_count(profile: loops.Array, some: tuple[kernels.Ranges, list[int]]) -> None:
    counts = both(lambda: kernels.count([kernels.Part(profile, some[0])], SIZE))
    assert counts.tolist() == [sum(profile[row] == each for row in some[1]) for each in range(SIZE)]


def test_counts_beyond_a_byte() -> None:
    profile, many = np.arange(2_000, dtype=np.uint32) % 3, np.array([2_000])
    part = kernels.Part(profile, (np.zeros(1, np.int64), many, kernels.ALL))
    assert both(lambda: kernels.count([part, part], SIZE)).tolist() == [1334, 1334, 1332, *[0] * (SIZE - 3)]


def test_everybody_s_byte_is_full_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 200)
    often, once = (np.repeat(np.arange(SIZE, dtype=np.uint32), each) for each in (255, 1))
    parts = [kernels.Part(each, (np.zeros(1, np.int64), np.array([len(each)]), kernels.ALL)) for each in (often, once)]
    assert both(lambda: kernels.count(parts, SIZE)).tolist() == [256] * SIZE
    assert both(lambda: kernels.count(parts * 3, SIZE)).tolist() == [768] * SIZE


@pytest.mark.parametrize("rows", [32_767, 32_768, 70_000])
def test_counts_beyond_two_bytes(rows: int) -> None:
    part = kernels.Part(np.zeros(rows, np.uint32), (np.zeros(1, np.int64), np.array([rows]), kernels.ALL))
    assert both(lambda: kernels.count([part], 2)).tolist() == [rows, 0]


@pytest.mark.parametrize(("weight", "dtype"), [(kernels.NARROW // 4, np.int64), (kernels.NARROW // 4 - 1, np.int32)])
def test_narrow_sums(weight: int, dtype: type[np.generic]) -> None:
    """Four rows of one profile, whose sum just fits or does not; where there are negative numbers, none does."""
    profile, codes, every = (
        np.zeros(4, np.uint32),
        np.zeros(4, np.uint8),
        (np.zeros(1, np.int64), np.array([4]), kernels.ALL),
    )
    for sign, expected in ((1, dtype), (-1, np.int64)):
        part = kernels.Part(profile, every, (codes, *kernels.halves(np.array([sign * weight]))))
        found = both(lambda part=part: kernels.add([part], 2, narrow=True))
        assert found.tolist() == [4 * sign * weight, 0] and found.dtype == expected


@given(st.sampled_from([np.uint8, np.uint16, np.uint32]), profiles, ranges())
def test_pick(dtype: Any, codes: loops.Array, some: tuple[kernels.Ranges, list[int]]) -> None:
    table = np.arange(SIZE) % 3 == 0
    starts, stops, _ = some[0]
    picked = both(lambda: kernels.pick(codes.astype(dtype), starts, stops, table))
    rows = [row for start, stop in zip(starts, stops, strict=True) for row in range(start, stop)]
    assert picked.tolist() == [codes[row] % 3 == 0 for row in rows]


@given(
    st.sampled_from([np.uint8, np.uint16, np.uint32]), profiles, profiles, ranges(), st.sampled_from([1, 10**9, 10**15])
)
def test_add(
    dtype: Any, profile: loops.Array, codes: loops.Array, some: tuple[kernels.Ranges, list[int]], step: int
) -> None:
    weights = (np.arange(SIZE, dtype=np.int64) - (0 if step == 10**9 else 3)) * step
    part = kernels.Part(profile, some[0], (codes.astype(dtype), *kernels.halves(weights)))
    expected = [0] * SIZE
    for row in some[1]:
        expected[profile[row]] += int(weights[codes[row]])
    assert both(lambda: kernels.add([part], SIZE)).tolist() == expected
    assert both(lambda: kernels.add([part, part], SIZE)).tolist() == [2 * each for each in expected]


@given(profiles, ranges(), st.integers(-1, 20), st.integers(-1, 20))
def test_between(clock: loops.Array, some: tuple[kernels.Ranges, list[int]], low: int, high: int) -> None:
    starts, stops, _ = some[0]
    found = both(lambda: kernels.between(clock, starts, stops, low, high))
    rows = [row for start, stop in zip(starts, stops, strict=True) for row in range(start, stop)]
    assert found.tolist() == [low <= clock[row] <= high for row in rows]


def best(profile: loops.Array, values: list[int], rows: list[int]) -> list[int]:
    return [max([loops.NEVER, *(values[row] for row in rows if profile[row] == each)]) for each in range(SIZE)]


@given(st.sampled_from([np.uint8, np.uint16, np.uint32]), profiles, profiles, ranges())
def test_highest_number(
    dtype: Any, profile: loops.Array, codes: loops.Array, some: tuple[kernels.Ranges, list[int]]
) -> None:
    numbers = (np.arange(SIZE, dtype=np.int64) * 7) % SIZE * 10**15 - 7
    numbers[3] = loops.NEVER
    columns = codes.astype(dtype), numbers, np.ones(1, np.int64)
    part = kernels.Part(profile, some[0], columns, (np.zeros(len(some[0][0]), np.int64),))
    expected = best(profile, [int(numbers[code]) for code in codes], some[1])
    assert both(lambda: kernels.highest([part], SIZE)).tolist() == expected


@given(profiles, profiles, ranges(), st.sampled_from([1, -1]))
def test_highest_moment(
    profile: loops.Array, clock: loops.Array, some: tuple[kernels.Ranges, list[int]], turn: int
) -> None:
    (starts, stops, keep), meant = some
    bases = np.arange(len(starts), dtype=np.int64)[::-1] * 5 - 10
    part = kernels.Part(profile, (starts, stops, keep), (clock, kernels.NO_NUMBERS, np.array([turn])), (bases.copy(),))
    moments = [0] * 60
    for start, stop, base in zip(starts, stops, bases, strict=True):
        for row in range(start, stop):
            moments[row] = turn * (int(base) + int(clock[row]))
    assert both(lambda: kernels.highest([part], SIZE)).tolist() == best(profile, moments, meant)


@given(profiles, st.lists(st.integers(-(2**62), 2**62), min_size=60, max_size=60), st.sampled_from([1, -1]))
def test_highest_of_moments(profile: loops.Array, times: list[int], turn: int) -> None:
    part = kernels.moments(profile, np.array(times, np.int64), turn)
    expected = best(profile, [turn * each for each in times], list(range(60)))
    assert both(lambda: kernels.highest([part], SIZE)).tolist() == expected


@given(
    st.sampled_from([np.uint8, np.uint16, np.uint32]),
    profiles,
    profiles,
    ranges(),
    ranges(),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=60, max_size=60),
    st.sampled_from([1, -1]),
)
def test_edge(
    dtype: Any,
    profile: loops.Array,
    codes: loops.Array,
    first: tuple[kernels.Ranges, list[int]],
    second: tuple[kernels.Ranges, list[int]],
    when: list[tuple[int, int]],
    turn: int,
) -> None:
    table = np.where(np.arange(SIZE) % 3 == 0, 0, np.arange(SIZE) + 100).astype(np.uint32)
    clock, arrival = np.array([each for each, _ in when], np.uint32), np.array([each for _, each in when], np.int64)
    parts, found = [], dict[int, tuple[int, int, int, int]]()
    for number, ((starts, stops, keep), meant) in enumerate((first, second)):
        bases = np.arange(len(starts), dtype=np.int64) * 2
        parts.append(
            kernels.Part(profile, (starts, stops, keep), (codes.astype(dtype), table, clock, arrival), (bases,))
        )
        for start, stop, base in zip(starts, stops, bases, strict=True):
            for row in range(start, stop):
                if row in meant and table[codes[row]]:
                    key = turn * int(base + clock[row]), turn * int(arrival[row]), turn * (60 * number + row)
                    who = int(profile[row])
                    found[who] = max(found.get(who, (loops.NEVER,) * 4), (*key, int(table[codes[row]])))
    expected = [found.get(each, (0,))[-1] for each in range(SIZE)]
    assert both(lambda: kernels.edge(parts, turn, SIZE)).tolist() == expected


@given(profiles, profiles)
def test_distinct(profile: loops.Array, values: loops.Array) -> None:
    expected = [len({int(v) for p, v in zip(profile, values, strict=True) if p == each}) for each in range(SIZE)]
    assert both(lambda: kernels.distinct(profile, values, SIZE, SIZE)).tolist() == expected


@given(profiles, ranges(), st.lists(st.integers(0, 63), min_size=8, max_size=8))
def test_mark(profile: loops.Array, some: tuple[kernels.Ranges, list[int]], days: list[int]) -> None:
    (starts, stops, keep), meant = some
    bits = np.uint64(1) << np.array(days[: len(starts)], np.uint64)
    part = kernels.Part(profile, (starts, stops, keep), each=(bits,))
    expected = [0] * SIZE
    for start, stop, day in zip(starts, stops, days, strict=False):
        for row in range(start, stop):
            if row in meant:
                expected[profile[row]] |= 1 << day
    assert both(lambda: kernels.mark([part], SIZE)).tolist() == expected


def completions(events: list[tuple[int, int]], steps: int, within: int | None) -> int:
    """The latest completion by trying every chain: events of one profile as (time, step)."""
    found = [loops.NEVER]

    def follow(step: int, began: int, now: int) -> None:
        if step == steps:
            found.append(now if within is None or now - began <= within else loops.NEVER)
            return
        for time, which in events:
            if which == step and (step == 0 or time > now):
                follow(step + 1, time if step == 0 else began, time)

    follow(0, 0, 0)
    return max(found)


chained = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 2)), max_size=24)


def chain_parts(rows: list[tuple[int, int, int]], steps: int) -> list[list[kernels.Part]]:
    """Rows (profile, time, step) as the parts of each step, profiles ascending."""
    parts = []
    for number in range(steps):
        columns = np.array(sorted(row[:2] for row in rows if row[2] == number), np.uint32).reshape(-1, 2)
        ranges = np.zeros(1, np.int64), np.array([len(columns)]), kernels.ALL
        parts.append([kernels.Part(columns[:, 0].copy(), ranges, (columns[:, 1] + 2,), (np.array([-2]),))])
    return parts


@given(chained, st.integers(1, 3), st.none() | st.integers(0, 6))
def test_chain(rows: list[tuple[int, int, int]], steps: int, within: int | None) -> None:
    moments = both(lambda: kernels.chain(chain_parts(rows, steps), within, 4))
    mine = [[(time, which) for who, time, which in rows if who == each] for each in range(4)]
    assert moments.tolist() == [completions(events, steps, within) for events in mine]


@pytest.mark.parametrize("kept", [False, True])
def test_chains_of_many_rows(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of profiles side by side, of several ranges and of rows that are left out."""
    monkeypatch.setattr(kernels, "BLOCK", 50)
    dice = np.random.default_rng(6)
    starts, bases = np.array([0, 60, 120]), np.array([0, 7, 20])
    rows, parts = [], []
    for which in range(2):
        profile = np.concatenate([np.sort(dice.integers(0, SIZE, 60)) for _ in starts]).astype(np.uint32)
        clock, keep = dice.integers(0, 40, 180).astype(np.uint32), dice.random(180) < (0.5 if kept else 1)
        rows += [(int(profile[at]), int(clock[at] + bases[at // 60]), which) for at in np.flatnonzero(keep)]
        ranges = starts, starts + 60, keep if kept else kernels.ALL
        parts.append([kernels.Part(profile, ranges, (clock,), (bases,))])
    mine = [[(time, which) for who, time, which in rows if who == each] for each in range(SIZE)]
    expected = [completions(events, 2, 15) for events in mine]
    assert both(lambda: kernels.chain(parts, 15, SIZE)).tolist() == expected


@pytest.mark.parametrize("kept", [False, True])
def test_much_work_is_shared(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks cut inside ranges and between them, in several threads."""
    monkeypatch.setattr(kernels, "BLOCK", 100)
    monkeypatch.setattr(kernels, "SHARE", 1_000)
    dice = np.random.default_rng(3)
    profile = dice.integers(0, SIZE, 5_000).astype(np.uint32)
    starts = np.array([0, 37, 1_000, 1_200, 4_999])
    stops = np.array([30, 900, 1_001, 4_321, 5_000])
    rows = np.concatenate([np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)])
    keep = dice.random(len(rows)) < 0.5 if kept else kernels.ALL
    part = kernels.Part(profile, (starts, stops, keep))
    counts = both(lambda: kernels.count([part, part], SIZE))
    meant = rows[keep] if kept else rows
    assert counts.tolist() == (2 * np.bincount(profile[meant], minlength=SIZE)).tolist()
    table = np.arange(SIZE) % 2 == 0
    assert both(lambda: kernels.pick(profile, starts, stops, table)).tolist() == (profile[rows] % 2 == 0).tolist()


def test_batches_of_kept_rows() -> None:
    dice = np.random.default_rng(4)
    size = 3 * loops.BATCH + 7
    profile = dice.integers(0, SIZE, size).astype(np.uint32)
    codes = dice.integers(0, SIZE, size).astype(np.uint8)
    starts, stops = np.array([0, loops.BATCH + 3]), np.array([loops.BATCH + 1, size])
    keep = dice.random(size - 2) < 0.3
    meant = np.delete(np.arange(size), [loops.BATCH + 1, loops.BATCH + 2])[keep]
    part = kernels.Part(profile, (starts, stops, keep))
    assert both(lambda: kernels.count([part], SIZE)).tolist() == np.bincount(profile[meant], minlength=SIZE).tolist()
    weighed = part._replace(columns=(codes, *kernels.halves(np.arange(SIZE, dtype=np.int64) * 7)))
    expected = np.bincount(profile[meant], weights=codes[meant] * 7, minlength=SIZE)
    assert both(lambda: kernels.add([weighed], SIZE)).tolist() == expected.tolist()


@given(st.lists(st.integers(0, 3), min_size=60, max_size=60), ranges(), st.integers(0, 1 << 60))
def test_some(owned: list[int], some: tuple[kernels.Ranges, list[int]], bits: int) -> None:
    begins, (starts, stops, _) = np.cumsum([0, *owned]), some[0]
    owners = [owner for start, stop in zip(starts, stops, strict=True) for owner in range(start, stop)]
    whose = [owner for owner in owners for _ in range(owned[owner])]
    mask = np.array([bits >> place & 1 == 1 for place in range(len(whose))], np.bool_)
    lucky = {owner for owner, holds in zip(whose, mask, strict=True) if holds}
    owner = np.repeat(np.arange(60), owned)
    found = both(lambda: kernels.some(owner, mask, starts, stops, begins))
    assert found.tolist() == [each in lucky for each in owners]


words = st.text("abé ", max_size=4)


@given(st.lists(st.text("abé ", max_size=8)), words, st.integers(1, 40))
def test_find(texts: list[str], word: str, letters: int) -> None:
    every = [text.encode() for text in texts]
    begins = np.cumsum([0, *map(len, every)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "LETTERS", letters)  # several pieces, some of them in the midst of equal beginnings
        found = both(lambda: kernels.find(np.frombuffer(b"".join(every), np.uint8), begins, word.encode()))
    assert found.tolist() == [word in text for text in texts]


def test_find_over_pages() -> None:
    texts = [b"x" * (loops.PAGE - 3) + b"gmail", b"gma", b"il", b"", b"GMAIL gmail" * 900]
    begins = np.cumsum([0, *map(len, texts)])
    found = both(lambda: kernels.find(np.frombuffer(b"".join(texts), np.uint8), begins, b"gmail"))
    assert found.tolist() == [True, False, False, False, True]


def test_the_compiler_is_loaded_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    state = compiling._State()
    monkeypatch.setattr(compiling, "_state", state)
    monkeypatch.setattr(compiling, "ENOUGH", 100)
    profile, one = np.zeros(60, np.uint32), (np.array([0]), np.array([60]), kernels.ALL)
    assert kernels.count([kernels.Part(profile, one)], 1).tolist() == [60]
    assert state.thread is None, "too little to do"
    assert kernels.count([kernels.Part(profile, one)], 1).tolist() == [60]
    assert state.thread is not None
    state.thread.join()
    assert set(state.compiled) == set(compiling.EVERY)
    assert kernels.count([kernels.Part(profile, one)], 1).tolist() == [60]

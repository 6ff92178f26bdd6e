"""Sets of keys against sets of Python, whatever their sizes; what a sieve lets pass; the order of numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.data.keys import Keys, KeySet, merge_files
from core.data.ordering import ascending
from core.data.sieve import Sieve


def keys_from(rng: np.random.Generator, count: int, halves: int) -> Keys:
    """Keys of which many are the same, or have the same first half."""
    first = rng.integers(0, halves, count).astype(np.uint64) * np.uint64(2**64 // halves)
    return np.stack([first, rng.integers(0, 3, count).astype(np.uint64)])


def pairs(keys: Keys) -> list[tuple[int, int]]:
    return [*zip(*keys.tolist(), strict=True)]


@pytest.mark.parametrize("seed", range(8))
def test_key_sets_are_sets(seed: int, tmp_path: Path) -> None:
    """Few keys are asked of many and many of few, with and without a sieve, saved now and then."""
    rng = np.random.default_rng(seed)
    ours, known, files = KeySet([]), set[tuple[int, int]](), list[Path]()
    for step in range(30):
        keys = keys_from(rng, int(rng.choice([1, 5, 300])), int(rng.choice([4, 200, 5000])))
        expected = []
        for pair in pairs(keys):
            expected.append(pair in known)
            known.add(pair)
        assert ours.add(keys).tolist() == expected
        if step % 4 == seed % 4 and ours.save(file := tmp_path / f"{step}.npy"):
            files.append(file)
        if step % 10 == 9:
            if ours.save(file := tmp_path / f"last-{step}.npy"):
                files.append(file)
            ours = KeySet(files)


def test_keys_are_saved_while_others_are_added(tmp_path: Path) -> None:
    """Nothing is lost between them, as a load saves the keys of batches of one group while it stages the next one."""
    rng = np.random.default_rng(3)
    ours, every = KeySet([]), [rng.integers(0, 2**64, (2, 50), dtype=np.uint64) for _ in range(300)]
    with ThreadPoolExecutor(1) as beside:
        added = beside.submit(lambda: [ours.add(keys).any() for keys in every])
        saved = []
        while not added.done() or ours.fresh:
            saved.append(ours.save(tmp_path / f"{len(saved)}.npy"))
    assert not any(added.result())
    assert sum(saved) == 300 * 50
    assert ours.add(np.concatenate(every, axis=1)).all()


def test_merged_files_hold_all_keys_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    files, every = [], []
    for number in range(3):
        keys = rng.integers(0, 2**64, (2, 500), dtype=np.uint64)
        ours = KeySet([])
        ours.add(keys)
        files.append(tmp_path / f"{number}.npy")
        ours.save(files[-1])
        every += pairs(keys)
    merge_files(files, tmp_path / "all.npy")
    assert pairs(np.load(tmp_path / "all.npy")) == sorted(every)


def test_a_sieve_holds_back_what_was_not_put_in() -> None:
    rng = np.random.default_rng(2)
    known, others = (np.sort(rng.integers(0, 2**64, 200_000, dtype=np.uint64)) for _ in range(2))
    sieve = Sieve(len(known))
    assert not sieve.passes(known).any()
    for share in np.split(known, 4):
        sieve.put(share)
    assert sieve.room >= len(known)
    assert sieve.passes(known).all()
    # A word has 2 to 4 keys on average, that is at most 16 of 64 bits: all four bits are there by (1 - e^-0.25)^4.
    assert sieve.passes(others).mean() < 0.01


@pytest.mark.parametrize(
    "numbers",
    [
        [],
        [3],
        [2**64 - 1, 0, 2**63, 0],
        # Of so far apart numbers the lowest bits make room for the places: these three differ in them only.
        [2**63 + 2, 0, 2**63 + 1, 2**64 - 1, 2**63],
        # More runs of such numbers than are put in order one by one.
        [each << 40 | low for each in range(2**23, 2**24, 2**14) for low in (1, 0)],
    ],
)
def test_ascending(numbers: list[int]) -> None:
    given = np.array(numbers, np.uint64)
    order, found = ascending(given)
    assert found.tolist() == sorted(numbers)
    assert given[order].tolist() == found.tolist()
    assert sorted(order.tolist()) == [*range(len(numbers))]
    signed = (given ^ np.uint64(2**63)).view(np.int64)
    order, found = ascending(signed)
    assert found.tolist() == sorted(signed.tolist())
    assert signed[order].tolist() == found.tolist()

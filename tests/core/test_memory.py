"""What is remembered: within its bound, dropped with its version, and never a reason for another answer."""

from __future__ import annotations

import gc
import random
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import core
from core import Audience, CoreError, Dataset
from core.data.coded import Column, merge
from core.data.memory import Bound, Holder, Memories, Memory, weigh
from tests.core.test_cache import MAPPING, NOW, table


def test_the_oldest_goes_first() -> None:
    memory = Memory(10_000)
    for name in "abc":
        memory.keep((name,), np.zeros(3_000, np.uint8))
    assert memory.recall(("a",)) is None and memory.recall(("b",)) is not None
    memory.keep(("d",), np.zeros(3_000, np.uint8))
    assert memory.recall(("c",)) is None, "b was asked for since"
    assert memory.recall(("b",)) is not None
    memory.keep(("big",), np.zeros(10_000, np.uint8))
    assert memory.recall(("big",)) is None and memory.recall(("d",)) is not None, "too big for all of it"
    assert 6_000 <= memory.held_bytes <= 10_000


def test_parts_of_a_memory_have_keys_of_their_own() -> None:
    whole = Memory(10_000)
    one, two = whole.of(1), whole.of(2)
    for memory, value in ((whole, 0), (one, 1), (two, 2)):
        memory.keep(("a",), np.full(10, value))
    assert [int(each.recall(("a",))[0]) for each in (whole, one, two, one.common, two.of(7).common)] == [0, 1, 2, 0, 0]
    assert one.of(7).recall(("a",)) is None
    one.forget(("a",))
    assert one.recall(("a",)) is None and two.recall(("a",)) is not None
    assert whole.held_bytes == two.held_bytes


def test_a_circle_that_is_too_big_is_mostly_found() -> None:
    """Ten values asked one after the other, again and again, with room for eight: the oldest would never be found."""

    def found(memory: Memory) -> int:
        hits = 0
        for _ in range(100):
            for number in range(10):
                hits += memory.recall((number,)) is not None
                memory.remember((number,), lambda: np.zeros(1_000, np.uint8))
        assert memory.held_bytes <= memory.limit_bytes
        return hits

    room = 8 * 1_500
    assert found(Memory(room)) == 0
    assert found(Memory(room, in_circles=True)) > 500


def test_any_byte_is_as_likely_to_go_as_any_other() -> None:
    memory, gone = Memory(1 << 20, in_circles=True), Counter[int]()
    for size in (1_000, 3_000, 6_000):  # what an entry takes included
        memory.keep((size,), np.zeros(size - 500, np.uint8))
    for _ in range(10_000):
        memory._pool.give_way()
        size = 10_000 - memory.held_bytes
        gone[size] += 1
        memory.keep((size,), np.zeros(size - 500, np.uint8))
    assert [round(gone[size] / 10_000, 1) for size in (1_000, 3_000, 6_000)] == [0.1, 0.3, 0.6]


def test_what_goes_at_random_is_found_among_many() -> None:
    """A thousand of 20,000 entries give way. When all were looked at for each of them, that took seconds."""
    memory = Memory(20_000 * 1_000, in_circles=True)
    for number in range(20_000):
        memory.keep((number,), np.empty(500, np.uint8))
    assert memory.held_bytes == memory.limit_bytes
    start = time.thread_time()
    for number in range(1_000):
        memory.keep(("new", number), np.empty(500, np.uint8))
    assert time.thread_time() - start < 1
    assert memory.held_bytes == memory.limit_bytes


def test_memories_use_what_others_leave() -> None:
    bound = Bound(100_000)
    large, small = Memory(bound, 0.75), Memory(bound, 0.25)

    def keep(memory: Memory, numbers: range) -> None:
        for number in numbers:
            memory.keep((number,), np.zeros(9_500, np.uint8))  # 10,000 with what an entry takes

    keep(small, range(10))
    assert small.held_bytes == 100_000, "nobody else wants it"
    keep(large, range(10))
    assert (large.held_bytes, small.held_bytes) == (80_000, 20_000) or (large.held_bytes, small.held_bytes) == (
        70_000,
        30_000,
    )
    assert small.recall((0,)) is None and small.recall((9,)) is not None
    del large
    keep(small, range(20, 30))
    assert small.held_bytes == 100_000, "what nobody has any more takes no room"


def test_a_fresh_memory_has_facts_only() -> None:
    memories = Memories(1 << 20, profiles=0)
    shard = memories.of(3)
    shard.facts.keep(("fact",), 1)
    shard.answers.keep(("mask",), 1)
    shard.aside().answers.keep(("aside",), 1)
    assert memories.beside.of(3).recall(("aside",)) == 1
    fresh = memories.fresh().of(3)
    assert fresh.facts.recall(("fact",)) == 1
    assert fresh.answers.recall(("mask",)) is None and fresh.beside.recall(("aside",)) is None


def test_a_bound_that_is_too_tight_is_told() -> None:
    memories = Memories(100_000, profiles=0)

    def ask(numbers: range) -> None:
        for number in numbers:
            memories.facts.remember((number,), lambda: np.zeros(9_500, np.uint8))  # 10,000 with what an entry takes

    ask(range(9))
    assert (memories.use.bound, memories.use.held, memories.use.again) == (100_000, 90_000, 0)
    ask(range(9, 30))
    assert (memories.use.held, memories.use.again) == (100_000, 0), "each was read once"
    ask(range(10))
    assert memories.use.again == 100_000 and not memories.use.tight
    ask(range(10, 11))
    assert memories.use.again == 110_000 and memories.use.tight


def test_profiles_take_no_more_than_half() -> None:
    memories = Memories(1_600_000, profiles=10_000)
    assert memories.facts.limit_bytes == 1_600_000 - 160_000
    memories.leave(1_000_000)
    assert memories.answers.limit_bytes == 800_000


def test_a_kind_is_forgotten() -> None:
    memory = Memory()
    for key in (("mask", 1), ("mask", 2), ("verdict", 1)):
        memory.keep(key, np.zeros(100))
    memory.forget(("mask",))
    assert [memory.recall(key) is None for key in (("mask", 1), ("mask", 2), ("verdict", 1))] == [True, True, False]


def test_weights() -> None:
    whole = np.zeros(1_000)
    assert weigh(whole) == weigh(whole[::2]) == 8_000
    assert weigh([whole, (whole, 1)]) == weigh({"a": whole, "b": whole}) == 8_000, "held once"
    assert weigh(np.frombuffer(b"x" * 1_000)) == 0, "mapped"
    assert weigh(Column.missing(1_000)) == 1_000
    assert weigh(pl.Series(["x" * 100] * 50)) >= 5_000


def test_what_two_values_share_counts_once() -> None:
    memory, shared = Memory(100_000), np.zeros(10_000, np.uint8)
    memory.keep(("a",), (shared, np.zeros(1_000, np.uint8)))
    memory.keep(("b",), (shared, np.zeros(2_000, np.uint8)))
    assert 13_000 <= memory.held_bytes < 15_000
    memory.drop(("a",))
    assert 12_000 <= memory.held_bytes < 13_500
    memory.keep(("b",), np.zeros(500, np.uint8))
    assert 500 <= memory.held_bytes < 2_000
    memory.forget(("b",))
    assert memory.held_bytes == 0


def test_a_value_that_grows_is_weighed_again() -> None:
    column = Column.of(pl.Series([f"s{number:010}" for number in range(1_000)]))
    memory = Memory(1 << 20)
    memory.keep(("column",), column)
    before = memory.held_bytes
    assert column.dictionary.lower.len() == 1_000
    memory.recall(("column",))
    assert memory.held_bytes >= before + 10_000
    tight = Memory(before + 1_000)
    tight.keep(("other",), np.zeros(100))
    tight.keep(("column",), Column.of(column.tagged()))
    found = tight.recall(("column",))
    assert found.dictionary.lower.len() == 1_000
    tight.recall(("column",))
    assert tight.recall(("column",)) is None and tight.held_bytes <= tight.limit_bytes, "it outgrew all of it"


class Shelf(Holder):
    """Holds arrays; more or fewer from time to time."""

    def __init__(self, *arrays: np.ndarray[Any, Any]) -> None:
        self.arrays = list(arrays)

    def holds(self) -> list[Any]:
        return list(self.arrays)


def sized(array: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """The array with another size. It keeps its identity, as when one is gone and the next one gets its number."""
    array.resize(size, refcheck=False)
    return array


def test_a_part_that_is_another_by_now_counts_as_what_it_was_and_is() -> None:
    memory, array = Memory(1 << 20), np.zeros(3_000, np.uint8)
    memory.keep(("large",), Shelf(array))
    memory.keep(("small",), Shelf(sized(array, 10)))
    assert memory.held_bytes == (3_000 + 500) + (10 + 500)
    memory.drop(("large",))
    assert memory.held_bytes == 10 + 500
    memory.keep(("large",), Shelf(sized(array, 5_000)))
    assert memory.held_bytes == (5_000 + 500) + (10 + 500), "not what it was when it was small"
    for name in ("small", "large"):
        memory.drop((name,))
    assert memory.held_bytes == 0


def test_bytes_of_dictionaries_that_let_go_are_not_counted_for_ever() -> None:
    """A dictionary forgets what was merged with it when there is too much; the next arrays get the numbers of these."""
    memory = Memory(1 << 30)
    base = Column.of(pl.Series([f"s{number:05}" for number in range(10_000)]))
    memory.keep(("base",), base)
    for turn in range(40):
        merge([base, Column.of(pl.Series([f"s{number:05}" for number in range(5_000, 11_000 + turn)]))])
        for _ in range(2):
            memory.recall(("base",))
        memory.keep(("x", turn % 3), np.zeros(1_000 + turn, np.uint8))
        memory.keep(("y", turn % 5), Column.of(pl.Series([f"s{number}" for number in range(turn + 1)])))
    memory.forget(("base", "x", "y"))
    assert memory.held_bytes == 0


STEPS = st.tuples(
    st.sampled_from(["keep", "keep", "recall", "drop", "resize", "fill", "empty", "forget", "limit"]),
    st.integers(0, 1),
    st.integers(0, 3),
    st.integers(0, 5_000),
)


@given(st.lists(STEPS, min_size=20, max_size=80))
def test_bytes_are_those_that_entries_were_weighed_at(steps: list[tuple[str, int, int, int]]) -> None:
    """Two memories with one bound; what they hold has parts in common, shrinks and grows between asks."""
    bound = Bound(20_000)
    memories = [Memory(bound, 0.5, in_circles=True), Memory(bound, 0.25)]
    arrays = [np.zeros(100 * at, np.uint8) for at in range(4)]
    shelves = [Shelf(arrays[at], arrays[at - 1]) for at in range(4)]
    for step, which, at, size in steps:
        memory = memories[which]
        if step == "keep":
            memory.keep(("of", at), shelves[at])
        elif step == "recall":
            assert memory.recall(("of", at)) in (None, shelves[at])
        elif step == "drop":
            memory.drop(("of", at))
        elif step == "resize":
            sized(arrays[at], size)
        elif step == "fill":
            shelves[at].arrays.append(arrays[size % 4])
        elif step == "empty":
            shelves[at].arrays.clear()
        elif step == "forget":
            memory.forget(("of",))
        else:
            bound.limit(3_000 + 4 * size)
        pools = [each._pool for each in memories]
        for pool in pools:
            entries = pool.entries.values()
            parts = {part for entry in entries for part in entry.parts.items()}
            assert pool.held_bytes == sum(size for _, size in parts) + 500 * len(entries)
        assert bound.held_bytes == sum(pool.held_bytes for pool in pools) <= bound.limit_bytes
    for memory in memories:
        memory.forget(("of",))
    assert bound.held_bytes == 0


class Slow(Holder):
    """Tells what it holds when it is let to, as a vocabulary that is being made does."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()
        self.let.set()

    def holds(self) -> list[Any]:
        self.asked.set()
        assert self.let.wait(60)
        return []


def test_nobody_waits_while_a_value_is_weighed() -> None:
    memory, slow = Memory(1 << 20), Slow()
    memory.keep(("slow",), slow)
    memory.keep(("mask",), 1)
    slow.asked.clear()
    slow.let.clear()
    weighing = threading.Thread(target=memory.recall, args=[("slow",)], daemon=True)
    weighing.start()
    assert slow.asked.wait(60)
    found: list[Any] = []

    def ask() -> None:
        found.append(memory.recall(("mask",)))
        memory.keep(("slow",), 2)

    other = threading.Thread(target=ask, daemon=True)
    other.start()
    other.join(10)
    assert found == [1] and not other.is_alive()
    slow.let.set()
    weighing.join(60)
    assert memory.recall(("slow",)) == 2, "what was set meanwhile stays"
    assert memory.held_bytes == 2 * 500


def test_several_threads_with_hardly_any_room() -> None:
    """Their values share parts and grow; no thread fails, and nothing is counted that nobody holds."""
    memories = Memories(20_000, profiles=0, shards=4)
    shared = [np.zeros(700 * at, np.uint8) for at in range(6)]

    def session(number: int) -> None:
        dice = random.Random(number)
        mine = memories.of(number % 4)
        for turn in range(2_000):
            memory = dice.choice([mine.facts, mine.facts.common, mine.answers, mine.beside, mine.slice_facts])
            shelf = memory.remember(("shelf", dice.randrange(12)), lambda: Shelf(dice.choice(shared)))
            shelf.arrays = [*shelf.arrays[-2:], np.zeros(dice.randrange(900), np.uint8)]
            if turn % 97 == 0:
                mine.fresh().answers.keep(("shelf", 0), Shelf(shared[5]))
            if turn % 301 == 0:
                memory.forget(("shelf",))

    with ThreadPoolExecutor(6) as sessions:
        list(sessions.map(session, range(6)))
    assert memories.use.held <= 20_000
    for shard in range(4):
        for part in (memories.of(shard), memories):
            for memory in (part.facts, part.answers, part.beside, part.slice_facts):
                memory.forget(("shelf",))
    assert memories.use.held == 0


def test_facts_are_bounded_for_real(tmp_path: Path) -> None:
    """Sixty attributes in two loads: logs that are joined, states, dictionaries. Numpy's heap is what is looked at."""
    rows, names = 12_000, [f"a{number}" for number in range(60)]
    frames = [
        pl.DataFrame({"id": range(rows), "ts": [f"2026-01-0{day}T00:00:00Z"] * rows}).with_columns(
            *(pl.int_range(rows).mod(97 + at).cast(pl.String).alias(name) for at, name in enumerate(names))
        )
        for day in (1, 2)
    ]
    mapping = {"rows": "profiles", "user": {"column": "id", "as": "mpid"}, "time": {"column": "ts"},
               "user_attributes": names}  # fmt: skip
    dataset = Dataset.create(tmp_path / "data")
    for frame in frames:
        dataset.load_table(frame, mapping, workspace="app", input="crm", kind="feed")

    def heap(memory_bytes: int) -> tuple[list[int], int]:
        opened = Dataset.open(dataset.path, memory_bytes=memory_bytes)
        gc.collect()
        tracemalloc.start()
        one = {"type": "user_attribute", "operator": "starts_with", "value": "1"}
        sizes = [opened.evaluate(audience({**one, "attribute": name}), now=NOW).size for name in names]
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert opened.snapshot.memory.held_bytes + opened._memory.held_bytes <= memory_bytes
        return sizes, held

    bounded, few = heap(8 << 20)
    everything, many = heap(1 << 30)
    assert bounded == everything and len(set(bounded)) > 1
    assert many > 30_000_000, "sixty times 24,000 records of 21 bytes"
    assert few < 12 << 20


def test_columns_of_events_are_bounded_for_real(tmp_path: Path) -> None:
    """Twenty attributes of events, each with thousands of values, in two segments; a hundred audiences that differ."""
    rows, names = 12_000, [f"a{number}" for number in range(20)]
    dataset = Dataset.create(tmp_path / "data")
    for day in (1, 2):
        times = pl.Series("ts", [f"2026-01-0{day}T00:00:00Z"]).new_from_index(0, rows)
        frame = pl.select(id=pl.int_range(rows), event=pl.lit("view")).with_columns(times)
        number = pl.int_range(rows)
        values = [pl.format("{} of many", number % (4_000 + at)).alias(name) for at, name in enumerate(names)]
        dataset.load_table(frame.with_columns(values), MAPPING | {"time": {"column": "ts"}, "attributes": names},
                           workspace="app", input="web")  # fmt: skip

    def heap(memory_bytes: int) -> tuple[list[int], int]:
        opened = Dataset.open(dataset.path, memory_bytes=memory_bytes)
        gc.collect()
        tracemalloc.start()
        sizes = []
        for name in names:
            for digit in range(1, 6):
                where = [{"attribute": name, "operator": "starts_with", "value": str(digit)}]
                sizes.append(opened.evaluate(audience(event("custom", "view", where=where)), now=NOW).size)
        gc.collect()
        # numba has a `core`, too, and loads what is compiled whenever it is first asked for.
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, str(CORE / "*"))])
        tracemalloc.stop()
        held = sum(each.size for each in ours.statistics("filename"))
        assert opened.snapshot.memory.held_bytes + opened._memory.held_bytes <= memory_bytes
        return sizes, held

    bounded, few = heap(2 << 20)
    everything, many = heap(1 << 30)
    assert bounded == everything and len(set(bounded)) > 1
    assert few < 3 << 20 and many > 3 * few


def event(kind: str, name: str | None, **rest: Any) -> dict[str, Any]:
    return {"type": "event", "kind": kind, "name": name, **rest}


def within(amount: float, unit: str = "days") -> dict[str, Any]:
    return {"type": "within_last", "amount": amount, "unit": unit}


CORE = Path(core.__file__).parent
ROME = {"attribute": "city", "operator": "exact_match", "value": "rome"}
SHAPES = [
    event("custom", "view"),
    event("custom", "click", where=[ROME]),
    event("any", None),
    event("custom", None, inputs=["web"]),
]


def audience(root: dict[str, Any], **scope: Any) -> Audience:
    document = {"name": "x", "workspaces": ["app"], **scope, "definition": {"version": 1, "root": root}}
    return Audience.from_dict(document)


def audiences(dice: random.Random) -> Iterator[tuple[Audience, datetime]]:
    """Windows that grow, shrink and move, under a `now` that moves."""
    for _ in range(60):
        window = dice.choice([within(dice.choice([1, 2, 7, 7.5, 20])), within(dice.randrange(1, 480), "hours"), None])
        frequency = {
            "operator": "at_least",
            "value": dice.randrange(1, 9),
            "count": dice.choice(["events"] * 3 + ["days"]),
        }
        root = {**dice.choice(SHAPES), "when": window, "frequency": frequency}
        lookback = dice.choice([None, 3, 15])
        yield audience(root, lookback_days=lookback), NOW + timedelta(hours=dice.choice([0, 0, 1, 30, -50]))


@pytest.mark.parametrize(
    ("memory_bytes", "shards"), [(1 << 30, None), (20_000, None), (0, None), (1 << 30, 3), (60_000, 3)]
)
def test_remembering_changes_no_answer(tmp_path: Path, memory_bytes: int, shards: int | None) -> None:
    """Evaluations that share a memory, across loads, say what fresh ones say."""
    path = tmp_path / "dataset"
    shared = Dataset.create(path, shards=shards, memory_bytes=memory_bytes)
    for part in range(3):
        shared.load_table(table(4_000, seed=part), MAPPING, workspace="app", input=["web", "ios"][part % 2])
        for asked, now in audiences(random.Random(part)):
            expected = Dataset.open(path).evaluate(asked, now=now).members["mpid"].to_list()
            assert shared.evaluate(asked, now=now).members["mpid"].to_list() == expected
        assert sum(pool.held_bytes for pool in shared._memories.facts._pool.bound.pools) <= memory_bytes


def test_a_tier_that_changes_is_seen(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_table(table(2_000, seed=1), MAPPING, workspace="app", input="web")
    anything = audience(event("any", None))
    assert dataset.evaluate(anything, now=NOW).size > 0
    for name in ("view", "click"):
        dataset.set_event_tier(kind="custom", name=name, tier="preserve", workspace="app")
    assert dataset.evaluate(anything, now=NOW).size == 0


def test_a_window_that_moves_counts_its_edges_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.data import events

    counted: list[int] = []
    real = events.Events.rows

    def told(self: events.Events, groups: Any, first_ms: int, last_ms: int, once: bool = False) -> Any:
        counted.append((last_ms - first_ms) // 3_600_000)
        return real(self, groups, first_ms, last_ms, once)

    monkeypatch.setattr(events.Events, "rows", told)
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_table(table(2_000, seed=1), MAPPING, workspace="app", input="web")
    weekly = audience(event("custom", "view", when=within(7)))
    dataset.evaluate(weekly, now=NOW)
    assert counted and max(counted) >= 160
    counted.clear()
    dataset.evaluate(weekly, now=NOW + timedelta(hours=2))
    assert counted and max(counted) <= 2, "an hour or two at each end"


def test_a_bound_below_nothing_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(CoreError, match="memory_bytes is -1"):
        Dataset.create(tmp_path / "dataset", memory_bytes=-1)
    assert not (tmp_path / "dataset").exists()
    with pytest.raises(CoreError, match="memory_bytes is -1"):
        Dataset.open(Dataset.create(tmp_path / "dataset").path, memory_bytes=-1)
    assert Dataset.open(tmp_path / "dataset", memory_bytes=0).memory_use.held == 0

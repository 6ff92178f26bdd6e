"""What is remembered: within its bound, dropped with its version, and never a reason for another answer."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core import Audience, Dataset
from core.data.memory import Bound, Memories, Memory, weigh
from core.data.values import Column
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
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/core/*")])  # numba is not
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

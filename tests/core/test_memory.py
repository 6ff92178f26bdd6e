"""What is remembered: within its bound, dropped with its version, and never a reason for another answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import Audience, Dataset
from core.data.columns import Column
from core.data.memory import Memory, weigh
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


def test_a_kind_is_forgotten() -> None:
    memory = Memory()
    for key in (("mask", 1), ("mask", 2), ("verdict", 1)):
        memory.keep(key, np.zeros(100))
    memory.forget(("mask",))
    assert [memory.recall(key) is None for key in (("mask", 1), ("mask", 2), ("verdict", 1))] == [True, True, False]


def test_weights() -> None:
    whole = np.zeros(1_000)
    assert weigh(whole) == weigh(whole[::2]) == 8_000
    assert weigh([whole, (whole, 1)]) == 16_000
    assert weigh(np.frombuffer(b"x" * 1_000)) == 0, "mapped"
    assert weigh(Column.missing(1_000)) == 1_000


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


@pytest.mark.parametrize("memory_bytes", [1 << 30, 20_000, 0])
def test_remembering_changes_no_answer(tmp_path: Path, memory_bytes: int) -> None:
    """Evaluations that share a memory, across loads, say what fresh ones say."""
    path = tmp_path / "dataset"
    shared = Dataset.create(path, memory_bytes=memory_bytes)
    for part in range(3):
        shared.load_table(table(4_000, seed=part), MAPPING, workspace="app", input=["web", "ios"][part % 2])
        for asked, now in audiences(random.Random(part)):
            expected = Dataset.open(path).evaluate(asked, now=now).members["mpid"].to_list()
            assert shared.evaluate(asked, now=now).members["mpid"].to_list() == expected
        assert shared._memory.held_bytes <= memory_bytes


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

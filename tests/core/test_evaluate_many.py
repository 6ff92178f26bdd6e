"""Many audiences at once: each as alone, with progress, stopped by whoever is told of it, refused all together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import Audience, Dataset, DefinitionError

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
DAY_MS = 86_400_000


def audience(root: dict[str, Any], **scope: Any) -> Audience:
    document = {"name": "x", "workspaces": ["app"], **scope, "definition": {"version": 1, "root": root}}
    return Audience.from_dict(document)


PLAYED = {"type": "event", "kind": "custom", "name": "play"}
GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
IN_PLAYERS = {"type": "audience_membership", "audience": "players", "operator": "in"}
WANTED = {
    "players": audience(PLAYED),
    "lately": audience(PLAYED, lookback_days=5),
    "gold": audience(GOLD),
    "golden players": audience({"type": "and", "criteria": [IN_PLAYERS, GOLD]}),
}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    def batch(mpid: int, tier: str, days_ago: int) -> dict[str, Any]:
        at = NOW_MS - days_ago * DAY_MS
        played = {"event_type": "custom_event", "data": {"event_name": "play", "timestamp_unixtime_ms": at}}
        attributes = {"tier": tier}
        return {"mpid": mpid, "timestamp_unixtime_ms": at, "user_attributes": attributes, "events": [played]}

    dataset = Dataset.create(tmp_path / "data")
    batches = [batch(1, "gold", 1), batch(2, "basic", 3), batch(3, "gold", 9)]
    batches.append({"mpid": 4, "timestamp_unixtime_ms": NOW_MS - DAY_MS, "user_attributes": {"tier": "gold"}})
    dataset.load_batches(batches, workspace="app", input="web")
    return dataset


def test_each_is_answered_as_alone(dataset: Dataset) -> None:
    found = dataset.evaluate_many(WANTED, now=NOW)
    members = {key: each.members["mpid"].to_list() for key, each in found.items()}
    assert members == {"players": [1, 2, 3], "lately": [1, 2], "gold": [1, 3, 4], "golden players": [1, 3]}


def test_progress_is_told_and_can_stop(dataset: Dataset) -> None:
    told: list[tuple[int, int | None]] = []
    dataset.evaluate_many(WANTED, now=NOW, progress=lambda done, total: told.append((done, total)))
    assert list(dict.fromkeys(told)) == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]

    class Stopped(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        dataset.evaluate_many(WANTED, now=NOW, progress=stop)


def test_one_evaluation_tells_and_stops_too(dataset: Dataset) -> None:
    """Three criteria, one of them another audience's."""
    asked = audience({"type": "and", "criteria": [{"type": "and", "criteria": [IN_PLAYERS, GOLD]}, PLAYED]})
    told: list[tuple[int, int]] = []
    found = dataset.fresh().evaluate(
        asked, now=NOW, audiences=WANTED, progress=lambda done, total: told.append((done, total))
    )
    leaves = sum(not node.children() for _, node in asked.nodes())
    assert list(dict.fromkeys(told)) == [(done, leaves) for done in range(leaves + 1)]
    assert len(told) > leaves + 1, "within criteria, too"
    before = len(told)
    assert found.criteria and found.measure("root.criteria[1]").height == 4 and len(told) == before, "it is over"

    class Stopped(Exception):
        pass

    for at in range(before):
        heard = iter(range(at))

        def stop(done: int, total: int, heard: Any = heard) -> None:
            if next(heard, None) is None:
                raise Stopped

        other = dataset.fresh()
        with pytest.raises(Stopped):
            other.evaluate(asked, now=NOW, audiences=WANTED, progress=stop)
        assert other.evaluate(asked, now=NOW, audiences=WANTED).members.equals(found.members), "nothing half-judged"


def test_every_problem_of_every_audience_is_reported(dataset: Dataset) -> None:
    unknown = audience({"type": "audience_membership", "audience": "nobody", "operator": "in"})
    elsewhere = Audience.from_dict(WANTED["gold"].to_dict() | {"workspaces": ["other"]})
    with pytest.raises(DefinitionError) as caught:
        dataset.evaluate_many({"a": unknown, "b": elsewhere, "c": WANTED["gold"]}, now=NOW)
    assert [problem.path for problem in caught.value.problems] == ["a: root", "b: "]

"""What a calculated attribute gives: who has a value, how values lie, people with theirs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import Dataset, DefinitionError
from core.computed import Computed
from tests.core.loads import T, batch, event, named

NOW = datetime(2023, 11, 20, tzinfo=UTC)
DAY = 86_400_000


@pytest.fixture(params=[None, 2])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    """Profiles 1 to 4: so many purchases, each of 10 times the mpid; 5 was only seen."""
    dataset = Dataset.create(tmp_path / "dataset", shards=request.param)

    def bought(mpid: int, number: int) -> dict[str, Any]:
        action = {"action": "purchase", "total_amount": 10 * mpid}
        return event("commerce_event", product_action=action, timestamp_unixtime_ms=T + number * DAY)

    batches = [batch(mpid, *(bought(mpid, number) for number in range(mpid))) for mpid in range(1, 5)]
    genres = [
        batch(1, named("Play", custom_attributes={"genre": "jazz"})),
        batch(2, named("Play", custom_attributes={"genre": "rock"})),
    ]
    dataset.load_batches([*batches, *genres, batch(5)], workspace="shop", input="web")
    return dataset


def computed(data: Dataset, calculation: str, **more: Any) -> Computed:
    definition = {"name": "x", "calculation": calculation, "event": {"type": "event", "kind": "ecommerce"}, **more}
    return data.compute(definition, workspace="shop", now=NOW)


def test_counts_are_a_value_for_everybody(data: Dataset) -> None:
    found = computed(data, "count")
    assert (found.people, found.having) == (5, 5)
    assert found.bars == (("0", 1), ("1", 1), ("2", 1), ("3", 1), ("4", 1))
    assert dict(found.figures) == {"least": 0, "median": 2, "mean": 2, "greatest": 4}
    assert found.samples == ((5, 0), (1, 1), (2, 2), (3, 3), (4, 4))


def test_without_events_there_is_no_average(data: Dataset) -> None:
    found = computed(data, "average", of={"field": "total_amount"})
    assert (found.people, found.having) == (5, 4)
    assert dict(found.figures) == {"least": 10, "median": 25, "mean": 25, "greatest": 40}


def test_texts_are_counted(data: Dataset) -> None:
    plays = {"event": {"type": "event", "kind": "custom"}, "of": {"attribute": "genre"}}
    found = computed(data, "last_value", **plays)
    assert (found.having, found.figures) == (2, ())
    assert found.bars == (("jazz", 1), ("rock", 1))
    assert found.samples == ((1, "jazz"), (2, "rock"))
    assert computed(data, "unique_list", **plays).bars == (("jazz", 1), ("rock", 1))


def test_moments_are_counted_by_month(data: Dataset) -> None:
    found = computed(data, "last_timestamp")
    assert found.bars == (("2023-11", 4),)
    first = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert [value for _, value in found.figures] == [first, first + timedelta(days=1.5), first + timedelta(days=3)]


def test_many_numbers_fall_into_round_bins(tmp_path: Path) -> None:
    data = Dataset.create(tmp_path / "many")
    action = [{"action": "purchase", "total_amount": mpid} for mpid in range(200)]
    batches = [batch(at, event("commerce_event", product_action=each), time=T) for at, each in enumerate(action)]
    data.load_batches(batches, workspace="shop", input="web")
    found = computed(data, "sum", of={"field": "total_amount"})
    # The 98th percentile is 195: eleven bins of 20 reach it, and 199 lies in the tenth.
    assert found.bars[0] == ("0 – 20", 20)
    assert found.bars[9] == ("180 – 200", 20)
    assert sum(count for _, count in found.bars) == 200


def test_an_invalid_definition_is_refused(data: Dataset) -> None:
    with pytest.raises(DefinitionError):
        computed(data, "sum")

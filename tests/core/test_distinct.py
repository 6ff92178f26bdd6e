"""How many different values a name has: exact while they are few, about so many when they are not, and of parts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from core import Dataset
from core.data.distinct import KEPT, Distinct, least
from core.entries import Entry
from tests.core.loads import T, batch, event, named


def found(name: str, texts: list[str]) -> Distinct:
    frame = pl.LazyFrame({"key": [name] * len(texts), "value": [f"s{text}" for text in texts]})
    return Distinct.of(least(frame, "key").collect()["hash"].to_numpy())


def test_few_are_counted_exactly_and_many_within_some_percent() -> None:
    few = found("id", [f"{at}" for at in range(KEPT - 1)])
    assert (few.count, few.exact) == (KEPT - 1, True)
    many = found("id", [f"{at}" for at in range(200_000)])
    assert not many.exact
    assert many.count == pytest.approx(200_000, rel=0.12)  # four times the standard error
    assert many.count % 10_000 == 0, "two figures"


def test_parts_together_are_as_one() -> None:
    """The texts 0 to 699 and 500 to 1,199 are 1,200: about; 0 to 299 and 200 to 499 are 500."""
    texts = [f"{at}" for at in range(1200)]
    assert Distinct.union([found("id", texts[:700]), found("id", texts[500:])]) == found("id", texts)
    both = Distinct.union([found("id", texts[:300]), found("id", texts[200:500])])
    assert (both.count, both.exact) == (500, True)
    assert Distinct.union([Distinct(b""), both]) == both


@pytest.mark.parametrize("shards", [None, 3])
def test_entries_count_different_values_over_loads_and_shards(tmp_path: Path, shards: int | None) -> None:
    """Plays 0 to 59 have 60 ids in two loads that share ten, and the words a, B, null in turn; the number 7 and its
    text are one value. Every profile has one of three tiers."""
    data = Dataset.create(tmp_path / "dataset", shards=shards)

    def play(at: int) -> dict[str, object]:
        word = ("a", "B", None)[at % 3]
        played = named(
            "Play", timestamp_unixtime_ms=T, custom_attributes={"id": f"id{at}", "word": word, "same": same[at % 2]}
        )
        return batch(at + 1, played, time=T, user_attributes={"tier": f"t{at % 3}"})

    same: tuple[object, ...] = (7, "7")
    product = {"action": "purchase", "products": [{"id": "1", "custom_attributes": {"size": 4}}]}
    bought = batch(1, event("commerce_event", product_action=product), time=T)
    data.load_batches([*(play(at) for at in range(35)), bought], workspace="shop", input="ios")
    data.load_batches([play(at) for at in range(25, 60)], workspace="shop", input="ios")
    assert data.end is not None
    every: dict[tuple[str, str | None], Entry] = {(each.kind, each.name): each for each in data.entries(now=data.end)}

    def count(kind: str, name: str) -> tuple[int, bool]:
        distinct = every[kind, name].distinct
        assert distinct is not None
        return distinct.count, distinct.exact

    assert count("event_attribute", "id") == (60, True)
    assert count("event_attribute", "word") == (2, True)
    assert count("event_attribute", "same") == (1, True)
    assert count("user_attribute", "tier") == (3, True)
    assert count("product_attribute", "size") == (1, True)
    assert every["custom", "Play"].distinct is None


def test_an_attribute_without_any_value_has_none(tmp_path: Path) -> None:
    data = Dataset.create(tmp_path / "dataset")
    data.load_batches(
        [batch(1, named("Play", custom_attributes={"nothing": None}), time=T)], workspace="shop", input="ios"
    )
    assert data.end is not None
    entry = next(each for each in data.entries(now=data.end) if each.name == "nothing")
    assert (entry.records, entry.data_type, entry.distinct) == (1, None, Distinct(b""))

"""Columns of facts: whom a table of codes accepts, in which order numbers stand, and what profiles hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core import Dataset
from core.criteria.distances import Distances, Points, great_circle_km, points_of
from core.data.coded import Column, Dictionary
from core.data.facts import Holdings

NOW = 1_000


def test_numbers_stand_in_order_of_size() -> None:
    column = Column.of(pl.Series(["n10", "sb", "n9", None, "n-3", "z", "n1e2", "btrue", "n2.5", "sa"]))
    assert column.dictionary.entries.to_list() == ["btrue", "n-3", "n2.5", "n9", "n10", "n1e2", "sa", "sb"]
    assert column.tagged().to_list() == ["n10", "sb", "n9", None, "n-3", "z", "n1e2", "btrue", "n2.5", "sa"]


@pytest.mark.parametrize("entries", [3, 250, 300])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_codes_are_compared_or_looked_up_alike(entries: int, share: float) -> None:
    dice = np.random.default_rng(entries)
    column = Column.of(pl.Series([f"s{number}" for number in range(entries)]).sample(5_000, with_replacement=True))
    for _ in range(20):
        table = dice.random(len(column.dictionary)) < share
        assert (column.where(table) == table[column.codes]).all()
        first, last = sorted(dice.integers(0, len(table), 2))
        run = np.zeros(len(table), np.bool_)
        run[first : last + 1] = True
        assert (column.where(run) == run[column.codes]).all()


def test_an_entry_that_holds_several_values_or_none() -> None:
    dictionary = Dictionary(pl.Series(['m["sa","sb"]', "m[]", "sa"]))
    assert dictionary.texts.to_list() == ["a", "b", "a"], "as many texts as entries, but not theirs"
    assert dictionary.spread(np.array([False, True, False])).tolist() == [False, False, True, False, False]


def test_what_profiles_hold() -> None:
    values = Column.of(pl.Series(["sx", "sy", "sx", "sx", "sz", None]))
    holdings = Holdings(np.array([1, 1, 1, 3, 3, 0], np.uint32), np.array([5, 6, 7, 8, NOW + 1, 1]), values)
    for now_ms, expected in ((NOW, {(1, "sx"), (1, "sy"), (3, "sx")}), (5, {(1, "sx")}), (4, set())):
        held = holdings.at(now_ms, 5)
        profile, column = held.rows()
        assert sorted(zip(profile.tolist(), column.tagged().to_list(), strict=True)) == sorted(expected)
        assert len(held.first.codes) == 5


def test_near_is_near_everywhere() -> None:
    """Against the formula itself: poles, the date line, and degrees that no place has but data may say."""
    dice = np.random.default_rng(7)
    latitude = np.concatenate([dice.uniform(-90, 90, 3_000), [90, -90, 0, 0, 48.85, 48.85, 200, -135, 95.5]])
    longitude = np.concatenate([dice.uniform(-180, 180, 3_000), [0, 77, 180, -180, 2.35, 2.36, 0, 400, -77]])
    points = Points(**points_of(np.arange(len(latitude)), latitude, longitude))
    for center in ((90.0, 0.0), (-90.0, 10.0), (0.0, 179.9), (48.85, 2.35), (-33.9, 151.2)):
        expected = great_circle_km(latitude, longitude, *center)
        measure = Distances(len(latitude), points, *center)
        assert np.allclose(measure.kilometers, expected)
        for kilometers in (0.001, 1.0, 500.0, 9_000.0, 20_015.0, 30_000.0, float(expected[17])):
            assert (measure.within(kilometers) == (expected <= kilometers)).all()


def test_prepared_facts_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `prepare`, a process that opens the data reads no record of a fact from Parquet."""
    rows = 12_000
    frame = pl.DataFrame({"id": range(rows), "ts": ["2026-01-01"] * rows}).with_columns(
        tier=pl.when(pl.int_range(rows) < 500).then(pl.lit("gold")).otherwise(pl.lit("basic")),
        mail=pl.format("{}@x.io", pl.int_range(rows)),
        city=pl.lit("Rome"),
    )
    mapping = {"rows": "profiles", "user": {"column": "id", "as": "mpid"}, "time": {"column": "ts"},
               "user_attributes": ["tier"], "identities": {"email": "mail"}, "location": {"city": "city"}}  # fmt: skip
    dataset = Dataset.create(tmp_path / "data")
    dataset.load_table(frame, mapping, workspace="app", input="crm", kind="feed")
    dataset.prepare()

    def read(self: pl.LazyFrame, *arguments: object, **more: object) -> None:
        raise AssertionError("a query")

    opened = Dataset.open(dataset.path)
    monkeypatch.setattr(pl.LazyFrame, "collect", read)
    now = datetime(2026, 1, 2, tzinfo=UTC)
    snapshot = opened.snapshot
    assert len(snapshot.attribute("app", "tier")) == len(snapshot.locations("app")) == rows
    assert len(snapshot.identities("app", "email")) == rows
    assert snapshot.universe(("app",), int(now.timestamp() * 1000), int(now.timestamp() * 1000)).all()

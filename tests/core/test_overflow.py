"""Counts and sums that no byte, no 16 bits and no 64 bits hold: exact, in one dataset and in shards."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core import Audience, Dataset, Evaluation

NOW = datetime(2026, 1, 31, tzinfo=UTC)
MAPPING = {
    "rows": "events",
    "user": {"column": "id", "as": "mpid"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "event"},
    "attributes": ["amount"],
}
OFTEN = {1: 1, 2: 255, 3: 256, 4: 257, 5: 65_535, 6: 65_536, 7: 70_001}
"""How many events each profile has."""

HUGE = 9_007_199_254_740_993_000
"""2^53 + 1 thousands: float64 cannot tell it from its neighbours, and two of them are more than 2^63."""


@pytest.fixture(scope="module", params=[None, 3], ids=["plain", "sharded"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Each profile's events lie a second apart, in two loads that halve them; the amount is HUGE in every event."""
    made = Dataset.create(tmp_path_factory.mktemp("often") / "data", shards=request.param)
    ids = pl.concat([pl.Series("id", [mpid]).new_from_index(0, often) for mpid, often in OFTEN.items()])
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    frame = ids.to_frame().with_columns(
        ts=start + 1000 * pl.int_range(pl.len()).over("id"), event=pl.lit("view"), amount=pl.lit(f"{HUGE}")
    )
    for part in (0, 1):
        some = frame.filter(pl.int_range(pl.len()) % 2 == part)
        made.load_table(some, MAPPING, workspace="app", input="web")
    return made


def asked(data: Dataset, **rest: Any) -> Evaluation:
    root = {"type": "event", "kind": "custom", "name": "view", **rest}
    document = {"name": "A", "workspaces": ["app"], "definition": {"version": 1, "root": root}}
    return data.evaluate(Audience.from_dict(document), now=NOW)


@pytest.mark.parametrize("often", [1, 255, 256, 257, 65_535, 65_536, 70_001])
def test_counts(data: Dataset, often: int) -> None:
    for operator, holds in (("equals", int.__eq__), ("greater_than", int.__gt__), ("less_than", int.__lt__)):
        found = asked(data, frequency={"operator": operator, "value": often})
        assert found.members["mpid"].to_list() == [mpid for mpid, own in OFTEN.items() if holds(own, often)]


def test_a_window_that_is_edited_counts_the_difference(data: Dataset) -> None:
    """All lie in the last 31 days; in the last 30 d 4 h (from 1 January 20:00 on) only what is later than 72,000 s."""
    wide = asked(
        data, frequency={"operator": "at_least", "value": 65_536}, when={"type": "after", "date": "2026-01-01"}
    )
    assert wide.members["mpid"].to_list() == [6, 7]
    later = {"type": "after", "date": "2026-01-01T18:12:15Z"}
    assert asked(data, when=later).members["mpid"].to_list() == [6, 7]
    count = {"operator": "equals", "value": 70_001 - 65_535}
    assert asked(data, when=later, frequency=count).members["mpid"].to_list() == [7]


@pytest.mark.parametrize("mpid", OFTEN)
def test_sums(data: Dataset, mpid: int) -> None:
    total = OFTEN[mpid] * HUGE
    for value, expected in ((total, [mpid]), (total - 1, []), (total + 1, [])):
        aggregate = {"function": "sum", "of": {"attribute": "amount"}, "operator": "equals", "value": value}
        assert asked(data, aggregate=aggregate).members["mpid"].to_list() == expected
    aggregate = {"function": "average", "of": {"attribute": "amount"}, "operator": "equals", "value": HUGE}
    assert asked(data, aggregate=aggregate).size == len(OFTEN)


@pytest.mark.parametrize("function", ["sum", "maximum", "average"])
def test_very_many_decimals_beside_words(tmp_path: Path, function: str) -> None:
    """A number with 400 decimals makes no number of a word: 1, "n/a" and 3 come to 4, to 3 at most, to 2 on average."""
    made = Dataset.create(tmp_path / "data")
    amounts = {1: ["1", "n/a", "3"], 2: ["1e-400"], 3: ["n/a"]}
    frame = pl.DataFrame(
        [
            {"id": mpid, "ts": 1_767_225_600_000 + at, "event": "view", "amount": amount}
            for mpid, every in amounts.items()
            for at, amount in enumerate(every)
        ]
    )
    made.load_table(frame, MAPPING, workspace="app", input="web")

    def members(operator: str, value: float) -> list[int]:
        how = {"function": function, "of": {"attribute": "amount"}, "operator": operator, "value": value}
        return asked(made, aggregate=how).members["mpid"].to_list()

    assert members("equals", {"sum": 4, "maximum": 3, "average": 2}[function]) == [1]
    assert members("greater_than", 0) == [1, 2]

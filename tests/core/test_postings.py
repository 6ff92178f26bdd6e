"""Postings: they count what looking at every row counts, for any condition and window, in any shape of the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import Dataset
from core.data import cache, columns, postings, worth
from tests.core.loads import batch, event, named
from tests.core.test_cache import cut, empty, files, flip, of_another_version
from tests.core.test_recaps import DAY, MAPPING, NOW, audience, moments, window
from tests.worlds import created, moment, scratch, shaped

VALUES = (None, "red", "Red", "blue", "light blue", 7, 30)
"""None: the event does not have the property."""

CONDITIONS: dict[str, tuple[dict[str, Any], Callable[[Any], bool]]] = {
    "contains": ({"operator": "contains", "value": "blue"}, lambda value: "blue" in str(value)),
    "exact": ({"operator": "exact_match", "value": "red"}, lambda value: str(value).lower() == "red"),
    "not": ({"operator": "does_not_match", "value": "red"}, lambda value: str(value).lower() != "red"),
    "missing": ({"operator": "not_exists"}, lambda value: value is None),
    "number": ({"operator": "at_least", "value": 8, "value_type": "number"}, lambda value: value == 30),
}
"""A comparison, and by hand whether a value satisfies it. A missing value satisfies what is denied."""

done = st.tuples(st.integers(1, 6), st.lists(st.sampled_from(VALUES), min_size=1, max_size=2), moments)
loads = st.lists(st.lists(done, min_size=1, max_size=25), min_size=1, max_size=3)


def viewed(who: int, values: list[Any], at: int) -> dict[str, Any]:
    """A view of a product for each value, which is a custom attribute of it; of the first one, of the event."""
    products = [{"id": "p", "custom_attributes": {} if value is None else {"color": value}} for value in values]
    attributes = {} if values[0] is None else {"color": values[0]}
    action = {"action": "view_detail", "products": products}
    seen = event("commerce_event", product_action=action, custom_attributes=attributes, timestamp_unixtime_ms=at)
    return batch(who, seen, named("other", timestamp_unixtime_ms=at), time=at)


@settings(max_examples=150)
@given(
    loads,
    st.sampled_from(sorted(CONDITIONS)),
    st.booleans(),
    st.booleans(),
    st.tuples(moments, moments),
    st.sampled_from(("plain", "compacted", "sharded")),
    st.booleans(),
    st.booleans(),
)
def test_counts(
    parts: list[list[tuple[int, list[Any], int]]],
    condition: str,
    of_products: bool,
    single: bool,
    ends: tuple[int, int],
    shape: str,
    forced: bool,
    on_disk: bool,
) -> None:
    """By hand: an event counts when its property, or that of one of its products, satisfies the condition in time."""
    comparison, holds = CONDITIONS[condition]
    first, last = sorted(ends)
    where = {"where_product" if of_products else "where": [{"attribute": "color", **comparison}]}
    root = {"type": "event", "kind": "ecommerce", "name": "view_detail", **where}
    root |= {"when": window("between_dates", first, last), "frequency": {"operator": "at_least", "value": 2}}
    with (
        scratch() as folder,
        worth.always() if forced else nullcontext(),
        pytest.MonkeyPatch.context() as patch,
    ):
        if on_disk:
            patch.setattr(cache, "LEAST_ROWS", 0)
            patch.setattr(columns, "LEAST_ROWS", 0)
        dataset = created(folder / "data", shape)
        dataset.add_input("app", "ios")
        expected = Counter[int]()
        for part in parts:
            some = [(who, values[:1] if single else values, at) for who, values, at in part]
            dataset.load_batches([viewed(*each) for each in some], workspace="app", input="ios")
            dataset = Dataset.open(folder / "data")
            for who, values, at in some:
                asked = values if of_products else values[:1]
                expected[who] += any(map(holds, asked)) and first <= at <= min(last, NOW)
        dataset = shaped(dataset, shape)
        for each in (dataset, dataset.fresh(), Dataset.open(folder / "data")):
            result = each.evaluate(audience(root), now=moment(NOW))
            known = {who for part in parts for who, _, at in part if at <= NOW}
            assert dict(result.measure("root").rows()) == {who: expected[who] for who in known}
            assert result.members["mpid"].to_list() == sorted(who for who in known if expected[who] >= 2)


def colors(folder: Path, days: int = 20) -> Counter[int]:
    """A dataset in which every fifth view of everybody was red, one of fifty blue; who saw how many red ones."""
    rows = [(who, NOW - who * 1000 - day * DAY) for who in range(600) for day in range(days)]
    color = ["blue" if at % 50 == 1 else "red" if at % 5 == 0 else "green" for at in range(len(rows))]
    frame = pl.DataFrame(rows, schema={"id": pl.Int64, "ts": pl.Int64}, orient="row")
    frame = frame.with_columns(event=pl.lit("view"), color=pl.Series(color))
    dataset = Dataset.create(folder)
    dataset.load_table(frame, {**MAPPING, "attributes": ["color"]}, workspace="app", input="web")
    expected = Counter(dict.fromkeys(range(600), 0))
    expected.update(who for (who, _), each in zip(rows, color, strict=True) if each == "red")
    return expected


def counts(folder: Path, color: str = "red") -> dict[int, int]:
    where = [{"attribute": "color", "operator": "exact_match", "value": color}]
    root = {"type": "event", "kind": "custom", "name": "view", "where": where}
    root["frequency"] = {"operator": "at_least", "value": 2}
    found: dict[int, int] = dict(Dataset.open(folder).evaluate(audience(root), now=moment(NOW)).measure("root").rows())
    return found


def made(folder: Path) -> list[Path]:
    """The files of postings."""
    return [each for each in files(folder) if b"/postings/" in each.read_bytes()[:4096]]


def test_they_are_made_where_few_rows_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "LEAST", 1)
    expected = colors(tmp_path / "data")
    assert counts(tmp_path / "data") == expected
    assert not made(tmp_path / "data"), "one in five are many"
    assert sum(counts(tmp_path / "data", "blue").values()) == 240
    assert len(made(tmp_path / "data")) == 1
    assert sum(counts(tmp_path / "data", "blue").values()) == 240


@pytest.mark.parametrize("harm", [Path.unlink, cut, flip, of_another_version, empty])
def test_harmed_ones_are_made_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    expected = colors(tmp_path / "data")
    with worth.always():
        assert counts(tmp_path / "data") == expected
        (file,) = made(tmp_path / "data")
        content = file.read_bytes()
        harm(file)
        assert counts(tmp_path / "data") == expected
        assert file.read_bytes() == content


def test_those_of_another_segment_are_not_read(tmp_path: Path) -> None:
    """The same cache folder beside a segment with other rows: what they derive from is checked."""
    with worth.always():
        expected = [colors(tmp_path / name, days) for name, days in (("one", 20), ("two", 22))]
        for name, each in zip(("one", "two"), expected, strict=True):
            assert counts(tmp_path / name) == each
        (mine,), (theirs,) = made(tmp_path / "one"), made(tmp_path / "two")
        mine.write_bytes(theirs.read_bytes())
        assert counts(tmp_path / "one") == expected[0]


def test_live_batches_are_looked_at_beside_them(tmp_path: Path) -> None:
    expected = colors(tmp_path / "data")
    with worth.always():
        assert counts(tmp_path / "data") == expected
        Dataset.open(tmp_path / "data").add_input("app", "ios")
        seen = [batch(who, named("view", custom_attributes={"color": "RED"}), time=NOW) for who in (5, 700)]
        Dataset.open(tmp_path / "data").load_batches(seen, workspace="app", input="ios")
        expected.update([5, 700])
        assert counts(tmp_path / "data") == expected

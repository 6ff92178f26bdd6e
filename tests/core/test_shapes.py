"""Batches that are read as they are say the same as when they are brought into shape first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given

from core.data.batch_shapes import Odd
from core.data.batches import How, Reading
from core.data.sources import Block
from tests.core.loads import T, load, new, rows
from tests.core.test_fuzz_batches import batches

HOW = How("all", T, None)


def same(lines: list[bytes]) -> bool:
    """Whether the lines are read as they are; then they say the same as in shape, which is always read."""
    block = Block("file", b"\n".join(lines))
    shaped, more = Reading(HOW, None, shaping=True).read(block)
    try:
        part, told = Reading(HOW, None, shaping=False).read(block)
    except Odd:
        return False
    assert told == more
    assert (part is None) == (shaped is None)
    if part is not None and shaped is not None:
        assert part.users.equals(shaped.users)
        assert part.arrivals == shaped.arrivals
        assert part.tables.keys() == shaped.tables.keys()
        for table, frame in part.tables.items():
            theirs = shaped.tables[table]
            assert sorted(frame.columns) == sorted(theirs.columns), table
            assert frame.equals(theirs.select(frame.columns)), table
    return True


ACTION = {"action": "view_detail", "products": [{"id": "a"}]}
SHOWN = [{"product_impression_list": "related", "products": [{"id": "b", "custom_attributes": {"c": [1]}}]}]


def commerce(**data: Any) -> dict[str, Any]:
    return {"mpid": 1, "events": [{"event_type": "commerce_event", "data": data}]}


@given(batches)
@example(commerce(product_action={"products": []}, product_impressions=[{"products": [{"id": 1}]}]))
@example(commerce(product_action={"products": None}, class_name="x"))
@example(commerce(product_action={"x": None}))
@example(commerce(promotion_action={"promotions": []}, product_impressions=[{}]))
@example(commerce(product_action=ACTION, product_impressions=[{"product_impression_list": [], "products": []}]))
@example(commerce(product_action=ACTION, product_impressions=[{"products": [{"price": {}}]}]))
@example(commerce(product_action=ACTION, product_impressions=[{"products": [{"custom_attributes": []}]}]))
@example(commerce(product_action=ACTION, product_impressions=[{"products": [5]}]))
@example(commerce(product_action=ACTION, product_impressions=[5]))
@example({"mpid": 1, "events": [{"event_type": "screen_view", "data": {"event_name": 5}}]})
@example({"mpid": 1, "events": [{"event_type": "session_start", "data": {"message": []}}]})
@example({"mpid": 1, "events": [{"event_type": "session_start", "data": {"is_upgrade": "yes"}}]})
def test_any_batch(document: Any) -> None:
    try:
        line = orjson.dumps(document)
    except TypeError:
        return
    same([line])


@pytest.mark.parametrize(
    "value", ["null", "true", "0", "-0", "1.50", "2e5", '"a"', '"\\u00e9"', "[1]", '{"a":[]}', "1e400"]
)
def test_any_value(value: str) -> None:
    assert same([f'{{"mpid":1,"user_attributes":{{"a":{value},"b":1,"a":{value}}}}}'.encode()])


def test_one_odd_batch_leaves_its_block_as_it_is() -> None:
    odd = orjson.dumps({"mpid": "7", "events": []})
    even = [orjson.dumps(commerce(product_action={"action": "purchase", "products": [{"id": n}]})) for n in range(120)]
    assert same(even)
    assert not same([*even, odd])


def test_impressions_beside_an_action_are_read_as_they_are() -> None:
    """Its products and list are those of the action; impressions that nobody reads are no reason to read twice."""
    assert same([orjson.dumps(commerce(product_action=ACTION, product_impressions=SHOWN))])


@pytest.mark.parametrize(
    "shown",
    [
        5,
        [5],
        [{"product_impression_list": {}}],
        [{"products": 5}],
        [{"products": [5]}],
        [{"products": [{"id": {}}]}],
        [{"products": [{"custom_attributes": 5}]}],
    ],
)
def test_wrong_impressions_are_refused_even_where_nobody_reads_them(shown: Any) -> None:
    line = orjson.dumps(commerce(product_action=ACTION, product_impressions=shown))
    assert not same([line])
    _, told = Reading(HOW, None, shaping=True).read(Block("file", line))
    (refusal,) = told.refusals
    assert refusal.reason.startswith("event 1 (commerce_event): product_impressions")


def test_a_batch_that_nothing_can_bring_into_shape_is_refused_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should what brings batches into shape ever let something through: the others are loaded all the same."""
    monkeypatch.setattr("core.data.batches.canonical", lambda batch: (batch, []))
    whole = {"user_identities": [], "device_info": {}, "timestamp_unixtime_ms": T, "events": []}
    odd = {**whole, "mpid": 2, "user_attributes": []}  # told when it comes
    late = {**whole, "mpid": 4, "device_info": {"platform": []}}  # told when rows are made
    nobody = {**whole, "mpid": None, "user_identities": 5}  # told when it is asked whose it is
    store = new(tmp_path)
    report = load(store, [{**whole, "mpid": 1}, odd, {**whole, "mpid": 3}, late, nobody])
    assert report.batches == 2
    assert [(each.line, each.reason) for each in report.refusals] == [
        (2, "It cannot be read: user_attributes."),
        (4, "It cannot be read: platform."),
        (5, "It cannot be read: user_identities."),
    ]
    assert rows(store, "batches", "mpid") == [(1,), (3,)]

"""Batches that are read as they are say the same as when they are brought into shape first."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given

from core.data.batch_shapes import Odd
from core.data.batches import How, Reading
from core.data.sources import Block
from tests.core.loads import T
from tests.core.test_fuzz_batches import batches

HOW = How("all", T, None)


def same(lines: list[bytes]) -> bool:
    """Whether the lines are read as they are; then they say the same as in shape."""
    block = Block("file", b"\n".join(lines))
    try:
        part, told = Reading(HOW, None, shaping=False).read(block)
    except Odd:
        return False
    shaped, more = Reading(HOW, None, shaping=True).read(block)
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


def commerce(**data: Any) -> dict[str, Any]:
    return {"mpid": 1, "events": [{"event_type": "commerce_event", "data": data}]}


@given(batches)
@example(commerce(product_action={"products": []}, product_impressions=[{"products": [{"id": 1}]}]))
@example(commerce(product_action={"products": None}, class_name="x"))
@example(commerce(product_action={"x": None}))
@example(commerce(promotion_action={"promotions": []}, product_impressions=[{}]))
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

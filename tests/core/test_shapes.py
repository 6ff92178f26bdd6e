"""Batches that are read as they are say the same as when they are brought into shape first."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.batch_limits import Limits
from core.data.batch_pieces import Pieces
from core.data.batch_rows import part_of
from core.data.batch_shapes import Refused, canonical, settle
from core.data.batch_types import Batch
from core.data.batches import How, Reading, in_shape, load_batches
from core.data.sources import Block
from tests.core.loads import T, new, rows
from tests.core.test_fuzz_batches import batches

HOW = How("all", T, None)


def part(found: Batch) -> tuple[Any, int]:
    """What a batch in shape says."""
    settle(found, T)
    pieces = Pieces(Limits())
    pieces.add([found])
    return part_of(pieces, T, None), pieces.limits.cut


def same(line: bytes) -> bool:
    """Whether the line is read as it is; then it says the same as in shape, or is refused for the same reason."""
    try:
        found = in_shape(line)
    except ValueError:
        return False
    shaped, reasons = canonical(orjson.loads(line))
    assert not reasons
    try:
        mine, cut = part(found)
    except Refused as refusal:
        with pytest.raises(Refused, match=re.escape(str(refusal))):
            part(shaped)
        return True
    theirs, more = part(shaped)
    assert cut == more
    assert mine.users.equals(theirs.users)
    assert mine.arrivals == theirs.arrivals
    assert mine.tables.keys() == theirs.tables.keys()
    for table, frame in mine.tables.items():
        others = theirs.tables[table]
        assert sorted(frame.columns) == sorted(others.columns), table
        assert frame.equals(others.select(frame.columns)), table
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
    same(line)


@pytest.mark.parametrize(
    ("value", "shaped"),
    [
        *((value, True) for value in ("null", "true", "0", "-0", "1.50", "2e5", "1e-400", '"a"', '"\\u00e9"', "[1]")),
        *((value, False) for value in ("[[1]]", "{}", "9223372036854775808", "-9223372036854775809", "1e400")),
        *((value, False) for value in ("[9223372036854775808]", '"\\ud800"', '"\xff"', "01", "NaN")),
    ],
)
def test_any_value(value: str, shaped: bool) -> None:
    """Values that the two JSON libraries may read differently are not read as they are."""
    line = f'{{"mpid":1,"user_attributes":{{"a":{value},"b":1,"a":{value}}}}}'.encode("latin-1")
    assert same(line) == shaped


def test_what_nobody_reads_is_json_all_the_same() -> None:
    """The line is refused, as it would be if it were read."""
    for unread in (b'"\xff"', b'"\\ud800"', b'"\x01"', b"01", b"nul", b"[1,]", b'{"\xff":1}'):
        line = b'{"mpid":1,"else":%s}' % unread
        with pytest.raises(ValueError):
            in_shape(line)
        _, told = Reading(HOW, None).read(Block("file", line))
        assert [each.line for each in told.refusals] == [1]


LINE = orjson.dumps(
    {
        "mpid": 7,
        "unread": {"a\n": [1, 2.5e3, None, True, "é\U0001f600"]},
        "user_attributes": {"a": "none", "b": 0, "c": ["a", 1, None]},
        "device_info": {"platform": "iOS", "os_version": 18.1},
        "events": [{"event_type": "custom_event", "data": {"event_name": "é", "custom_attributes": {"n": -1.25}}}],
    }
)
EDITS = st.tuples(
    st.integers(0, len(LINE)),
    st.integers(0, 3),
    st.sampled_from(
        b'" \\ { } [ ] , : 0 1 . e + - null tru \x01 \xff \xc3 \xed\xa0\x80 \\ud83d NaN 99999999999999999999'.split()
    ),
)


@given(st.lists(EDITS, min_size=1, max_size=3))
@example([(0, 0, b"[")])
def test_any_line(edits: list[tuple[int, int, bytes]]) -> None:
    """What is read as it is, is JSON to the other library, too, and says the same."""
    line = LINE
    for at, gone, put in edits:
        line = line[:at] + put + line[at + gone :]
    try:
        in_shape(line)
        orjson.loads(line)
    except ValueError as error:
        # JSON all the same; see below.
        assert not isinstance(error, orjson.JSONDecodeError) or "infinity" in str(error)
        return
    same(line)


def test_the_last_of_equal_keys_stands() -> None:
    events = b'"events":[{"event_type":"a","event_type":"b","data":{"event_name":"x"},"data":null}]'
    assert same(b'{"mpid":1,"mpid":2,%s,"user_attributes":{"a":1},"user_attributes":{"b":2,"c":3,"b":4}}' % events)


def test_one_odd_batch_leaves_the_others_as_they_are() -> None:
    odd = orjson.dumps({"mpid": "7", "events": []})
    even = orjson.dumps(commerce(product_action={"action": "purchase", "products": [{"id": 1}]}))
    assert same(even)
    assert not same(odd)
    part, told = Reading(HOW, None).read(Block("file", b"\n".join([even, odd, even])))
    assert part is not None and part.users["mpid"].to_list() == [1, 7, 1]
    assert not told.refusals


def test_impressions_beside_an_action_are_read_as_they_are() -> None:
    """Its products and list are those of the action; impressions that nobody reads are no reason to read twice."""
    assert same(orjson.dumps(commerce(product_action=ACTION, product_impressions=SHOWN)))


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
    assert not same(line)
    _, told = Reading(HOW, None).read(Block("file", line))
    (refusal,) = told.refusals
    assert refusal.reason.startswith("event 1 (commerce_event): product_impressions")


def test_a_number_that_nobody_reads_may_be_of_any_size() -> None:
    """The grammar of JSON knows no bounds; where a number is read, one that no float holds is no JSON."""
    assert in_shape(b'{"mpid":1,"else":1e400}').mpid == 1


class Text(str):
    """A text of a program that is more than a text."""


@pytest.mark.parametrize(
    ("value", "tagged"),
    [
        (float("nan"), "sNaN"),
        (Decimal("1.50"), "n1.50"),
        (2**70, f"n{2**70}"),
        ((1, "a"), 'l["1","a"]'),
        (Text("a"), "sa"),
        (1, "n1"),
    ],
)
def test_what_a_program_says_is_kept(tmp_path: Path, value: Any, tagged: str) -> None:
    store = new(tmp_path)
    document = {"mpid": 1, "timestamp_unixtime_ms": T, "user_attributes": {"a": value}}
    assert load_batches(store, [document], workspace="shop", input="ios").batches == 1
    assert rows(store, "attributes", "key", "value") == [("a", tagged)]

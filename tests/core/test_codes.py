"""Texts as codes, against what they stand for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from core.data import codebook, group
from core.data.batches import load_batches
from core.data.codebook import Codebook, alike, equals
from core.data.ordering import ranks
from core.data.store import Store
from core.data.tables import load_table


def text(*values: str | None) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


def begun(*columns: str) -> Codebook:
    """A codebook that has dictionaries of some columns; few rows alone begin none."""
    book = Codebook()
    for column in columns:
        book.coded(column, text(*["x"] * 100))
    return book


def test_equal_texts_have_equal_codes_in_all_parts() -> None:
    book = begun("a")
    first, second = book.coded("a", text("x", None, "y")), book.coded("a", text("y", "z", "x"))
    assert first.dtype == second.dtype != pl.String
    assert first.to_physical().to_list() == [0, None, 1]
    assert second.to_physical().to_list() == [1, 2, 0]
    assert pl.concat([first, second]).cast(pl.String).to_list() == ["x", None, "y", "y", "z", "x"]


def test_tagged_texts_keep_their_codes_from_part_to_part() -> None:
    book = begun("a")
    for part in (text("x", None, "y"), text("z", "x"), text(None), text()):
        expected = [None if each is None else f"s{each}" for each in part]
        assert book.tagged("a", part).cast(pl.String).to_list() == expected


def test_texts_that_seldom_repeat_stay_texts() -> None:
    book = Codebook()
    ids = text(*(f"id {each}" for each in range(1000)))
    assert book.coded("id", ids).equals(ids)
    assert book.tagged("id", ids).to_list() == [f"sid {each}" for each in range(1000)]
    distinct, places = book.numbered("id", ids)
    assert distinct.gather(places).to_list() == ids.to_list()


@pytest.mark.parametrize("distinct", [3, 300])
def test_few_texts_of_many_rows_are_coded(distinct: int) -> None:
    """What is made of the dictionary of many rows stands for all of them, though each of its texts comes once."""
    book, rows = Codebook(), text(*(f"x{each % distinct}" for each in range(3000)))
    made = book.recoded("b", book.coded("a", rows), lambda each: "s" + each)
    assert made.dtype != pl.String
    assert made.cast(pl.String).to_list() == [f"sx{each % distinct}" for each in range(3000)]
    few = text(*(f"x{each}" for each in range(distinct)))
    assert book.coded("c", few, 3000).dtype != pl.String
    assert book.coded("d", few, distinct).dtype == pl.String


def test_one_text_in_many_rows() -> None:
    book = Codebook()
    first, second = book.repeated("field", "platform", 3), book.repeated("field", "os_version", 2)
    assert pl.concat([first, second]).cast(pl.String).to_list() == ["platform"] * 3 + ["os_version"] * 2


@pytest.mark.parametrize("coded", [True, False])
def test_codes_answer_as_texts_do(coded: bool) -> None:
    book, plain = begun("a", "b"), text("b", None, "", "a", "b")
    series = book.coded("a", plain) if coded else plain
    assert equals(series, "b", "c").to_list() == [True, None, False, False, True]
    assert ranks(series).tolist() == [3, 0, 1, 2, 3]
    loud = book.recoded("b", series, lambda texts: texts + "!")
    assert loud.cast(pl.String).to_list() == ["b!", None, "!", "a!", "b!"]
    assert [each.cast(pl.String).to_list() for each in alike(series, text("q"))] == [plain.to_list(), ["q"]]


def test_a_dictionary_that_grew_too_big_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codebook, "_MOST", 3)
    monkeypatch.setattr(codebook, "_FEW", 3)
    mapping = {
        "user": {"column": "who", "as": "mpid"},
        "time": {"column": "at", "unit": "ms"},
        "event": {"column": "what"},
        "fields": {"platform": "on"},
        "attributes": ["note"],
    }
    parts = [
        pl.DataFrame({"who": [1, 2, 3], "at": [5, 6, 7], "what": list(what), "on": list(on), "note": [what, None, on]})
        for what, on in (("abc", "xyx"), ("def", "wvu"), ("aga", "xwx"))
    ]
    store = Store.create(tmp_path / "data")
    report = load_table(store, parts, mapping, workspace="w", input="i", kind="platform")
    assert report.events == 9
    rows = store.read("events").sort("arrival").collect()
    assert rows["name"].to_list() == list("abcdefaga")
    assert rows["platform"].to_list() == [f"s{each}" for each in "xyxwvuxwx"]
    bags = [[(each["key"], each["value"]) for each in bag or []] for bag in rows["attributes"].to_list()]
    assert bags[3:6] == [[("note", "sdef")], [], [("note", "swvu")]]


def test_groups_of_rows_hold_what_one_group_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are cut where groups of rows are; a group in which no event lists anything is read like any other."""

    def product(number: int) -> dict[str, object]:
        return {"name": f"p{number}", "price": number, "custom_attributes": {"size": number} if number % 2 else {}}

    def event(number: int) -> dict[str, object]:
        data: dict[str, object] = {
            "timestamp_unixtime_ms": 1_700_000_000_000 + number,
            "source_message_id": f"m{number}",
        }
        if number % 3:
            return {"event_type": "custom_event", "data": data | {"event_name": "walk", "custom_event_type": "other"}}
        products = [product(number + each) for each in range(number % 4)]
        bought = data | {
            "custom_attributes": {"n": number},
            "product_action": {"action": "purchase", "products": products},
        }
        return {"event_type": "commerce_event", "data": bought}

    batches = [{"mpid": at % 5, "events": [event(at * 6 + each) for each in range(6)]} for at in range(8)]
    found = []
    for rows in (1 << 19, 4):
        monkeypatch.setattr(group, "GROUP_ROWS", rows)
        store = Store.create(tmp_path / str(rows))
        load_batches(store, batches, workspace="w", input="i")
        events = store.read("events").collect().sort("arrival")
        listed = [(each["attributes"] or [], each["products"] or []) for each in events.to_dicts()]
        found.append((events.drop("attributes", "products").rows(), listed))
    assert found[0] == found[1]
    attributes, products = zip(*found[1][1], strict=True)
    assert [bag[0]["value"] for bag in attributes if bag] == [f"n{number}" for number in range(0, 48, 3)]
    names = [f"p{number + each}" for number in range(0, 48, 3) for each in range(number % 4)]
    assert [f"s{name}" for name in names] == [each["name"] for some in products for each in some]
    sizes = [each["attributes"][0]["value"] for some in products for each in some if each["attributes"]]
    assert sizes == [f"n{name[1:]}" for name in names if int(name[1:]) % 2]

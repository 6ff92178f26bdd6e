"""The mapping as the wizard edits it, column by column."""

from __future__ import annotations

from core.data.mapping import Mapping
from workbench.mapping import LEFT_OUT, as_rows, target_of, targets, with_target

COLUMNS = ["id", "ts", "what", "amount", "city", "note"]
GUESSED = {
    "rows": "events",
    "user": {"column": "id", "identity_type": "customer_id"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "what"},
    "fields": {"total_amount": "amount"},
    "location": {"city": "city"},
    "attributes": "rest",
    "nulls": [""],
}


def test_every_column_is_one_thing() -> None:
    assert [target_of(GUESSED, each) for each in COLUMNS] == [
        "user",
        "time",
        "event",
        "fields/total_amount",
        "location/city",
        "attributes",
    ]


def test_choosing_what_it_is_already_changes_nothing() -> None:
    for each in COLUMNS:
        same = with_target(GUESSED, COLUMNS, each, target_of(GUESSED, each))
        assert Mapping.from_dict(same) == Mapping.from_dict(GUESSED)


def test_a_column_left_out_makes_the_rest_a_list() -> None:
    changed = with_target(GUESSED, COLUMNS, "amount", LEFT_OUT)
    assert changed["attributes"] == ["note"]
    assert "fields" not in changed
    assert changed["nulls"] == [""]
    again = with_target(changed, COLUMNS, "amount", "attributes")
    assert again["attributes"] == ["amount", "note"]


def test_what_only_one_column_can_be_moves() -> None:
    changed = with_target(GUESSED, COLUMNS, "note", "user")
    assert changed["user"] == {"column": "note", "identity_type": "customer_id"}
    assert target_of(changed, "id") == LEFT_OUT
    moved = with_target(GUESSED, COLUMNS, "note", "event")
    assert (moved["event"], target_of(moved, "what")) == ({"column": "note"}, LEFT_OUT)


def test_rows_of_profiles_have_user_attributes_and_no_events() -> None:
    changed = as_rows(GUESSED, COLUMNS, "profiles")
    assert Mapping.from_dict(changed).rows == "profiles"
    assert changed["user_attributes"] == ["what", "amount", "note"]
    assert changed["location"] == {"city": "city"}
    assert set(targets("profiles")).isdisjoint({"event", "attributes", "product/id"})
    back = as_rows(changed, COLUMNS, "events")
    assert Mapping.from_dict(back).event is not None
    assert back["attributes"] == ["what", "amount", "note"]

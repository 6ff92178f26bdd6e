"""Mappings: every problem is told at once, and guesses to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.data.guess import guess_mapping, preview
from core.data.mapping import Mapping
from core.data.store import Store
from core.data.tables import load_table
from core.errors import InputError

EVENTS = {
    "user": {"column": "user", "identity_type": "customer_id"},
    "time": {"column": "ts"},
    "event": {"column": "event"},
}


def problems(document: object) -> list[str]:
    with pytest.raises(InputError) as error:
        Mapping.from_dict(document)
    return [line.removeprefix("mapping: ").partition(":")[0] for line in error.value.message.split("\n")]


def test_the_defaults() -> None:
    mapping = Mapping.from_dict(EVENTS)
    assert (mapping.rows, mapping.default_kind, mapping.attributes, mapping.nulls) == ("events", "custom", (), ())
    assert (mapping.delimiter, mapping.header, mapping.columns, mapping.message_id) == (",", True, None, None)
    assert mapping.time is not None
    assert (mapping.time.unit, mapping.time.timezone) == ("iso", "UTC")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"colour": "red"}, ["colour"]),
        ({"user": {"column": "user"}}, ["user"]),
        ({"user": {"column": "user", "identity_type": "email", "as": "mpid"}}, ["user"]),
        ({"user": {"column": "user", "as": "email"}}, ["user.as"]),
        ({"time": {"column": "ts", "unit": "minutes"}}, ["time.unit"]),
        ({"time": {"column": "ts", "timezone": "Mars/Olympus"}}, ["time.timezone"]),
        ({"time": None}, ["time"]),
        ({"event": None}, ["event"]),
        ({"event": {"column": "event", "value": "purchase"}}, ["event"]),
        ({"event": {}}, ["event"]),
        ({"event": None, "default_kind": "session", "kinds": {"a": {"kind": "custom"}}}, ["kinds"]),
        ({"default_kind": "purchase"}, ["default_kind"]),
        ({"event": {"value": "buy"}, "default_kind": "ecommerce"}, ["event.value"]),
        ({"kinds": {"a": {"kind": "shop"}}}, ["kinds.a.kind"]),
        ({"kinds": {"a": {"kind": "ecommerce"}}}, ["kinds.a.name"]),
        ({"kinds": {"a": {"kind": "crash", "name": "b"}}}, ["kinds.a.name"]),
        ({"kinds": {"a": {"kind": "screen_view", "custom_type": "search"}}}, ["kinds.a.custom_type"]),
        ({"kinds": {"a": {"kind": "custom", "custom_type": "shop"}}}, ["kinds.a.custom_type"]),
        ({"attributes": "all"}, ["attributes"]),
        ({"attributes": ["a", 1]}, ["attributes"]),
        ({"fields": {"colour": "c"}}, ["fields.colour"]),
        ({"product": {"colour": "c"}}, ["product.colour"]),
        ({"location": {"street": "s"}}, ["location.street"]),
        ({"location": {"city": "a"}, "fields": {"city": "b"}}, ["location.city"]),
        ({"identities": {"": "a"}}, ["identities"]),
        ({"delimiter": "||"}, ["delimiter"]),
        ({"delimiter": "¦"}, ["delimiter"]),
        ({"delimiter": '"'}, ["delimiter"]),
        ({"columns": ["a"]}, ["columns"]),
        ({"header": False, "columns": ["a", "a"]}, ["columns"]),
        ({"header": False, "columns": []}, ["columns"]),
        ({"header": "yes"}, ["header"]),
        ({"rows": "users"}, ["rows"]),
        ({"rows": "profiles"}, ["event"]),
        ({"rows": "profiles", "event": None, "attributes": "rest"}, ["attributes"]),
        ({"rows": "profiles", "event": None, "fields": {"total_amount": "a"}}, ["fields.total_amount"]),
        ({"rows": "profiles", "event": None, "message_id": "a"}, ["message_id"]),
        # all at once
        ({"user": 3, "rows": "x", "nulls": "NULL"}, ["rows", "user", "nulls"]),
        ({"user": {"column": "u"}, "default_kind": "x", "delimiter": ""}, ["user", "delimiter", "default_kind"]),
    ],
)
def test_contradictions(change: dict[str, Any], expected: list[str]) -> None:
    assert problems({**EVENTS, **change}) == expected


@pytest.mark.parametrize("document", [None, [], 3, "rest"])
def test_no_mapping_at_all(document: object) -> None:
    with pytest.raises(InputError, match="mapping: an object is needed"):
        Mapping.from_dict(document)


def test_columns_that_are_not_there_are_named_with_those_that_are(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    frame = pl.DataFrame({"user": ["u"], "when": [True], "tags": [["a"]], "event": ["e"]})
    mapping = {**EVENTS, "fields": {"platform": "os"}, "identities": {"email": "tags"}, "user_attributes": ["tags"]}
    with pytest.raises(InputError) as error:
        load_table(store, frame, mapping, workspace="w", input="i", kind="platform")
    assert error.value.message.split("\n") == [
        'mapping: time.column: there is no column "ts"',
        'mapping: fields.platform: there is no column "os"',
        'mapping: the columns are "user", "when", "tags", "event"',
        'mapping: identities.email: column "tags" holds List(String), one value a row is needed',
    ]


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        (pl.Series([True]), "iso"),
        (pl.Series(["2024-05-01"]).str.to_datetime(), "ms"),
        (pl.Series([b"2024"]), "iso"),
        (pl.Series([["2024-05-01"]]), "iso"),
    ],
)
def test_columns_that_hold_no_moments(tmp_path: Path, column: pl.Series, unit: str) -> None:
    store = Store.create(tmp_path / "dataset")
    frame = pl.DataFrame({"user": ["u"], "ts": column, "event": ["e"]})
    mapping = {**EVENTS, "time": {"column": "ts", "unit": unit}}
    with pytest.raises(InputError, match=r"mapping: time\."):
        load_table(store, frame, mapping, workspace="w", input="i", kind="platform")


def test_one_identity_type_has_one_column(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    frame = pl.DataFrame({"user": ["u"], "ts": ["2024-05-01"], "event": ["e"], "other": ["v"]})
    with pytest.raises(InputError, match=r'identities\.CustomerId: column "user" is named for it as well'):
        load_table(
            store, frame, {**EVENTS, "identities": {"CustomerId": "other"}}, workspace="w", input="i", kind="platform"
        )


# -- guesses ---------------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_a_guess_of_events(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "userId;timestamp;event_name;platform;revenue;item_name;email;lat;lng;messageId;note\n"
        "u1;2024-05-01T10:00:00Z;page_view;web;;;a@x.org;48.8;2.3;m1;NULL\n"
        "u2;2024-05-01T10:01:00Z;Order Completed;ios;12.5;Shoe;;;;m2;x\n"
        "u2;2024-05-01T10:02:00Z;share;ios;;;;;;m3;y\n",
    )
    assert guess_mapping(path).to_dict() == {
        "user": {"column": "userId", "identity_type": "customer_id"},
        "rows": "events",
        "time": {"column": "timestamp", "unit": "iso"},
        "event": {"column": "event_name"},
        "kinds": {
            "page_view": {"kind": "screen_view"},
            "Order Completed": {"kind": "ecommerce", "name": "purchase"},
        },
        "fields": {"total_amount": "revenue", "platform": "platform"},
        "product": {"name": "item_name"},
        "identities": {"email": "email"},
        "location": {"latitude": "lat", "longitude": "lng"},
        "message_id": "messageId",
        "attributes": "rest",
        "nulls": ["", "NULL"],
        "delimiter": ";",
        "header": True,
    }


def test_a_guess_of_profiles() -> None:
    frame = pl.DataFrame({"email": ["a@x.org", "b@x.org"], "plan": ["gold", "free"], "signup_date": ["2024-05-01"] * 2})
    assert guess_mapping(frame).to_dict() == {
        "user": {"column": "email", "identity_type": "email"},
        "rows": "profiles",
        "time": {"column": "signup_date", "unit": "iso"},
        "user_attributes": ["plan"],
    }


def test_a_guess_of_purchases() -> None:
    frame = pl.DataFrame({"customer_id": [1, 1], "order_date": [1714558830, 1714558831], "amount": [1.5, 2.5]})
    assert guess_mapping(frame).to_dict() == {
        "user": {"column": "customer_id", "identity_type": "customer_id"},
        "rows": "events",
        "time": {"column": "order_date", "unit": "s"},
        "event": {"value": "purchase"},
        "default_kind": "ecommerce",
        "fields": {"total_amount": "amount"},
        "attributes": "rest",
    }


def test_a_guess_without_header(tmp_path: Path) -> None:
    path = written(tmp_path, " 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n")
    assert guess_mapping(path).to_dict() == {
        "user": {"column": "column_1", "identity_type": "customer_id"},
        "rows": "events",
        "time": {"column": "column_3", "unit": "iso"},
        "event": {"value": "event"},
        "attributes": "rest",
        "nulls": [""],
        "delimiter": " ",
        "header": False,
        "columns": ["column_1", "column_2", "column_3", "column_4", "column_5"],
    }


def test_a_guess_fits_the_table_it_was_made_for(tmp_path: Path) -> None:
    path = written(tmp_path, "id,at,type\nu1,2024-05-01,open\nu1,2024-05-02,close\n")
    report = load_table(
        Store.create(tmp_path / "dataset"), path, guess_mapping(path), workspace="w", input="i", kind="feed"
    )
    assert (report.events, report.refusals) == (2, [])


def test_a_table_without_columns_cannot_be_guessed() -> None:
    with pytest.raises(InputError, match="no columns"):
        guess_mapping(pl.DataFrame())


def test_a_preview_shows_rows_and_refusals(tmp_path: Path) -> None:
    path = written(
        tmp_path, "user,ts,event,os,plan\nu1,2024-05-01,open,ios,gold\nu2,soon,open,ios,\nu3,2024-05-02,close,,free\n"
    )
    mapping = Mapping.from_dict({**EVENTS, "fields": {"platform": "os"}, "attributes": "rest", "nulls": [""]})
    shown = preview(path, mapping, limit=5)
    assert shown.columns == dict.fromkeys(("user", "ts", "event", "os", "plan"), "String")
    assert shown.samples == {"user": "u1", "ts": "2024-05-01", "event": "open", "os": "ios", "plan": "gold"}
    assert list(shown.events.items()) == [("open", 2), ("close", 1)]
    assert shown.rows.select("line", "user", "kind", "name", "attributes", "fields").rows() == [
        (2, "u1", "custom", "open", "plan=gold", "platform=ios"),
        (4, "u3", "custom", "close", "plan=free", ""),
    ]
    assert [(refusal.line, refusal.reason) for refusal in shown.refused] == [
        (3, 'column "ts": no time of unit iso: "soon"')
    ]

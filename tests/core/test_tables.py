"""Tables by mapping (DEFINITION 5.1): what rows become, which rows are refused, whatever the form of the table."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xxhash
import zstandard

from core import Audience, Dataset
from core.data.mapping import Mapping
from core.data.store import Store
from core.data.tables import load_table
from core.errors import InputError

EVENTS = {
    "user": {"column": "user", "identity_type": "customer_id"},
    "time": {"column": "ts"},
    "event": {"column": "event"},
}
PEOPLE = {"rows": "profiles", "user": {"column": "user", "identity_type": "customer_id"}}


class Loaded:
    """A new dataset and the rows of its tables."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.create(folder / "dataset")

    def load(self, table: Any, mapping: Any, received_at: datetime | None = None, **scope: str) -> Any:
        scope = {"workspace": "shop", "input": "web", "kind": "platform", **scope}
        return load_table(self.store, table, mapping, received_at=received_at, **scope)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of a table in order of arrival (or else of their columns), with mpid for profile."""
        frame = self.store.read(table).collect()
        if "profile" in frame.columns and table != "profiles":
            frame = frame.join(self.store.read("profiles").collect().select("profile", "mpid"), on="profile")
        order = [
            name for name in ("arrival", "kind", "key", "identity_type", "field", "value") if name in frame.columns
        ]
        return frame.sort(order).select(columns).rows()


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return Loaded(tmp_path)


def csv(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def derived(identity: str) -> int:
    number = xxhash.xxh3_64_intdigest(identity.encode())
    return number - 2**64 if number >= 2**63 else number


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# -- what rows become -----------------------------------------------------------------------------------------------


def test_the_mapping_of_the_definition(loaded: Loaded, tmp_path: Path) -> None:
    mapping = {
        "rows": "events",
        "user": {"column": "user_id", "identity_type": "customer_id"},
        "time": {"column": "ts", "unit": "iso", "timezone": "UTC"},
        "event": {"column": "event"},
        "kinds": {"purchase": {"kind": "ecommerce", "name": "purchase"}, "home": {"kind": "screen_view"}},
        "default_kind": "custom",
        "attributes": "rest",
        "fields": {"total_amount": "dollars", "platform": "platform"},
        "product": {"name": "item", "category": "cat", "price": "price"},
        "user_attributes": ["acquisition_channel"],
        "identities": {"email": "mail"},
        "location": {"latitude": "lat", "longitude": "lon", "city": "city", "country": "cc"},
        "message_id": "id",
        "nulls": ["", "NULL"],
        "delimiter": ",",
        "header": True,
        "columns": None,
    }
    path = csv(
        tmp_path,
        "user_id,ts,event,dollars,platform,item,cat,price,acquisition_channel,mail,lat,lon,city,cc,id,colour\n"
        "u1,2024-05-01T10:00:00Z,purchase,34.50,ios,Shoe,Sport,34.50,ads,a@x.org,48.85,2.35,Paris,FR,m1,red\n"
        "u1,2024-05-01 11:00:00,home,,ios,,,,NULL,,,,,,m2,\n"
        "u2,2024-05-02,share,,web,Shoe,,,mail,,,,Rome,IT,m3,blue\n",
    )
    report = loaded.load(path, mapping)
    assert (report.events, report.profiles, report.duplicates, report.refusals) == (3, 2, 0, [])
    u1, u2 = derived("customer_id:u1"), derived("customer_id:u2")
    first, second, third = ms("2024-05-01T10:00:00"), ms("2024-05-01T11:00:00"), ms("2024-05-02")
    assert loaded.rows("events", "kind", "name", "custom_type", "mpid", "timestamp_ms", "message_id", "also") == [
        ("ecommerce", "purchase", None, u1, first, "m1", False),
        ("screen_view", "home", None, u1, second, "m2", False),
        ("custom", "share", "other", u2, third, "m3", False),
    ]
    assert loaded.rows("events", "total_amount", "platform", "screen_name", "city", "country", "latitude") == [
        ("s34.50", "sios", None, "sParis", "sFR", "s48.85"),
        (None, "sios", "shome", None, None, None),
        (None, "sweb", None, "sRome", "sIT", None),
    ]
    bags = [bag or [] for (bag,) in loaded.rows("events", "attributes")]
    assert [{pair["key"]: pair["value"] for pair in bag} for bag in bags] == [
        {"colour": "sred"},
        {},
        {"colour": "sblue", "item": "sShoe"},
    ]
    (products,), *others = loaded.rows("events", "products")
    assert [(item["name"], item["category"], item["price"], item["brand"]) for item in products] == [
        ("sShoe", "sSport", "s34.50", None)
    ]
    assert all(not products for (products,) in others)
    assert loaded.rows("attributes", "mpid", "key", "time_ms", "value") == [
        (u1, "acquisition_channel", first, "sads"),
        (u2, "acquisition_channel", third, "smail"),
    ]
    assert sorted(loaded.rows("identities", "mpid", "identity_type", "value", "time_ms")) == sorted(
        [(u1, "customer_id", "u1", first), (u1, "email", "a@x.org", first), (u2, "customer_id", "u2", third)]
    )
    assert sorted(loaded.rows("devices", "mpid", "field", "value", "time_ms")) == sorted(
        [(u1, "platform", "sios", first), (u2, "platform", "sweb", third)]
    )
    assert loaded.rows("locations", "mpid", "time_ms", "source", "country", "city", "latitude", "longitude") == [
        (u1, first, "event", "FR", "Paris", 48.85, 2.35),
        (u2, third, "event", "IT", "Rome", None, None),
    ]
    assert loaded.rows("batches", "mpid") == []


def test_text_cells_stay_text_and_typed_cells_keep_their_type(loaded: Loaded) -> None:
    frame = pl.DataFrame(
        {
            "user": ["u"],
            "ts": [datetime(2024, 5, 1, 10, tzinfo=UTC)],
            "event": ["e"],
            "text": ["007"],
            "whole": [7],
            "float": [34.320],
            "round": [100.0],
            "small": [0.00001],
            "flag": [True],
            "tags": [["a", None, "b"]],
            "day": [date(2024, 2, 29)],
            "at": pl.Series(["2024-02-29T12:30"]).str.to_datetime(),
            "zoned": pl.Series(["2024-07-01T12:00"]).str.to_datetime().dt.replace_time_zone("Europe/Paris"),
            "nothing": pl.Series([None], dtype=pl.String),
            "nested": [{"a": 1}],
        }
    )
    loaded.load(frame, {**EVENTS, "attributes": "rest"})
    ((bag,),) = loaded.rows("events", "attributes")
    assert {pair["key"]: pair["value"] for pair in bag} == {
        "text": "s007",
        "whole": "n7",
        "float": "n34.32",
        "round": "n100",
        "small": "n1e-05",
        "flag": "btrue",
        "tags": 'l["a","b"]',
        "day": "s2024-02-29",
        "at": "s2024-02-29T12:30:00",
        "zoned": "s2024-07-01T10:00:00Z",
        "nested": 's{"a":1}',
    }


def test_without_nulls_an_empty_cell_is_an_empty_text(loaded: Loaded, tmp_path: Path) -> None:
    text = "user,ts,event,a\nu,2024-05-01,e,\n"
    loaded.load(csv(tmp_path, text), {**EVENTS, "attributes": ["a"]})
    assert loaded.rows("events", "attributes") == [([{"key": "a", "value": "s"}],)]


def test_a_column_may_serve_twice_when_it_is_named_twice(loaded: Loaded, tmp_path: Path) -> None:
    mapping = {**EVENTS, "attributes": ["plan"], "user_attributes": ["plan"]}
    loaded.load(csv(tmp_path, "user,ts,event,plan\nu,2024-05-01,e,gold\n"), mapping)
    assert loaded.rows("events", "attributes") == [([{"key": "plan", "value": "sgold"}],)]
    assert loaded.rows("attributes", "key", "value") == [("plan", "sgold")]


def test_a_screen_is_named_by_kinds_or_its_field_or_its_value(loaded: Loaded, tmp_path: Path) -> None:
    text = "user,ts,event,screen\nu,2024-05-01,view,Start\nu,2024-05-02,view,\nu,2024-05-03,fixed,Start\n"
    kinds = {"view": {"kind": "screen_view"}, "fixed": {"kind": "screen_view", "name": "Checkout"}}
    loaded.load(csv(tmp_path, text), {**EVENTS, "kinds": kinds, "fields": {"screen_name": "screen"}, "nulls": [""]})
    assert loaded.rows("events", "name", "screen_name") == [
        ("Start", "sStart"),
        ("view", "sview"),
        ("Checkout", "sCheckout"),
    ]


def test_a_custom_type_may_be_given(loaded: Loaded, tmp_path: Path) -> None:
    kinds = {"find": {"kind": "custom", "name": "Search", "custom_type": "search"}}
    loaded.load(csv(tmp_path, "user,ts,event\nu,2024-05-01,find\n"), {**EVENTS, "kinds": kinds})
    assert loaded.rows("events", "kind", "name", "custom_type") == [("custom", "Search", "search")]


def test_a_session_row_with_a_duration_is_its_start_and_its_end(loaded: Loaded, tmp_path: Path) -> None:
    text = "user,ts,length,sid\nu,2024-05-01,60000,s1\nu,2024-05-02,30000,\nu,2024-05-03,,s3\n"
    mapping = {
        "user": EVENTS["user"],
        "time": EVENTS["time"],
        "default_kind": "session",
        "fields": {"session_duration_ms": "length", "session_id": "sid"},
        "nulls": [""],
    }
    report = loaded.load(csv(tmp_path, text), mapping)
    assert report.events == 3
    moment = str(ms("2024-05-02"))
    assert loaded.rows("events", "kind", "session_id", "session_uuid", "session_duration_ms") == [
        ("session", "ss1", None, None),
        ("session_end", "ss1", None, "s60000"),
        ("session", None, moment, None),
        ("session_end", None, moment, "s30000"),
        ("session", "ss3", None, None),
    ]


def test_attributions_as_from_batches(loaded: Loaded, tmp_path: Path) -> None:
    text = (
        "user,ts,event,publisher,campaign,action\n"
        "u,2024-05-01,attribution,Facebook,spring,\n"
        "u,2024-05-02,attribution,,,delete\n"
        "u,2024-05-03,gone,Google,,\n"
        "u,2024-05-04,gone,,,\n"
        "u,2024-05-05,other,Facebook,,\n"
    )
    kinds = {"attribution": {"kind": "attribution"}, "gone": {"kind": "uninstall"}, "other": {"kind": "attribution"}}
    loaded.load(csv(tmp_path, text), {**EVENTS, "kinds": kinds, "attributes": "rest", "nulls": [""]})
    assert loaded.rows("attributions", "event", "time_ms", "source", "publisher", "campaign", "deleted") == [
        ("install", ms("2024-05-01"), "event", "sFacebook", "sspring", False),
        ("install", ms("2024-05-02"), "event", None, None, True),
        ("uninstall", ms("2024-05-03"), "event", "sGoogle", None, False),
    ]


def test_limits_are_counted(loaded: Loaded) -> None:
    frame = pl.DataFrame({"user": ["u"], "ts": ["2024-05-01"], "event": ["e" * 257], "long": ["x" * 4097]})
    wide = frame.with_columns(pl.lit("v").alias(f"a{n:03}") for n in range(101))
    report = loaded.load(wide, {**EVENTS, "attributes": "rest"})
    ((name, bag),) = loaded.rows("events", "name", "attributes")
    assert name == "e" * 256
    assert len(bag) == 100
    assert bag[0] == {"key": "long", "value": "s" + "x" * 4096}
    assert report.cut == 1 + 1 + 2  # the name, the long value, two of 102 attributes


# -- profiles -------------------------------------------------------------------------------------------------------


def test_rows_of_profiles(loaded: Loaded, tmp_path: Path) -> None:
    text = "user,at,plan,mail,city,os\nu1,2024-05-01,gold,a@x.org,Paris,17.1\nu2,,silver,,,\n"
    mapping = {
        **PEOPLE,
        "time": {"column": "at"},
        "user_attributes": ["plan"],
        "identities": {"email": "mail"},
        "location": {"city": "city"},
        "fields": {"os_version": "os"},
        "nulls": [""],
    }
    received = datetime(2024, 6, 1, tzinfo=UTC)
    report = loaded.load(csv(tmp_path, text), mapping, received_at=received)
    assert (report.batches, report.events, report.profiles) == (2, 0, 2)
    u1, u2, day, later = derived("customer_id:u1"), derived("customer_id:u2"), ms("2024-05-01"), ms("2024-06-01")
    assert loaded.rows("batches", "mpid", "time_ms", "request_id") == [(u1, day, None), (u2, later, None)]
    assert loaded.rows("attributes", "mpid", "key", "time_ms", "value") == [
        (u1, "plan", day, "sgold"),
        (u2, "plan", later, "ssilver"),
    ]
    assert loaded.rows("locations", "mpid", "source", "city") == [(u1, "batch", "Paris")]
    assert loaded.rows("devices", "mpid", "field", "value") == [(u1, "os_version", "s17.1")]
    assert ("email", "a@x.org") in loaded.rows("identities", "identity_type", "value")


def test_profiles_without_any_time_are_refused(loaded: Loaded, tmp_path: Path) -> None:
    report = loaded.load(csv(tmp_path, "user,plan\nu1,gold\n"), {**PEOPLE, "user_attributes": ["plan"]})
    assert [(refusal.line, refusal.reason) for refusal in report.refusals] == [
        (2, "no time, and no moment of arrival was given")
    ]
    assert report.profiles == 0


# -- users ----------------------------------------------------------------------------------------------------------


def test_mpids_may_be_given(loaded: Loaded, tmp_path: Path) -> None:
    text = (
        "user,ts,event\n-1327484737295091692,2024-05-01,e\n7346244611012968789,2024-05-01,e\n"
        "12x,2024-05-01,e\n9223372036854775808,2024-05-01,e\n,2024-05-01,e\n"
    )
    report = loaded.load(csv(tmp_path, text), {**EVENTS, "user": {"column": "user", "as": "mpid"}, "nulls": [""]})
    assert loaded.rows("events", "mpid") == [(-1327484737295091692,), (7346244611012968789,)]
    assert [(refusal.line, refusal.reason) for refusal in report.refusals] == [
        (4, 'mpid is no signed 64-bit integer: "12x"'),
        (5, 'mpid is no signed 64-bit integer: "9223372036854775808"'),
        (6, 'no user in column "user"'),
    ]


def test_a_whole_float_names_the_same_user_as_its_text(loaded: Loaded) -> None:
    days = {"ts": ["2024-05-01"] * 3, "event": ["e"] * 3}
    report = loaded.load(pl.DataFrame({"user": [7.0, None, float("nan")], **days}), EVENTS)
    loaded.load(pl.DataFrame({"user": ["7", "8", "7"], **days}), EVENTS)
    assert [refusal.line for refusal in report.refusals] == [2, 3]
    seven, eight = derived("customer_id:7"), derived("customer_id:8")
    assert loaded.rows("events", "mpid") == [(seven,), (seven,), (eight,), (seven,)]


def test_a_row_without_its_user_is_found_by_another_identity(loaded: Loaded, tmp_path: Path) -> None:
    text = (
        "user,ts,event,mail\n"
        "u1,2024-05-01,e,a@x.org\n"  # u1 gets the address
        ",2024-05-02,e,a@x.org\n"  # hence u1
        "u2,2024-05-03,e,b@x.org\n"
        "u2,2024-05-04,e,a@x.org\n"  # now the address is u2's
        ",2024-05-05,e,a@x.org\n"
        "00000000-0000-0000-0000-000000000000,2024-05-06,e,\n"
    )
    report = loaded.load(csv(tmp_path, text), {**EVENTS, "identities": {"email": "mail"}, "nulls": [""]})
    u1, u2 = derived("customer_id:u1"), derived("customer_id:u2")
    assert loaded.rows("events", "mpid") == [(u1,), (u1,), (u2,), (u2,), (u2,)]
    assert [(refusal.line, refusal.reason) for refusal in report.refusals] == [(7, 'no user in column "user"')]


def test_unknown_identity_types_keep_their_name(loaded: Loaded, tmp_path: Path) -> None:
    mapping = {**EVENTS, "user": {"column": "user", "identity_type": "loyalty_card"}}
    loaded.load(csv(tmp_path, "user,ts,event\nL1,2024-05-01,e\n"), mapping)
    assert loaded.rows("identities", "identity_type", "value") == [("loyalty_card", "L1")]


def test_copies_of_a_message_count_once(loaded: Loaded, tmp_path: Path) -> None:
    text = (
        "user,ts,event,id\nu,2024-05-01,a,m1\nu,2024-05-02,b,m1\nu,2024-05-03,c,\nu,2024-05-03,c,\nv,2024-05-01,a,m1\n"
    )
    mapping = {**EVENTS, "message_id": "id"}
    report = loaded.load(csv(tmp_path, text), mapping)
    assert (report.events, report.duplicates) == (4, 1)
    again = loaded.load(csv(tmp_path, text), mapping)
    assert (again.events, again.duplicates) == (2, 3)


# -- times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "time", "expected"),
    [
        ("2024-05-01", {}, "2024-05-01"),
        ("20240501", {}, "2024-05-01"),
        ("2024-05-01 10:20", {}, "2024-05-01T10:20"),
        ("20240501T102030Z", {}, "2024-05-01T10:20:30"),
        ("2024-05-01T10:20:30.1239", {}, "2024-05-01T10:20:30.123"),
        ("2024-05-01T10:20:30+02:00", {}, "2024-05-01T08:20:30"),
        ("2024-05-01 10:20:30 UTC", {}, "2024-05-01T10:20:30"),
        ("2024-07-01", {"timezone": "Europe/Paris"}, "2024-06-30T22:00"),
        ("2024-07-01T12:00:00Z", {"timezone": "Europe/Paris"}, "2024-07-01T12:00"),
        ("2024-10-27 02:30:00", {"timezone": "Europe/Paris"}, "2024-10-27T00:30"),  # it was 2:30 twice: the earlier
        ("2018-11-04", {"timezone": "America/Sao_Paulo"}, "2018-11-04T03:00"),  # the day began at 1:00
        ("1714558830", {"unit": "s"}, "2024-05-01T10:20:30"),
        ("1714558830.5", {"unit": "s"}, "2024-05-01T10:20:30.500"),
        ("1714558830123", {"unit": "ms"}, "2024-05-01T10:20:30.123"),
        ("1714558830123999", {"unit": "us"}, "2024-05-01T10:20:30.123"),
        ("-1", {"unit": "ms"}, "1969-12-31T23:59:59.999"),
    ],
)
def test_times(loaded: Loaded, tmp_path: Path, cell: str, time: dict[str, str], expected: str) -> None:
    loaded.load(csv(tmp_path, f"user,ts,event\nu,{cell},e\n"), {**EVENTS, "time": {"column": "ts", **time}})
    assert loaded.rows("events", "timestamp_ms") == [(ms(expected),)]


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("yesterday", {}),
        ("2024-13-01", {}),
        ("2024-02-30", {}),
        ("2024-5-1", {}),
        ("1714558830", {}),
        ("", {}),
        ("2024-03-31 02:30:00", {"timezone": "Europe/Paris"}),  # clocks went from 2:00 to 3:00
        ("2024-05-01", {"unit": "s"}),
        (" 1714558830", {"unit": "s"}),
        ("NaN", {"unit": "ms"}),
        ("99999999999999999", {"unit": "s"}),
    ],
)
def test_what_is_no_time_is_refused(loaded: Loaded, tmp_path: Path, cell: str, time: dict[str, str]) -> None:
    report = loaded.load(csv(tmp_path, f"user,ts,event\nu,{cell},e\n"), {**EVENTS, "time": {"column": "ts", **time}})
    assert [(refusal.line, f'"{cell}"' in refusal.reason) for refusal in report.refusals] == [(2, True)]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["2024-05-01T10:20"]).str.to_datetime(time_unit="ns"),
        pl.Series(["2024-05-01T10:20"]).str.to_datetime().dt.replace_time_zone("UTC"),
        pl.Series(["2024-05-01T10:20:00Z"], dtype=pl.Categorical),
    ],
)
def test_typed_times(loaded: Loaded, column: pl.Series) -> None:
    loaded.load(pl.DataFrame({"user": ["u"], "ts": column, "event": ["e"]}), EVENTS)
    assert loaded.rows("events", "timestamp_ms") == [(ms("2024-05-01T10:20"),)]


# -- lines that are no rows -----------------------------------------------------------------------------------------


def test_lines_are_refused_one_by_one(loaded: Loaded, tmp_path: Path) -> None:
    text = (
        b"user,ts,event\r\n"
        b"u1,2024-05-01,ok\r\n"
        b"u1,2024-05-01\n"
        b"u1,2024-05-01,too,many\n"
        b"\n"
        b"u\xff,2024-05-01,e\n"
        b'"u2",2024-05-01,"said ""hi"", twice"\n'
        b'u3,2024-05-01,"two\nlines"\n'
        b'u4,2024-05-01,5" disk\n'
        b'u5,2024-05-01,"open\n'
        b"u6,2024-05-01,after\n"
        b",2024-05-01,nobody\n"
        b"u7,soon,e\n"
        b"u8,2024-05-01,\n"
    )
    report = loaded.load(csv(tmp_path, text), EVENTS)
    assert [name for (name,) in loaded.rows("events", "name")] == [
        "ok",
        'said "hi", twice',
        "two\nlines",
        '5" disk',
        "after",
    ]
    assert {refusal.source for refusal in report.refusals} == {str(tmp_path / "table.csv")}
    assert [(refusal.line, refusal.reason) for refusal in report.refusals] == [
        (3, "2 fields, not 3"),
        (4, "4 fields, not 3"),
        (6, "not valid UTF-8"),
        (11, "quotes: unexpected end of data"),
        (13, 'no user in column "user"'),
        (14, 'column "ts": no time of unit iso: "soon"'),
        (15, "no event name in its column"),
    ]


def test_typed_tables_name_the_row(loaded: Loaded) -> None:
    frame = pl.DataFrame({"user": ["u", None, "u"], "ts": ["2024-05-01"] * 3, "event": ["a", "b", "c"]})
    report = loaded.load(frame.lazy(), EVENTS)
    assert [(refusal.source, refusal.line) for refusal in report.refusals] == [("table", 2)]
    assert report.events == 2


# -- forms ----------------------------------------------------------------------------------------------------------

ROWS = pl.DataFrame(
    {
        "user": [f"u{n % 7}" for n in range(50)],
        "ts": [f"2024-05-{1 + n % 28:02}" for n in range(50)],
        "event": [f"e{n % 3}" for n in range(50)],
        "note": [f"a, {n}" for n in range(50)],
    }
)


def _written(form: str, folder: Path) -> Any:
    path, text = folder / "table", ROWS.write_csv().encode()
    match form:
        case "csv":
            path.write_bytes(text)
        case "bom":
            path.write_bytes(b"\xef\xbb\xbf" + text)
        case "gz":
            path.write_bytes(gzip.compress(text))
        case "zst":
            path.write_bytes(zstandard.compress(text))
        case "parquet":
            ROWS.write_parquet(path)
        case "arrow":
            ROWS.write_ipc(path)
        case "stream":
            ROWS.write_ipc_stream(path)
        case "frame":
            return ROWS
        case _:
            return ROWS.lazy()
    return path


@pytest.mark.parametrize("form", ["csv", "bom", "gz", "zst", "parquet", "arrow", "stream", "frame", "lazy"])
def test_every_form_of_a_table_gives_the_same_rows(loaded: Loaded, tmp_path: Path, form: str) -> None:
    report = loaded.load(_written(form, tmp_path), {**EVENTS, "attributes": "rest"})
    assert (report.events, report.profiles, report.refusals) == (50, 7, [])
    expected = [
        (derived(f"customer_id:{user}"), ms(day), event, [{"key": "note", "value": f"s{note}"}])
        for user, day, event, note in ROWS.rows()
    ]
    assert loaded.rows("events", "mpid", "timestamp_ms", "name", "attributes") == expected


def test_one_load_or_several_give_the_same_dataset(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = Loaded(tmp_path / "one"), Loaded(tmp_path / "two")
    mapping = {**EVENTS, "attributes": "rest", "user_attributes": ["note"]}
    one.load(ROWS, mapping)
    for start in range(0, 50, 20):
        two.load(ROWS.slice(start, 20), mapping)
    for table, columns in {
        "events": ("mpid", "timestamp_ms", "arrival", "name", "attributes"),
        "attributes": ("mpid", "key", "time_ms", "arrival", "value"),
    }.items():
        assert one.rows(table, *columns) == two.rows(table, *columns)


def test_lines_of_spaces_without_header(loaded: Loaded, tmp_path: Path) -> None:
    mapping = {
        "user": {"column": "id", "identity_type": "customer_id"},
        "time": {"column": "day"},
        "event": {"value": "purchase"},
        "default_kind": "ecommerce",
        "fields": {"total_amount": "dollars"},
        "delimiter": " ",
        "header": False,
        "columns": ["id", "day", "quantity", "dollars"],
    }
    report = loaded.load(csv(tmp_path, " 00004 19970101  2   29.33\r\n 00005 19970118 10  9.00 \r\n 3 1\r\n"), mapping)
    assert [(refusal.line, refusal.reason) for refusal in report.refusals] == [(3, "2 fields, not 4")]
    assert loaded.rows("events", "kind", "name", "mpid", "timestamp_ms", "total_amount") == [
        ("ecommerce", "purchase", derived("customer_id:00004"), ms("1997-01-01"), "s29.33"),
        ("ecommerce", "purchase", derived("customer_id:00005"), ms("1997-01-18"), "s9.00"),
    ]


@pytest.mark.parametrize("damage", ["missing", "gz", "zst", "parquet", "folder", "empty", "utf-16"])
def test_a_table_that_cannot_be_read_changes_nothing(loaded: Loaded, tmp_path: Path, damage: str) -> None:
    path, version = tmp_path / "table", loaded.store.manifest().version
    match damage:
        case "gz":
            path.write_bytes(gzip.compress(ROWS.write_csv().encode())[:-20])
        case "zst":
            path.write_bytes(zstandard.compress(ROWS.write_csv().encode())[:-20])
        case "parquet":
            ROWS.write_parquet(path)
            path.write_bytes(path.read_bytes()[:-20])
        case "folder":
            path.mkdir()
        case "empty":
            path.write_bytes(b"")
        case "utf-16":
            path.write_bytes(ROWS.write_csv().encode("utf-16"))
    with pytest.raises(InputError, match=str(path)):
        loaded.load(path, EVENTS)
    assert loaded.store.manifest().version == version


def test_progress_is_told(loaded: Loaded) -> None:
    told: list[tuple[int, int | None]] = []
    scope = {"workspace": "shop", "input": "web", "kind": "platform"}
    load_table(loaded.store, ROWS, EVENTS, progress=lambda done, total: told.append((done, total)), **scope)
    assert told[-1] == (50, None)


# -- against the whole dataset --------------------------------------------------------------------------------------


def test_text_amounts_are_numbers_to_number_operators(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    text = "user,ts,event,dollars\nu1,2024-05-01,buy,34.32\nu2,2024-05-01,buy,5\nu1,2024-05-02,buy,0.68\n"
    mapping = {
        **EVENTS,
        "kinds": {"buy": {"kind": "ecommerce", "name": "purchase"}},
        "fields": {"total_amount": "dollars"},
    }
    dataset.load_table(csv(tmp_path, text), mapping, workspace="shop", input="web")
    spent = {"function": "sum", "of": {"field": "total_amount"}, "operator": "equals", "value": 35}
    root = {"type": "event", "kind": "ecommerce", "name": "purchase", "aggregate": spent}
    document = {"name": "a", "workspaces": ["shop"], "definition": {"version": 1, "root": root}}
    result = dataset.evaluate(Audience.from_dict(document), now=datetime(2024, 6, 1, tzinfo=UTC))
    assert result.members["mpid"].to_list() == [derived("customer_id:u1")]
    assert result.universe == 2


SHOP_COLUMNS = "user_id,session_id,event,timestamp,platform,acquisition_channel,user_cohort,user_lifecycle"


def shop() -> str:
    """The table of a small shop, of which the 30 days up to 2024-06-01T00:00Z are looked at.

    600 people. 465 look at home in those days, the others in April. 260 put something into their cart then, of whom 89
    buy, and 9 of those twice. Ten more bought one second before the days begin, and one more put something into the
    cart in the very moment that they begin, which counts.
    """
    rows = [(number, "home", "2024-05-10 10:21:14" if number < 465 else "2024-04-01 08:00:00") for number in range(600)]
    rows += [(number, "add_to_cart", "2024-05-12 10:22:12") for number in range(260)]
    rows += [(number, "purchase", "2024-05-13 10:30:00") for number in range(89)]
    rows += [(number, "purchase", "2024-05-20 10:30:00") for number in range(9)]
    rows += [(number, "purchase", "2024-05-01 23:59:59") for number in range(300, 310)]
    rows += [(400, "add_to_cart", "2024-05-02 00:00:00")]
    lines = [f"user_{number:04},sess_{number:06},{event},{at},desktop,email,2024-01,new" for number, event, at in rows]
    return "\n".join([SHOP_COLUMNS, *lines]) + "\n"


def test_the_counts_of_a_shop(tmp_path: Path) -> None:
    file = tmp_path / "shop.csv.gz"
    file.write_bytes(gzip.compress(shop().encode()))
    dataset = Dataset.create(tmp_path / "dataset")
    mapping = {
        "user": {"column": "user_id", "identity_type": "customer_id"},
        "time": {"column": "timestamp"},
        "event": {"column": "event"},
        "kinds": {"purchase": {"kind": "ecommerce"}, "add_to_cart": {"kind": "ecommerce"}},
        "attributes": "rest",
    }
    report = dataset.load_table(file, mapping, workspace="shop", input="web")
    assert (report.events, report.profiles, report.refusals) == (600 + 260 + 89 + 9 + 10 + 1, 600, [])
    purchase: dict[str, Any] = {"type": "event", "kind": "ecommerce", "name": "purchase"}
    cart = {"type": "event", "kind": "ecommerce", "name": "add_to_cart"}
    twice = {**purchase, "frequency": {"operator": "at_least", "value": 2}}
    left = {"type": "and", "criteria": [cart, {"type": "not", "criterion": purchase}]}
    sizes = []
    for root in ({"type": "event", "kind": "any"}, purchase, twice, cart, left):
        document = {
            "name": "a",
            "workspaces": ["shop"],
            "lookback_days": 30,
            "definition": {"version": 1, "root": root},
        }
        sizes.append(dataset.evaluate(Audience.from_dict(document), now=datetime(2024, 6, 1, tzinfo=UTC)).size)
    # any event, bought, bought twice, put into the cart, and that without buying
    assert sizes == [465, 89, 9, 260 + 1, 260 + 1 - 89]


def test_a_mapping_can_be_made_once_and_kept() -> None:
    mapping = Mapping.from_dict({**EVENTS, "fields": {"platform": "os"}})
    assert Mapping.from_dict(mapping.to_dict()) == mapping
    assert mapping.to_dict() == {**EVENTS, "fields": {"platform": "os"}}


def test_several_tables_of_one_layout_are_one_load(loaded: Loaded, tmp_path: Path) -> None:
    first = csv(tmp_path, "user,ts,event\nu,2024-05-01,a\nu,soon,b\n", "first.csv")
    second = csv(tmp_path, "event,user,ts\nc,v,2024-05-02\nd,v\n", "second.csv")
    version = loaded.store.manifest().version
    report = loaded.load([first, second], EVENTS)
    assert loaded.store.manifest().version == version + 1
    assert [name for (name,) in loaded.rows("events", "name")] == ["a", "c"]
    assert [(Path(refusal.source).name, refusal.line) for refusal in report.refusals] == [
        ("first.csv", 3),
        ("second.csv", 3),
    ]


def test_a_table_among_several_that_does_not_fit_stops_the_load(loaded: Loaded, tmp_path: Path) -> None:
    first = csv(tmp_path, "user,ts,event\nu,2024-05-01,a\n", "first.csv")
    second = csv(tmp_path, "who,ts,event\nv,2024-05-02,c\n", "second.csv")
    with pytest.raises(InputError, match=r"second\.csv: mapping: user\.column: there is no column \"user\""):
        loaded.load([first, second], EVENTS)
    assert loaded.rows("events", "name") == []

"""What becomes of the parts of an mParticle batch (DEFINITION 3.1, 3.2, 6)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
import zstandard

from core.data.batch_shapes import canonical
from core.data.loading import Refusal
from core.data.sources import Broken, blocks
from core.data.store import Store
from core.errors import InputError
from tests.core.loads import T, batch, content, event, load, named, new, rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new(tmp_path)


START = {"application_transition_type": "application_initialized"}
PRODUCT = {"id": "p1", "price": 3.5, "custom_attributes": {"size": "L"}}

KINDS: list[tuple[dict[str, Any], list[tuple[str, str | None, str | None, bool]]]] = [
    (event(event_name="a", custom_event_type="search"), [("custom", "a", "search", False)]),
    (event(event_name="a"), [("custom", "a", None, False)]),
    (event(event_name="a", custom_event_type="attribution"), [("attribution", "a", None, False)]),
    (event("screen_view", screen_name="Home"), [("screen_view", "Home", None, False)]),
    (event("session_start"), [("session", None, None, False)]),
    (event("session_end", session_duration_ms=5), [("session_end", None, None, False)]),
    (event("crash_report", class_name="E"), [("crash", None, None, False)]),
    (event("commerce_event", class_name="E"), [("crash", None, None, False)]),
    (event("commerce_event", exception_handled=False), [("crash", None, None, False)]),
    (event("commerce_event"), [("ecommerce", None, None, False)]),
    (
        event("commerce_event", class_name="E", product_action={"action": "purchase"}),
        [("ecommerce", "purchase", None, False)],
    ),
    (event("commerce_event", product_action={"action": "purchase"}), [("ecommerce", "purchase", None, False)]),
    (
        event("commerce_event", product_action={"action": "remove_from_wishlist"}),
        [("ecommerce", "remove_from_wish_list", None, False)],
    ),
    (event("commerce_event", promotion_action={"action": "view"}), [("ecommerce", "promotion_view", None, False)]),
    (event("commerce_event", promotion_action={"action": "click"}), [("ecommerce", "promotion_click", None, False)]),
    (event("commerce_event", product_impressions=[{"products": []}]), [("ecommerce", "impression", None, False)]),
    (event("application_state_transition", **START, is_first_run=True), [("install", None, None, False)]),
    (event("application_state_transition", **START, is_upgrade=True), [("upgrade", None, None, False)]),
    (
        event("application_state_transition", **START, is_first_run=True, is_upgrade=True),
        [("install", None, None, False), ("upgrade", None, None, True)],
    ),
    (
        event("application_state_transition", application_transition_type="application_exit", is_first_run=True),
        [("other", "application_state_transition", None, False)],
    ),
    (event("first_run"), [("install", None, None, False)]),
    (event("uninstall"), [("uninstall", None, None, False)]),
    (event("push_message", message="x"), [("other", "push_message", None, False)]),
    (event("from_the_future"), [("other", "from_the_future", None, False)]),
    ({"event_type": "session_start"}, [("session", None, None, False)]),
    ({"event_type": "session_start", "data": None}, [("session", None, None, False)]),
]


@pytest.mark.parametrize(("given", "expected"), KINDS)
def test_kinds(store: Store, given: dict[str, Any], expected: list[Any]) -> None:
    report = load(store, [batch(1, given)])
    assert (report.events, report.refusals) == (1, [])
    assert rows(store, "events", "kind", "name", "custom_type", "also") == expected


def fields(store: Store, *names: str) -> dict[str, Any]:
    frame = store.read("events").select(names).collect()
    assert len(frame) == 1
    return {name: value for name, value in frame.row(0, named=True).items() if value is not None}


def test_context_fields(store: Store) -> None:
    device = {
        "platform": "iOS",
        "os_version": "17.1",
        "device_model": "X",
        "brand": "b",
        "device_manufacturer": "m",
        "network_carrier": "AT&T",
        "locale_language": "en",
        "network_country": "us",
        "locale_country": "de",
        "is_tablet": False,
    }
    application = {"application_version": "1.2", "application_build_number": 7, "application_name": ""}
    load(store, [batch(1, event("session_start", session_id=12), device_info=device, application_info=application)])
    assert fields(
        store, "app_version", "app_build", "app_name", "platform", "device_brand", "carrier", "session_id"
    ) == {
        "app_version": "s1.2",
        "app_build": "n7",
        "app_name": "s",
        "platform": "siOS",
        "device_brand": "sb",
        "carrier": "sAT&T",
        "session_id": "n12",
    }
    assert rows(store, "devices", "field", "value", "mpid", "time_ms") == [
        ("carrier", "sAT&T", 1, T),
        ("device_brand", "sb", 1, T),
        ("device_country", "sus", 1, T),
        ("device_manufacturer", "sm", 1, T),
        ("device_model", "sX", 1, T),
        ("device_type", "sphone", 1, T),
        ("language", "sen", 1, T),
        ("os_version", "s17.1", 1, T),
        ("platform", "siOS", 1, T),
    ]


def test_purchase(store: Store) -> None:
    action = {
        "action": "purchase",
        "total_amount": "123.50",
        "tax_amount": 1.0,
        "coupon_code": None,
        "transaction_id": "t",
        "product_action_list": "Search",
        "products": [PRODUCT, {"id": "p2", "quantity": 2}],
    }
    cart = {"products": [{"id": "in cart"}]}
    load(store, [batch(1, event("commerce_event", product_action=action, currency_code="EUR", shopping_cart=cart))])
    assert fields(store, "total_amount", "tax_amount", "coupon_code", "currency_code", "product_list") == {
        "total_amount": "s123.50",
        "tax_amount": "n1",
        "currency_code": "sEUR",
        "product_list": 'm["sSearch"]',
    }
    products = store.read("events").collect()["products"].to_list()[0]
    assert [(each["id"], each["price"], each["quantity"]) for each in products] == [
        ("sp1", "n3.5", None),
        ("sp2", None, "n2"),
    ]
    assert products[0]["attributes"] == [{"key": "size", "value": "sL"}]
    assert not products[1]["attributes"]


def test_promotions_and_impressions_have_several_values(store: Store) -> None:
    promotions = {"action": "view", "promotions": [{"id": "a", "position": 1}, {"id": "b", "name": None}]}
    load(store, [batch(1, event("commerce_event", promotion_action=promotions))])
    names = ("promotion_id", "promotion_name", "promotion_position", "product_list")
    assert fields(store, *names) == {"promotion_id": 'm["sa","sb"]', "promotion_position": 'm["n1"]'}


def test_impressions(store: Store) -> None:
    shown = [
        {"product_impression_list": "Home", "products": [{"id": "a"}]},
        {"product_impression_list": "Deals", "products": [{"id": "b"}, {"id": "c"}]},
    ]
    load(store, [batch(1, event("commerce_event", product_impressions=shown))])
    frame = store.read("events").collect()
    assert frame["product_list"].to_list() == ['m["sHome","sDeals"]']
    assert [each["id"] for each in frame["products"].to_list()[0]] == ["sa", "sb", "sc"]


def test_impressions_beside_an_action_are_loaded_whatever_stands_beside_them(store: Store) -> None:
    """The event is its action: name, list and products; the impressions are not read (DEFINITION 6)."""
    shown = [{"product_impression_list": "related", "products": [{"id": "b"}]}]
    action = {"action": "view_detail", "products": [{"id": "a"}]}
    both = event("commerce_event", product_action=action, product_impressions=shown)
    report = load(
        store,
        [batch(1, both), batch("2", named("other")), batch(3, both, event("commerce_event", product_impressions=[5]))],
    )
    assert (report.batches, report.events, len(report.refusals)) == (3, 3, 1)
    frame = store.read("events").filter(pl.col("kind") == "ecommerce").collect()
    assert frame["name"].to_list() == ["view_detail"] * 2
    assert frame["product_list"].to_list() == [None, None]
    assert [[each["id"] for each in products] for products in frame["products"].to_list()] == [["sa"], ["sa"]]


def test_event_attributes_keep_order_and_null(store: Store) -> None:
    load(store, [batch(1, named("a", custom_attributes={"z": None, "b": True, "a": [1, None, "x"], "f": 0.5}))])
    assert store.read("events").collect()["attributes"].to_list()[0] == [
        {"key": "z", "value": "z"},
        {"key": "b", "value": "btrue"},
        {"key": "a", "value": 'l["1","x"]'},
        {"key": "f", "value": "n0.5"},
    ]


def test_places_are_never_mixed(store: Store) -> None:
    here = {"country_code": "FR", "city_name": "Paris", "dma_code": 5, "latitude": 48.8, "longitude": 2.3}
    there = {"city_name": "Rome", "postal_code": None}
    events = [named("own", location=there, timestamp_unixtime_ms=T - 5), named("none", location={"city_name": None})]
    load(store, [batch(1, *events, context={"location": here})])
    assert rows(store, "events", "name", "country", "city", "dma", "latitude") == [
        ("none", "sFR", "sParis", "n5", "n48.8"),
        ("own", None, "sRome", None, None),
    ]
    assert rows(store, "locations", "source", "time_ms", "country", "city", "dma", "latitude", "longitude") == [
        ("batch", T, "FR", "Paris", "5", 48.8, 2.3),
        ("event", T - 5, None, "Rome", None, None, None),
    ]


def test_user_attributes(store: Store) -> None:
    given = {"tier": "gold", "tag": None, "likes": ["a", "b"], "n": 100.0, "big": 2**60}
    load(store, [batch(1, user_attributes=given, deleted_user_attributes=["old", "tier"])])
    assert rows(store, "attributes", "key", "value", "time_ms") == [
        ("big", f"n{2**60}", T),
        ("likes", 'l["a","b"]', T),
        ("n", "n100", T),
        ("old", None, T),
        ("tag", "z", T),
        ("tier", "sgold", T),
    ]


def test_consents(store: Store) -> None:
    state = {
        "gdpr": {"ads": {"consented": True, "timestamp_unixtime_ms": 5}, "none": None, "mail": {"consented": False}},
        "ccpa": {"data_sale_opt_out": {"consented": True}},
    }
    load(store, [batch(1, consent_state=state)])
    assert rows(store, "consents", "regulation", "purpose", "consented", "time_ms") == [
        ("ccpa", None, True, T),
        ("gdpr", "ads", True, T),
        ("gdpr", "mail", False, T),
    ]


@pytest.mark.parametrize(
    "identities",
    [
        {"customer_id": "c", "email": "e"},
        {"customerid": "c", "Email": "e", "other": None, "other_id_2": ""},
        {"CustomerId": "c", "EMAIL": "e", "facebook": "00000000-0000-0000-0000-000000000000"},
        [{"identity_type": "customer_id", "identity": "c"}, {"identity_type": "email", "identity": "e"}],
    ],
)
def test_spellings_of_identities(store: Store, identities: Any) -> None:
    assert load(store, [batch(1, user_identities=identities)]).refusals == []
    assert rows(store, "identities", "identity_type", "value", "mpid", "time_ms") == [
        ("customer_id", "c", 1, T),
        ("email", "e", 1, T),
    ]


def test_device_and_unknown_identities(store: Store) -> None:
    device = {"ios_idfv": "v", "ios_advertising_id": "00000000-0000-0000-0000-000000000000", "push_token": "p"}
    load(store, [batch(1, device_info=device, user_identities={"Loyalty_Card": 17, "other_id_10": "x"})])
    assert rows(store, "identities", "identity_type", "value") == [
        ("Loyalty_Card", "17"),
        ("ios_idfv", "v"),
        ("other_id_10", "x"),
        ("push_token", "p"),
    ]


def test_attributions(store: Store) -> None:
    def told(name: str, **attributes: Any) -> dict[str, Any]:
        return event(event_name=name, custom_event_type="attribution", custom_attributes=attributes)

    events = [
        told("attribution", publisher="P", campaign=5),
        told("uninstall", action="delete"),
        told("re-engagement", publisher="no"),
        event("uninstall", custom_attributes={"campaign": "C"}),
        event("uninstall", custom_attributes={"x": "C"}),
        named("attribution", custom_attributes={"publisher": "no"}),
    ]
    info = {"service_provider": "s", "publisher": "B", "campaign": None}
    load(store, [batch(1, *events, attribution_info=info)])
    assert rows(store, "attributions", "source", "event", "publisher", "campaign", "deleted") == [
        ("batch", "install", "sB", None, False),
        ("event", "install", "sP", "n5", False),
        ("event", "uninstall", None, "sC", False),
        ("event", "uninstall", None, None, True),
    ]


def test_environment(store: Store) -> None:
    batches = [
        batch(1, environment="development"),
        batch(2, environment="production"),
        batch(3),
        batch(4, environment="Development"),
    ]
    report = load(store, batches)
    assert (report.batches, report.skipped) == (2, 2)
    assert load(store, batches, environment="development").batches == 2
    assert load(store, batches, input="all", environment="all").batches == 4
    with pytest.raises(InputError):
        load(store, batches, environment="test")  # type: ignore[arg-type]


BAD_EVENTS: list[Any] = [
    5,
    None,
    "x",
    {},
    {"event_type": 5},
    {"event_type": ""},
    {"event_type": "custom_event", "data": []},
    event(event_name=5),
    event(event_name={}),
    event(event_name="a", timestamp_unixtime_ms="yesterday"),
    event(event_name="a", timestamp_unixtime_ms=2**70),
    event(event_name="a", timestamp_unixtime_ms=2**62),
    event(event_name="a", timestamp_unixtime_ms=True),
    event(event_name="a", custom_attributes=[1]),
    event(event_name="a", location="Paris"),
    event(event_name="a", location={"city_name": ["Paris"]}),
    event(event_name="a", source_message_id=[]),
    event("screen_view", screen_name=5),
    event("session_end", session_duration_ms=[5]),
    event("application_state_transition", is_first_run="yes"),
    event("commerce_event", product_action="purchase"),
    event("commerce_event", product_action={"action": 5}),
    event("commerce_event", product_action={"action": "purchase", "products": [5]}),
    event("commerce_event", product_action={"action": "purchase", "products": {"id": "a"}}),
    event("commerce_event", product_action={"action": "purchase", "products": [{"id": []}]}),
    event("commerce_event", promotion_action={"action": "view", "promotions": "x"}),
    event("commerce_event", product_impressions={}),
    event("commerce_event", product_impressions=[5]),
]


@pytest.mark.parametrize("bad", BAD_EVENTS)
def test_a_wrong_event_is_refused_alone(store: Store, bad: Any) -> None:
    report = load(store, [batch(1, named("good")), batch(2, named("first"), bad, named("last"))])
    assert (report.batches, report.events) == (2, 3)
    [refusal] = report.refusals
    assert (refusal.source, refusal.line) == ("batches", 2)
    assert refusal.reason.startswith("event 2")
    assert rows(store, "events", "name", "mpid") == [("first", 2), ("good", 1), ("last", 2)]


BAD_BATCHES: list[Any] = [
    5,
    None,
    "[]",
    b"{}",
    [],
    {},
    {"mpid": None},
    {"mpid": True},
    {"mpid": 1.0},
    {"mpid": "x"},
    {"mpid": "1.0"},
    {"mpid": "٣"},
    {"mpid": 2**63},
    {"mpid": -(2**63) - 1},
    {"mpid": str(2**63)},
    {"mpid": 1, "timestamp_unixtime_ms": "x"},
    {"mpid": 1, "timestamp_unixtime_ms": 2**64},
    {"mpid": 1, "events": {}},
    {"mpid": 1, "events": "x"},
    {"mpid": 1, "user_attributes": []},
    {"mpid": 1, "user_attributes": {5: 6}},
    {"mpid": 1, "user_attributes": {"a": "\ud800"}},
    {"mpid": 1, "user_attributes": {"a": object()}},
    {"mpid": 1, "deleted_user_attributes": "x"},
    {"mpid": 1, "deleted_user_attributes": [5]},
    {"mpid": 1, "user_identities": "x"},
    {"mpid": 1, "user_identities": {"email": []}},
    {"mpid": 1, "user_identities": {"email": True}},
    {"mpid": 1, "user_identities": [5]},
    {"mpid": 1, "user_identities": [{"identity_type": 5}]},
    {"mpid": 1, "device_info": []},
    {"mpid": 1, "device_info": {"platform": {}}},
    {"mpid": 1, "device_info": {"is_tablet": "maybe"}},
    {"mpid": 1, "application_info": 5},
    {"mpid": 1, "context": 5},
    {"mpid": 1, "context": {"location": 5}},
    {"mpid": 1, "consent_state": 5},
    {"mpid": 1, "consent_state": {"gdpr": {"a": {"consented": 5}}}},
    {"mpid": 1, "attribution_info": 5},
    {"mpid": 1, "source_request_id": {}},
    {"user_identities": {"email": ""}},
    {"user_identities": {"email": "00000000-0000-0000-0000-000000000000"}},
]


@pytest.mark.parametrize("bad", BAD_BATCHES, ids=range(len(BAD_BATCHES)))
def test_a_wrong_batch_is_refused_alone(store: Store, bad: Any) -> None:
    if isinstance(bad, dict):
        bad = {"timestamp_unixtime_ms": T, **bad}
    if isinstance(bad, str):
        bad = [bad]
    report = load(store, [batch(1, named("good")), bad, batch(2)])
    assert report.batches == 2
    assert [(refusal.source, refusal.line) for refusal in report.refusals] == [("batches", 2)]


@pytest.mark.parametrize(
    ("mpid", "expected"),
    [(-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1), ("-1327484737295091692", -1327484737295091692), (0, 0)],
)
def test_mpids(store: Store, mpid: Any, expected: int) -> None:
    assert load(store, [batch(mpid)]).refusals == []
    assert store.read("profiles").collect()["mpid"].to_list() == [expected]


def test_no_time_at_all(store: Store) -> None:
    received = datetime(2024, 1, 2, tzinfo=UTC)
    batches = [batch(1, named("a"), time=None), batch(2, named("b", timestamp_unixtime_ms=T), time=None)]
    report = load(store, batches)
    assert (report.batches, [refusal.line for refusal in report.refusals]) == (1, [1])
    assert load(store, [batches[0]], received_at=received).refusals == []
    assert rows(store, "events", "name", "timestamp_ms") == [("a", 1_704_153_600_000), ("b", T)]
    with pytest.raises(InputError):
        load(store, batches, received_at=datetime(2024, 1, 2))  # noqa: DTZ001 - naive on purpose


PLAIN = json.dumps(batch(1, named("a"))).encode()
OTHER = json.dumps(batch(2, named("b"))).encode()


def _zst(data: bytes) -> bytes:
    return zstandard.compress(data)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, _zst])
@pytest.mark.parametrize(
    "text",
    [
        PLAIN + b"\n" + OTHER,
        b"\xef\xbb\xbf" + PLAIN + b"\r\n\r\n" + OTHER + b"\r\n",
        b"[" + PLAIN + b"," + OTHER + b"]",
        b"\n[" + PLAIN + b"]\n[" + OTHER + b"]",
        json.dumps([json.loads(PLAIN), json.loads(OTHER)], indent=2).encode(),
    ],
)
def test_layouts_of_files(store: Store, tmp_path: Path, text: bytes, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "file.json").write_bytes(pack(text))
    report = load(store, tmp_path / "file.json")
    assert (report.batches, report.refusals) == (2, [])


def test_one_object_over_several_lines(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text(json.dumps(json.loads(PLAIN), indent=2))
    assert load(store, str(tmp_path / "file.json")).batches == 1


def test_folders_and_globs(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.jsonl").write_bytes(PLAIN)
    (tmp_path / "in" / "deep" / "b.json.gz").write_bytes(gzip.compress(OTHER))
    (tmp_path / "in" / "notes.md").write_text("not data")
    assert load(store, tmp_path / "in").batches == 2
    assert load(store, str(tmp_path / "in" / "*.jsonl"), input="glob").batches == 1


def test_broken_lines_are_named(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file.jsonl"
    file.write_bytes(b"\n".join([PLAIN, b"{", b"\xff", b"5", b"", b'{"mpid": NaN}', b"[" * 3000, b"[5]", OTHER]))
    report = load(store, file)
    assert report.batches == 2
    assert {(refusal.source, refusal.line) for refusal in report.refusals} == {
        (str(file), line) for line in (2, 3, 4, 6, 7, 8)
    }
    assert any("UTF-8" in refusal.reason for refusal in report.refusals if refusal.line == 3)


@pytest.mark.parametrize("packed", [gzip.compress(PLAIN * 50), _zst(PLAIN * 50)])
def test_a_truncated_file_loads_nothing(store: Store, tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "good.json").write_bytes(OTHER)
    (tmp_path / "bad.json").write_bytes(packed[:-9])
    with pytest.raises(InputError):
        load(store, [tmp_path / "good.json", tmp_path / "bad.json"])
    assert store.manifest().version == 1
    assert load(store, tmp_path / "good.json").batches == 1


def test_sources_that_are_none(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "missing.json", str(tmp_path / "*.json"), tmp_path / "empty", 5, None, b"{}", "a\0b"):
        with pytest.raises(InputError):
            load(store, source)
    assert store.manifest().version == 1


def test_progress_and_cancelling(store: Store, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stop

    file = tmp_path / "file.jsonl"
    file.write_bytes(b"\n".join([PLAIN] * 1000))
    with pytest.raises(Stop):
        load(store, file, progress=stop)
    assert store.manifest().version == 1
    heard: list[tuple[int, int | None]] = []
    load(store, file, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (file.stat().st_size, file.stat().st_size)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    load(store, iter([batch(1), batch(2)]), progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (2, None)


def test_numbers_of_programs(store: Store) -> None:
    attributes = {"d": Decimal("1.50"), "i": np.int64(3), "f": np.float64(0.5), "nan": float("nan"), "t": (1, 2)}
    report = load(store, [batch(1, user_attributes=attributes), batch(np.int64(2), user_attributes={"n": 10**30})])
    assert report.refusals == []
    assert rows(store, "attributes", "key", "value") == [
        ("d", "n1.50"),
        ("f", "n0.5"),
        ("i", "n3"),
        ("n", f"n{10**30}"),
        ("nan", "sNaN"),
        ("t", 'l["1","2"]'),
    ]


def test_refusals_compare() -> None:
    assert Refusal("a", 1, "b") == Refusal("a", 1, "b")


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
def test_lines_keep_their_numbers_whatever_the_size_of_blocks(tmp_path: Path, size: int) -> None:
    """A mark of byte order, blank lines, both ends of lines, a line that is longer than a block, no end at the end."""
    file = tmp_path / "documents.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a":1}\r\n\n  \n{"b":"' + b"x" * 40 + b'"}\n[{"c":3},{"d":4}]\nno\n\n{"e":5}')
    found = [each for block in blocks([file], None, size, 1) for each in block.documents()]
    assert [(each.line, each.item) for each in found] == [(1, None), (4, None), (5, 1), (5, 2), (6, None), (8, None)]
    assert [each.document for each in found if not isinstance(each.document, Broken)] == [
        {"a": 1},
        {"b": "x" * 40},
        {"c": 3},
        {"d": 4},
        {"e": 5},
    ]


EIGHT = [batch(number, *[named("e")] * 3) for number in range(8)]


@pytest.mark.parametrize(
    "text",
    [None, json.dumps(EIGHT).encode(), json.dumps(EIGHT, indent=1).encode()],
    ids=["dicts", "an array on a line", "an array over lines"],
)
def test_blocks_of_documents_end_by_what_they_hold(tmp_path: Path, text: bytes | None) -> None:
    """Three events and itself: a batch weighs 4, so that two of them weigh 8 and three more than 10."""
    file = tmp_path / "batches.json"
    if text is not None:
        file.write_bytes(text)
    sources = EIGHT if text is None else [file]
    held = [list(block.documents()) for block in blocks(sources, None, 200, 10, lambda each: 1 + len(each["events"]))]
    assert [[each.document["mpid"] for each in some] for some in held] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    place = "line" if text is None else "item"
    assert [getattr(each, place) for some in held for each in some] == [*range(1, 9)]


def test_an_odd_batch_is_brought_into_shape_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shaped: list[Any] = []

    def noted(found: Any) -> Any:
        shaped.append(found["mpid"])
        return canonical(found)

    monkeypatch.setattr("core.data.batches.canonical", noted)
    assert load(store, [*EIGHT[:4], batch("4"), *EIGHT[5:]]).batches == 8
    assert shaped == ["4"]


def test_several_processes_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.batches.BLOCK_BYTES", 2000)
    lines = [
        orjson.dumps(
            batch(number % 7, named("e", source_message_id=f"{number % 50}"), user_attributes={"n": number}, time=T)
        )
        for number in range(100)
    ]
    lines[3], lines[70] = b"{", orjson.dumps({"events": []})
    file = tmp_path / "batches.jsonl"
    file.write_bytes(b"\n".join(lines))
    reports, stores = [], []
    for processes in (1, 2):
        store = Store.create(tmp_path / str(processes))
        reports.append(load(store, [file, batch(9, named("last"))], processes=processes))
        stores.append(content(store))
    assert reports[0] == reports[1]
    assert stores[0] == stores[1]
    assert [refusal.line for refusal in reports[0].refusals] == [4, 71]


def test_no_process_reads_nothing(store: Store) -> None:
    with pytest.raises(InputError):
        load(store, [batch(1)], processes=0)

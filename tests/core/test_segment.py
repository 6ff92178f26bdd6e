"""Segment-style messages: what each message becomes."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from core import Audience, Dataset
from core.data.messages import UnreadableMessage, batch_of
from core.data.segment import load_segment
from core.data.store import Store
from core.errors import CoreError

AT = "2024-05-01T10:00:00.500Z"
AT_MS = 1714557600500


def message(kind: str, **parts: Any) -> dict[str, Any]:
    return {"type": kind, "userId": "u1", "timestamp": AT, **parts}


def track(event: str, **properties: Any) -> dict[str, Any]:
    return message("track", event=event, properties=properties)


def told(batch: dict[str, Any]) -> dict[str, Any]:
    """The one event of a batch, its type among its data, without its time."""
    (event,) = batch["events"]
    data = {key: value for key, value in event["data"].items() if key != "timestamp_unixtime_ms"}
    return {"event_type": event["event_type"], **data}


def derived(identity: str) -> int:
    number = xxhash.xxh3_64_intdigest(identity.encode())
    return number - 2**64 if number >= 2**63 else number


def load(folder: Path, source: Any, **options: Any) -> tuple[Any, Store]:
    store = Store.create(folder / "dataset")
    return load_segment(store, source, workspace="w", input="web", kind="platform", **options), store


# -- people ----------------------------------------------------------------------------------------------------------


def test_an_identify_is_attributes_and_identities() -> None:
    traits = {
        "email": "a@x.org",
        "phone": "+33 1",
        "name": "Ada",
        "logins": 5,
        "tags": ["a", "b"],
        "nickname": None,
        "address": {"city": "Paris", "geo": {"zone": 3}},
    }
    batch = batch_of(message("identify", anonymousId="anon", messageId="m1", traits=traits))
    assert batch == {
        "events": [],
        "user_identities": {
            "customer_id": "u1",
            "email": "a@x.org",
            "mobile_number": "+33 1",
            "anonymous_id": "anon",
        },
        "user_attributes": {
            "name": "Ada",
            "logins": 5,
            "tags": ["a", "b"],
            "nickname": None,
            "address.city": "Paris",
            "address.geo.zone": 3,
        },
        "source_request_id": "m1",
        "timestamp_unixtime_ms": AT_MS,
    }


def test_traits_in_the_context_belong_to_the_user_but_a_group_has_its_own() -> None:
    context = {"traits": {"plan": "gold", "email": "a@x.org"}}
    batch = batch_of({**track("Seen"), "context": context})
    assert (batch["user_attributes"], batch["user_identities"]["email"]) == ({"plan": "gold"}, "a@x.org")
    group = batch_of(message("group", groupId="g1", traits={"name": "Acme", "size": 3}, context=context))
    assert group["user_attributes"] == {}
    assert told(group) == {
        "event_type": "group",
        "custom_attributes": {"groupId": "g1", "name": "Acme", "size": 3},
    }


def test_an_alias_names_the_previous_id_and_merges_nothing(tmp_path: Path) -> None:
    source = [
        {"type": "track", "anonymousId": "anon", "event": "A", "timestamp": AT},
        {"type": "track", "userId": "u1", "event": "B", "timestamp": AT},
        message("alias", previousId="anon"),
        {"type": "track", "anonymousId": "anon", "event": "C", "timestamp": AT},
    ]
    report, store = load(tmp_path, source)
    assert (report.events, report.profiles) == (4, 2)
    profiles = store.read("profiles").select("profile", "mpid").collect()
    rows = store.read("events").sort("arrival").select("name", "profile").collect().join(profiles, on="profile")
    found = dict(rows.select("name", "mpid").rows())
    anonymous, known = derived("anonymous_id:anon"), derived("customer_id:u1")
    assert found == {"A": anonymous, "B": known, "alias": known, "C": known}


# -- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            track("Song Played", title="x", album={"year": 1999}),
            {
                "event_type": "custom_event",
                "event_name": "Song Played",
                "custom_event_type": "other",
                "custom_attributes": {"title": "x", "album.year": 1999},
            },
        ),
        (
            message("page", name="Home", category="Docs", properties={"path": "/"}),
            {
                "event_type": "screen_view",
                "screen_name": "Home",
                "custom_attributes": {"category": "Docs", "path": "/"},
            },
        ),
        (
            message("page", properties={"path": "/prices"}),
            {"event_type": "screen_view", "screen_name": "/prices", "custom_attributes": {"path": "/prices"}},
        ),
        (
            message("screen", name="Checkout", properties={"step": 2}),
            {"event_type": "screen_view", "screen_name": "Checkout", "custom_attributes": {"step": 2}},
        ),
        (
            track(
                "Product Added",
                product_id="p1",
                sku="s1",
                name="Pass",
                price=18.99,
                quantity=1,
                currency="USD",
                cart_id="c",
            ),
            {
                "event_type": "commerce_event",
                "currency_code": "USD",
                "product_action": {
                    "action": "add_to_cart",
                    "products": [
                        {"id": "p1", "name": "Pass", "price": 18.99, "quantity": 1, "custom_attributes": {"sku": "s1"}}
                    ],
                },
                "custom_attributes": {"cart_id": "c"},
            },
        ),
        (
            track(
                "order completed",
                order_id="o1",
                total=27.5,
                revenue=25,
                shipping=3,
                tax=2,
                coupon="HI",
                products=[{"sku": "s1", "name": "Pass", "price": 19, "colour": "red"}, {"product_id": "p2"}],
            ),
            {
                "event_type": "commerce_event",
                "product_action": {
                    "action": "purchase",
                    "total_amount": 27.5,
                    "tax_amount": 2,
                    "shipping_amount": 3,
                    "transaction_id": "o1",
                    "coupon_code": "HI",
                    "products": [
                        {"id": "s1", "name": "Pass", "price": 19, "custom_attributes": {"colour": "red"}},
                        {"id": "p2", "custom_attributes": {}},
                    ],
                },
                "custom_attributes": {"revenue": 25},
            },
        ),
        (
            track("Product List Viewed", list_id="hot", category="Shoes", products=[{"product_id": "p1"}]),
            {
                "event_type": "commerce_event",
                "product_impressions": [
                    {"product_impression_list": "hot", "products": [{"id": "p1", "custom_attributes": {}}]}
                ],
                "custom_attributes": {"category": "Shoes"},
            },
        ),
        (
            track("Promotion Clicked", promotion_id="a", name="Sale", creative="banner", position="top", page="home"),
            {
                "event_type": "commerce_event",
                "promotion_action": {
                    "action": "click",
                    "promotions": [{"id": "a", "name": "Sale", "creative": "banner", "position": "top"}],
                },
                "custom_attributes": {"page": "home"},
            },
        ),
        (
            track("Application Installed", version="1.2"),
            {
                "event_type": "application_state_transition",
                "application_transition_type": "application_initialized",
                "is_first_run": True,
                "custom_attributes": {"version": "1.2"},
            },
        ),
        (
            track("Application Updated", previous_version="1.1"),
            {
                "event_type": "application_state_transition",
                "application_transition_type": "application_initialized",
                "is_upgrade": True,
                "custom_attributes": {"previous_version": "1.1"},
            },
        ),
        (track("Application Uninstalled"), {"event_type": "uninstall", "custom_attributes": {}}),
        (
            track("Application Crashed", message="boom"),
            {"event_type": "crash_report", "message": "boom", "custom_attributes": {"message": "boom"}},
        ),
        (
            track("Install Attributed", provider="P", campaign={"source": "FB", "name": "Summer"}),
            {
                "event_type": "custom_event",
                "event_name": "attribution",
                "custom_event_type": "attribution",
                "custom_attributes": {
                    "publisher": "FB",
                    "campaign": "Summer",
                    "provider": "P",
                    "campaign.source": "FB",
                    "campaign.name": "Summer",
                },
            },
        ),
    ],
)
def test_events(source: dict[str, Any], expected: dict[str, Any]) -> None:
    assert told(batch_of(source)) == expected


# -- surroundings ----------------------------------------------------------------------------------------------------


def test_the_context_is_app_device_place_and_session() -> None:
    context = {
        "app": {"name": "App", "version": "5.4", "build": "3.0", "namespace": "org.app"},
        "device": {
            "id": "D",
            "advertisingId": "A",
            "manufacturer": "Apple",
            "model": "iPhone7,2",
            "type": "ios",
            "token": "T",
        },
        "ip": "8.8.8.8",
        "locale": "en-US",
        "location": {"city": "Paris", "country": "FR", "region": "IDF", "latitude": 48.8, "longitude": 2.3, "speed": 0},
        "network": {"carrier": "Orange"},
        "os": {"name": "iPhone OS", "version": "8.1.3"},
        "sessionId": 17,
    }
    batch = batch_of({**track("Seen"), "context": context})
    assert batch["application_info"] == {
        "application_name": "App",
        "application_version": "5.4",
        "application_build_number": "3.0",
        "package": "org.app",
    }
    assert batch["device_info"] == {
        "platform": "iOS",
        "os_version": "8.1.3",
        "device_model": "iPhone7,2",
        "device_manufacturer": "Apple",
        "network_carrier": "Orange",
        "locale_language": "en",
        "locale_country": "US",
        "ios_advertising_id": "A",
        "ios_idfv": "D",
        "push_token": "T",
    }
    assert batch["context"] == {
        "location": {
            "latitude": 48.8,
            "longitude": 2.3,
            "country_code": "FR",
            "region_code": "IDF",
            "city_name": "Paris",
        }
    }
    assert batch["ip"] == "8.8.8.8"
    assert batch["events"][0]["data"]["session_id"] == 17


@pytest.mark.parametrize(
    ("context", "channel", "platform"),
    [
        ({"device": {"type": "android"}}, None, "Android"),
        ({"os": {"name": "iPhone OS"}}, None, "iOS"),
        ({"page": {"path": "/"}, "os": {"name": "Mac OS"}}, None, "web"),
        ({}, "web", "web"),
        ({"device": {"type": "tvos"}}, None, "tvos"),
        ({}, "server", None),
    ],
)
def test_platforms(context: dict[str, Any], channel: str | None, platform: str | None) -> None:
    batch = batch_of({**track("Seen"), "context": context, "channel": channel})
    assert batch.get("device_info", {}).get("platform") == platform


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"timestamp": AT, "originalTimestamp": "2020-01-01T00:00:00Z"}, AT_MS),
        ({"timestamp": None, "originalTimestamp": AT}, AT_MS),
        ({"timestamp": None, "receivedAt": AT}, AT_MS),
        ({"timestamp": None}, None),
    ],
)
def test_the_time_of_a_message(times: dict[str, Any], expected: int | None) -> None:
    batch = batch_of({**track("Seen"), **times})
    assert batch.get("timestamp_unixtime_ms") == expected
    assert batch["events"][0]["data"].get("timestamp_unixtime_ms") == expected


# -- loads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (3, "no JSON object"),
        ({}, "no type"),
        ({"type": "shout"}, 'type "shout" is none of identify, track, page, screen, group, alias'),
        (message("track"), "a track message without event name"),
        ({**track("Seen"), "timestamp": "yesterday"}, 'timestamp "yesterday" is no ISO-8601 time'),
        ({**track("Seen"), "timestamp": 1714557600500}, 'timestamp "1714557600500" is no ISO-8601 time'),
    ],
)
def test_what_is_no_message(source: Any, reason: str) -> None:
    with pytest.raises(UnreadableMessage, match=f"^{reason}$"):
        batch_of(source)


def test_lines_are_refused_one_by_one(tmp_path: Path) -> None:
    lines = [
        orjson.dumps(track("A")),
        b"{not json",
        orjson.dumps({"type": "shout"}),
        orjson.dumps({"type": "track", "event": "B", "timestamp": AT}),
        orjson.dumps({**track("C"), "timestamp": None}),
        orjson.dumps(track("D")),
    ]
    path = tmp_path / "messages.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    report, store = load(tmp_path, path)
    assert [refusal.line for refusal in report.refusals] == [2, 3, 4, 5]
    assert {refusal.source for refusal in report.refusals} == {str(path)}
    assert store.read("events").sort("arrival").collect()["name"].to_list() == ["A", "D"]


def test_a_message_without_time_arrived_when_it_is_said_to(tmp_path: Path) -> None:
    _, store = load(tmp_path, [{**track("A"), "timestamp": None}], received_at=datetime(2024, 5, 2, tzinfo=UTC))
    assert store.read("events").collect()["timestamp_ms"].to_list() == [1714608000000]


def test_copies_of_a_message_count_once(tmp_path: Path) -> None:
    copies = [{**track("A"), "messageId": "m1"}, {**track("A"), "messageId": "m1"}, {**track("A"), "messageId": "m2"}]
    report, _ = load(tmp_path, copies)
    assert (report.events, report.duplicates) == (2, 1)


def test_messages_answer_criteria(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    source = [
        message("identify", traits={"plan": "gold"}),
        track("Order Completed", revenue=120, products=[{"sku": "s1", "category": "Shoes"}]),
        {**track("Order Completed", revenue=80, products=[{"sku": "s2", "category": "Hats"}]), "userId": "u2"},
    ]
    dataset.load_segment(source, workspace="w", input="web")
    bought = {
        "type": "event",
        "kind": "ecommerce",
        "name": "purchase",
        "where": [{"field": "total_amount", "operator": "at_least", "value": 100}],
        "where_product": [{"field": "category", "operator": "exact_match", "value": "shoes"}],
    }
    gold = {"type": "user_attribute", "attribute": "plan", "operator": "exact_match", "value": "gold"}
    root = {"type": "and", "criteria": [bought, gold]}
    document = {"name": "a", "workspaces": ["w"], "definition": {"version": 1, "root": root}}
    result = dataset.evaluate(Audience.from_dict(document), now=datetime(2024, 6, 1, tzinfo=UTC))
    assert (result.members["mpid"].to_list(), result.universe) == ([derived("customer_id:u1")], 2)


CONTEXT = {
    "app": {"name": "Wanderly", "version": "545", "build": "3.0.1.545", "namespace": "org.example.wanderly"},
    "campaign": {"name": "Autumn", "source": "Newsletter", "medium": "email", "term": "city", "content": "banner"},
    "device": {
        "id": "5A1C-D1",
        "advertisingId": "5A1C-A1",
        "manufacturer": "Apple",
        "model": "iPhone7,2",
        "type": "ios",
    },
    "ip": "8.8.8.8",
    "library": {"name": "analytics.js", "version": "2.11.1"},
    "locale": "en-US",
    "location": {"city": "San Francisco", "country": "United States", "latitude": 37.7749, "longitude": -122.4194},
    "network": {"carrier": "T-Mobile US", "wifi": False, "cellular": True},
    "os": {"name": "iPhone OS", "version": "8.1.3"},
    "page": {"path": "/help/", "referrer": "", "search": "", "title": "Help", "url": "https://example.com/help/"},
    "timezone": "Europe/Amsterdam",
    "userAgent": "Mozilla/5.0",
}
"""What the libraries send with every message."""


def test_a_file_of_every_type_of_message_of_one_person(tmp_path: Path) -> None:
    order = {"order_id": "o1", "total": 27.5, "revenue": 25.0, "products": [{"product_id": "p1", "price": 19}]}
    source = {"source": "Network/FB", "name": "Summer Sale", "ad_creative": "video-a"}
    messages = [
        message("identify", traits={"name": "Ada", "email": "a@x.org", "address": {"city": "Paris", "country": "FR"}}),
        track("Product Added", cart_id="c1", product_id="p1", name="Rail Pass", price=18.99, quantity=1),
        {**track("Order Completed", **order), "userId": None},
        message("page", name="Home", category="Docs", properties={"path": "/", "title": "Welcome"}),
        message("screen", name="Checkout", properties={"step": 2}),
        track("Application Installed", version="1.2.3", build=1234),
        track("Application Updated", previous_version="1.1.2", version="1.2.0", build=1456),
        track("Install Attributed", provider="AppsFlyer", campaign=source),
        message("alias", previousId="anon-1"),
        message("group", groupId="g1", traits={"name": "Northwind", "employees": 329}),
    ]
    # One library sends all of them, before and after it knows who it is.
    common = {"anonymousId": "anon-1", "context": CONTEXT, "integrations": {"All": True}, "version": 2}
    lines = [orjson.dumps({**common, **each, "messageId": f"m{at}"}) for at, each in enumerate(messages)]
    file = tmp_path / "messages.jsonl"
    file.write_bytes(b"\n".join(lines))
    report, store = load(tmp_path, file)
    # All but `identify` are events, `alias` and `group` of a kind that no criterion reads.
    assert (report.batches, report.events, report.profiles, report.refusals) == (10, 9, 1, [])
    kinds = store.read("events").sort("arrival").collect()["kind"].to_list()
    views, installs = ["screen_view", "screen_view"], ["install", "upgrade", "attribution"]
    assert kinds == ["ecommerce", "ecommerce", *views, *installs, "other", "other"]
    attributes = store.read("attributes").collect()
    assert dict(attributes.select("key", "value").rows())["address.city"] == "sParis"
    (install,) = store.read("attributions").filter(pl.col("event") == "install").collect().to_dicts()
    assert (install["publisher"], install["campaign"]) == ("sNetwork/FB", "sSummer Sale")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=4), part, max_size=3),
    max_leaves=8,
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["identify", "track", "page", "screen", "group", "alias"]) | JSON},
    optional={
        "userId": st.sampled_from(["u", 7, 0, None, ""]) | JSON,
        "anonymousId": JSON,
        "previousId": JSON,
        "messageId": st.sampled_from(["m", 1]) | JSON,
        "timestamp": st.just(AT) | JSON,
        "event": st.sampled_from(["A", "Order Completed", "Product Added", "Promotion Viewed", "Install Attributed"])
        | JSON,
        "name": JSON,
        "category": JSON,
        "properties": st.dictionaries(st.sampled_from(["products", "total", "name", "position", "campaign", "a"]), JSON)
        | JSON,
        "traits": st.dictionaries(st.sampled_from(["email", "phone", "address", "a"]), JSON) | JSON,
        "context": st.dictionaries(
            st.sampled_from(["app", "device", "os", "location", "ip", "traits", "locale", "page", "sessionId"]), JSON
        )
        | JSON,
    },
)


@given(st.lists(MESSAGES | JSON, max_size=4))
def test_any_messages(tmp_path_factory: pytest.TempPathFactory, source: list[Any]) -> None:
    try:
        report, _ = load(tmp_path_factory.mktemp("any"), source)
    except CoreError as error:
        assert error.message
    else:
        assert report.batches + report.duplicates + len(report.refusals) >= len(source)

"""One profile: what is known of it as of a moment, who an identity belongs to, and its timeline."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import CoreError, Dataset
from core.profile import Match, masked
from tests.core.loads import T, batch, event, named

HOUR = 3_600_000
NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) + timedelta(days=1)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "dataset")
    first = batch(
        7,
        named("Play", timestamp_unixtime_ms=T, custom_attributes={"genre": "jazz"}),
        user_attributes={"tier": "silver", "city": "Paris", "old": "x", "empty": None},
        user_identities={"email": "ann@example.com", "customer_id": "c-1"},
        device_info={"platform": "iOS", "device_model": "iPhone"},
        consent_state={"gdpr": {"ads": {"consented": True, "timestamp_unixtime_ms": T}}},
        context={"location": {"latitude": 48.85, "longitude": 2.35}},
    )
    second = batch(
        7,
        event(
            "commerce_event",
            timestamp_unixtime_ms=T + HOUR,
            product_action={"action": "purchase", "total_amount": 12.5, "products": [{"id": "p1", "price": 12.5}]},
        ),
        time=T + HOUR,
        user_attributes={"tier": "gold"},
        deleted_user_attributes=["old"],
        consent_state={"gdpr": {"ads": {"consented": False, "timestamp_unixtime_ms": T}}},
    )
    other = batch(8, time=T + 2 * HOUR, user_identities={"email": "ann@example.com"})
    dataset.load_batches([first, second, other], workspace="shop", input="ios")
    dataset.load_batches([batch(7, user_attributes={"tier": "blue"})], workspace="crm", input="feed", kind="feed")
    return dataset


def test_everything_known_workspace_by_workspace(data: Dataset) -> None:
    known = data.profile(7, now=NOW)
    shop, crm = known.workspaces
    assert (shop.workspace, crm.workspace) == ("shop", "crm")
    assert {each.name: each.value for each in shop.attributes} == {"tier": "gold", "city": "Paris", "empty": None}
    assert {each.name: each.value for each in crm.attributes} == {"tier": "blue"}
    assert {each.name: each.value for each in shop.identities} == {"email": "ann@example.com", "customer_id": "c-1"}
    assert {(each.name, each.value) for each in shop.devices} == {("platform", "iOS"), ("device_model", "iPhone")}
    assert [(each.purpose, each.consented) for each in shop.consents] == [("ads", False)]
    assert {each.name: each.value for each in shop.location} == {"latitude": 48.85, "longitude": 2.35}
    assert shop.last_seen - shop.first_seen == timedelta(hours=1)
    tier = next(each for each in shop.attributes if each.name == "tier")
    assert tier.at == datetime(2023, 11, 14, 23, 13, 20, tzinfo=UTC)


def test_what_comes_again_is_known_since_its_first_time_and_a_compaction_changes_nothing(data: Dataset) -> None:
    again = batch(
        7, time=T + HOUR, user_identities={"email": "ann@example.com"}, device_info={"device_model": "iPhone"}
    )
    data.load_batches([again], workspace="shop", input="ios")
    before = data.profile(7, now=NOW)
    known = {each.name: each.at for each in (*before.workspaces[0].identities, *before.workspaces[0].devices)}
    assert known["email"] == known["device_model"] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert data.compact(full=True)
    assert data.profile(7, now=NOW) == before
    assert data.find("ann@example.com", now=NOW) == [Match(8, "email"), Match(7, "email")]


def test_an_earlier_moment_is_answered_as_it_stood_then(data: Dataset) -> None:
    shop = data.profile(7, now=NOW - timedelta(days=1)).workspaces[0]
    assert {each.name: each.value for each in shop.attributes} == {
        "tier": "silver",
        "city": "Paris",
        "old": "x",
        "empty": None,
    }
    assert shop.consents[0].consented
    with pytest.raises(CoreError, match="mpid 7"):
        data.profile(7, now=NOW - timedelta(days=2))


def test_nobody_is_said(data: Dataset) -> None:
    with pytest.raises(CoreError, match="No profile with mpid 99"):
        data.profile(99, now=NOW)


def test_found_by_mpid_and_by_any_identity_the_latest_first(data: Dataset) -> None:
    assert data.find(" 7 ", now=NOW) == [Match(7, None)]
    assert data.find("c-1", now=NOW) == [Match(7, "customer_id")]
    assert data.find("ann@example.com", now=NOW) == [Match(8, "email"), Match(7, "email")]
    assert data.find("ann@example.com", now=NOW - timedelta(days=1)) == [Match(7, "email")]
    assert data.find("customer_id:c-1", now=NOW) == [Match(7, "customer_id")]
    assert data.find("email:c-1", now=NOW) == []
    assert data.find("--7", now=NOW) == data.find("9" * 5000, now=NOW) == data.find("-", now=NOW) == []
    assert data.find("nobody", now=NOW) == data.find("", now=NOW) == data.find("9" * 30, now=NOW) == []


def test_recently_seen_is_newest_first(data: Dataset) -> None:
    assert [mpid for mpid, _ in data.recently_seen(now=NOW)] == [8, 7]
    assert data.recently_seen(now=NOW, limit=1)[0][1] == datetime(2023, 11, 15, 0, 13, 20, tzinfo=UTC)
    assert [mpid for mpid, _ in data.recently_seen(now=NOW - timedelta(days=1))] == [7]
    assert data.recently_seen(now=NOW - timedelta(days=9)) == []


def test_the_timeline_is_newest_first_and_paged(data: Dataset) -> None:
    whole = data.timeline(7, now=NOW)
    assert [(each.kind, each.name) for each in whole.events] == [("ecommerce", "purchase"), ("custom", "Play")]
    assert (whole.total, whole.kinds) == (2, {"ecommerce": 1, "custom": 1})
    assert whole.events[0].products == ({"id": "p1", "price": 12.5},)
    assert whole.events[0].fields["total_amount"] == 12.5
    assert whole.events[1].attributes == {"genre": "jazz"}
    assert (whole.events[1].workspace, whole.events[1].input) == ("shop", "ios")
    assert [each.name for each in data.timeline(7, now=NOW, offset=1, limit=1).events] == ["Play"]
    assert [each.name for each in data.timeline(7, now=NOW, kinds=["custom"]).events] == ["Play"]
    assert data.timeline(7, now=NOW - timedelta(days=1)).total == 1
    assert data.timeline(99, now=NOW).total == 0


def test_calculated_attributes_are_shown_with_their_value(data: Dataset) -> None:
    purchase = {"type": "event", "kind": "ecommerce", "name": "purchase"}
    spent = {"name": "spent", "calculation": "sum", "event": purchase, "of": {"field": "total_amount"}}
    first = {"name": "first", "calculation": "first_timestamp", "event": purchase}
    genre = {
        "name": "genre",
        "calculation": "last_value",
        "event": {"type": "event", "kind": "custom"},
        "of": {"attribute": "genre"},
    }
    for each in (spent, first, genre):
        data.add_calculated_attribute(each, workspace="shop")
    assert dict(data.profile(7, now=NOW).workspaces[0].calculated) == {
        "spent": 12.5,
        "first": datetime(2023, 11, 14, 23, 13, 20, tzinfo=UTC),
        "genre": "jazz",
    }
    assert dict(data.profile(8, now=NOW).workspaces[0].calculated) == {"spent": 0, "first": None, "genre": None}


def test_masks_hide_identities_and_json_says_the_rest(data: Dataset) -> None:
    assert masked("ann@example.com") == "a•••@example.com"
    assert masked("c-1") == "c•••"
    document = json.loads(json.dumps(data.profile(7, now=NOW).masked().to_dict()))
    assert [each["value"] for each in document["workspaces"][0]["identities"]] == ["c•••", "a•••@example.com"]
    assert document["now"] == "2023-11-15T22:13:20+00:00"

"""The catalog's entries: volume over time, data types, samples; and which definitions use them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import Audience, Dataset
from core.criteria.calculated import calculated_attribute
from core.entries import DAYS, Entry
from core.uses import UsedBy, uses_of, uses_of_calculated
from tests.core.loads import T, batch, event, named

DAY = 86_400_000


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "dataset")

    def play(day: int, mpid: int, **attributes: object) -> dict[str, object]:
        at = T + day * DAY
        return batch(mpid, named("Play", timestamp_unixtime_ms=at, custom_attributes=attributes), time=at)

    dataset.load_batches(
        [
            play(0, 1, genre="jazz", seconds="12", at="2023-01-02", on=True, tags=["a"]),
            play(0, 2, genre="jazz", seconds=7.5, at="2023-01-02T10:00:00Z", on="FALSE", tags=["b", "c"], none=None),
            play(1, 1, genre="rock", seconds="1e3"),
            batch(1, event("commerce_event", product_action={"action": "purchase", "total_amount": 5}), time=T),
            batch(
                3,
                time=T + DAY,
                user_attributes={"zip": "01234", "nick": "x", "age": 30},
                device_info={"platform": "iOS"},
            ),
            batch(
                2, time=T + DAY, user_attributes={"zip": "98765", "nick": 5}, user_identities={"email": "b@example.com"}
            ),
        ],
        workspace="shop",
        input="ios",
    )
    dataset.load_batches([play(2, 1, genre="9", seconds="long")], workspace="shop", input="ios")
    return dataset


def entry(data: Dataset, kind: str, name: str | None) -> Entry:
    assert data.end is not None
    return next(each for each in data.entries(now=data.end) if (each.kind, each.name) == (kind, name))


def test_events_have_volume_and_people(data: Dataset) -> None:
    play = entry(data, "custom", "Play")
    assert (play.records, play.profiles, play.tier) == (4, 2, "personalize")
    assert play.filled == pytest.approx(2 / 3)
    assert play.days == (*[0] * (DAYS - 3), 2, 1, 1)
    assert play.first is not None and play.last is not None and (play.last - play.first).days == 2
    data.set_event_tier(kind="custom", name="Play", tier="connect", workspace="shop")
    assert entry(data, "custom", "Play").tier == "connect"


def test_types_are_those_that_all_values_read_as(data: Dataset) -> None:
    types = {name: entry(data, "event_attribute", name).data_type for name in ("at", "on", "tags", "genre", "seconds")}
    assert types == {"at": "date", "on": "boolean", "tags": "list", "genre": "string", "seconds": "string"}
    assert entry(data, "event_attribute", "none").data_type is None
    assert {name: entry(data, "user_attribute", name).data_type for name in ("zip", "nick", "age")} == {
        "zip": "number",
        "nick": "string",
        "age": "number",
    }


def test_event_attributes_know_their_event_and_how_often_they_are_filled(data: Dataset) -> None:
    genre = entry(data, "event_attribute", "genre")
    assert (genre.event, genre.records, genre.filled) == (("custom", "Play"), 4, 1.0)
    assert genre.samples == ("jazz", "9", "rock")
    assert genre.days[-3:] == (2, 1, 1)
    assert entry(data, "event_attribute", "at").filled == 0.5


def test_facts_of_profiles(data: Dataset) -> None:
    zip_code, email = entry(data, "user_attribute", "zip"), entry(data, "identity", "email")
    assert (zip_code.records, zip_code.profiles, zip_code.samples) == (2, 2, ("01234", "98765"))
    assert zip_code.filled == pytest.approx(2 / 3)
    assert (email.data_type, email.samples) == ("string", ("b@example.com",))
    assert entry(data, "device", "platform").samples == ("iOS",)


def test_inputs_tell_what_came_through_them(data: Dataset) -> None:
    data.add_input("shop", "crm", "feed")
    assert data.end is not None
    ios, crm = data.inputs(now=data.end)
    assert (ios.input, ios.kind, ios.events, ios.batches) == ("ios", "platform", 5, 7)
    assert ios.days[-3:] == (3, 1, 1)
    assert ios.last == data.end and ios.first == data.start
    assert (crm.input, crm.kind, crm.events, crm.batches, crm.last) == ("crm", "feed", 0, 0, None)
    assert data.size == (3, 5)


@pytest.mark.parametrize("shards", [None, 2])
def test_summaries_of_the_cache_say_the_same(
    data: Dataset, tmp_path: Path, shards: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loads of every size are summed up in the cache, or made together with others: in one or in shards."""
    batches = [
        batch(
            mpid,
            named("Play", custom_attributes={"genre": f"g{mpid % 7}", "none": None}),
            time=T + mpid % 3 * DAY,
            user_attributes={"tier": "gold" if mpid % 2 else None, "age": mpid % 40},
            user_identities={"email": f"{mpid}@x"},
            consent_state={"ccpa": {"data_sale_opt_out": {"consented": True}}},
        )
        for mpid in range(1, 60)
    ]
    dataset = Dataset.create(tmp_path / "other", shards=shards)
    for at in (0, 40):
        dataset.load_batches(batches[at : at + 40], workspace="shop", input="ios")
    assert dataset.end is not None
    made = dataset.entries(now=dataset.end)
    for module in ("cache", "columns", "summaries"):
        monkeypatch.setattr(f"core.data.{module}.LEAST_ROWS", 1)
    Dataset.open(dataset.path).prepare()
    assert Dataset.open(dataset.path).entries(now=dataset.end) == made
    found = {(each.kind, each.name): each for each in made}
    assert (found["user_attribute", "tier"].records, found["user_attribute", "tier"].profiles) == (59, 59)
    assert found["user_attribute", "tier"].samples == ("gold",)
    assert (found["consent", None].records, found["consent", None].data_type) == (59, "boolean")
    assert found["event_attribute", "genre"].samples == ("g1", "g2", "g3", "g0", "g4")
    assert found["event_attribute", "none"].data_type is None
    assert found["identity", "email"].samples == ("10@x", "11@x", "12@x", "13@x", "14@x")


def test_an_empty_dataset_has_no_entries(tmp_path: Path) -> None:
    assert Dataset.create(tmp_path / "empty").entries(now=datetime(2023, 11, 16, tzinfo=UTC)) == []


def audience(*criteria: dict[str, object]) -> Audience:
    root = {"type": "and", "criteria": list(criteria)}
    return Audience.from_dict({"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": root}})


def test_uses_are_found_wherever_a_definition_names_something(data: Dataset) -> None:
    played = {
        "type": "event",
        "kind": "custom",
        "name": "Play",
        "where": [
            {"any_of": [{"attribute": "seconds", "operator": "greater_than", "value": 3, "value_type": "number"}]}
        ],
    }
    left = {"type": "cart_abandonment", "wait": {"amount": 1, "unit": "days"}}
    phone = {"type": "device", "field": "platform", "operator": "exact_match", "value": "iOS"}
    steps = {"type": "sequence", "steps": [{"type": "event", "kind": "custom", "name": "Play"}, played]}
    spent = calculated_attribute(
        {
            "name": "spent",
            "calculation": "sum",
            "event": {"type": "event", "kind": "ecommerce", "name": "purchase"},
            "of": {"field": "total_amount"},
        }
    )
    used = UsedBy(
        {
            "Players": uses_of(audience(played)),
            "Left": uses_of(audience({"type": "not", "criterion": left})),
            "Phones": uses_of(audience(phone)),
            "Steps": uses_of(audience(steps)),
            "spent": uses_of_calculated(spent, "shop"),
        }
    )

    def owners(kind: str, name: str | None) -> list[str]:
        return [each.owner for each in used.of(entry(data, kind, name))]

    assert owners("custom", "Play") == ["Players", "Steps"]
    assert owners("ecommerce", "purchase") == ["Left", "spent"]
    assert owners("device", "platform") == ["Phones"]
    assert owners("event_attribute", "seconds") == ["Players", "Steps"]
    assert owners("event_attribute", "genre") == owners("user_attribute", "zip") == []
    assert used.of(entry(data, "event_attribute", "seconds"))[0].forced == "number"


@pytest.mark.parametrize("shards", [None, 2])
def test_product_attributes_know_their_event_and_how_often_they_are_filled(tmp_path: Path, shards: int | None) -> None:
    """Three products were bought by two people: red in size 4, blue, and one without attributes; one was looked at."""
    dataset = Dataset.create(tmp_path / "dataset", shards=shards)

    def sent(mpid: int, action: str, *attributes: dict[str, object]) -> dict[str, object]:
        products = [{"id": f"{at}", "custom_attributes": each} for at, each in enumerate(attributes)]
        return batch(mpid, event("commerce_event", product_action={"action": action, "products": products}), time=T)

    bought = sent(1, "purchase", {"color": "red", "size": 4}, {"color": "blue"})
    dataset.load_batches(
        [bought, sent(2, "purchase", {}), sent(2, "view_detail", {"fit": "slim"})], workspace="shop", input="ios"
    )
    color = entry(dataset, "product_attribute", "color")
    assert (color.event, color.records, color.data_type) == (("ecommerce", "purchase"), 2, "string")
    assert color.filled == pytest.approx(2 / 3)
    assert color.samples == ("blue", "red")
    assert color.days == (*[0] * (DAYS - 1), 2)
    size = entry(dataset, "product_attribute", "size")
    assert (size.records, size.data_type, size.filled) == (1, "number", pytest.approx(1 / 3))
    assert entry(dataset, "product_attribute", "fit").filled == 1
    shoes = {"type": "event", "kind": "ecommerce", "name": "purchase"}
    shoes |= {"where_product": [{"attribute": "color", "operator": "exists"}]}
    document = {"name": "Shoes", "workspaces": ["shop"], "definition": {"version": 1, "root": shoes}}
    used = UsedBy({"Shoes": uses_of(Audience.from_dict(document))})
    assert [each.owner for each in used.of(color)] == ["Shoes"]
    assert used.of(size) == []


def test_events_of_unknown_types_are_in_the_catalog(data: Dataset) -> None:
    pushed = event("push_message", timestamp_unixtime_ms=T, custom_attributes={"a": 1})
    opened = event("application_state_transition", timestamp_unixtime_ms=T, is_first_run=False)
    data.load_batches([batch(2, pushed, opened, time=T), batch(3, pushed, time=T)], workspace="shop", input="ios")
    found = data.catalog().filter(kind="other").select("name", "records", "profiles", "tier")
    assert found.rows() == [("push_message", 2, 2, None), ("application_state_transition", 1, 1, None)]
    push = entry(data, "other", "push_message")
    assert (push.records, push.profiles, push.tier, push.group) == (2, 2, None, "other_event")
    # No criterion reads them, and so none is offered their attributes.
    assert data.end is not None
    assert all(each.event != ("other", "push_message") for each in data.entries(now=data.end))


def test_events_as_a_frame_hold_plain_texts(tmp_path: Path) -> None:
    """One load has attributes, products and promotions, the other none: both read the same way."""
    made = Dataset.create(tmp_path / "dataset")
    values = {"k": "v", "n": 1.5, "z": None, "l": ["p", 1], "b": True}
    hat = {"id": "1", "price": 5, "custom_attributes": {"size": "L"}}
    rich = [
        named("Play", custom_attributes=values),
        event("commerce_event", product_action={"action": "purchase", "total_amount": 10, "products": [hat]}),
        event("commerce_event", promotion_action={"action": "view", "promotions": [{"id": "p1"}, {"id": "p2"}]}),
    ]
    bare = event("commerce_event", product_action={"action": "click", "products": [{"id": "2"}]})
    for mpid, events in ((1, rich), (2, [named("Play"), bare])):
        made.load_batches([batch(mpid, *events)], workspace="shop", input="ios")
    played, silent = made.events("Play").sort("mpid").collect().to_dicts()
    assert {each["key"]: each["value"] for each in played["attributes"]} == {
        "k": "v", "n": "1.5", "z": None, "l": '["p","1"]', "b": "true",
    }  # fmt: skip
    assert (played["products"], silent["attributes"], silent["products"]) == ([], [], [])
    (bought,) = made.events("purchase", kind="ecommerce").collect().to_dicts()
    (product,) = bought["products"]
    assert (bought["total_amount"], product["id"], product["price"], product["name"]) == ("10", "1", "5", None)
    assert product["attributes"] == [{"key": "size", "value": "L"}]
    assert made.events("click").collect()["products"][0][0]["attributes"] == []
    assert made.events("promotion_view").collect()["promotion_id"].to_list() == ["p1, p2"]


def test_an_identity_seen_in_several_loads_is_one_record(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "dataset")
    for day in (1, 0):
        seen = batch(1, time=T + day * DAY, user_identities={"email": "a@x.io"})
        made.load_batches([seen], workspace="shop", input="ios")
    found = made.catalog().filter(kind="identity").select("name", "records", "profiles", "first", "last").rows()
    first = datetime.fromtimestamp(T / 1000, UTC)
    assert found == [("email", 1, 1, first, first)]

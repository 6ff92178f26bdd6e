"""Builders give the trees of the JSON; an audience as Python source rebuilds itself."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

import core
from core import (
    And,
    Audience,
    DefinitionError,
    Not,
    Or,
    any_of,
    attribute,
    attribution,
    audience_membership,
    calculated_attribute,
    cart_abandonment,
    consent,
    device,
    event,
    field,
    first_seen,
    identity,
    last_seen,
    location,
    none_of,
    product,
    sequence,
    user_attribute,
)
from core.builders.operators import Comparisons
from core.criteria import Criterion
from core.criteria.comparison import OPERATORS
from core.criteria.events import Event
from tests.random_audiences import audiences

PURCHASE = {"type": "event", "kind": "ecommerce", "name": "purchase"}
GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
ADS = {"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "rejected"}


def ago(amount: float, unit: str) -> dict[str, Any]:
    return {"type": "within_last", "amount": amount, "unit": unit}


def audience(root: Criterion, **scope: Any) -> Audience:
    return Audience.of(root, name="Built", workspaces=["app"], **scope)


def of_json(root: dict[str, Any]) -> Audience:
    return Audience.from_dict({"name": "Built", "workspaces": ["app"], "definition": {"version": 1, "root": root}})


CASES: list[tuple[Criterion, dict[str, Any]]] = [
    (
        event("purchase", kind="ecommerce").within_last(days=7).at_least(2)
        & (user_attribute("tier").exact_match("gold") | last_seen().within_last(hours=36))
        & ~consent("gdpr", "advertising").rejected(),
        {
            "type": "and",
            "criteria": [
                {**PURCHASE, "when": ago(7, "days"), "frequency": {"operator": "at_least", "value": 2}},
                {"type": "or", "criteria": [GOLD, {"type": "last_seen", "when": ago(36, "hours")}]},
                {"type": "not", "criterion": ADS},
            ],
        },
    ),
    (event("Play"), {"type": "event", "kind": "custom", "name": "Play"}),
    (event(kind="any"), {"type": "event", "kind": "any"}),
    (event(custom_type="media"), {"type": "event", "kind": "custom", "custom_type": "media"}),
    (
        event("Book")
        .where(attribute("destination").exact_match("Paris"), field("total_amount").greater_than(50))
        .where(any_of(attribute("class").is_in("first", 1), none_of(attribute("refund").exists()))),
        {
            "type": "event",
            "kind": "custom",
            "name": "Book",
            "where": [
                {"attribute": "destination", "operator": "exact_match", "value": "Paris"},
                {"field": "total_amount", "operator": "greater_than", "value": 50},
                {
                    "any_of": [
                        {"attribute": "class", "operator": "is_in", "value": ["first", 1]},
                        {"none_of": [{"attribute": "refund", "operator": "exists"}]},
                    ]
                },
            ],
        },
    ),
    (
        event("purchase", kind="ecommerce")
        .where_product(field("name").contains("shoe"))
        .sum(product("total_product_amount"))
        .greater_than(100),
        {
            **PURCHASE,
            "where_product": [{"field": "name", "operator": "contains", "value": "shoe"}],
            "aggregate": {
                "function": "sum",
                "of": {"product": {"field": "total_product_amount"}},
                "operator": "greater_than",
                "value": 100,
            },
        },
    ),
    (
        event("purchase", kind="ecommerce").where(product("name").contains("shoe"), field("coupon_code").exists()),
        {
            **PURCHASE,
            "where": [{"field": "coupon_code", "operator": "exists"}],
            "where_product": [{"field": "name", "operator": "contains", "value": "shoe"}],
        },
    ),
    (
        event("E").last(attribute("v", value_type="version")).at_least("2.10"),
        {
            "type": "event",
            "kind": "custom",
            "name": "E",
            "aggregate": {
                "function": "last",
                "of": {"attribute": "v"},
                "operator": "at_least",
                "value": "2.10",
                "value_type": "version",
            },
        },
    ),
    (
        event("E").on_days().between(2, 4).between_ago(4, 6, "days").through("ios", "app/web"),
        {
            "type": "event",
            "kind": "custom",
            "name": "E",
            "frequency": {"operator": "between", "value": [2, 4], "count": "days"},
            "when": {"type": "between_ago", "from": 4, "to": 6, "unit": "days"},
            "inputs": ["ios", "app/web"],
        },
    ),
    (
        user_attribute("renews").within_next(weeks=1),
        {"type": "user_attribute", "attribute": "renews", "operator": "within_next", "amount": 1, "unit": "weeks"},
    ),
    (
        user_attribute("born", value_type="date").in_workspace("app").before(date(2008, 2, 29)),
        {
            "type": "user_attribute",
            "workspace": "app",
            "attribute": "born",
            "operator": "before",
            "date": "2008-02-29",
            "value_type": "date",
        },
    ),
    (
        calculated_attribute("spent").between(1, 2.5),
        {"type": "calculated_attribute", "name": "spent", "operator": "between", "value": [1, 2.5]},
    ),
    (audience_membership("one"), {"type": "audience_membership", "audience": "one", "operator": "in"}),
    (audience_membership("one", "not_in"), {"type": "audience_membership", "audience": "one", "operator": "not_in"}),
    (consent("ccpa").opted_out(), {"type": "consent", "regulation": "ccpa", "state": "opted_out"}),
    (
        consent("gdpr", "ads").in_workspace("app").no_record(),
        {"type": "consent", "regulation": "gdpr", "purpose": "ads", "state": "no_record", "workspace": "app"},
    ),
    (
        device("os_version").less_than("10.1"),
        {"type": "device", "field": "os_version", "operator": "less_than", "value": "10.1"},
    ),
    (
        identity("email").ends_with("@example.com"),
        {"type": "identity", "identity_type": "email", "operator": "ends_with", "value": "@example.com"},
    ),
    (
        first_seen().calendar("month", -1),
        {"type": "first_seen", "when": {"type": "calendar", "unit": "month", "offset": -1}},
    ),
    (
        location().equals(city="Paris", country="FR"),
        {"type": "location", "operator": "equals", "city": "Paris", "country": "FR"},
    ),
    (
        location().within(25, city="Paris, FR"),
        {"type": "location", "operator": "within", "city": "Paris, FR", "distance": 25, "unit": "kilometers"},
    ),
    (
        location().within(2, "miles", latitude=0, longitude=-1.5),
        {"type": "location", "operator": "within", "latitude": 0, "longitude": -1.5, "distance": 2, "unit": "miles"},
    ),
    (attribution("install"), {"type": "attribution", "event": "install"}),
    (
        attribution("install").publisher.exact_match("Facebook").campaign.contains("spring"),
        {
            "type": "attribution",
            "event": "install",
            "publisher": {"operator": "exact_match", "value": "Facebook"},
            "campaign": {"operator": "contains", "value": "spring"},
        },
    ),
    (
        cart_abandonment(days=4).where_product(field("brand").exists()).after("2026-01-01"),
        {
            "type": "cart_abandonment",
            "wait": {"amount": 4, "unit": "days"},
            "where_product": [{"field": "brand", "operator": "exists"}],
            "when": {"type": "after", "date": "2026-01-01"},
        },
    ),
    (
        sequence(event("a").within_last(days=2), event(kind="session")).within(days=1).on("2026-01-01"),
        {
            "type": "sequence",
            "steps": [
                {"type": "event", "kind": "custom", "name": "a", "when": ago(2, "days")},
                {"type": "event", "kind": "session"},
            ],
            "within": {"amount": 1, "unit": "days"},
            "when": {"type": "on", "date": "2026-01-01"},
        },
    ),
    (
        (event("a") | event("b")).exclude(event("c")),
        {
            "type": "and",
            "criteria": [
                {
                    "type": "or",
                    "criteria": [
                        {"type": "event", "kind": "custom", "name": "a"},
                        {"type": "event", "kind": "custom", "name": "b"},
                    ],
                },
                {"type": "not", "criterion": {"type": "event", "kind": "custom", "name": "c"}},
            ],
        },
    ),
]


@pytest.mark.parametrize(("built", "root"), CASES, ids=[str(at) for at in range(len(CASES))])
def test_a_builder_gives_the_tree_of_its_json(built: Criterion, root: dict[str, Any]) -> None:
    assert audience(built) == of_json(root)
    assert audience(built).to_dict()["definition"]["root"] == root
    assert built.plain == of_json(root).root
    assert type(built.plain) is type(of_json(root).root)


def test_moments_may_be_dates_and_aware_datetimes() -> None:
    summer = timezone(timedelta(hours=2))
    built = event("E").between_dates(date(2026, 1, 2), datetime(2026, 1, 3, 2, 0, 0, 250_000, tzinfo=summer))
    window = {"type": "between_dates", "from": "2026-01-02", "to": "2026-01-03T00:00:00.250Z"}
    assert audience(built).to_dict()["definition"]["root"]["when"] == window
    after = event("E").after(datetime(2026, 1, 3, tzinfo=UTC))
    assert audience(after).to_dict()["definition"]["root"]["when"]["date"] == "2026-01-03T00:00:00Z"


def test_builders_are_values() -> None:
    purchase = event("purchase", kind="ecommerce")
    assert purchase.at_least(2) is not purchase
    assert purchase.plain == Event(type="event", kind="ecommerce", name="purchase")
    assert purchase.at_least(2) == event("purchase", kind="ecommerce").at_least(2)
    assert len({purchase, event("purchase", kind="ecommerce"), purchase.at_least(2)}) == 2
    assert purchase.sentence == "did the ecommerce action “purchase”"
    assert isinstance(And.of(purchase, ~purchase).criteria[0], Event)
    assert Or.of(purchase) == Or.of(purchase.plain)
    assert Not(type="not", criterion=purchase.plain) == ~purchase
    with pytest.raises(TypeError, match="write & for and"):
        bool(purchase)


def test_every_operator_of_the_tables_is_a_method_and_every_method_an_operator() -> None:
    named = {name for name, _ in inspect.getmembers(Comparisons) if not name.startswith("_")}
    assert named == set(OPERATORS)
    assert user_attribute("a").contains.__name__ == "contains"


def test_every_public_name_is_there() -> None:
    assert sorted(core.__all__) == sorted(set(core.__all__))
    for name in core.__all__:
        assert getattr(core, name).__doc__, name


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: event("E").within_last(), "one length of time"),
        (lambda: event("E").within_last(days=1, hours=2), "one length of time"),
        (lambda: event("E").within_last(days=0), "event.*greater than 0"),
        (lambda: event("E").within_last(days=1).within_last(days=2), "given twice"),
        (lambda: event("E").at_least(1).at_most(2), "counted twice"),
        (lambda: event("E").at_least(-1), "whole number"),
        (lambda: event("E").at_least(1).sum(field("price")).equals(2), "price"),
        (lambda: event("E").at_least(1).sum(field("total_amount")).equals(2), "not both"),
        (lambda: event("E").where(field("colour").exists()), r"event\.where\[0\].*colour"),
        (lambda: event("E").where_product(field("name").exists()), "kind ecommerce only"),
        (lambda: event("E", kind="session"), "no names"),
        (lambda: event("E", kind="click"), "kind"),  # type: ignore[arg-type]
        (lambda: event("E").before(datetime(2026, 1, 1)), "no time zone"),  # noqa: DTZ001
        (lambda: event("E").before(datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)), "finer"),
        (lambda: event("E").before("yesterday"), "yesterday"),
        (lambda: event("E").where(any_of(field("city").exists(), product("name").exists())), "mixes"),
        (lambda: user_attribute("a").contains(3), "text"),  # type: ignore[arg-type]
        (lambda: user_attribute("a").is_in(), "at least one"),
        (lambda: user_attribute("a").between(3, 1), "low number first"),
        (lambda: user_attribute("a", value_type="number").contains("x"), "value_type is number"),
        (lambda: user_attribute("a").matches_regex("("), "regular expression"),
        (lambda: consent("gdpr").given(), "purpose"),
        (lambda: consent("ccpa").given(), "opted_out"),
        (lambda: location().equals(), "at least one"),
        (lambda: location().within(3), "exactly one"),
        (lambda: sequence(), "steps"),
        (lambda: sequence(event("a").at_least(2)), r"sequence\.steps\[0\].*no frequency"),
        (lambda: cart_abandonment(), "one length of time"),
        (lambda: attribution("install").publisher.exists().publisher.exists(), "given twice"),
    ],
)
def test_what_cannot_be_built_is_refused_with_words(make: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=f"(?s){words}"):
        make()


def run(source: str) -> Audience:
    names: dict[str, Any] = {}
    exec(source, names)
    found = names["audience"]
    assert isinstance(found, Audience)
    return found


@given(audiences())
def test_the_python_source_rebuilds_the_audience(made: Audience) -> None:
    assert run(made.to_python()) == made


@pytest.mark.parametrize(("built", "root"), CASES, ids=[str(at) for at in range(len(CASES))])
def test_the_python_source_of_every_builder(built: Criterion, root: dict[str, Any]) -> None:
    assert run(audience(built).to_python()) == of_json(root)


def test_the_python_source_reads_like_a_notebook() -> None:
    root = event("purchase", kind="ecommerce").within_last(days=7).at_least(2) & ~(
        user_attribute("tier").is_in("gold", 'a "b"') | consent("gdpr", "advertising").rejected()
    )
    made = audience(root, lookback_days=30, inputs=["ios"])
    assert made.to_python() == (
        "from core import Audience, consent, event, user_attribute\n"
        "\n"
        "audience = Audience.of(\n"
        '    event("purchase", kind="ecommerce").at_least(2).within_last(days=7)\n'
        '    & ~(user_attribute("tier").is_in("gold", "a \\"b\\"") | consent("gdpr", "advertising").rejected()),\n'
        '    name="Built",\n'
        '    workspaces=["app"],\n'
        '    inputs=["ios"],\n'
        "    lookback_days=30,\n"
        ")\n"
    )


def test_odd_texts_and_a_hundred_levels_survive() -> None:
    odd = user_attribute("\x00\u202e\n'\"\\ 東京 {x}").exact_match("\u2028\x85\t#")
    assert run(audience(odd).to_python()) == audience(odd)
    deep: Criterion = odd
    for level in range(99):
        deep = (And.of(deep), Or.of(deep, odd), Not(type="not", criterion=deep))[level % 3]
    assert run(audience(deep).to_python()) == audience(deep)

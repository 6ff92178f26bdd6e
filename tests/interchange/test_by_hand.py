"""What ours and mParticle's audience schema say to each other, case by case, written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from core import Audience, DefinitionError, InterchangeError
from core.interchange import HOLE, from_mparticle, to_mparticle
from tests.definitions import Document

SEEN = {
    "operator": "or",
    "expressions": [{"operator": "equals", "left": {"model": "profile", "path": "workspace"}, "right": "app"}],
}


def audience(root: Document, **scope: Any) -> Audience:
    return Audience.from_dict({"name": "A", "workspaces": ["app"], **scope, "definition": {"version": 1, "root": root}})


def said(root: Document, **scope: Any) -> Document:
    """The expression of a root, without the workspaces before it."""
    written = to_mparticle(audience(root, **scope))
    assert written.unsaid == ()
    assert written.document["audience"]["operator"] == "and"
    assert written.document["audience"]["expressions"][0] == SEEN
    return dict(written.document["audience"]["expressions"][1])


def read(expression: Document, **named: Any) -> Document:
    """The root of a document that names no workspace."""
    document = {"schema_version": "1.6.0", "audience": expression}
    found = from_mparticle(document, **{"name": "A", "workspaces": ["app"], **named})
    return dict(found.audience.to_dict()["definition"]["root"])


def at(model: str, path: str) -> Document:
    return {"model": model, "path": path}


def both(*expressions: Document) -> Document:
    return {"operator": "and", "expressions": list(expressions)}


def either(*expressions: Document) -> Document:
    return {"operator": "or", "expressions": list(expressions)}


def compared(left: Any, operator: str, right: Any) -> Document:
    return {"operator": operator, "left": left, "right": right}


def attribute(**fields: Any) -> Document:
    return {"type": "user_attribute", "attribute": "tier", **fields}


def counted(*conditions: Document, function: str = "count", operand: Document | None = None) -> Document:
    of = operand or {"model": "events"}
    return {"operator": function, "group_by_model": "user", "operand": of, "condition": both(*conditions)}


def ago(offset: float, unit: str = "day", **more: Any) -> Document:
    return {"date": {"relative": {"offset": offset, "unit": unit, **more}}}


def day(text: str) -> Document:
    return {"date": {"absolute": text}}


TIER = at("user", "tier")
KIND, NAME = at("events", "kind"), at("events", "name")
TIMESTAMP = at("events", "timestamp")
PURCHASE = (compared(KIND, "equals", "ecommerce"), compared(NAME, "equals", "purchase"))

PAIRS: list[tuple[str, Document, Document]] = [
    ("text", attribute(operator="exact_match", value="gold"), compared(TIER, "equals", "gold")),
    ("not a text", attribute(operator="does_not_match", value="gold"), compared(TIER, "not_equals", "gold")),
    ("part", attribute(operator="does_not_contain", value="o"), compared(TIER, "not_contains", "o")),
    ("regex", attribute(operator="matches_regex", value="^g"), compared(TIER, "matches", "^g")),
    (
        "one of",
        attribute(operator="is_in", value=["gold", "silver"]),
        either(compared(TIER, "equals", "gold"), compared(TIER, "equals", "silver")),
    ),
    ("none of", attribute(operator="is_not_in", value=["gold"]), both(compared(TIER, "not_equals", "gold"))),
    ("element", attribute(operator="includes", value="Chicago"), compared("Chicago", "in", TIER)),
    ("no element", attribute(operator="does_not_include", value="Chicago"), compared("Chicago", "not_in", TIER)),
    ("there", attribute(operator="exists"), {"operator": "exists", "operand": TIER}),
    ("number", attribute(operator="at_most", value=1.5), compared(TIER, "less_than_equal", 1.5)),
    (
        "numbers",
        attribute(operator="between", value=[20, 40]),
        both(compared(TIER, "greater_than_equal", 20), compared(TIER, "less_than_equal", 40)),
    ),
    ("truth", attribute(operator="not_equals", value=True), compared(TIER, "not_equals", True)),
    (
        "version",
        attribute(operator="greater_than", value="2.9", value_type="version"),
        compared(TIER, "greater_than", "2.9"),
    ),
    (
        "number where versions are usual",
        {"type": "device", "field": "os_version", "operator": "at_least", "value": 9, "value_type": "number"},
        compared(at("devices", "os_version"), "greater_than_equal", 9),
    ),
    (
        "recent",
        attribute(operator="within_last", amount=3, unit="weeks"),
        both(compared(TIER, "greater_than_equal", ago(-3, "week")), compared(TIER, "less_than_equal", ago(0, "week"))),
    ),
    (
        "soon",
        attribute(operator="within_next", amount=3, unit="days"),
        both(compared(TIER, "greater_than", ago(0)), compared(TIER, "less_than_equal", ago(3))),
    ),
    (
        "between ago",
        attribute(operator="between_ago", **{"from": 4, "to": 6}, unit="days"),
        both(compared(TIER, "greater_than_equal", ago(-6)), compared(TIER, "less_than_equal", ago(-4))),
    ),
    ("long ago", attribute(operator="more_than_ago", amount=7, unit="days"), compared(TIER, "less_than", ago(-7))),
    ("before", attribute(operator="before", date="2018-09-09"), compared(TIER, "less_than", day("2018-09-09"))),
    ("on", attribute(operator="on", date="2018-09-09"), compared(TIER, "equals", day("2018-09-09"))),
    (
        "whole days",
        attribute(operator="between_dates", **{"from": "2018-09-07", "to": "2018-09-09"}),
        both(
            compared(TIER, "greater_than_equal", day("2018-09-07")),
            compared(TIER, "less_than", day("2018-09-10")),
        ),
    ),
    (
        "instants",
        attribute(operator="between_dates", **{"from": "2018-09-07", "to": "2018-09-09T12:00:00Z"}),
        both(
            compared(TIER, "greater_than_equal", day("2018-09-07")),
            compared(TIER, "less_than_equal", day("2018-09-09T12:00:00Z")),
        ),
    ),
    (
        "calendar",
        attribute(operator="calendar", unit="quarter", offset=-1),
        both(
            compared(TIER, "greater_than_equal", ago(-1, "quarter", boundary="start")),
            compared(TIER, "less_than_equal", ago(-1, "quarter", boundary="end")),
        ),
    ),
    (
        "another workspace",
        {"type": "identity", "workspace": "app", "identity_type": "email", "operator": "ends_with", "value": "@x"},
        compared(at("app/identities", "email"), "ends_with", "@x"),
    ),
    (
        "calculated",
        {"type": "calculated_attribute", "name": "ltv", "operator": "greater_than", "value": 100},
        compared(at("calculated_attributes", "ltv"), "greater_than", 100),
    ),
    (
        "consent",
        {"type": "consent", "regulation": "gdpr", "purpose": "ads", "state": "rejected"},
        compared(at("consent", "gdpr.ads"), "equals", False),
    ),
    (
        "no consent",
        {"type": "consent", "regulation": "ccpa", "state": "no_record"},
        {"operator": "not_exists", "operand": at("consent", "ccpa.data_sale_opt_out")},
    ),
    (
        "place",
        {"type": "location", "operator": "equals", "city": "Paris", "country": "FR"},
        both(
            compared(at("location", "city"), "equals", "Paris"),
            compared(at("location", "country"), "equals", "FR"),
        ),
    ),
    (
        "attribution",
        {
            "type": "attribution",
            "event": "install",
            "publisher": {"operator": "is_in", "value": ["a", "b"]},
            "campaign": {"operator": "contains", "value": "spring"},
        },
        both(
            either(
                compared(at("attribution", "install.publisher"), "equals", "a"),
                compared(at("attribution", "install.publisher"), "equals", "b"),
            ),
            compared(at("attribution", "install.campaign"), "contains", "spring"),
        ),
    ),
    (
        "member",
        {"type": "audience_membership", "audience": "7622", "operator": "not_in"},
        compared({"model": "user"}, "not_in", {"audience": "7622"}),
    ),
    (
        "first seen",
        {"type": "first_seen", "when": {"type": "after", "date": "2018-09-09"}},
        compared(at("profile", "first_seen"), "greater_than_equal", day("2018-09-09")),
    ),
    (
        "any event",
        {"type": "event", "kind": "any"},
        compared(counted({"operator": "exists", "operand": KIND}), "greater_than", 0),
    ),
    (
        "how often",
        {
            "type": "event",
            "kind": "custom",
            "name": "Play",
            "custom_type": "media",
            "inputs": ["ios"],
            "where": [{"attribute": "length", "operator": "at_least", "value": 10}],
            "frequency": {"operator": "equals", "value": 0},
            "when": {"type": "more_than_ago", "amount": 1, "unit": "days"},
        },
        compared(
            counted(
                compared(KIND, "equals", "custom"),
                compared(NAME, "equals", "Play"),
                compared(at("events", "custom_type"), "equals", "media"),
                either(compared(at("events", "input"), "equals", "ios")),
                compared(at("events", "custom_attributes.length"), "greater_than_equal", 10),
                compared(TIMESTAMP, "less_than", ago(-1)),
            ),
            "equals",
            0,
        ),
    ),
    (
        "one product",
        {
            "type": "event",
            "kind": "ecommerce",
            "name": "purchase",
            "where_product": [{"field": "price", "operator": "greater_than", "value": 5}],
        },
        compared(
            counted(
                *PURCHASE,
                compared(
                    {
                        "operator": "count",
                        "group_by_model": "events",
                        "operand": {"model": "products"},
                        "condition": both(compared(at("products", "price"), "greater_than", 5)),
                    },
                    "greater_than",
                    0,
                ),
            ),
            "greater_than",
            0,
        ),
    ),
    (
        "sum over products",
        {
            "type": "event",
            "kind": "ecommerce",
            "name": "purchase",
            "where_product": [{"field": "category", "operator": "exact_match", "value": "shoes"}],
            "aggregate": {
                "function": "sum",
                "of": {"product": {"field": "total_product_amount"}},
                "operator": "at_least",
                "value": 100,
            },
        },
        compared(
            counted(
                *PURCHASE,
                both(compared(at("products", "category"), "equals", "shoes")),
                function="sum",
                operand=at("products", "total_product_amount"),
            ),
            "greater_than_equal",
            100,
        ),
    ),
    (
        "cart",
        {"type": "cart_abandonment", "wait": {"amount": 4, "unit": "days"}},
        both(
            compared(
                counted(
                    compared(KIND, "equals", "ecommerce"),
                    compared(NAME, "equals", "add_to_cart"),
                    function="max",
                    operand=TIMESTAMP,
                ),
                "less_than_equal",
                ago(-4),
            ),
            either(
                compared(counted(*PURCHASE), "equals", 0),
                compared(
                    counted(*PURCHASE, function="max", operand=TIMESTAMP),
                    "less_than",
                    counted(
                        compared(KIND, "equals", "ecommerce"),
                        compared(NAME, "equals", "add_to_cart"),
                        function="max",
                        operand=TIMESTAMP,
                    ),
                ),
            ),
        ),
    ),
    (
        "sequence",
        {
            "type": "sequence",
            "steps": [
                {"type": "event", "kind": "screen_view", "name": "Home"},
                {"type": "event", "kind": "ecommerce", "name": "purchase"},
            ],
            "within": {"amount": 1, "unit": "days"},
        },
        {
            "operator": "then",
            "sequence": [
                {
                    "alias": "step1",
                    "operand": TIMESTAMP,
                    "condition": both(compared(KIND, "equals", "screen_view"), compared(NAME, "equals", "Home")),
                },
                {
                    "alias": "step2",
                    "operand": TIMESTAMP,
                    "condition": both(
                        both(*PURCHASE),
                        compared(
                            TIMESTAMP, "less_than_equal", ago(1, relative_to={"alias": "step1", "path": "timestamp"})
                        ),
                    ),
                },
            ],
        },
    ),
    (
        "not",
        {"type": "not", "criterion": attribute(operator="exists")},
        compared(
            {
                "operator": "count",
                "group_by_model": "user",
                "operand": {"model": "user"},
                "condition": {"operator": "exists", "operand": TIER},
            },
            "equals",
            0,
        ),
    ),
    ("everybody", {"type": "and", "criteria": []}, both()),
    (
        "two criteria that look like one are kept apart",
        {
            "type": "or",
            "criteria": [
                attribute(operator="exact_match", value="gold"),
                attribute(operator="exact_match", value="silver"),
            ],
        },
        compared(
            {
                "operator": "count",
                "group_by_model": "user",
                "operand": {"model": "user"},
                "condition": either(compared(TIER, "equals", "gold"), compared(TIER, "equals", "silver")),
            },
            "greater_than",
            0,
        ),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_both_ways(ours: Document, theirs: Document) -> None:
    assert said(ours) == theirs
    assert audience(read(theirs)) == audience(ours)


def test_the_scope_stands_at_the_end_of_every_condition_on_events() -> None:
    bought = {"type": "event", "kind": "ecommerce", "name": "purchase"}
    installed = {"type": "event", "kind": "install"}
    scope = {"inputs": ["ios", "web"], "lookback_days": 30}
    inputs = either(*(compared(at("events", "input"), "equals", name) for name in ("ios", "web")))
    since = compared(TIMESTAMP, "greater_than_equal", ago(-30))
    expected = both(
        compared(counted(*PURCHASE, both(inputs, since)), "greater_than", 0),
        # An install reads every input of the workspace (DEFINITION 2), but the lookback bounds it too.
        compared(counted(compared(KIND, "equals", "install"), both(since)), "greater_than", 0),
    )
    whole = audience({"type": "and", "criteria": [bought, installed]}, **scope)
    written = to_mparticle(whole)
    assert written.document["audience"]["expressions"][1] == expected
    assert from_mparticle(written.document, name="A").audience == whole


def test_several_workspaces_are_named_in_the_document() -> None:
    whole = Audience.from_dict(
        {
            "name": "A",
            "workspaces": ["app", "shop"],
            "definition": {"version": 1, "root": attribute(operator="exists", workspace="shop")},
        }
    )
    written = to_mparticle(whole)
    assert written.document["audience"]["expressions"] == [
        either(*(compared(at("profile", "workspace"), "equals", name) for name in ("app", "shop"))),
        {"operator": "exists", "operand": at("shop/user", "tier")},
    ]
    assert from_mparticle(written.document, name="A").audience == whole


# --- what cannot be said -------------------------------------------------------------------------------------------


def test_everything_that_the_schema_cannot_say_is_listed_with_its_path() -> None:
    play = {"type": "event", "kind": "custom", "name": "Play"}
    root = {
        "type": "and",
        "criteria": [
            {"type": "location", "operator": "within", "city": "Paris, FR", "distance": 25, "unit": "kilometers"},
            {"type": "not", "criterion": attribute(operator="pattern", value="g*")},
            {**play, "frequency": {"operator": "at_least", "value": 3, "count": "days"}},
            {**play, "aggregate": {"function": "last", "of": {"attribute": "a"}, "operator": "exists"}},
            {
                "type": "sequence",
                "steps": [
                    play,
                    {
                        **play,
                        "where": [
                            {"attribute": "a", "operator": "exists"},
                            {"attribute": "b", "operator": "partial_match", "value": "x"},
                        ],
                    },
                ],
            },
            attribute(operator="exists"),
        ],
    }
    written = to_mparticle(audience(root))
    paths = [
        "root.criteria[0]",
        "root.criteria[1].criterion",
        "root.criteria[2]",
        "root.criteria[3]",
        "root.criteria[4].steps[1].where[1]",
    ]
    assert [problem.path for problem in written.unsaid] == paths
    first = written.document["audience"]["expressions"][1]["expressions"]
    # What cannot be said leaves a hole that names its path; the rest stands where it stood.
    assert first[0] == {"operator": "exists", "operand": {"model": HOLE, "path": "root.criteria[0]"}}
    assert first[5] == {"operator": "exists", "operand": TIER}
    with pytest.raises(InterchangeError) as caught:
        from_mparticle(written.document, name="A")
    assert len(caught.value.problems) == 5


def test_what_selects_nobody_is_only_noted() -> None:
    written = to_mparticle(audience(attribute(operator="exists"), external_name="B", inputs=["ios"], lookback_days=30))
    assert written.unsaid == ()
    assert [note.message.split(":")[0] for note in written.notes] == [
        "The schema has no name",
        "The schema has no external_name",
        "inputs is left out",
        "lookback_days is left out",
    ]


UNSAID: list[tuple[str, Document, str]] = [
    ("another model", compared(at("order", "total"), "equals", 1), "no model 'order'"),
    ("another unit", compared(TIER, "less_than", ago(-1, "month")), "no length of a month"),
    ("null", {"operator": "null", "operand": TIER}, "no null"),
    ("two paths", compared(TIER, "equals", at("user", "plan")), "not with another one"),
    ("another step", compared(TIER, "equals", {"alias": "a", "path": "b"}), "not with another one"),
    ("events as a value", compared(at("events", "name"), "equals", "x"), "counts events"),
    ("a list", compared(counted(*PURCHASE, function="list"), "contains", "x"), "no aggregate list"),
    ("other rows", compared(counted(*PURCHASE, operand={"model": "orders"}), "equals", 1), "to aggregate"),
    ("a kind of event", compared(counted(compared(KIND, "equals", "swipe")), "equals", 1), "no events of kind"),
    ("a part of a name", compared(counted(compared(NAME, "contains", "x")), "equals", 1), "equals a text"),
    ("an unknown field", compared(counted(compared(at("events", "colour"), "equals", "x")), "equals", 1), "'colour'"),
    ("one end of a month", compared(TIER, "less_than", ago(0, "month", boundary="end")), "one bound"),
    ("before now", compared(TIER, "less_than", ago(0)), "one bound"),
    (
        "a date and now",
        compared(
            counted(
                both(compared(TIMESTAMP, "greater_than", day("2018-09-09")), compared(TIMESTAMP, "less_than", ago(0)))
            ),
            "equals",
            1,
        ),
        "moves with now",
    ),
]


@pytest.mark.parametrize(("expression", "words"), [each[1:] for each in UNSAID], ids=[each[0] for each in UNSAID])
def test_what_ours_cannot_say_is_refused(expression: Document, words: str) -> None:
    with pytest.raises(InterchangeError) as caught:
        read(expression)
    assert words in str(caught.value)
    assert all(problem.path.startswith("audience") for problem in caught.value.problems)


def test_everything_that_ours_cannot_say_is_listed_at_once() -> None:
    order = compared(at("order", "total"), "greater_than", 5)
    expression = both(order, compared(TIER, "equals", "gold"), either({"operator": "not_null", "operand": TIER}, order))
    with pytest.raises(InterchangeError) as caught:
        read(expression)
    assert [problem.path for problem in caught.value.problems] == [
        "audience.expressions[0]",
        "audience.expressions[2].expressions[0]",
        "audience.expressions[2].expressions[1]",
    ]


# --- documents of others -------------------------------------------------------------------------------------------


def test_a_document_of_another_hand() -> None:
    """Colours, ages and dates as people write them: lists as `or` of equals, ranges as `and` of bounds."""
    colour, age = at("user", "color"), at("user", "age")
    expression = both(
        both(
            either(*(compared(colour, "equals", each) for each in ("blue", "yellow"))),
            both(compared(age, "greater_than_equal", 20.0), compared(age, "less_than_equal", 40.0)),
            both(compared(age, "greater_than", 20), compared(age, "less_than", 40)),
            compared(at("user", "registered"), "equals", day("2024-01-15T00:00:00Z")),
            compared(at("user", "seen"), "greater_than_equal", ago(-30)),
        )
    )
    document = {"schema_version": "1.0", "audience": expression}
    found = from_mparticle(document, name="A", workspaces=["app"])
    assert found.audience.to_dict()["definition"]["root"] == {
        "type": "and",
        "criteria": [
            {
                "type": "and",
                "criteria": [
                    {"type": "user_attribute", "attribute": "color", "operator": "is_in", "value": ["blue", "yellow"]},
                    {"type": "user_attribute", "attribute": "age", "operator": "between", "value": [20.0, 40.0]},
                    {
                        "type": "and",
                        "criteria": [
                            {"type": "user_attribute", "attribute": "age", "operator": "greater_than", "value": 20},
                            {"type": "user_attribute", "attribute": "age", "operator": "less_than", "value": 40},
                        ],
                    },
                    {
                        "type": "user_attribute",
                        "attribute": "registered",
                        "operator": "between_dates",
                        "from": "2024-01-15T00:00:00Z",
                        "to": "2024-01-15T00:00:00Z",
                    },
                    {
                        "type": "user_attribute",
                        "attribute": "seen",
                        "operator": "within_last",
                        "amount": 30,
                        "unit": "days",
                    },
                ],
            }
        ],
    }
    assert [note.path for note in found.notes] == ["audience.expressions[0].expressions[4]"]


def test_one_condition_and_no_condition_of_events() -> None:
    """Without kind, a name is a custom event's; a lone lower bound that moves with now is the criterion's window."""
    one = {"operator": "count", "group_by_model": "user", "operand": {"model": "events"}}
    assert read(compared(one, "less_than", 3)) == {
        "type": "event",
        "kind": "any",
        "frequency": {"operator": "less_than", "value": 3},
    }
    named = {**one, "condition": compared(NAME, "equals", "Play")}
    assert read(compared(named, "greater_than", 0)) == {"type": "event", "kind": "custom", "name": "Play"}
    since = compared(TIMESTAMP, "greater_than_equal", ago(-7))
    recent = {**one, "condition": both(compared(NAME, "equals", "Play"), since)}
    assert read(compared(recent, "greater_than", 0)) == {
        "type": "event",
        "kind": "custom",
        "name": "Play",
        "when": {"type": "within_last", "amount": 7, "unit": "days"},
    }


def test_and_inside_of_or_on_one_event() -> None:
    """Ours joins alternatives on one event by any_of and none_of only: a and b is not (not a or not b)."""
    a, b, c = (compared(at("events", f"custom_attributes.{name}"), "equals", 1) for name in "abc")
    found = read(compared(counted(compared(NAME, "equals", "Play"), either(both(a, b), c)), "greater_than", 0))
    one = {name: {"attribute": name, "operator": "equals", "value": 1} for name in "abc"}
    both_of = {"none_of": [{"none_of": [one["a"]]}, {"none_of": [one["b"]]}]}
    assert found["where"] == [{"any_of": [both_of, one["c"]]}]


def test_scopes_that_differ_become_the_criteria_s_own() -> None:
    def played(days: int, name: str) -> Document:
        scope = both(
            either(compared(at("events", "input"), "equals", name)),
            compared(TIMESTAMP, "greater_than_equal", ago(-days)),
        )
        return compared(counted(compared(NAME, "equals", "Play"), scope), "greater_than", 0)

    found = read(both(played(7, "ios"), played(30, "web")))
    play = {"type": "event", "kind": "custom", "name": "Play"}
    assert found["criteria"] == [
        {**play, "inputs": ["ios"], "when": {"type": "within_last", "amount": 7, "unit": "days"}},
        {**play, "inputs": ["web"], "when": {"type": "within_last", "amount": 30, "unit": "days"}},
    ]


# --- documents that are none ---------------------------------------------------------------------------------------

BROKEN: list[tuple[str, Any, list[str]]] = [
    ("no object", [], [""]),
    ("no audience", {"schema_version": "1.6.0"}, [""]),
    ("another key", {"schema_version": "1.6.0", "audience": both(), "name": "A"}, [""]),
    ("another version", {"schema_version": "2.0", "audience": both()}, ["schema_version"]),
    (
        "unknown operator",
        {"schema_version": "1", "audience": {"operator": "xor", "expressions": []}},
        ["audience.operator"],
    ),
    (
        "several at once",
        {
            "schema_version": "1",
            "audience": both(
                {"operator": "exists", "operand": TIER, "extra": 1},
                compared(TIER, "equals", None),
                compared(TIER, "equals", {"date": {"relative": {"offset": "3", "unit": "fortnight"}}}),
                {"operator": "and", "expressions": {}},
            ),
        },
        [
            "audience.expressions[0]",
            "audience.expressions[1].right",
            "audience.expressions[2].right.date.relative.offset",
            "audience.expressions[2].right.date.relative.unit",
            "audience.expressions[3].expressions",
        ],
    ),
]


@pytest.mark.parametrize(("document", "paths"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_what_is_no_document_is_refused_with_every_place(document: Any, paths: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        from_mparticle(document, name="A", workspaces=["app"])
    assert [problem.path for problem in caught.value.problems] == paths


def test_any_depth_is_told() -> None:
    expression = compared(TIER, "equals", 1)
    for _ in range(10_000):
        expression = both(expression)
    with pytest.raises(DefinitionError, match="nested more than"):
        from_mparticle({"schema_version": "1.6.0", "audience": expression}, name="A", workspaces=["app"])


def test_a_sound_document_that_makes_no_valid_audience() -> None:
    """A bad regular expression is said in ours as it stands, so ours refuses it."""
    with pytest.raises(DefinitionError, match="regular expression"):
        read(compared(TIER, "matches", "("))


@pytest.mark.parametrize("levels", [1, 50, 96])
def test_deep_definitions_go_both_ways(levels: int) -> None:
    root = attribute(operator="exists")
    for _ in range(levels):
        root = {"type": "not", "criterion": root}
    whole = audience(root)
    assert from_mparticle(to_mparticle(whole).document, name="A").audience == whole

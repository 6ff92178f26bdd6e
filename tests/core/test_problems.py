"""What is wrong with a definition: every problem with its place, in words of JSON; and what `check` warns about."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import Audience, Dataset, DefinitionError
from core import event as event_of
from core.errors import SqlError
from tests.core.loads import T, batch, event, named

NOW = datetime.fromtimestamp(T / 1000, UTC)
EVENT = {"type": "event", "kind": "custom"}
CART = {"type": "cart_abandonment", "wait": {"amount": 1, "unit": "days"}}
GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}


def document(root: Any, **rest: Any) -> dict[str, Any]:
    return {"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": root}, **rest}


def refused(root: Any, **rest: Any) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionError) as error:
        Audience.from_dict(document(root, **rest))
    return [(each.path, each.message) for each in error.value.problems]


@pytest.mark.parametrize(
    ("root", "place", "message"),
    [
        (None, "root", "This must be an object."),
        ({"type": "and", "criteria": None}, "root", "criteria: must be a list."),
        ({"type": "and", "criteria": [5]}, "root.criteria[0]", "This must be an object."),
        ({**EVENT, "where": None}, "root", "where: must be a list."),
        ({**EVENT, "where": ["x"]}, "root.where[0]", "This must be an object."),
        ({**EVENT, "where": [{"any_of": 5}]}, "root.where[0]", "any_of: must be a list."),
        ({**EVENT, "when": []}, "root", "when: must be an object."),
        ({**EVENT, "inputs": "ios"}, "root", "inputs: must be a list."),
        (
            {**EVENT, "when": {"type": "within_last", "amount": "3", "unit": "days"}},
            "root",
            "amount: must be a number.",
        ),
        (
            {**EVENT, "when": {"type": "calendar", "unit": "day", "offset": 0.5}},
            "root",
            "offset: must be a whole number.",
        ),
        ({**GOLD, "workspace": 5}, "root", "workspace: must be a text."),
        ({**GOLD, "value": True}, "root", "exact_match needs a text, not true."),
        (
            {"type": "user_attribute", "attribute": "a", "operator": "within_last", "amount": 3},
            "root",
            "within_last: 'unit' is missing.",
        ),
        ({"type": "sequence", "steps": []}, "root", "steps needs at least one entry."),
        # Its steps are wrong, which is told; that none is left is no second problem.
        ({"type": "sequence", "steps": [{"kind": "custom"}]}, "root.steps[0]", "'type' is missing."),
        ({**EVENT, "frequency": {"operator": "equals"}}, "root", "frequency: give operator and value together."),
        ({**EVENT, "frequency": {"value": 3}}, "root", "frequency: give operator and value together."),
        (
            {**EVENT, "frequency": {"operator": "between", "value": 3}},
            "root",
            "frequency: between needs a list of two whole numbers from 0, [low, high].",
        ),
    ],
)
def test_one_problem_in_the_words_of_json(root: Any, place: str, message: str) -> None:
    assert refused(root) == [(place, message)]


def test_the_audience_itself() -> None:
    universe = {"type": "and", "criteria": []}
    assert refused(universe, workspaces="shop") == [("", "workspaces: must be a list.")]
    assert refused(universe, workspaces=[1]) == [("", "workspaces: must be a text.")]
    assert refused(universe, lookback_days=True) == [("", "lookback_days: must be a number.")]
    assert refused(universe, definition={"version": True, "root": universe}) == [("", "version: must be 1.")]


def test_half_a_character_is_refused_where_it_stands() -> None:
    message = "A text holds half of a character (a lone surrogate)."
    half = {**GOLD, "value": "\ud83d"}
    assert refused({"type": "and", "criteria": [GOLD, {"type": "not", "criterion": half}]}) == [
        ("root.criteria[1].criterion", message)
    ]
    assert refused({"type": "and", "criteria": []}, name="\ud83d") == [
        ("", "name: must be a text of whole characters, without lone surrogates.")
    ]
    assert Audience.from_dict(document({**GOLD, "value": "\U0001f600"}))


def alternatives(levels: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"attribute": "a", "operator": "exists"}
    for _ in range(levels):
        entry = {"none_of": [entry]}
    return {**EVENT, "where": [entry]}


def test_alternatives_nest_as_deep_as_nodes(tmp_path: Path) -> None:
    data = Dataset.create(tmp_path / "dataset")
    data.load_batches([batch(1, named("Play", custom_attributes={"a": 1}))], workspace="shop", input="ios")
    # An even number of negations is none, an odd one is one; a node and 99 alternatives are 100 levels.
    for levels, members in ((98, [1]), (99, [])):
        audience = Audience.from_dict(document(alternatives(levels)))
        assert data.evaluate(audience, now=NOW).members["mpid"].to_list() == members
    for levels in (100, 200, 5_000):
        assert [path for path, _ in refused(alternatives(levels))] == ["root"]


def test_groups_too_deep_for_sql_are_told() -> None:
    root: dict[str, Any] = GOLD
    for level in range(90):
        root = {"type": ("and", "or")[level % 2], "criteria": [root, GOLD]}
    with pytest.raises(SqlError, match="nested too deep"):
        Audience.from_dict(document(root)).to_sql()


# --- in a dataset --------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    data = Dataset.create(tmp_path / "dataset")
    shoe = {"id": "1", "custom_attributes": {"color": "red"}}
    bought = event("commerce_event", product_action={"action": "purchase", "products": [shoe]})
    begun = event("session_start")
    data.load_batches(
        [batch(1, named("Play"), bought, begun, user_attributes={"tier": "gold"})], workspace="shop", input="ios"
    )
    return data


def problems(
    data: Dataset, root: Any, audiences: dict[str, Audience] | None = None, **rest: Any
) -> list[tuple[str, str]]:
    found = Audience.from_dict(document(root, **rest)).check(data, audiences).problems
    return [(each.path, each.message) for each in found]


def test_an_unknown_workspace_or_input_hides_no_other_problem(data: Dataset) -> None:
    lacking = {"type": "calculated_attribute", "name": "ltv", "operator": "exists"}
    root = {"type": "or", "criteria": [lacking, {**EVENT, "inputs": ["roku"]}, {**EVENT, "inputs": ["tv"]}]}
    assert problems(data, root, workspaces=["shop", "travel"]) == [
        ("", "The dataset has no workspace 'travel'."),
        ("root.criteria[0]", "shop has no calculated attribute 'ltv'."),
        ("root.criteria[1]", "The input 'roku' is not among the audience's."),
        ("root.criteria[2]", "The input 'tv' is not among the audience's."),
    ]
    # "tv" is the audience's, which names it in vain: that is one problem.
    assert problems(data, root, inputs=["ios", "tv"]) == [
        ("", "The workspaces have no input 'tv'."),
        ("root.criteria[0]", "shop has no calculated attribute 'ltv'."),
        ("root.criteria[1]", "The input 'roku' is not among the audience's."),
    ]
    assert problems(data, CART, workspaces=["travel"]) == [("", "The dataset has no workspace 'travel'.")]


def test_a_named_audience_is_checked_too(data: Dataset) -> None:
    broken = Audience.from_dict(document({**GOLD, "workspace": "travel"}))
    root = {"type": "not", "criterion": {"type": "audience_membership", "audience": "b", "operator": "in"}}
    message = "The audience 'b' cannot be evaluated: The workspace 'travel' is not among the audience's."
    assert problems(data, root, {"b": broken}) == [("root.criterion", message)]
    with pytest.raises(DefinitionError):  # and not everybody
        data.evaluate(Audience.from_dict(document(root)), now=NOW, audiences={"b": broken})
    assert problems(data, root, {"b": Audience.from_dict(document(GOLD))}) == []


def test_a_demoted_kind_without_names_is_refused(data: Dataset) -> None:
    often = {"type": "event", "kind": "session", "frequency": {"operator": "equals", "value": 0}}
    assert problems(data, often) == []
    data.set_event_tier(kind="session", name=None, tier="preserve", workspace="shop")
    message = "The event session is in the tier preserve in shop, so no criterion can use it."
    assert problems(data, often) == [("root", message)]
    assert problems(data, {"type": "sequence", "steps": [EVENT, {"type": "event", "kind": "session"}]}) == [
        ("root.steps[1]", message)
    ]
    assert problems(data, {"type": "event", "kind": "any"}) == []
    with pytest.raises(DefinitionError, match="The event session is in the tier preserve"):
        data.add_calculated_attribute(
            {"name": "n", "calculation": "count", "event": {"kind": "session"}}, workspace="shop"
        )


def test_warnings_name_the_predicate(data: Dataset) -> None:
    exists = {"operator": "exists"}
    bought = {"type": "event", "kind": "ecommerce", "name": "purchase"}
    sized = {**bought, "where_product": [{"attribute": "color", **exists}, {"attribute": "size", **exists}]}
    root = {
        "type": "and",
        "criteria": [
            {**EVENT, "where": [{"field": "platform", **exists}, {"any_of": [{"attribute": "x", **exists}]}]},
            sized,
            {"type": "sequence", "steps": [EVENT, sized]},
            {**CART, "where_product": sized["where_product"]},
            {**EVENT, "aggregate": {"function": "sum", "of": {"attribute": "y"}, "operator": "at_least", "value": 1}},
            {
                **bought,
                "aggregate": {
                    "function": "sum", "of": {"product": {"attribute": "z"}}, "operator": "at_least", "value": 1,
                },
            },
        ],
    }  # fmt: skip
    report = Audience.from_dict(document(root)).check(data)
    assert report.problems == ()
    assert [(each.path, each.message) for each in report.warnings] == [
        ("root.criteria[0].where[1]", "No event has the attribute 'x'."),
        ("root.criteria[1].where_product[1]", "No product has the attribute 'size'."),
        ("root.criteria[2].steps[1].where_product[1]", "No product has the attribute 'size'."),
        ("root.criteria[3].where_product[1]", "No product has the attribute 'size'."),
        ("root.criteria[4]", "No event has the attribute 'y'."),
        ("root.criteria[5]", "No product has the attribute 'z'."),
    ]


@pytest.mark.parametrize("other", ["Play", None, {"type": "and", "criteria": []}])
def test_a_criterion_joins_criteria_only(other: Any) -> None:
    for join in (lambda: event_of("Play") & other, lambda: event_of("Play") | other):
        with pytest.raises(TypeError, match="unsupported operand"):
            join()

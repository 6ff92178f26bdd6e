"""Why in, why not: the tree's answers, what decides, and the evidence that each criterion gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from core import Audience, CoreError, Dataset
from core.criteria import CRITERIA, And, Criterion, Not, Or
from core.criteria.evidence import Evidence
from tests.core.answers import NOW, action, ago, answer, asked, at_least, both, dataset, did, either, event, of, within
from tests.core.answers import without as exclude
from tests.core.test_laws import dataset as made
from tests.core.test_laws import law
from tests.strategies import Dice, dices, situation
from tests.worlds import moment, named_audiences

PLAY = event("play", where=[{"attribute": "city", "operator": "exact_match", "value": "Paris"}], when=within(3))
GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "is_in", "value": ["gold", "platinum"]}


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    paris, rome = {"city": "Paris"}, {"city": "Rome"}
    plays = [did("play", 10, **paris), did("play", 2, **rome), did("play", 1, **paris), did("play", 0.5, **paris)]
    return dataset(
        tmp_path,
        of(1, *plays, days=0.5, user_attributes={"tier": "gold"}, user_identities={"email": "one@example.com"}),
        of(2, did("play", 2, **rome), days=2, user_attributes={"tier": None}),
        of(3, did("play", 9, **paris), days=9, user_attributes={"tier": "silver"}),
        of(4, did("other", 1), days=1),
    )


def evidence(data: Dataset, root: dict[str, Any], mpid: int) -> Evidence:
    found = answer(data, root).explain(mpid).root.evidence
    assert found is not None
    return found


def test_events_are_counted_condition_by_condition(data: Dataset) -> None:
    root = {**PLAY, "frequency": at_least(2)}
    found = evidence(data, root, 1)
    assert found.text == "2 events count; asked: at least twice"
    assert found.value == 2
    assert [(each.holds, each.left) for each in found.conditions] == [(True, 4), (True, 3), (True, 2), (True, 2)]
    assert [each.text for each in found.conditions] == [
        "did “play”",
        "in the last 3 days",
        "where city is exactly “Paris”",
        "at least twice",
    ]
    times = [round(each.at.timestamp() * 1000) for each in found.events]
    assert times == [ago(0.5), ago(1)], "the latest first"
    assert {(each.workspace, each.input, each.kind, each.name) for each in found.events} == {
        ("shop", "ios", "custom", "play")
    }


@pytest.mark.parametrize(("mpid", "left"), [(2, [1, 1, 0, 0]), (3, [1, 0, 0, 0]), (4, [0, 0, 0, 0])])
def test_the_condition_that_failed(data: Dataset, mpid: int, left: list[int]) -> None:
    found = evidence(data, PLAY, mpid)
    assert [each.left for each in found.conditions] == left
    assert found.text == "no event counts; asked: at least once"
    assert not found.conditions[-1].holds


def test_nothing_done_is_what_an_absence_asks(data: Dataset) -> None:
    found = evidence(data, {**PLAY, "frequency": {"operator": "equals", "value": 0}}, 4)
    assert found.conditions[-1].holds


@pytest.mark.parametrize(
    ("mpid", "text"),
    [
        (1, "tier is “gold”, since 31 Jan 2026 00:00 UTC; asked: is one of gold, platinum"),
        (2, "tier is there without a value, since 29 Jan 2026 12:00 UTC; asked: is one of gold, platinum"),
        (4, "has no tier; asked: is one of gold, platinum"),
    ],
)
def test_an_attribute_tells_its_value_and_its_age(data: Dataset, mpid: int, text: str) -> None:
    assert evidence(data, GOLD, mpid).text == text


def test_an_identity_is_counted_in_the_text_and_shown_apart(data: Dataset) -> None:
    found = evidence(data, {"type": "identity", "identity_type": "email", "operator": "ends_with", "value": ".com"}, 1)
    assert found.text == "has 1 email; asked: ends with “.com”"
    assert (found.value, found.identifying) == (["one@example.com"], True)


def test_a_cart_tells_what_came_after(tmp_path: Path) -> None:
    data = dataset(
        tmp_path,
        of(1, action("add_to_cart", 5)),
        of(2, action("add_to_cart", 5), action("purchase", 4.5)),
        of(3, action("add_to_cart", 1)),
        of(4),
    )
    root = {"type": "cart_abandonment", "wait": {"amount": 4, "unit": "days"}}
    asks = "asked: at least 4 days ago, nothing bought since"
    added = "last added to a cart at 26 Jan 2026 12:00 UTC"
    assert evidence(data, root, 1).text == f"{added}, nothing bought since; {asks}"
    assert evidence(data, root, 2).text == f"{added}, bought at 27 Jan 2026 00:00 UTC; {asks}"
    assert [each.text for each in evidence(data, root, 2).conditions if not each.holds] == ["nothing bought since"]
    assert [each.text for each in evidence(data, root, 3).conditions if not each.holds] == ["at least 4 days ago"]
    assert evidence(data, root, 4).text == "nothing was added to a cart"


def test_a_sequence_counts_each_step(tmp_path: Path) -> None:
    data = dataset(tmp_path, of(1, did("look", 3), did("look", 2), did("buy", 1)), of(2, did("buy", 3), did("look", 2)))
    root = {"type": "sequence", "steps": [event("look"), event("buy")], "within": {"amount": 1, "unit": "days"}}
    first, second = evidence(data, root, 1), evidence(data, root, 2)
    assert first.text == "completed at 30 Jan 2026 12:00 UTC; asked: one after the other, within 1 day"
    assert [(each.holds, each.left) for each in first.conditions] == [(True, 2), (True, 1), (True, None)]
    assert second.text == "never completed; asked: one after the other, within 1 day"
    assert [each.holds for each in second.conditions] == [True, True, False]


def test_places_distances_consent_devices_and_moments(tmp_path: Path) -> None:
    place = {"latitude": 48.85341, "longitude": 2.3488, "city_name": "Paris", "country_code": "FR"}
    consent = {"gdpr": {"advertising": {"consented": False, "timestamp_unixtime_ms": 5}}}
    data = dataset(
        tmp_path,
        of(1, days=2, context={"location": place}, consent_state=consent, device_info={"network_carrier": "AT&T"}),
        of(2, days=1),
    )
    near = {"type": "location", "operator": "within", "city": "Paris, FR", "distance": 25, "unit": "miles"}
    assert evidence(data, near, 1).text == "0.0 kilometers away; asked: within 25 miles"
    assert evidence(data, near, 2).text == "no coordinates are known; asked: within 25 miles"
    equals = {"type": "location", "operator": "equals", "city": "paris", "country": "US"}
    found = evidence(data, equals, 1)
    assert found.text == "city is “Paris”, country is “FR”, since 29 Jan 2026 12:00 UTC; asked: city paris, country US"
    assert [each.holds for each in found.conditions] == [True, False]
    asks = {"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "given"}
    assert evidence(data, asks, 1).text == "rejected, since 29 Jan 2026 12:00 UTC; asked: given"
    assert evidence(data, asks, 2).text == "no record; asked: given"
    carrier = {"type": "device", "field": "carrier", "operator": "exact_match", "value": "O2"}
    assert evidence(data, carrier, 1).text == "carrier is “AT&T”; asked: is exactly “O2”"
    seen = {"type": "last_seen", "when": within(1)}
    assert evidence(data, seen, 1).text == "last seen 29 Jan 2026 12:00 UTC; asked: in the last 1 day"


def test_what_decides(data: Dataset) -> None:
    """1 satisfies both, 3 plays but is silver, 4 satisfies neither."""
    explained = answer(data, both(event("play"), GOLD)).explain(3)
    assert not explained.member
    assert [(leaf.holds, leaf.decides) for leaf in explained.leaves()] == [(True, False), (False, True)]
    assert explained.summary == "Not a member: one criterion decides it."
    assert answer(data, both(event("play"), GOLD)).explain(1).summary == (
        "A member: 2 criteria decide it, each one is needed."
    )
    assert answer(data, both(event("play"), GOLD)).explain(4).summary == (
        "Not a member: no single criterion decides it."
    )
    kept_out = answer(data, both(event("play"), exclude(GOLD))).explain(1)
    assert [(leaf.holds, leaf.decides) for leaf in kept_out.leaves()] == [(True, False), (True, True)]


def test_who_was_not_seen_yet_and_who_does_not_exist(data: Dataset) -> None:
    early = data.evaluate(asked(event("play")), now=moment(ago(5))).explain(4)
    assert (early.member, early.in_universe) == (False, False)
    assert early.summary == "Not a member: never seen in the audience's workspaces by then."
    with pytest.raises(CoreError, match="no profile 99"):
        answer(data, PLAY).explain(99)


def test_it_travels_as_json(data: Dataset) -> None:
    document = answer(data, both(either(PLAY), exclude(GOLD))).explain(1).to_dict()
    assert json.loads(json.dumps(document)) == document
    assert (document["mpid"], document["now"], document["member"]) == (1, "2026-01-31T12:00:00.000Z", False)
    assert document["root"]["children"][1]["children"][0]["path"] == "root.criteria[1].criterion"
    assert NOW.isoformat().startswith("2026-01-31T12")


def test_every_criterion_gives_evidence() -> None:
    groups = {And, Or, Not}
    for kind in CRITERIA.values():
        said = kind.evidence is not Criterion.evidence
        assert said != (kind in groups), f"{kind.__name__} says what it found"


@law
@given(dices)
def test_the_tree_says_what_the_evaluation_says(dice: Dice) -> None:
    found = situation(dice, audience_count=1)
    named = named_audiences(found)
    with made(found) as data:
        result = data.evaluate(Audience.from_dict(found.audiences[0]), now=moment(found.now), audiences=named)
        members = set(result.members["mpid"].to_list())
        for mpid in data.snapshot.mpid.tolist():
            explained = result.explain(mpid)
            assert explained.member == explained.root.holds == (mpid in members)
            json.dumps(explained.to_dict())

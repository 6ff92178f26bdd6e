"""Threshold curves and near misses: worked out by hand, and against evaluations of edited definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from core import Audience, CoreError, Dataset, DefinitionError
from core.curves import as_document, curve, dials, lengths, measured_settings
from core.near_misses import near_misses, near_misses_frame
from tests.core.answers import action, answer, asked, at_least, both, dataset, did, either, event, of, within, without
from tests.core.test_laws import dataset as made
from tests.core.test_laws import law
from tests.strategies import Dice, dices, situation
from tests.worlds import moment, named_audiences

GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Profile n plays n times, a day, two days ... n days ago; 4 and 5 are gold; 6 is gold and never plays."""
    players = [of(n, *(did("play", day) for day in range(1, n + 1)), days=1) for n in range(1, 6)]
    gold = [of(n, days=0.5, user_attributes={"tier": "gold", "points": n * 10}) for n in (4, 5, 6)]
    return dataset(tmp_path, *players, *gold)


def sizes(result: Any, path: str, key: str) -> dict[float, int]:
    return {point.setting: point.size for point in curve(result, path, key).points}


def test_a_count(data: Dataset) -> None:
    """At least k times: 6 - k of the five players, everybody for 0."""
    result = answer(data, event("play", frequency=at_least(2)))
    assert sizes(result, "root", "frequency.value") == {0: 6, 1: 5, 2: 4, 3: 3, 4: 2, 5: 1}


def test_only_the_number_changes(data: Dataset) -> None:
    """Gold and not at least k times: of 4, 5, 6 those with fewer plays than k."""
    result = answer(data, both(GOLD, without(event("play", frequency=at_least(5)))))
    assert sizes(result, "root.criteria[1].criterion", "frequency.value") == {0: 0, 1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 3}


def test_a_window(data: Dataset) -> None:
    """Three plays in the last n days: whoever played n days ago at the least, if n is 3 or more."""
    result = answer(data, event("play", frequency=at_least(3), when=within(4)))
    found = sizes(result, "root", "when.amount")
    assert found == {1: 0, 2: 0, 3: 3, 4: 3, 5: 3}


def test_a_count_nobody_wrote_down_can_be_turned(data: Dataset) -> None:
    result = answer(data, event("play"))
    assert [(dial.key, dial.setting, dial.words) for dial in dials(result, "root")] == [("frequency.value", 0, "times")]
    assert sizes(result, "root", "frequency.value")[0] == 5
    document = as_document(result.node("root"), "frequency.value", 3)
    assert document["frequency"]["value"] == 3
    assert answer(data, document).size == 2, "more than 3 times: 4 and 5"


def test_an_attribute_and_both_ends_of_between(data: Dataset) -> None:
    points = {"type": "user_attribute", "attribute": "points", "operator": "between", "value": [45, 55]}
    result = answer(data, points)
    low, high = (sizes(result, "root", key) for key in ("value.0", "value.1"))
    assert (low[45], low[40]) == (1, 2), "50, and from 40 also 40"
    assert (high[55], high[60]) == (1, 2), "50, and up to 60 also 60"
    assert max(low) <= 55 and min(high) >= 45, "a low above its high is no setting"


def test_numbers_of_conditions(tmp_path: Path) -> None:
    """Profile n wins once with 10 n points and a dish of n: the numbers of conditions are turned like any other."""
    wins = [of(n, did("win", 1, points=10 * n, place=str(n))) for n in range(1, 6)]
    points = {"attribute": "points", "operator": "at_least", "value": 20}
    places = {"attribute": "place", "operator": "between", "value": [2, 4]}
    result = answer(dataset(tmp_path, *wins), event("win", where=[points, {"any_of": [places]}]))
    words = {dial.key: dial.words for dial in dials(result, "root")}
    assert words["where.0.value"] == "points"
    assert [key for key in words if key.startswith("where.1")] == [
        "where.1.any_of.0.value.0",
        "where.1.any_of.0.value.1",
    ]
    found = sizes(result, "root", "where.0.value")
    assert len(found) > 3
    assert found == {least: sum(10 * n >= least for n in (2, 3, 4)) for least in found}
    highs = sizes(result, "root", "where.1.any_of.0.value.1")
    assert len(highs) > 2
    assert highs == {high: sum(n <= high for n in (2, 3, 4, 5)) for high in highs}
    document = as_document(result.node("root"), "where.1.any_of.0.value.1", 3)
    assert document["where"][1] == {"any_of": [{**places, "value": [2, 3]}]}


def test_the_price_of_a_product(tmp_path: Path) -> None:
    """Profile n buys something for 10 n, and a trifle for 1."""
    buys = [of(n, action("purchase", 1, [{"price": 10 * n}, {"price": 1}])) for n in range(1, 6)]
    dear = {"field": "price", "operator": "greater_than", "value": 25}
    result = answer(
        dataset(tmp_path, *buys), {"type": "event", "kind": "ecommerce", "name": "purchase", "where_product": [dear]}
    )
    found = sizes(result, "root", "where_product.0.value")
    assert {dial.words for dial in dials(result, "root")} >= {"a product’s price"}
    assert found == {most: sum(10 * n > most for n in range(1, 6)) for most in found}


def test_what_has_no_number(data: Dataset) -> None:
    result = answer(data, both(GOLD, event("play")))
    assert dials(result, "root.criteria[0]") == ()
    with pytest.raises(CoreError, match="no number 'value'"):
        curve(result, "root.criteria[0]", "value")


def test_settings_worth_a_look() -> None:
    assert lengths(3) == [1, 2, 3, 4, 5, 7, 10, 14, 21]
    assert lengths(0.5) == [1, 2, 3, 4, 5, 7]
    import numpy as np

    assert measured_settings(np.zeros(0), 3, whole=True) == []
    assert set(measured_settings(np.array([0.0, 1.0, 2.0]), 2, whole=True)) == {0, 1, 2, 3}


def test_whom_one_criterion_alone_keeps_out(data: Dataset) -> None:
    """Gold and at least 5 times: 5 is in. 4 lacks one play, 6 lacks five; nobody lacks only the tier."""
    found = near_misses(answer(data, both(GOLD, event("play", frequency=at_least(5)))))
    assert [(each.path, each.size, each.excluded) for each in found] == [("root.criteria[1]", 2, False)]
    (missed,) = found
    assert (missed.unit, missed.gap, missed.steps) == ("events", 3.0, ((1.0, 1), (5.0, 1)))
    assert [(each.mpid, each.value, each.gap) for each in missed.closest] == [(4, 4, 1.0), (6, 0, 5.0)]
    assert near_misses_frame(found).row(0)[2:5] == (2, 3.0, "events")


def test_who_would_be_in_were_it_not_excluded(data: Dataset) -> None:
    """Gold without those who played more than twice: 4 must lose two plays, 5 three; 1 and 2 lack the tier only."""
    twice = {"operator": "greater_than", "value": 2}
    tier, missed = near_misses(answer(data, both(GOLD, without(event("play", frequency=twice)))))
    assert (tier.path, tier.size, tier.excluded) == ("root.criteria[0]", 2, False)
    assert (missed.path, missed.size, missed.excluded) == ("root.criteria[1].criterion", 2, True)
    assert [(each.mpid, each.gap) for each in missed.closest] == [(4, 2.0), (5, 3.0)]


def test_days_and_distances(tmp_path: Path) -> None:
    """1 was seen 9 days ago and is in Paris, 2 yesterday in Versailles (17 km away)."""
    paris = {"latitude": 48.85341, "longitude": 2.3488}
    versailles = {"latitude": 48.8035403, "longitude": 2.1266886}
    data = dataset(
        tmp_path, of(1, days=9, context={"location": paris}), of(2, days=1, context={"location": versailles})
    )
    near = {"type": "location", "operator": "within", **paris, "distance": 10, "unit": "kilometers"}
    found = {
        each.path: each for each in near_misses(answer(data, both(near, {"type": "last_seen", "when": within(7)})))
    }
    place, seen = found["root.criteria[0]"], found["root.criteria[1]"]
    assert (place.unit, [each.mpid for each in place.closest]) == ("kilometers", [2])
    assert place.gap == pytest.approx(17.18 - 10, abs=0.05)
    assert (seen.unit, seen.gap, [each.mpid for each in seen.closest]) == ("days", 2.0, [1])


def test_a_text_has_no_distance(data: Dataset) -> None:
    """Gold or silver, and playing: 1, 2 and 3 play but have no tier."""
    silver = {**GOLD, "value": "silver"}
    found = near_misses(answer(data, both(either(GOLD, silver), event("play"))))
    texts = [each for each in found if each.path.startswith("root.criteria[0]")]
    assert [(each.size, each.gap, each.unit) for each in texts] == [(3, None, None)] * 2
    assert texts[0].closest[0].gap is None
    assert texts[0].instead == (("no value", 3),)


def test_what_they_did_instead(tmp_path: Path) -> None:
    """Asked: to have played Paris in the last 7 days. 1 did; 2 did 7.5 days ago, 3 nine days, 4 sixty days ago, 5
    played Rome yesterday, 6 played Rome long ago, 7 never played. Everybody but 1 is a near miss."""
    paris, rome = {"city": "Paris"}, {"city": "Rome"}
    data = dataset(
        tmp_path,
        *(of(mpid, did("play", days, **city), days=days) for mpid, days, city in (
            (1, 1, paris), (2, 7.5, paris), (3, 9, paris), (4, 60, paris), (5, 1, rome), (6, 40, rome))),
        of(7, days=1),
    )  # fmt: skip
    where = [{"attribute": "city", "operator": "exact_match", "value": "Paris"}]
    (found,) = near_misses(answer(data, event("play", when=within(7), where=where)))
    assert found.instead == (
        ("within 1 day of that time", 1),
        ("within 3 days of that time", 1),
        ("at another time", 1),
        ("with other values", 1),
        ("with other values at another time", 1),
        ("never", 1),
    )
    (seldom,) = near_misses(answer(data, event("play", frequency=at_least(2))))
    assert seldom.instead == (("too seldom at any time", 7),)
    assert not near_misses(answer(data, event("play", frequency={"operator": "less_than", "value": 1})))[0].instead


def test_how_far_they_came_in_a_sequence(tmp_path: Path) -> None:
    """1 looked and bought at once, 2 two days later, 3 only looked, 4 only bought."""
    data = dataset(
        tmp_path,
        of(1, did("look", 3), did("buy", 2.9)),
        of(2, did("look", 3), did("buy", 1)),
        of(3, did("look", 3)),
        of(4, did("buy", 3)),
    )
    root = {"type": "sequence", "steps": [event("look"), event("buy")], "within": {"amount": 1, "unit": "days"}}
    (found,) = near_misses(answer(data, root))
    assert found.instead == (("not within 1 day", 1), ("1 of 2 steps", 1), ("not the first step", 1))


def test_the_values_of_those_who_were_kept_out(tmp_path: Path) -> None:
    consents = {True: [1], False: [2, 3]}
    data = dataset(
        tmp_path,
        *(of(mpid, user_attributes={"tier": tier}, consent_state={"gdpr": {"ads": {"consented": given}}})
          for given, mpids in consents.items() for mpid in mpids for tier in ["gold" if given else "silver"]),
        of(4),
    )  # fmt: skip
    (tier,) = near_misses(answer(data, GOLD))
    assert tier.instead == (("“silver”", 2), ("no value", 1))
    ads = {"type": "consent", "regulation": "gdpr", "purpose": "ads", "state": "given"}
    assert near_misses(answer(data, ads))[0].instead == (("rejected", 2), ("no record", 1))


@law
@given(dices)
def test_every_point_is_the_evaluation_of_the_edited_definition(dice: Dice) -> None:
    found = situation(dice, audience_count=1)
    now, named = moment(found.now), named_audiences(found)
    audience = Audience.from_dict(found.audiences[0])
    with made(found) as data:
        result = data.evaluate(audience, now=now, audiences=named)
        for path, node in audience.nodes():
            for dial in node.dials():
                points = curve(result, path, dial.key).points
                assert [each.size for each in points if each.setting == dial.setting] == [result.size]
                for point in (points[0], points[-1]):
                    document = _edited(audience, path, as_document(node, dial.key, point.setting))
                    try:
                        edited = data.evaluate(Audience.from_dict(document), now=now, audiences=named)
                    except DefinitionError:  # the scope refuses it, as it would refuse the audience's own
                        continue
                    assert edited.size == point.size


@law
@given(dices)
def test_a_near_miss_is_in_when_its_criterion_answers_otherwise(dice: Dice) -> None:
    found = situation(dice, audience_count=1)
    now, named = moment(found.now), named_audiences(found)
    audience = Audience.from_dict(found.audiences[0])
    with made(found) as data:
        result = data.evaluate(audience, now=now, audiences=named)
        for missed in near_misses(result, closest=10_000):
            everybody, nobody = both(), either()
            other = nobody if missed.excluded else everybody
            flipped = data.evaluate(Audience.from_dict(_edited(audience, missed.path, other)), now=now, audiences=named)
            inside = set(flipped.members["mpid"].to_list()) - set(result.members["mpid"].to_list())
            assert {each.mpid for each in missed.closest} <= inside
            assert len(missed.closest) == missed.size
            assert all(each.gap is None or each.gap >= 0 for each in missed.closest)
            told = [count for _, count in missed.instead]
            assert all(told)
            assert sum(told) <= missed.size, "everybody counts once"


def _edited(audience: Audience, path: str, node: dict[str, Any]) -> dict[str, Any]:
    """The document with another node at a path."""
    document = audience.to_dict()
    at = document["definition"]
    key: Any = "root"
    for segment in path.split(".")[1:]:
        at, key = at[key], segment
        if segment.startswith("criteria["):
            at, key = at["criteria"], int(segment[9:-1])
    at[key] = node
    return document


def test_the_edited_document_is_edited() -> None:
    document = _edited(asked(both(GOLD, without(event("play")))), "root.criteria[1].criterion", event("stop"))
    assert document["definition"]["root"]["criteria"][1]["criterion"] == event("stop")

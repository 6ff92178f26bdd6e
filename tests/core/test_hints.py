"""What is probably not meant, by hand: one hint a situation, and none where nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from core import Audience, Dataset
from core.hints import Hint, hints
from tests.core.answers import action, answer, at_least, both, dataset, did, either, event, of, within, without
from tests.core.test_laws import dataset as made
from tests.core.test_laws import law
from tests.strategies import Dice, dices, situation
from tests.worlds import moment, named_audiences

PLAY, PAY, STOP = event("play"), event("pay"), event("stop")


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """1 and 2 play, 2 and 3 pay, 2 plays twice; everybody starts."""
    return dataset(
        tmp_path,
        of(1, did("play", 1), did("start", 1), days=1),
        of(2, did("play", 1), did("play", 2), did("pay", 1), did("start", 1), days=1),
        of(3, did("pay", 1), did("start", 1), days=1),
    )


def told(found: list[Hint]) -> list[tuple[str, str]]:
    return [(each.path, each.message) for each in found]


def test_nothing_to_say(data: Dataset) -> None:
    assert hints(answer(data, both(PLAY, PAY))) == []
    assert hints(answer(data, either(PLAY, PAY))) == []


def test_nobody_and_everybody(data: Dataset) -> None:
    assert told(hints(answer(data, either(PLAY, STOP)))) == [("root.criteria[1]", "B selects nobody.")]
    assert told(hints(answer(data, both(PLAY, event("start"))))) == [
        ("root.criteria[1]", "B selects everybody, so it changes nothing.")
    ]


def test_one_implies_the_other(data: Dataset) -> None:
    """Twice implies once: under and, once changes nothing; under or, twice does not."""
    twice = event("play", frequency=at_least(2))
    assert told(hints(answer(data, both(PLAY, twice)))) == [
        ("root.criteria[0]", "Everybody who satisfies B satisfies A too: A changes nothing here.")
    ]
    assert told(hints(answer(data, either(PLAY, twice)))) == [
        ("root.criteria[1]", "Everybody who satisfies B satisfies A too: B changes nothing here.")
    ]


def test_the_same_people_and_nobody_in_both(data: Dataset) -> None:
    assert told(hints(answer(data, both(PLAY, event("play", when=within(5)))))) == [
        ("root.criteria[1]", "A and B select the same people.")
    ]
    twice, once = (event("play", frequency={"operator": "equals", "value": count}) for count in (2, 1))
    assert told(hints(answer(data, both(twice, once)))) == [
        ("root.criteria[1]", "Nobody satisfies both A and B, so the audience is empty.")
    ]


def test_what_changes_nothing_for_another_reason(data: Dataset) -> None:
    """(play or pay) is everybody: an exclusion of nobody's stop selects nobody, which is said."""
    assert told(hints(answer(data, both(PLAY, without(STOP))))) == [("root.criteria[1].criterion", "B selects nobody.")]
    found = told(hints(answer(data, both(either(PLAY, PAY), event("start", frequency=at_least(1))))))
    assert found == [("root.criteria[1]", "C selects everybody, so it changes nothing.")]


def test_windows_outside_of_the_data(data: Dataset) -> None:
    old = event("play", when={"type": "more_than_ago", "amount": 60, "unit": "days"})
    found = told(hints(answer(data, either(PAY, old), lookback_days=30)))
    assert ("root.criteria[1]", "The window more than 60 days ago ends before the event data range begins.") in found
    ahead = event("play", when={"type": "after", "date": "2030-01-01"})
    assert ("root", "The window on or after 2030-01-01 has not begun.") in told(hints(answer(data, ahead)))


def test_an_event_that_stopped_arriving(tmp_path: Path) -> None:
    """One a day from 40 to 21 days ago: 20 in 19 days; in the 21 days since, some 22 would have come."""
    plays = [did("play", day) for day in range(21, 41)]
    steady = [did("pay", day) for day in range(40)]
    data = dataset(tmp_path, of(1, *plays, days=0), of(2, *steady, days=0))
    found = told(hints(answer(data, either(PLAY, PAY))))
    assert found == [("root.criteria[0]", "“play” stopped arriving: the last came on 10 Jan 2026 12:00 UTC.")]


def test_sums_that_mix_currencies(tmp_path: Path) -> None:
    """Three purchases in EUR, one in USD; in the last two days only EUR."""

    def bought(days: float, code: str) -> dict[str, object]:
        return action("purchase", days, currency_code=code, of_action={"total_amount": 5})

    data = dataset(
        tmp_path, of(1, bought(1, "EUR"), bought(3, "USD")), of(2, bought(1, "EUR"), bought(2, "EUR")), of(3)
    )
    total = {"function": "sum", "of": {"field": "total_amount"}, "operator": "greater_than", "value": 5}
    spent = {"type": "event", "kind": "ecommerce", "name": "purchase", "aggregate": total}
    message = "The amounts are of several currencies (EUR 75 %, USD 25 %), and are added up as if they were one."
    assert told(hints(answer(data, spent))) == [("root", message)]
    assert hints(answer(data, {**spent, "when": within(2.5)})) == []
    data.add_calculated_attribute(
        {
            "name": "revenue",
            "calculation": "sum",
            "event": {"kind": "ecommerce", "name": "purchase"},
            "of": {"field": "total_amount"},
        },
        workspace="shop",
    )
    rich = {"type": "calculated_attribute", "name": "revenue", "operator": "greater_than", "value": 9}
    assert told(hints(answer(data, rich))) == [("root", message)]


def test_warnings_come_first_and_names_are_those_of_the_cards(data: Dataset) -> None:
    audience = answer(data, both(PLAY, event("never"))).audience
    warnings = audience.check(data).warnings
    found = hints(answer(data, both(PLAY, event("never"))), warnings, {"root.criteria[1]": "D"})
    assert found[0].message == "The data holds no custom event named 'never'."
    assert found[1].message == "D selects nobody."


@law
@given(dices)
def test_what_is_said_to_change_nothing_changes_nothing(dice: Dice) -> None:
    found = situation(dice, audience_count=1)
    with made(found) as data:
        audience = Audience.from_dict(found.audiences[0])
        result = data.evaluate(audience, now=moment(found.now), audiences=named_audiences(found))
        nodes = {node.path: node for node in result.criteria}
        for hint in hints(result):
            if hint.message.endswith(("changes nothing.", "is the same without it.")):
                assert nodes[hint.path].unique == 0
            if hint.message.endswith("selects nobody."):
                assert nodes[hint.path].size == 0

"""Past days and days to come are evaluations at those moments, and the sums of adds and drops are the change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given

from core import Audience, Dataset, DefinitionError
from core.history import Day, backtest, forecast
from tests.core.answers import NOW, ago, asked, dataset, did, event, of, within
from tests.core.test_laws import dataset as made
from tests.core.test_laws import known_then, law, with_times
from tests.strategies import DAY, Dice, Load, dices, situation
from tests.worlds import moment, named_audiences

RECENT = asked(event("play", when=within(3)))


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset(tmp_path, of(1, did("play", 10.5), days=10.5), of(2, did("play", 0.5), days=0.5))


def days_ago(day: Day) -> int:
    return (NOW - day.at).days


def test_the_past_days(data: Dataset) -> None:
    """1 is in while its event is up to 3 days old: 10, 9 and 8 days ago. 2 is in today."""
    days = {days_ago(day): day for day in backtest(data, RECENT, now=NOW).days}
    assert sorted(days) == list(range(30))
    assert {back for back, day in days.items() if day.size} == {10, 9, 8, 0}
    assert {back: (day.adds, day.drops) for back, day in days.items() if day.adds or day.drops} == {
        10: (1, 0),
        7: (0, 1),
        0: (1, 0),
    }
    assert (days[11].universe, days[10].universe, days[1].universe, days[0].universe) == (0, 1, 1, 2)


def test_the_first_day_is_compared_with_the_one_before(data: Dataset) -> None:
    days = backtest(data, RECENT, now=moment(ago(7)), days=1).days
    assert [(day.at, day.size, day.adds, day.drops) for day in days] == [(moment(ago(7)), 0, 0, 1)]


def test_who_leaves_when_nothing_new_arrives(data: Dataset) -> None:
    """The event of 2 is 1.5 and 2.5 days old tomorrow and the day after; then it is too old."""
    days = forecast(data, RECENT, now=NOW, days=4).days
    assert [(day.at - NOW).days for day in days] == [1, 2, 3, 4]
    assert [(day.size, day.adds, day.drops) for day in days] == [(1, 0, 0), (1, 0, 0), (0, 0, 1), (0, 0, 0)]


def test_who_enters_when_nothing_new_arrives(data: Dataset) -> None:
    """1 is in already; the event of 2 is older than 7 days from the seventh day on."""
    old = asked(event("play", when={"type": "more_than_ago", "amount": 7, "unit": "days"}))
    days = forecast(data, old, now=NOW, days=8).days
    assert [day.size for day in days] == [1, 1, 1, 1, 1, 1, 2, 2]
    assert [day.adds for day in days] == [0, 0, 0, 0, 0, 0, 1, 0]


def test_what_came_later_is_not_in_a_forecast(data: Dataset) -> None:
    """Seen from 9 days ago, the event of 1 is 1.5 days old, and 2 is not there yet: 1 leaves on the second day."""
    days = forecast(data, RECENT, now=moment(ago(9)), days=10).days
    assert [(day.size, day.universe) for day in days] == [(1, 1), *[(0, 1)] * 9]
    assert [day.drops for day in days] == [0, 1, *[0] * 8]
    assert data.evaluate(RECENT, now=NOW).size == 1, "the dataset itself forgets nothing"


def test_progress_and_stopping(data: Dataset) -> None:
    told: list[tuple[int, int]] = []
    backtest(data, RECENT, now=NOW, days=2, progress=lambda done, total: told.append((done, total)))
    assert list(dict.fromkeys(told)) == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        backtest(data, RECENT, now=NOW, progress=stop)


def test_a_frame_for_charts_and_tables(data: Dataset) -> None:
    frame = backtest(data, RECENT, now=NOW, days=2).frame
    assert frame.columns == ["at", "size", "universe", "adds", "drops"]
    assert frame.rows() == [(NOW - timedelta(days=1), 0, 1, 0, 0), (NOW, 1, 2, 1, 0)]


def test_a_definition_that_cannot_be_evaluated_is_refused(data: Dataset) -> None:
    with pytest.raises(DefinitionError):
        backtest(data, asked(event("play"), workspaces=["nowhere"]), now=NOW)


def test_what_the_present_moment_remembers_stays(data: Dataset) -> None:
    result = data.evaluate(RECENT, now=NOW)
    backtest(data, RECENT, now=NOW)
    assert data.evaluate(RECENT, now=NOW).mask is result.mask


def test_a_second_look_at_a_day_finds_it_again(data: Dataset) -> None:
    backtest(data, RECENT, now=NOW)
    day = NOW - timedelta(days=8)
    masks = [data.aside().evaluate(RECENT, now=day).mask for _ in range(2)]
    assert masks[0] is masks[1]


@law
@given(dices)
def test_each_day_is_the_evaluation_at_that_day(dice: Dice) -> None:
    found = situation(dice, audience_count=1)
    named, now = named_audiences(found), moment(found.now)
    audience = Audience.from_dict(found.audiences[0])
    with made(found) as data:

        def members(at: int) -> set[int]:
            fresh = Dataset.open(data.path).evaluate(audience, now=now + timedelta(days=at), audiences=named)
            return set(fresh.members["mpid"].to_list())

        for at, day in enumerate(backtest(data, audience, now=now, audiences=named, days=3).days, -2):
            here, before = members(at), members(at - 1)
            assert (day.size, day.adds, day.drops) == (len(here), len(here - before), len(before - here))


@law
@given(dices)
def test_a_forecast_is_the_later_evaluation_of_what_is_known(dice: Dice) -> None:
    """Where nothing later is loaded at all, the plain evaluations of the days to come say the same."""
    timed = with_times(situation(dice, audience_count=1))
    then = timed.now - dice.pick(0, 1, DAY // 24, DAY, 3 * DAY, 30 * DAY)
    found = replace(timed, loads=[_on_time(load, then) for load in timed.loads])
    audience, named = Audience.from_dict(found.audiences[0]), named_audiences(found)
    shape = dice.pick("plain", "sharded")
    with made(found, shape) as data, made(known_then(found, then)) as known:
        ahead = forecast(data, audience, now=moment(then), audiences=named, days=3).days
        plain = [known.evaluate(audience, now=moment(then + at * DAY), audiences=named) for at in range(4)]
    for day, before, here in zip(ahead, plain, plain[1:], strict=False):
        came, went = here.mask & ~before.mask, before.mask & ~here.mask
        assert (day.size, day.universe) == (here.size, here.universe)
        assert (day.adds, day.drops) == (came.sum(), went.sum())


def _on_time(load: Load, then: int) -> Load:
    """Without events that had happened by a moment and came later: their batch is seen as activity afterwards."""
    batches = []
    for batch in load.batches:
        events = batch.get("events", [])
        if batch["timestamp_unixtime_ms"] > then:
            events = [event for event in events if event["data"]["timestamp_unixtime_ms"] > then]
        batches.append({**batch, "events": events})
    return replace(load, batches=batches)

"""Laws that hold whatever the data and the definition: of sets, of windows, of loading, of time, of sizes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import sampled_from

from core import Audience, Dataset
from core.data import compiling
from tests.definitions import Frame, Surroundings, event_parts, node, sequence
from tests.strategies import DAY, Dice, Document, Load, Situation, dices, inputs_of, situation
from tests.worlds import SHAPES, counting, dataset_of, moment, named_audiences, scratch

law = settings(max_examples=max(20, settings.default.max_examples // 10), phases=[Phase.explicit, Phase.generate])
"""A tenth of the examples of the profile for each law."""

Members = list[int]


@pytest.fixture(autouse=True, scope="module", params=compiling.MODES)
def loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every law holds with each kind of loops."""
    with counting(request.param):
        yield


@contextmanager
def dataset(found: Situation, shape: str = "plain") -> Iterator[Dataset]:
    """A dataset that lives as long as the law is looked at."""
    with scratch() as folder:
        yield dataset_of(found, folder / "data", shape)


def audience(found: Situation, root: Document, **scope: Any) -> Audience:
    """An audience over every workspace and input, unless the scope says otherwise."""
    definition = {"version": 1, "root": root}
    return Audience.from_dict({"name": "Law", "workspaces": found.workspaces, "definition": definition, **scope})


def members(data: Dataset, found: Situation, root: Document, **scope: Any) -> set[int]:
    """Who a tree selects."""
    result = data.evaluate(audience(found, root, **scope), now=moment(found.now), audiences=named_audiences(found))
    return set(result.members["mpid"].to_list())


def answers(found: Situation, now: int | None = None, shape: str = "plain") -> list[tuple[int, Members, list[Any]]]:
    """Universe, members and sizes of every audience of a situation, on a dataset of its own."""
    at, named = moment(found.now if now is None else now), named_audiences(found)
    with dataset(found, shape) as data:
        results = [data.evaluate(Audience.from_dict(each), now=at, audiences=named) for each in found.audiences]
        return [(each.universe, each.members["mpid"].to_list(), each.criteria) for each in results]


def frame(found: Situation) -> Frame:
    """What trees over every workspace may name."""
    around = Surroundings(inputs_of(found.loads), found.demoted, found.calculated)
    return Frame(around, found.workspaces, None, list(found.named))


def tree(dice: Dice, found: Situation) -> Document:
    """A random tree over every workspace and input."""
    return node(dice, frame(found), 3)


def invert(root: Document) -> Document:
    return {"type": "not", "criterion": root}


def both(*roots: Document) -> Document:
    return {"type": "and", "criteria": list(roots)}


def either(*roots: Document) -> Document:
    return {"type": "or", "criteria": list(roots)}


# --- sets --------------------------------------------------------------------------------------------------------


@law
@given(dices)
def test_logic_is_that_of_sets(dice: Dice) -> None:
    found = situation(dice, audience_count=0)
    a, b = tree(dice, found), tree(dice, found)
    with dataset(found) as data:

        def who(root: Document) -> set[int]:
            return members(data, found, root)

        everybody = who(both())
        assert who(a) <= everybody
        assert who(invert(a)) == everybody - who(a), "negation is the complement in the universe"
        assert who(invert(invert(a))) == who(a), "double negation"
        assert who(invert(both(a, b))) == who(either(invert(a), invert(b))), "De Morgan"
        assert who(invert(either(a, b))) == who(both(invert(a), invert(b))), "De Morgan"
        assert who(both(a, invert(b))) == who(a) - who(b), "A exclude B"
        assert who(both(a, b)) == who(a) & who(b)
        assert who(either(a, b)) == who(a) | who(b)


@law
@given(dices)
def test_sizes_agree_with_each_other(dice: Dice) -> None:
    found = situation(dice, audience_count=0)
    root = tree(dice, found)
    with dataset(found) as data:
        named, asked = named_audiences(found), audience(found, root)
        result = data.evaluate(asked, now=moment(found.now), audiences=named)
        assert result.criteria[0].path == "root"
        assert result.criteria[0].size == result.size == len(result.members)
        assert result.criteria[-1].here == result.size, "after the last node nothing is left out"
        again = data.evaluate(asked, now=moment(found.now), audiences=named)
        assert again.criteria == result.criteria
        opened = Dataset.open(data.path).evaluate(asked, now=moment(found.now), audiences=named)
        assert (opened.criteria, opened.universe) == (result.criteria, result.universe), (
            "what is on disk is all there is"
        )
        estimate = data.estimate(asked, now=moment(found.now), audiences=named)
        assert (estimate.size, estimate.low, estimate.high) == (result.size,) * 3, "few profiles: the estimate is exact"
        assert estimate.sample_users == result.universe


# --- windows -----------------------------------------------------------------------------------------------------


@law
@given(dices)
def test_widening_never_loses(dice: Dice) -> None:
    found = situation(dice, audience_count=0)
    event = {"type": "event", **event_parts(dice, found.demoted), "frequency": {"operator": "at_least", "value": 1}}
    steps = sequence(dice, frame(found))
    with dataset(found) as data:
        for narrow, wide in zip((1, 3, 7), (3, 7, 30), strict=True):
            last = [{"type": "within_last", "amount": days, "unit": "days"} for days in (narrow, wide)]
            _never_loses(data, found, *({**event, "when": window} for window in last))
            within = [{"amount": days, "unit": "days"} for days in (narrow, wide)]
            _never_loses(data, found, *({**steps, "within": longest} for longest in within))
            seen = [{"type": "last_seen", "when": window} for window in last]
            _never_loses(data, found, *seen)
            assert members(data, found, event, lookback_days=narrow) <= members(data, found, event, lookback_days=wide)
        _never_loses(data, found, {**event, "when": last[-1]}, event)
        near = {"type": "location", "operator": "within", "latitude": 0, "longitude": 0, "unit": "kilometers"}
        _never_loses(data, found, {**near, "distance": 1}, {**near, "distance": 9000})


def _never_loses(data: Dataset, found: Situation, narrow: Document, wide: Document) -> None:
    assert members(data, found, narrow) <= members(data, found, wide)


# --- loading -----------------------------------------------------------------------------------------------------


@law
@given(dices)
def test_split_of_a_load_does_not_matter(dice: Dice) -> None:
    found = situation(dice)
    parts = []
    for load in found.loads:
        at = dice.randint(0, len(load.batches))
        parts += [replace(load, batches=load.batches[:at]), replace(load, batches=load.batches[at:])]
    assert answers(found) == answers(replace(found, loads=parts))


@law
@given(dices, sampled_from(SHAPES[1:]))
def test_how_a_dataset_lies_on_disk_does_not_matter(dice: Dice, shape: str) -> None:
    found = situation(dice)
    parts = [replace(load, batches=[batch]) for load in found.loads for batch in load.batches]
    assert answers(found) == answers(replace(found, loads=parts), shape=shape)


@law
@given(dices)
def test_order_of_loading_does_not_matter(dice: Dice) -> None:
    found = situation(dice)
    ordered = _told_apart(found)
    shuffled = []
    for load in ordered.loads:
        batches = [_with_events_shuffled(dice, batch) for batch in load.batches]
        dice.shuffle(batches)
        shuffled.append(replace(load, batches=batches))
    dice.shuffle(shuffled)
    assert answers(ordered) == answers(replace(ordered, loads=shuffled))


def _with_events_shuffled(dice: Dice, batch: Document) -> Document:
    events = list(batch.get("events", []))
    dice.shuffle(events)
    return {**batch, "events": events}


def _told_apart(found: Situation) -> Situation:
    """The situation under the conditions of DEFINITION 6: mpids, own times, no ties, shared identities or copies."""
    ticks = iter(range(0, 10**6, 7))
    loads = []
    for load in found.loads:
        batches = [_own_mpid(batch) for batch in copy.deepcopy(load.batches)]
        for batch in batches:
            batch["timestamp_unixtime_ms"] = batch.get("timestamp_unixtime_ms", found.now - DAY) - next(ticks)
            for event in batch.get("events", []):
                data = event["data"]
                data["timestamp_unixtime_ms"] = data.get("timestamp_unixtime_ms", found.now - DAY) - next(ticks)
        loads.append(replace(load, batches=batches))
    return replace(found, loads=loads)


def _own_mpid(batch: Document) -> Document:
    """A batch with an mpid, with identities of its own and without ids of copies."""
    batch.setdefault("mpid", 1)
    batch.pop("source_request_id", None)
    for event in batch.get("events", []):
        event["data"].pop("source_message_id", None)
    identities = batch.get("user_identities")
    if isinstance(identities, dict):
        batch["user_identities"] = {key: value and f"{value}{batch['mpid']}" for key, value in identities.items()}
    elif identities:
        batch["user_identities"] = [
            {**each, "identity": each["identity"] and f"{each['identity']}{batch['mpid']}"} for each in identities
        ]
    (batch.get("device_info") or {}).pop("ios_idfv", None)
    return batch


# --- time --------------------------------------------------------------------------------------------------------


@law
@given(dices)
def test_an_earlier_now_knows_what_was_known_then(dice: Dice) -> None:
    timed = with_times(situation(dice))
    then = timed.now - dice.pick(0, 1, DAY // 24, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 30 * DAY)
    assert answers(timed, then) == answers(known_then(timed, then), then)


def with_times(found: Situation) -> Situation:
    """A situation in which every batch has its mpid, and batches and events their times."""
    return replace(found, loads=[_with_times(load, found.now) for load in found.loads])


def known_then(found: Situation, then: int) -> Situation:
    """What a situation with times holds up to a moment."""
    return replace(found, loads=[_known_then(load, then) for load in found.loads])


def _with_times(load: Load, now: int) -> Load:
    batches = [_own_mpid(batch) for batch in copy.deepcopy(load.batches)]
    for batch in batches:
        batch.setdefault("timestamp_unixtime_ms", now - DAY)
        for event in batch.get("events", []):
            event["data"].setdefault("timestamp_unixtime_ms", batch["timestamp_unixtime_ms"])
    return replace(load, batches=batches)


def _known_then(load: Load, then: int) -> Load:
    """Records by their own time: events of a later batch stay, what it says of the profile goes (DEFINITION 2)."""
    batches = []
    for batch in load.batches:
        events = [event for event in batch.get("events", []) if event["data"]["timestamp_unixtime_ms"] <= then]
        if batch["timestamp_unixtime_ms"] <= then:
            batches.append({**batch, "events": events})
        elif events:
            context = ("mpid", "timestamp_unixtime_ms", "device_info", "application_info", "context", "environment")
            batches.append({**{key: batch[key] for key in context if key in batch}, "events": events})
    return replace(load, batches=batches)

"""Who the members are against everybody, and by which identities they can be reached; worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from core import Audience, Dataset, Evaluation
from core.composition import Trait, composition, reach, round_edges, traits
from tests.core.answers import ago, answer, dataset, did, event, of
from tests.core.test_laws import dataset as made
from tests.core.test_laws import law
from tests.strategies import Dice, dices, situation
from tests.worlds import moment, named_audiences

PLAYED = event("play")


def spread(result: Evaluation, name: str) -> list[tuple[Any, ...]]:
    """Value, members, share, others, index."""
    trait = next(each for each in traits(result) if each.name == name)
    frame = composition(result, trait.criterion)
    return frame.select("value", "members", "share", "against", "index").rows()


def people(tmp_path: Path, key: str, *values: Any) -> Dataset:
    """The profile of each value has it; those before None play."""
    cut = values.index(None)
    batches = [of(at, did("play", 1), days=1, user_attributes={key: each}) for at, each in enumerate(values[:cut], 1)]
    rest = [of(at, days=1, user_attributes={key: each}) for at, each in enumerate(values[cut + 1 :], cut + 1)]
    return dataset(tmp_path, *batches, *rest)


def test_texts_against_the_universe(tmp_path: Path) -> None:
    """4 members, 2 of them gold; 8 profiles, 2 of them gold: 0.5 / 0.25 = 2."""
    data = people(tmp_path, "tier", "gold", "gold", "silver", "", None, "silver", "silver", "basic", "basic")
    assert spread(answer(data, PLAYED), "tier") == [
        ("gold", 2, 0.5, 2, 2.0),
        ("silver", 1, 0.25, 3, 0.25 / 0.375),
        ("", 1, 0.25, 1, 2.0),
        ("basic", 0, 0.0, 2, 0.0),
    ]


def test_the_most_frequent_and_the_rest(tmp_path: Path) -> None:
    """Ten letters, the last one twice: it is first, the others in order of the alphabet, two are left."""
    letters = list("abcdefghij")
    data = people(tmp_path, "letter", *letters, "j", None, "z")
    rows = spread(answer(data, PLAYED), "letter")
    assert [row[0] for row in rows] == ["j", "a", "b", "c", "d", "e", "f", "g", "other"]
    assert [row[1] for row in rows] == [2, 1, 1, 1, 1, 1, 1, 1, 2]
    assert rows[-1][3] == 3, "h, i and z"


def test_who_has_no_value(tmp_path: Path) -> None:
    data = dataset(tmp_path, of(1, did("play", 1), user_attributes={"tier": "gold"}), of(2), of(3, did("play", 1)))
    assert spread(answer(data, PLAYED), "tier") == [("gold", 1, 0.5, 1, 0.5 * 3), ("no value", 1, 0.5, 2, 0.75)]


def test_a_list_counts_for_each_of_its_elements(tmp_path: Path) -> None:
    data = people(tmp_path, "likes", ["food", "art"], ["food"], None, ["art", "art"])
    rows = spread(answer(data, PLAYED), "likes")
    assert [row[:4] for row in rows] == [("food", 2, 1.0, 2), ("art", 1, 0.5, 2)]


def test_numbers_in_round_bins(tmp_path: Path) -> None:
    """Ages 10, 17, 24, ..., 80; the middle 96 % are 11.4 to 78.6, seven tens, which is more than six: twenties."""
    data = people(tmp_path, "age", *range(10, 81, 7), None, 45)
    rows = spread(answer(data, PLAYED), "age")
    assert [row[0] for row in rows] == ["0 – 19", "20 – 39", "40 – 59", "60 – 79", "80 and more"]
    assert [row[1] for row in rows] == [2, 3, 3, 2, 1]


def test_few_numbers_stand_alone_and_ascend(tmp_path: Path) -> None:
    data = people(tmp_path, "seats", 10, 2, 2, None, "2.0")
    assert [row[:4] for row in spread(answer(data, PLAYED), "seats")] == [("2", 2, 2 / 3, 3), ("10", 1, 1 / 3, 1)]


def test_dates_by_a_period_of_which_there_are_few(tmp_path: Path) -> None:
    """Nine days over ten weeks: months."""
    days = ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02", "2026-02-09", "2026-02-16"]
    data = people(tmp_path, "trip", *days, "2026-02-23", "2026-03-02", None, "2026-03-09")
    rows = spread(answer(data, PLAYED), "trip")
    assert [row[:2] for row in rows] == [("Jan 2026", 4), ("Feb 2026", 4), ("Mar 2026", 1)]


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        (0, 5.5, [0, 1, 2, 3, 4, 5, 6]),
        (0.02, 0.55, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        (95, 130, [90, 100, 110, 120, 130, 140]),
    ],
)
def test_edges_are_round(low: float, high: float, edges: list[float]) -> None:
    assert round_edges(low, high).tolist() == edges


def test_against_another_audience(tmp_path: Path) -> None:
    data = people(tmp_path, "tier", "gold", "silver", None, "gold")
    result = answer(data, PLAYED)
    trait = traits(result)
    tier = next(each for each in trait if each.name == "tier")
    frame = composition(result, tier.criterion, against=~result.mask)
    assert frame.select("value", "members", "against", "index").rows() == [("gold", 1, 1, 0.5), ("silver", 1, 0, None)]


def test_what_members_can_be_spread_over(tmp_path: Path) -> None:
    data = dataset(
        tmp_path,
        of(
            1,
            did("play", 1),
            user_attributes={"tier": "gold"},
            device_info={"network_carrier": "O2"},
            context={"location": {"country_code": "FR"}},
        ),
    )
    data.add_calculated_attribute(
        {"name": "plays", "calculation": "count", "event": {"kind": "custom", "name": "play"}}, workspace="shop"
    )
    result = answer(data, PLAYED)
    found = {each.name: each for each in traits(result)}
    assert {"tier", "Device: carrier", "Country", "Calculated: plays", "First seen", "Last seen"} <= set(found)

    def first(trait: Trait) -> tuple[Any, ...]:
        return composition(result, trait.criterion).select("value", "members").row(0)

    assert first(found["Country"]) == ("FR", 1)
    assert first(found["Calculated: plays"]) == ("1", 1)
    assert first(found["Device: carrier"]) == ("O2", 1)


def test_reach_counts_people_and_reads_every_workspace(tmp_path: Path) -> None:
    """1 has two e-mails, 2 has one in another workspace, 3 has one that came after now."""
    data = dataset(
        tmp_path,
        of(1, did("play", 2), days=2, user_identities={"email": "a@x.io"}),
        of(1, days=1, user_identities={"email": "b@x.io", "customer_id": "1"}),
        of(2, did("play", 2), days=2),
        of(3, did("play", 2), days=2),
        of(4, days=2, user_identities={"google": "g"}),
    )
    data.load_batches([of(2, days=1, user_identities={"email": "c@x.io"})], workspace="other", input="web")
    data.load_batches([of(3, days=-1, user_identities={"email": "d@x.io"})], workspace="shop", input="ios")
    result = answer(data, PLAYED)
    assert reach(result).rows() == [("email", 2, 2 / 3), ("customer_id", 1, 1 / 3)]
    early = answer(data, PLAYED, now=moment(ago(1.5)))
    assert reach(early).rows() == [("email", 1, 1 / 3)]


def test_nobody_is_spread_over_nothing(tmp_path: Path) -> None:
    data = people(tmp_path, "tier", "gold", None, "gold")
    result = answer(data, event("never"))
    assert reach(result).rows() == []
    assert spread(result, "tier") == [("gold", 0, 0.0, 2, 0.0)]


@law
@given(dices)
def test_shares_of_single_values_are_shares_of_everybody(dice: Dice) -> None:
    found = situation(dice, audience_count=1)
    with made(found) as data:
        audience = Audience.from_dict(found.audiences[0])
        result = data.evaluate(audience, now=moment(found.now), audiences=named_audiences(found))
        for trait in traits(result):
            frame = composition(result, trait.criterion)
            assert frame["against"].sum() >= result.universe, "everybody is in a row, if only of those without a value"
            assert (frame["members"] <= frame["against"]).all()
            missing = frame.filter(frame["kind"] == "none")["members"].sum()
            present = np.isin(data.snapshot.mpid, result.members["mpid"].to_numpy()).sum()
            assert missing <= present

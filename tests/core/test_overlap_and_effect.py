"""What audiences share, and what an edit changes: worked out by hand, and against sets of members."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from core import Audience, CoreError, Dataset
from core.effect import effect
from core.overlap import combinations, nearest, others, overlap, overlaps
from tests.core.answers import NOW, answer, asked, at_least, both, dataset, did, event, of, within, without
from tests.core.test_laws import dataset as made
from tests.core.test_laws import law
from tests.strategies import Dice, dices, situation
from tests.worlds import moment, named_audiences

A = np.array([1, 1, 1, 0, 0, 0], np.bool_)
B = np.array([0, 1, 1, 1, 0, 0], np.bool_)
C = np.array([0, 0, 1, 0, 1, 0], np.bool_)
NOBODY = np.zeros(6, np.bool_)


def test_two_audiences() -> None:
    found = overlap(A, B)
    assert (found.size_a, found.size_b, found.both, found.either, found.jaccard) == (3, 3, 2, 4, 0.5)
    assert overlap(NOBODY, NOBODY).jaccard == 0


def test_the_nearest() -> None:
    """B shares 2 of 4, C 1 of 4; nobody is near to the empty one."""
    frame = nearest(A, {"c": ("Third", C), "b": ("Second", B), "n": ("Empty", NOBODY)})
    assert frame.rows() == [("b", "Second", 3, 2, 2 / 3, 2 / 3, 0.5), ("c", "Third", 2, 1, 1 / 3, 0.5, 0.25)]
    assert nearest(A, {"c": ("Third", C), "b": ("Second", B)}, most=1)["id"].to_list() == ["b"]
    assert nearest(NOBODY, {"b": ("Second", B)}).is_empty()


def test_several() -> None:
    audiences = {"A": A, "B": B, "C": C}
    assert overlaps(audiences).rows() == [
        ("A", "B", 3, 3, 2, 0.5),
        ("A", "C", 3, 2, 1, 0.25),
        ("B", "C", 3, 2, 1, 0.25),
    ]
    assert combinations(audiences).rows() == [
        (["A"], 1),
        (["A", "B"], 1),
        (["A", "B", "C"], 1),
        (["B"], 1),
        (["C"], 1),
    ]


def test_the_members_of_others(tmp_path: Path) -> None:
    """Nine profiles, so that a byte does not hold them: the odd ones play, 9 pays. One audience is refused."""
    data = dataset(tmp_path, *(of(n, *([did("play", 1)] if n % 2 else []), *([did("pay", 1)] if n == 9 else []), days=1)
                               for n in range(1, 10)))  # fmt: skip
    asks = {"play": asked(event("play"), name="Players"), "bad": asked(event("play"), workspaces=["nowhere"])}
    told: list[int] = []
    found = others(data, asks, now=NOW, progress=lambda done, total: told.append(done))
    assert (found.unknown, set(told)) == (("Asked",), {0}), "the refused one is not begun"
    assert sorted(data.snapshot.mpid[found.mask("play")].tolist()) == [1, 3, 5, 7, 9]
    result = answer(data, event("pay"))
    assert found.nearest(result.mask).rows() == [("play", "Players", 5, 1, 1.0, 0.2, 0.2)]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """1 plays today, 2 ten days ago, 3 today and pays, 4 pays; 5 does neither."""
    return dataset(
        tmp_path,
        of(1, did("play", 0.5), days=0.5),
        of(2, did("play", 10), days=0.5),
        of(3, did("play", 0.5), did("pay", 0.5), days=0.5),
        of(4, did("pay", 0.5), days=0.5),
        of(5, days=0.5),
    )


def test_an_edit_by_criterion(data: Dataset) -> None:
    """Before: played within a week and not paid: {1}. After: played ever and paid: {3}.

    3 enters: only the exclusion kept it out. 1 leaves: only "paid" keeps it out.
    """
    before = answer(data, both(event("play", when=within(7)), without(event("pay"))))
    after = answer(data, both(event("play"), event("pay")))
    found = effect(before, after)
    assert (found.before, found.after, found.entering, found.leaving) == (1, 1, 1, 1)
    assert {(each.change, each.path, each.size) for each in found.causes} == {
        ("entering", "root.criteria[1].criterion", 1),
        ("leaving", "root.criteria[1]", 1),
    }
    assert (found.entering_by_several, found.leaving_by_several) == (0, 0)
    assert found.frame.height == 2


def test_several_criteria_together(data: Dataset) -> None:
    """2 is kept out by the window and by the payment that is missing: neither alone would let it in."""
    before = answer(data, both(event("play", when=within(7)), event("pay")))
    found = effect(before, answer(data, event("play")))
    assert (found.entering, found.leaving) == (2, 0)
    assert [(each.path, each.size) for each in found.causes] == [("root.criteria[1]", 1)], "1 lacks the payment only"
    assert found.entering_by_several == 1
    assert found.frame.rows()[-1] == ("entering", None, "several criteria together", 1)


def test_who_was_not_in_the_universe(data: Dataset) -> None:
    data.load_batches([of(9, did("play", 0.5))], workspace="other", input="web")
    before, after = (answer(data, event("play"), workspaces=spaces) for spaces in (["shop"], ["shop", "other"]))
    found = effect(before, after)
    assert (found.entering, found.entering_universe, found.entering_by_several, found.causes) == (1, 1, 0, ())
    assert effect(after, before).leaving_universe == 1


def test_no_edit_no_effect_and_one_moment_only(data: Dataset) -> None:
    result = answer(data, event("play", frequency=at_least(1)))
    same = effect(result, result)
    assert (same.entering, same.leaving, same.causes) == (0, 0, ())
    with pytest.raises(CoreError, match="different data"):
        effect(result, answer(data, event("play"), now=NOW - timedelta(days=1)))


@law
@given(dices)
def test_an_effect_is_the_difference_of_the_members(dice: Dice) -> None:
    found = situation(dice, audience_count=2)
    now, named = moment(found.now), named_audiences(found)
    with made(found) as data:
        old, new = (data.evaluate(Audience.from_dict(each), now=now, audiences=named) for each in found.audiences)
        before, after = (set(each.members["mpid"].to_list()) for each in (old, new))
        changed = effect(old, new)
        assert (changed.before, changed.after) == (len(before), len(after))
        assert (changed.entering, changed.leaving) == (len(after - before), len(before - after))
        for change, total in (("entering", changed.entering), ("leaving", changed.leaving)):
            assert all(each.size <= total for each in changed.causes if each.change == change)
        shared = overlap(old.mask, new.mask)
        assert (shared.both, shared.either) == (len(before & after), len(before | after))

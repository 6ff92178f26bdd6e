"""The engine against the oracle on random data and random definitions: members, universe and the sizes of every node.

`--hypothesis-profile=deep` tries 10,000 situations instead of the few hundred of CI. A difference is reported as the
smallest situation that still shows it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from hypothesis import Phase, given, settings
from hypothesis.strategies import sampled_from

from core import Audience, CoreError, Dataset
from core.data import compiling
from tests.oracle import node_sizes, scope_of
from tests.smaller import smallest
from tests.strategies import Dice, Situation, situation, situations
from tests.worlds import SHAPES, counting, dataset_of, moment, named_audiences, scratch, world_of


def differences(found: Situation, shape: str = "plain") -> list[str]:
    """What the engine answers otherwise than the oracle, in words, with each kind of loops; empty when they agree."""
    with scratch() as folder:
        path = dataset_of(found, folder / "data", shape).path
        return [f"{what} ({loops} loops)" for loops in compiling.MODES for what in _said(found, path, loops)]


def _said(found: Situation, path: Path, loops: compiling.Mode) -> list[str]:
    world, named = world_of(found), named_audiences(found)
    said: list[str] = []
    with counting(loops):
        dataset = Dataset.open(path)
        for document in found.audiences:
            scope = scope_of(world, document, found.now, audiences=found.named)
            result = dataset.evaluate(Audience.from_dict(document), now=moment(found.now), audiences=named)
            sizes = [(node.path, node.size, node.here, node.unique) for node in result.criteria]
            answers = (
                ("universe", result.universe, len(scope.universe())),
                ("members", result.members["mpid"].to_list(), sorted(scope.members(document["definition"]["root"]))),
                ("sizes (path, size, here, unique)", sizes, node_sizes(scope)),
            )
            said += [f"{what}: engine {ours}, oracle {theirs}" for what, ours, theirs in answers if ours != theirs]
    return said


def _still_differs(found: Situation, shape: str) -> bool:
    """Whether a situation made smaller is still valid and still shows a difference."""
    if not found.audiences or not found.loads:
        return False
    try:
        return bool(differences(found, shape))
    except (CoreError, KeyError, IndexError, TypeError):
        return False


def check(found: Situation, shape: str) -> None:
    """Fails with the smallest situation in which engine and oracle differ."""
    if not differences(found, shape):
        return
    small = smallest(found, partial(_still_differs, shape=shape))
    raise AssertionError("\n".join([shape, *differences(small, shape), json.dumps(asdict(small), ensure_ascii=False)]))


@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # `smallest` shrinks what a seed hides
@given(situations, sampled_from(SHAPES))
def test_engine_agrees_with_oracle(found: Situation, shape: str) -> None:
    check(found, shape)


def test_smaller_keeps_what_fails() -> None:
    """The reducer itself: it leaves only the batch that the failure needs."""
    found = situation(Dice(7))

    def needs_mpid_3(some: Situation) -> bool:
        return any(batch.get("mpid") == 3 for load in some.loads for batch in load.batches) and bool(some.audiences)

    start = replace(found, loads=[replace(found.loads[0], batches=[{"mpid": 3}, *found.loads[0].batches])])
    small = smallest(start, needs_mpid_3)
    assert [load.batches for load in small.loads] == [[{"mpid": 3}]]

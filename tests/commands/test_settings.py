"""`workbench calculated-attribute` and `workbench tier`: they change the dataset, and what is wrong is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commands.running import Done, audience, save, workbench

PLAYS = {"name": "plays", "calculation": "count", "event": {"kind": "custom", "name": "Play"}}
OFTEN = {"type": "calculated_attribute", "name": "plays", "operator": "at_least", "value": 2}
PLAYED = {"type": "event", "kind": "custom", "name": "Play"}
IN = ("--dataset", "shop", "--workspace", "app")


def size(folder: Path, root: dict[str, Any]) -> Any:
    save(folder / "A.json", audience(root))
    done = workbench(folder, "evaluate", "A.json", "--dataset", "shop", "--json")
    return done.json["size"] if done.code == 0 else done.told


def calculated(folder: Path, definition: Any) -> Done:
    save(folder / "c.json", definition)
    return workbench(folder, "calculated-attribute", "add", "c.json", *IN)


def test_a_calculated_attribute_comes_and_goes(shop: Path) -> None:
    """1 played twice, 3 once."""
    assert calculated(shop, PLAYS).code == 0
    assert size(shop, OFTEN) == 1
    listed = workbench(shop, "calculated-attribute", "list", "--dataset", "shop", "--json")
    assert listed.json == {"calculated_attributes": {"app": [PLAYS]}}
    assert "plays" in workbench(shop, "calculated-attribute", "list", *IN).out
    replaced = calculated(shop, {**PLAYS, "window": {"type": "within_last", "amount": 2, "unit": "days"}})
    assert (replaced.code, size(shop, OFTEN)) == (0, 0)
    assert workbench(shop, "calculated-attribute", "remove", "plays", *IN).code == 0
    assert size(shop, OFTEN)[0].startswith("root: ")
    assert "no calculated attribute" in workbench(shop, "calculated-attribute", "list", *IN).out


@pytest.mark.parametrize(
    ("definition", "paths"),
    [
        ([], ["definition"]),
        ({"name": "", "calculation": "cout", "event": {"kind": "any"}}, ["definition", "definition"]),
        ({**PLAYS, "calculation": "sum"}, ["definition"]),
        ({**PLAYS, "extra": 1}, ["definition"]),
        ({**PLAYS, "window": {"type": "on", "date": "2026-06-30"}}, ["definition"]),
        ({**PLAYS, "event": {"kind": "custom", "frequency": {"value": 1}}}, ["event"]),
        (
            {**PLAYS, "event": {"kind": "custom", "where": [{"attribute": "a", "operator": "is"}]}, "name": ""},
            ["definition", "event.where[0]"],
        ),
    ],
)
def test_every_problem_of_a_definition_is_told(shop: Path, definition: Any, paths: list[str]) -> None:
    done = calculated(shop, definition)
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[0] for line in done.told] == paths
    assert workbench(shop, "calculated-attribute", "list", *IN, "--json").json == {"calculated_attributes": {"app": []}}


def test_a_tier_takes_an_event_out_of_criteria(shop: Path) -> None:
    setting = ("tier", "set", "--kind", "custom", "--name", "Play", *IN)
    assert workbench(shop, *setting, "--tier", "preserve").code == 0
    assert workbench(shop, "tier", "list", "--dataset", "shop", "--json").json == {
        "tiers": [{"workspace": "app", "kind": "custom", "name": "Play", "tier": "preserve"}]
    }
    assert size(shop, PLAYED)[0].startswith("root: ")
    # A purchase is left of the events; those who only played are still seen.
    assert (size(shop, {"type": "event", "kind": "any"}), size(shop, {"type": "and", "criteria": []})) == (1, 3)
    assert workbench(shop, *setting, "--tier", "personalize").code == 0
    assert size(shop, PLAYED) == 2
    assert "Every event is in the tier personalize." in workbench(shop, "tier", "list", "--dataset", "shop").out


def test_what_a_calculated_attribute_uses_keeps_its_tier(shop: Path) -> None:
    assert calculated(shop, PLAYS).code == 0
    done = workbench(shop, "tier", "set", "--kind", "custom", "--name", "Play", "--tier", "connect", *IN)
    assert (done.code, len(done.told)) == (2, 1)
    assert "plays" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "session", "--name", "Play", "--tier", "preserve"),
        ("--kind", "custom", "--tier", "preserve"),
        ("--kind", "any", "--name", "Play", "--tier", "preserve"),
        ("--kind", "custom", "--name", "Play", "--tier", "gold"),
        ("--kind", "custom", "--name", "Play"),
    ],
)
def test_tiers_that_cannot_be_set(shop: Path, arguments: tuple[str, ...]) -> None:
    done = workbench(shop, "tier", "set", *arguments, *IN)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert workbench(shop, "tier", "list", *IN, "--json").json == {"tiers": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ("calculated-attribute", "add", "c.json"),
        ("calculated-attribute", "remove", "plays"),
        ("calculated-attribute", "list"),
        ("tier", "set", "--kind", "custom", "--name", "Play", "--tier", "preserve"),
        ("tier", "list"),
    ],
)
def test_an_unknown_workspace_is_told(shop: Path, arguments: tuple[str, ...]) -> None:
    save(shop / "c.json", PLAYS)
    done = workbench(shop, *arguments, "--dataset", "shop", "--workspace", "zoo")
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert "zoo" in done.err


def test_what_is_not_there_cannot_be_removed(shop: Path) -> None:
    done = workbench(shop, "calculated-attribute", "remove", "plays", *IN)
    assert (done.code, len(done.told)) == (2, 1)

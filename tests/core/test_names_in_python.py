"""The names of DEFINITION 4 as people use them at a prompt: what is wrong is told in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import Audience, CoreError, Dataset, DefinitionError, event, user_attribute

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
NOW_MS = 1_782_820_800_000


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    batches = [{"mpid": mpid, "timestamp_unixtime_ms": NOW_MS, "user_attributes": {"tier": "gold"}} for mpid in (1, 2)]
    dataset = Dataset.create(tmp_path / "data")
    dataset.load_batches(batches, workspace="app", input="ios", kind="platform")
    return dataset


GOLD = Audience.of(user_attribute("tier").exact_match("gold"), name="Gold", workspaces=["app"])


def test_what_is_printed_says_what_it_is(data: Dataset) -> None:
    assert repr(data).endswith(f"version {data.version}: 2 profiles, 0 events>")
    assert repr(data.evaluate(GOLD, now=NOW)) == "<Evaluation of 'Gold': 2 of 2 profiles at 2026-06-30 12:00:00+00:00>"


def test_one_attribute_may_be_given_alone(data: Dataset) -> None:
    expected = {"mpid": [1, 2], "tier": ["gold", "gold"]}
    assert data.profiles("tier").to_dict(as_series=False) == expected
    assert data.profiles(["tier"]).to_dict(as_series=False) == expected
    assert data.evaluate(GOLD, now=NOW).profiles("tier").to_dict(as_series=False) == expected


WRONG: dict[str, tuple[Callable[[Dataset], Any], str]] = {
    "no moment": (lambda data: data.evaluate(GOLD, now="2026-06-30"), "is no moment"),
    "no zone": (lambda data: data.estimate(GOLD, now=datetime(2026, 6, 30)), "no time zone"),  # noqa: DTZ001
    "no audience": (lambda data: data.evaluate(GOLD.to_dict(), now=NOW), "no audience but a dict"),
    "no kind": (lambda data: data.events(kind="purchases"), "no kind of events"),
    "no list": (lambda data: data.values("tiers", "tier", workspace="app"), "no list of values"),
    "no workspace": (lambda data: data.values("user_attribute", "tier", workspace="zoo"), "no workspace"),
    "no node": (lambda data: data.evaluate(GOLD, now=NOW).measure("root.criteria[0]"), "no node"),
    "no days": (lambda data: setattr(data, "profile_retention_days", "thirty"), "retention"),
}


@pytest.mark.parametrize(("ask", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(data: Dataset, ask: Callable[[Dataset], Any], words: str) -> None:
    with pytest.raises(CoreError, match=words) as caught:
        ask(data)
    assert caught.value.hint


@pytest.mark.parametrize("unfinished", [user_attribute("tier"), None, "gold"])
def test_what_is_no_criterion_yet_is_told(unfinished: Any) -> None:
    with pytest.raises(DefinitionError, match="no criterion yet"):
        Audience.of(unfinished, name="A", workspaces=["app"])


def test_an_event_is_a_criterion_as_it_stands() -> None:
    assert Audience.of(event("Play"), name="A", workspaces=["app"]).root.sentence == "did “Play”"

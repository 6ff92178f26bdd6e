"""The tables of cases: one JSON line a case, each expected value derived by hand from DEFINITION."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.oracle_world import World
from tests.worlds import created, shaped

if TYPE_CHECKING:
    from core import Dataset

FILES: Final = ("seed_cases.jsonl", "more_cases.jsonl")
CITIES: Final = {"Paris, FR": (48.85341, 2.3488)}
"""The cities that the cases name, as GeoNames has them."""


@dataclass(frozen=True)
class Case:
    """One audience over one small dataset; either `expect` (members, ascending) or `error` (a path) is given."""

    id: str
    title: str
    now: datetime
    inputs: list[dict[str, Any]]
    audience: dict[str, Any]
    audiences: dict[str, dict[str, Any]]
    calculated_attributes: list[dict[str, Any]]
    tiers: list[dict[str, Any]]
    profile_retention_days: int | None
    expect: list[int] | None
    error: str | None
    reports: list[str] | None


def _case(document: dict[str, Any]) -> Case:
    return Case(
        id=document["id"],
        title=document["title"],
        now=datetime.fromisoformat(document["now"]),
        inputs=document["inputs"],
        audience=document["audience"],
        audiences=document.get("audiences", {}),
        calculated_attributes=document.get("calculated_attributes", []),
        tiers=document.get("tiers", []),
        profile_retention_days=document.get("profile_retention_days"),
        expect=document.get("expect"),
        error=document.get("error"),
        reports=document.get("reports"),
    )


@cache
def cases() -> tuple[Case, ...]:
    """Every case of every file."""
    folder = Path(__file__).parent
    lines = [line for name in FILES for line in (folder / name).read_text("utf-8").splitlines() if line.strip()]
    return tuple(_case(json.loads(line)) for line in lines)


def received_at(each: dict[str, Any]) -> datetime | None:
    """The arrival time of an entry of `inputs`, if the case gives one."""
    return datetime.fromisoformat(each["received_at"]) if "received_at" in each else None


def world_of(case: Case) -> World:
    """The oracle's world of a case."""
    world = World(retention_days=case.profile_retention_days)
    for each in case.inputs:
        arrived = received_at(each)
        at = None if arrived is None else round(arrived.timestamp() * 1000)
        world.load(each["batches"], each["workspace"], each["input"], each["kind"], at)
    for definition in case.calculated_attributes:
        world.calculated[definition["workspace"], definition["name"]] = definition
    for tier in case.tiers:
        world.tiers[tier["workspace"], tier["kind"], tier["name"]] = tier["tier"]
    return world


def dataset_of(case: Case, path: Path, shape: str = "plain") -> Dataset:
    """The engine's dataset of a case, made through the public API."""
    dataset = created(path, shape)
    for each in case.inputs:
        where = {"workspace": each["workspace"], "input": each["input"], "kind": each["kind"]}
        dataset.load_batches(each["batches"], **where, received_at=received_at(each))
    for definition in case.calculated_attributes:
        own = {key: value for key, value in definition.items() if key != "workspace"}
        dataset.add_calculated_attribute(own, workspace=definition["workspace"])
    for tier in case.tiers:
        dataset.set_event_tier(**tier)
    if case.profile_retention_days is not None:
        dataset.profile_retention_days = case.profile_retention_days
    return shaped(dataset, shape)

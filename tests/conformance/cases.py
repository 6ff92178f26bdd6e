"""The tables of cases: one JSON line a case, each expected value derived by hand from DEFINITION."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.oracle_world import World

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


def world_of(case: Case) -> World:
    """The oracle's world of a case."""
    world = World(retention_days=case.profile_retention_days)
    for each in case.inputs:
        world.load(each["batches"], each["workspace"], each["input"], each["kind"], each.get("received_at"))
    for definition in case.calculated_attributes:
        world.calculated[definition["workspace"], definition["name"]] = definition
    for tier in case.tiers:
        world.tiers[tier["workspace"], tier["kind"], tier["name"]] = tier["tier"]
    return world

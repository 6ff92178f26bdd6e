"""A small dataset for the answers about an audience, its moments told in days before NOW."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import Audience, Dataset, Evaluation

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW_MS = 1_769_860_800_000
DAY = 86_400_000


def ago(days: float) -> int:
    """UTC milliseconds so many days before NOW."""
    return NOW_MS - round(days * DAY)


def did(name: str, days: float, **attributes: Any) -> dict[str, Any]:
    data = {"event_name": name, "custom_event_type": "other", "timestamp_unixtime_ms": ago(days)}
    return {"event_type": "custom_event", "data": {**data, "custom_attributes": attributes}}


def action(name: str, days: float, products: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    what = {"action": name, "products": products or [], **more.pop("of_action", {})}
    return {
        "event_type": "commerce_event",
        "data": {"timestamp_unixtime_ms": ago(days), "product_action": what, **more},
    }


def of(mpid: int, *events: dict[str, Any], days: float = 0, **rest: Any) -> dict[str, Any]:
    """A batch of a profile, with its own time so many days before NOW."""
    return {"mpid": mpid, "timestamp_unixtime_ms": ago(days), "events": list(events), **rest}


def dataset(path: Path, *batches: dict[str, Any], workspace: str = "shop", input: str = "ios") -> Dataset:
    made = Dataset.create(path / "dataset")
    made.load_batches(batches, workspace=workspace, input=input)
    return made


def asked(root: dict[str, Any], **scope: Any) -> Audience:
    scope = {"name": "Asked", "workspaces": ["shop"], **scope}
    return Audience.from_dict({**scope, "definition": {"version": 1, "root": root}})


def answer(data: Dataset, root: dict[str, Any], now: datetime = NOW, **scope: Any) -> Evaluation:
    return data.evaluate(asked(root, **scope), now=now)


def event(name: str, **rest: Any) -> dict[str, Any]:
    return {"type": "event", "kind": "custom", "name": name, **rest}


def within(days: float) -> dict[str, Any]:
    return {"type": "within_last", "amount": days, "unit": "days"}


def at_least(count: int) -> dict[str, Any]:
    return {"operator": "at_least", "value": count}


def both(*criteria: dict[str, Any]) -> dict[str, Any]:
    return {"type": "and", "criteria": list(criteria)}


def either(*criteria: dict[str, Any]) -> dict[str, Any]:
    return {"type": "or", "criteria": list(criteria)}


def without(criterion: dict[str, Any]) -> dict[str, Any]:
    return {"type": "not", "criterion": criterion}

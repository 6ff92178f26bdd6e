"""The audiences of the sample in the registry: in every state, tagged, with a month of history, one of a partner."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from core import Audience, Dataset
from core.errors import NestingError, NotFound
from core.registry import Person, Registry
from core.registry.calculating import calculate, estimate

AUDIENCES: Final = Path(__file__).parent / "audiences"
DAYS: Final = 30
_PAUSED_DAYS: Final = 4
_WORKER: Final = "sample"

TAGS: Final[dict[str, tuple[str, ...]]] = {
    "around-paris": ("Paris", "Local"),
    "cart-abandoners": ("Retargeting", "Booking"),
    "crash-affected": ("Care",),
    "hotel-deal-seekers": ("Retargeting", "Hotels"),
    "lapsed-high-value": ("Win back", "High value"),
    "looked-carted-bought": ("Booking",),
    "loyal-to-both": ("High value", "Loyalty"),
    "new-and-quiet": ("Onboarding",),
    "newsletter-travellers": ("Newsletter",),
    "potential-parisians": ("Paris", "Retargeting"),
    "push-reachable-ios": ("Push", "Consent"),
    "spring-campaigns": ("Spring",),
    "watched-paris-intro": ("Paris",),
    "weekend-travellers": ("Weekend", "Retargeting"),
    "weekly-readers": ("Newsletter", "Loyalty"),
}
DRAFTS: Final = ("newsletter-travellers", "weekend-travellers")
PAUSED: Final = ("looked-carted-bought",)
WAITING: Final = ("weekly-readers",)
"""Activated at the very end: the worker calculates it when the app starts."""

_BROKEN_ID: Final = "likely-to-churn"
_BROKEN: Final[dict[str, Any]] = {
    "name": "Likely to churn (model of last year)",
    "workspaces": ["travel-app"],
    "definition": {
        "version": 1,
        "root": {
            "type": "calculated_attribute",
            "name": "churn_score",
            "operator": "greater_than",
            "value": 0.8,
        },
    },
}
"""It names a calculated attribute that is not there: its calculation fails and says so."""

_PARTNER_ID: Final = "paris-city-card-holders"
_PARTNER: Final[dict[str, Any]] = {
    "name": "Paris city card holders",
    "workspaces": ["travel-app"],
    "definition": {
        "version": 1,
        "root": {"type": "location", "operator": "equals", "city": "Paris", "country": "FR"},
    },
}
"""What a partner's account shares."""


def keep_audiences(registry: Registry, dataset: Dataset, end: datetime, say: Callable[[str], None]) -> None:
    """Keep the sample's audiences, anew where they are there already, with their history up to `end`.

    One that others of the user's name stays as it is.
    """
    since = end - timedelta(days=DAYS)
    me, camille = registry.people.local(), _partner(registry, since)
    documents = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(AUDIENCES.glob("*.json"))}
    # Those that name others come last.
    ours = dict(sorted(documents.items(), key=lambda item: "audience_membership" in str(item[1])))
    kept = {name for name in [*ours, _BROKEN_ID][::-1] if not _gone(registry, me, name, end)}
    made = [(name, me) for name, each in ours.items() if name not in kept and _keep(registry, me, name, each, since)]
    if _BROKEN_ID not in kept:
        _keep(registry, me, _BROKEN_ID, _BROKEN, since)
        made.append((_BROKEN_ID, me))
    if _gone(registry, camille, _PARTNER_ID, end):
        _keep(registry, camille, _PARTNER_ID, _PARTNER, since)
        registry.audiences.share(_PARTNER_ID, me.account.id, "usable", by=camille, at=since)
        made.append((_PARTNER_ID, camille))
    for day in range(DAYS, -1, -1):
        at = end - timedelta(days=day)
        if day == _PAUSED_DAYS:
            for name, person in made:
                if name in PAUSED:
                    registry.audiences.pause(name, by=person, at=at)
        _calculate(registry, dataset, [each for each in made if day >= _PAUSED_DAYS or each[0] not in PAUSED], at)
        if day % 10 == 0:
            say(f"        audiences calculated as of {at:%d %b}")
    for name in WAITING:
        if name not in kept:
            registry.audiences.activate(name, by=me, at=end, seen=1)
    estimate(registry.calculations, dataset, clock=lambda: end)


def _gone(registry: Registry, person: Person, audience_id: str, at: datetime) -> bool:
    """Whether there is none of that id, or none any more."""
    try:
        registry.audiences.delete(audience_id, by=person, at=at)
    except NotFound:
        return True
    except NestingError:
        return False
    return True


def _keep(registry: Registry, person: Person, audience_id: str, document: dict[str, Any], at: datetime) -> bool:
    """Keep one audience; whether it is calculated from then on."""
    audience, tags = Audience.from_dict(document), TAGS.get(audience_id, ())
    registry.audiences.create(audience, by=person, at=at, tags=tags, audience_id=audience_id)
    active = audience_id not in DRAFTS + WAITING
    if active:
        registry.audiences.activate(audience_id, by=person, at=at, seen=1)
    return active


def _partner(registry: Registry, at: datetime) -> Person:
    """Somebody of a partner's account, which shares an audience."""
    try:
        return registry.people.get("camille")
    except NotFound:
        me = registry.people.local()
        partner = registry.people.add_account("Paris Tourist Office", by=me, at=at)
        return registry.people.add("Camille", email=None, role="audiences", by=me, at=at, account=partner)


def _calculate(registry: Registry, dataset: Dataset, made: list[tuple[str, Person]], at: datetime) -> None:
    """Calculate audiences as of a moment, as the worker would have done then."""
    calculations = registry.calculations
    for audience_id, person in made:
        asked = calculations.request(audience_id, by=person, at=at, now=at)
        claimed = calculations.claim(_WORKER, at, only=asked.id)
        calculate(calculations, dataset, claimed, worker=_WORKER, clock=lambda: at)

"""Made-up batches and audiences to measure with: seeded, so that every run measures the same work."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

import orjson

NOW_MS: Final = 1_782_820_800_000
"""30 Jun 2026 12:00 UTC; the events lie in the 90 days before."""

DAYS: Final = 90
EVENTS_A_BATCH: Final = 10
NAMES: Final = ("Play Video", "Search", "Open Deal", "Share", "Rate Trip", "Save Trip", "Filter", "Scroll")
CITIES: Final = (("Paris", "FR", 48.85, 2.35), ("Lyon", "FR", 45.76, 4.84), ("Austin", "US", 30.27, -97.74))


def write_batches(path: Path, events: int, seed: int = 1) -> int:
    """Write batches of ten events each as JSON lines, one profile for every forty events; returns the bytes."""
    chance = random.Random(seed)
    profiles = max(1, events // 40)
    with path.open("wb") as file:
        for _ in range(events // EVENTS_A_BATCH):
            file.write(orjson.dumps(_batch(chance, chance.randrange(profiles) + 1)) + b"\n")
    return path.stat().st_size


def _batch(chance: random.Random, mpid: int) -> dict[str, Any]:
    sent_ms = NOW_MS - chance.randrange(DAYS * 86_400_000)
    city, country, latitude, longitude = chance.choice(CITIES)
    return {
        "mpid": mpid,
        "source_request_id": f"r{chance.getrandbits(64):x}",
        "timestamp_unixtime_ms": sent_ms,
        "user_attributes": {"tier": chance.choice(["gold", "silver", "none"]), "points": chance.randrange(5000)},
        "user_identities": {"email": f"p{mpid}@example.com"},
        "device_info": {"platform": "iOS", "os_version": chance.choice(["17.4", "18.0"]), "device_model": "iPhone15,2"},
        "consent_state": {
            "gdpr": {"advertising": {"consented": chance.random() < 0.7, "timestamp_unixtime_ms": sent_ms}}
        },
        "context": {"location": {"city_name": city, "country": country, "latitude": latitude, "longitude": longitude}},
        "events": [_event(chance, sent_ms - place * 1000) for place in range(EVENTS_A_BATCH)],
    }


def _event(chance: random.Random, at_ms: int) -> dict[str, Any]:
    common = {"timestamp_unixtime_ms": at_ms, "source_message_id": f"m{chance.getrandbits(64):x}"}
    kind = chance.random()
    if kind < 0.6:
        attributes = {"destination": chance.choice(["Paris", "Rome", "Oslo"]), "seconds": chance.randrange(600)}
        named = {"event_name": chance.choice(NAMES), "custom_event_type": "other", "custom_attributes": attributes}
        return {"event_type": "custom_event", "data": common | named}
    if kind < 0.85:
        return {"event_type": "screen_view", "data": common | {"screen_name": chance.choice(["Home", "Trip", "Cart"])}}
    if kind < 0.95:
        return {"event_type": "session_start", "data": common}
    action = chance.choice(["add_to_cart", "add_to_cart", "purchase"])
    product = {"id": "T1", "name": chance.choice(["City trip", "Red shoe"]), "price": 49.5, "quantity": 1}
    bought = {"action": action, "total_amount": chance.randrange(1, 900) / 4, "products": [product]}
    return {"event_type": "commerce_event", "data": common | {"product_action": bought, "currency_code": "EUR"}}


def _within(days: int) -> dict[str, Any]:
    return {"type": "within_last", "amount": days, "unit": "days"}


def _custom(name: str, **rest: Any) -> dict[str, Any]:
    return {"type": "event", "kind": "custom", "name": name, **rest}


def _bought(**rest: Any) -> dict[str, Any]:
    return {"type": "event", "kind": "ecommerce", "name": "purchase", **rest}


GOLD: Final = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
SPENT: Final = {"function": "sum", "of": {"field": "total_amount"}, "operator": "greater_than", "value": 500}
SHOE: Final = {"field": "name", "operator": "contains", "value": "shoe"}
PARIS: Final = {"attribute": "destination", "operator": "exact_match", "value": "Paris"}

AUDIENCES: Final[dict[str, dict[str, Any]]] = {
    "viewed in 7 days": _custom("Play Video", when=_within(7)),
    "viewed Paris at least 3 times": _custom(
        "Play Video", where=[PARIS], frequency={"operator": "at_least", "value": 3, "count": "events"}
    ),
    "any event on 5 days": {
        "type": "event",
        "kind": "any",
        "frequency": {"operator": "at_least", "value": 5, "count": "days"},
    },
    "spent more than 500": _bought(aggregate=SPENT),
    "bought a shoe": _bought(where_product=[SHOE]),
    "cart abandoned": {"type": "cart_abandonment", "wait": {"amount": 2, "unit": "hours"}},
    "search, then purchase in a day": {
        "type": "sequence",
        "steps": [_custom("Search"), _bought()],
        "within": {"amount": 1, "unit": "days"},
    },
    "gold": GOLD,
    "e-mail contains": {"type": "identity", "identity_type": "email", "operator": "contains", "value": "99"},
    "consented": {"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "given"},
    "device": {"type": "device", "field": "os_version", "operator": "at_least", "value": "18"},
    "not seen in 30 days": {"type": "last_seen", "when": {"type": "more_than_ago", "amount": 30, "unit": "days"}},
    "near Paris": {"type": "location", "operator": "within", "city": "Paris, FR", "distance": 25, "unit": "kilometers"},
    "nested with exclude": {
        "type": "and",
        "criteria": [
            {"type": "or", "criteria": [_custom("Play Video", when=_within(30)), GOLD]},
            {"type": "not", "criterion": _bought(when=_within(30))},
        ],
    },
}
"""One audience for every kind of criterion that the batches hold data for."""


def document(name: str) -> dict[str, Any]:
    """The audience document of one of `AUDIENCES`."""
    return {"name": name, "workspaces": ["shop"], "definition": {"version": 1, "root": AUDIENCES[name]}}

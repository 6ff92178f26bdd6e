"""What the two shops sell, ready as mParticle product dicts for every currency and quantity."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sample_data.world import CURRENCY_FACTORS, DESTINATIONS

TRIP_KINDS: Final = (
    ("Long weekend", "City break", 329.0),
    ("Two nights by rail", "City break", 249.0),
    ("Museum days", "City break", 279.5),
    ("Flight", "Flight", 148.9),
    ("Flexible flight", "Flight", 219.9),
    ("A week at the sea", "Beach", 689.0),
    ("Family week", "Package", 1190.0),
    ("Food tour", "Experience", 74.5),
    ("Night walk", "Experience", 29.9),
    ("Christmas market", "City break", 299.0),
)
"""Name, category and price in EUR; every destination has one product of each kind."""

HOTEL_GOODS: Final = (
    ("Standard room", "Room", 109.0),
    ("Superior room", "Room", 149.0),
    ("Junior suite", "Suite", 229.0),
    ("Rooftop suite", "Suite", 389.0),
    ("Spa day", "Spa", 59.0),
    ("Breakfast", "Restaurant", 19.5),
    ("Cabin trolley", "Luggage", 129.9),
    ("Gift card", "Gift card", 50.0),
)

MAX_QUANTITY: Final = 4

Product = dict[str, Any]


@cache
def products(workspace: str) -> list[list[list[Product]]]:
    """The catalogue of a workspace as [currency][quantity - 1][destination x kind]; shared, readers leave it alone."""
    goods = TRIP_KINDS if workspace == "travel-app" else HOTEL_GOODS
    return [
        [
            [
                _product(workspace, place, good, factor, quantity, place_at * len(goods) + good_at)
                for place_at, place in enumerate(DESTINATIONS)
                for good_at, good in enumerate(goods)
            ]
            for quantity in range(1, MAX_QUANTITY + 1)
        ]
        for factor in CURRENCY_FACTORS
    ]


def _product(
    workspace: str, place: str, good: tuple[str, str, float], factor: float, quantity: int, number: int
) -> Product:
    name, category, euros = good
    dearness = 1.0 + 0.04 * (DESTINATIONS.index(place) % 5)
    price = round(euros * dearness * factor, 2) if factor < 100 else float(round(euros * dearness * factor))
    prefix = "TRV" if workspace == "travel-app" else "HOT"
    return {
        "id": f"{prefix}-{1000 + number}",
        "name": f"{place} {name.lower()}",
        "brand": "Voyage" if workspace == "travel-app" else f"Hotel {place}",
        "category": category,
        "variant": "flexible" if number % 3 == 0 else "saver",
        "position": 1 + number % 20,
        "price": price,
        "quantity": quantity,
        "total_product_amount": round(price * quantity, 2),
        "custom_attributes": {"destination": place, "refundable": number % 3 == 0, "nights": 1 + number % 7},
    }

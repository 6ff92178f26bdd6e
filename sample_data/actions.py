"""The events people cause: their names and types, how often each input sends them, and their attributes.

Attributes are drawn from pools (a few dozen variants for every destination) and shared between events, which keeps
two million of them cheap. An event's `argument` is `destination * VARIANTS + variant`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sample_data.world import AIRPORTS, CAMPAIGNS, DESTINATIONS, PUBLISHERS

VARIANTS: Final = 64

Bag = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of event: the form it is written in, its name, its custom type and its attributes per argument."""

    form: str  # screen | custom | product | promotion | impression
    name: str
    custom_type: str = "other"
    attributes: Callable[[str, int], Bag] | None = None


def _search_trips(place: str, variant: int) -> Bag:
    nights = 1 + variant % 3 if variant < 24 else 4 + variant % 11
    return {
        "destination": place,
        "nights": nights,
        "travellers": 1 + variant % 4,
        "cabin": ("economy", "economy", "premium", "first class")[variant % 4],
        "budget": 150 + 75 * (variant % 20),
        "flexible": variant % 3 == 0,
        "promo_code": None if variant % 8 else "CITY10",
    }


VIDEO_CATEGORIES: Final = ("Destination Intro", "Destination Intro", "Hotel Tour", "City Guide")


def _play_video(place: str, variant: int) -> Bag:
    category = VIDEO_CATEGORIES[variant % 4]
    return {
        "destination": place,
        "category": category,
        "title": f"{place} {category.split()[-1].lower()}",
        "seconds": 15 + variant * 4,
        "completed": variant % 3 != 0,
    }


def _read_article(place: str, variant: int) -> Bag:
    topic = ("food", "museums", "rail trips", "hiking", "city breaks", "festivals")[variant % 6]
    return {"destination": place, "topic": topic, "minutes": 1.5 + variant % 9, "author": f"Editor {variant % 12}"}


def _save_trip(place: str, variant: int) -> Bag:
    return {"destination": place, "list": ("Someday", "This year", "With friends")[variant % 3]}


def _share_trip(place: str, variant: int) -> Bag:
    return {"destination": place, "network": ("WhatsApp", "Instagram", "E-mail", "Facebook")[variant % 4]}


def _write_review(place: str, variant: int) -> Bag:
    return {"destination": place, "rating": 1 + (variant * 7) % 5, "words": 12 + variant * 3, "photos": variant % 4}


def _heartbeat(_place: str, variant: int) -> Bag:
    return {"battery": 5 + variant, "network": "wifi" if variant % 2 else "cellular"}


def _push_opened(place: str, variant: int) -> Bag:
    return {"destination": place, "campaign": CAMPAIGNS[variant % len(CAMPAIGNS)], "delay_minutes": variant * 2}


def _enter_airport(place: str, variant: int) -> Bag:
    return {"airport": AIRPORTS[place][0], "terminal": str(1 + variant % 3)}


def _price_alert(place: str, variant: int) -> Bag:
    return {"destination": place, "below": str(99 + variant * 10), "days_ahead": 7 + variant * 3}


def _re_engagement(_place: str, variant: int) -> Bag:
    return {"publisher": PUBLISHERS[variant % len(PUBLISHERS)], "campaign": CAMPAIGNS[variant % len(CAMPAIGNS)]}


def _search_hotels(place: str, variant: int) -> Bag:
    return {"destination": place, "nights": 1 + variant % 9, "rooms": 1 + variant % 2, "breakfast": variant % 2 == 0}


def _view_gallery(place: str, variant: int) -> Bag:
    return {"destination": place, "photos": 1 + variant % 24}


def _join_club(place: str, variant: int) -> Bag:
    return {"destination": place, "offer": ("welcome", "double nights")[variant % 2]}


def _destination(place: str, _variant: int) -> Bag:
    return {"destination": place}


ACTIONS: Final = (
    Action("screen", "travel"),
    Action("custom", "Search Trips", "search", _search_trips),
    Action("custom", "Play Video", "media", _play_video),
    Action("custom", "Read Article", "navigation", _read_article),
    Action("custom", "Save Trip", "user_preference", _save_trip),
    Action("custom", "Share Trip", "social", _share_trip),
    Action("custom", "Write Review", "user_content", _write_review),
    Action("custom", "heartbeat", "other", _heartbeat),
    Action("custom", "Push Opened", "other", _push_opened),
    Action("custom", "Enter Airport", "location", _enter_airport),
    Action("custom", "Set Price Alert", "user_preference", _price_alert),
    Action("custom", "re-engagement", "attribution", _re_engagement),
    Action("screen", "hotel"),
    Action("custom", "Search Hotels", "search", _search_hotels),
    Action("custom", "View Gallery", "navigation", _view_gallery),
    Action("custom", "Join Club", "transaction", _join_club),
    Action("promotion", "view"),
    Action("promotion", "click"),
    Action("impression", "impression"),
    Action("product", "click", attributes=_destination),
    Action("product", "remove_from_cart", attributes=_destination),
    Action("product", "add_to_wishlist", attributes=_destination),
    Action("product", "remove_from_wish_list", attributes=_destination),
    Action("product", "checkout_option", attributes=_destination),
    Action("product", "view_detail", attributes=_destination),
    Action("product", "add_to_cart", attributes=_destination),
    Action("product", "checkout", attributes=_destination),
    Action("product", "purchase", attributes=_destination),
)
CODE: Final = {(action.form, action.name): code for code, action in enumerate(ACTIONS)}
FUNNEL: Final = tuple(CODE["product", step] for step in ("view_detail", "add_to_cart", "checkout", "purchase"))
"""What a visit that shops does last, as far as it gets."""

SCREENS: Final = {
    "travel": ("Home", "Destination", "Results", "Trip", "Deals", "Inspiration", "Bookings", "Profile", "Loyalty"),
    "hotel": ("Home", "Rooms", "Room", "Offers", "Basket", "Spa", "Restaurant", "Account"),
}
"""Screen names, most viewed first; `Destination`, `Trip` and `Room` say of which place."""

PLACED_SCREENS: Final = frozenset({"Destination", "Trip", "Room"})

PROMOTIONS: Final = tuple(
    {
        "id": f"P{number}",
        "name": name,
        "creative": ("hero", "strip", "card")[number % 3],
        "position": ("top", "middle", "end")[number % 3],
    }
    for number, name in enumerate(("Spring in Paris", "Winter sun", "Rail pass", "Spa weekend", "Members' week"))
)


def _mix(**shares: float) -> dict[int, float]:
    """Shares by action; the name after the form, spaces as underscores: `custom_Play_Video`."""
    by_key = {f"{form}_{name.replace(' ', '_').replace('-', '_')}": code for (form, name), code in CODE.items()}
    return {by_key[key]: share for key, share in shares.items()}


_APP: Final = _mix(
    screen_travel=40,
    custom_Search_Trips=13,
    custom_Play_Video=15,
    custom_Read_Article=6,
    custom_Save_Trip=2.5,
    custom_Share_Trip=1.2,
    custom_Write_Review=0.5,
    custom_heartbeat=8,
    custom_Push_Opened=1.5,
    custom_Enter_Airport=0.6,
    custom_Set_Price_Alert=0.8,
    custom_re_engagement=0.4,
    promotion_view=2,
    promotion_click=0.4,
    impression_impression=1.5,
    product_click=1.2,
    product_remove_from_cart=0.3,
    product_add_to_wishlist=1.3,
    product_remove_from_wish_list=0.1,
    product_view_detail=5,
)
_NO_APP: Final = frozenset(CODE["custom", name] for name in ("heartbeat", "Push Opened", "Enter Airport"))
_HOTEL: Final = _mix(
    screen_hotel=52,
    custom_Search_Hotels=15,
    custom_View_Gallery=10,
    custom_Join_Club=0.5,
    custom_Read_Article=2,
    promotion_view=4,
    promotion_click=1.0,
    impression_impression=3,
    product_click=2,
    product_remove_from_cart=0.5,
    product_add_to_wishlist=1,
    product_checkout_option=0.3,
    product_view_detail=8,
)
MIXES: Final = {
    "app": _APP,
    "web": {code: share for code, share in _APP.items() if code not in _NO_APP},
    "hotel": _HOTEL,
    "tv": _mix(screen_hotel=60, custom_View_Gallery=20, custom_Play_Video=20),
}
"""How the events of a visit divide, by what kind of input it came through."""


def pool(action: Action) -> list[Bag]:
    """The attributes of an action by argument (`destination * VARIANTS + variant`)."""
    if action.attributes is None:
        return []
    return [action.attributes(place, variant) for place in DESTINATIONS for variant in range(VARIANTS)]


def screens(form: str) -> list[tuple[str, Bag | None]]:
    """Screen name and attributes by argument; early variants fall on the first screens, as visitors do."""
    names = SCREENS[form]
    name_of = [names[int(len(names) * (variant / VARIANTS) ** 1.6)] for variant in range(VARIANTS)]
    return [
        (name, {"destination": place} if name in PLACED_SCREENS else None) for place in DESTINATIONS for name in name_of
    ]

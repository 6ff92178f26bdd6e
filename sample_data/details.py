"""A person as mParticle documents show one: identities, devices, attributes, consent, place."""

from __future__ import annotations

import unicodedata
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

from sample_data.people import ANDROID, IOS, PLATFORMS, ROKU, WEB, People
from sample_data.world import (
    CARRIERS,
    CITIES,
    DEVICES,
    EMAIL_DOMAINS,
    FIRST_NAMES,
    INTERESTS,
    LANGUAGES,
    LAST_NAMES,
    OTHER_CARRIERS,
    TIERS,
    City,
)

ZERO_UUID: Final = "00000000-0000-0000-0000-000000000000"
"""What a phone says that does not allow tracking."""

Document = dict[str, Any]


def _plain(name: str) -> str:
    """A name as it stands in an e-mail address."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters.lower() if letter.isalnum())


_FIRST_IN_EMAIL: Final = tuple(_plain(name) for name in FIRST_NAMES)
_LAST_IN_EMAIL: Final = tuple(_plain(name) for name in LAST_NAMES)


def uuid_of(kind: int, number: int) -> str:
    """A version 4 style UUID that stands for one number of one kind, never the zero one."""
    mixed = (number * 0x9E3779B97F4A7C15 + kind * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    return f"{mixed >> 32:08x}-{mixed >> 16 & 0xFFFF:04x}-4{mixed & 0xFFF:03x}-8{kind:03x}-{number:012x}"


def place_document(city: City, latitude: float, longitude: float, number: int) -> Document:
    """A `location` in `city`; `number` chooses the ZIP code."""
    place = {
        "latitude": round(latitude, 4),
        "longitude": round(longitude, 4),
        "country_code": city.country,
        "region_code": city.region,
        "city_name": city.name,
        "postal_code": f"{city.zip_prefix}{1 + number % 20:02d}",
    }
    return place if city.dma is None else {**place, "dma_code": city.dma}


class Details:
    """Documents about the people by row number. Devices and places are shared: readers leave them alone."""

    def __init__(self, people: People, end_ms: int) -> None:
        self.people = SimpleNamespace(
            **{column.name: getattr(people, column.name).tolist() for column in fields(people)}
        )
        self.end = datetime.fromtimestamp(end_ms / 1000, UTC)
        self._devices: dict[tuple[int, int], Document] = {}
        self._homes: dict[int, Document] = {}
        self._away = [{"location": place_document(city, city.latitude, city.longitude, 0)} for city in CITIES]

    def email(self, person: int, *, changed: bool = False) -> str:
        """The person's address, unique among all; the one that replaces it when `changed`."""
        name = f"{_FIRST_IN_EMAIL[person % len(FIRST_NAMES)]}.{_LAST_IN_EMAIL[person // 7 % len(LAST_NAMES)]}"
        domain = EMAIL_DOMAINS[self.people.email_domain[person]]
        return f"{name}{person}{'.new' if changed else ''}@{domain}"

    def customer_id(self, person: int, workspace: str) -> str:
        """The person's number with the brand."""
        return f"{'V' if workspace == 'travel-app' else 'H'}{100_000 + person}"

    def identities(self, person: int, workspace: str, *, changed: bool = False) -> Document:
        """`user_identities` of a batch, possibly empty."""
        people, found = self.people, {}
        if people.has_customer_id[person]:
            found["customer_id"] = self.customer_id(person, workspace)
        if people.has_email[person]:
            found["email"] = self.email(person, changed=changed and people.changes_email[person])
        if people.has_phone[person] and workspace == "travel-app":
            found["mobile_number"] = f"+1555{person:07d}"
        if person % 11 == 0:
            found["google"] = f"1{person:017d}"
        if person % 13 == 0:
            found["facebook"] = f"10{person:013d}"
        return found

    def device(self, person: int, platform: int) -> Document:
        """`device_info` of the person's device of a platform, with its identities."""
        found = self._devices.get((person, platform))
        if found is None:
            found = self._devices[person, platform] = self._make_device(person, platform)
        return found

    def _make_device(self, person: int, platform: int) -> Document:
        people = self.people
        own = platform == people.travel_platform[person]
        models = [model for model in DEVICES if model.platform == PLATFORMS[platform]]
        model = DEVICES[people.device[person]] if own else models[person % len(models)]
        country = CITIES[self.people.city[person]].country
        info: Document = {
            "platform": model.platform,
            "device_model": model.model,
            "brand": model.brand,
            "device_manufacturer": model.manufacturer,
            "os_version": model.os_versions[person % len(model.os_versions)],
            "locale_language": LANGUAGES.get(country, "en"),
            "locale_country": country,
            "is_tablet": model.is_tablet,
        }
        if platform in (IOS, ANDROID):
            carriers = CARRIERS.get(country, OTHER_CARRIERS)
            info |= {"device_country": country, "network_carrier": carriers[person % len(carriers)]}
        return info | self._device_identities(person, platform)

    def _device_identities(self, person: int, platform: int) -> Document:
        people, tracked = self.people, self.people.allows_tracking[person]
        found: Document = {}
        if platform == IOS:
            status = "authorized" if tracked else "denied"
            found = {"ios_advertising_id": uuid_of(1, person + 1).upper() if tracked else ZERO_UUID}
            found |= {"ios_idfv": uuid_of(2, person + 1).upper(), "att_authorization_status": status}
        elif platform == ANDROID:
            found = {"android_uuid": f"{person * 2654435761 % 2**64:016x}", "limit_ad_tracking": not tracked}
            found |= {"android_advertising_id": uuid_of(3, person + 1)} if tracked else {}
        elif platform == ROKU:
            found = {"roku_advertising_id": uuid_of(4, person + 1), "roku_publisher_id": f"rp{person:08d}"}
        elif platform == WEB and person % 5 == 0:
            found = {"amp_id": f"amp-{uuid_of(5, person + 1)}"}
        if platform in (IOS, ANDROID) and people.has_push[person]:
            found["push_token"] = f"{'apns' if platform == IOS else 'fcm'}-{uuid_of(6 + platform, person + 1)}"
        return found

    def attributes(self, person: int, workspace: str) -> Document:
        """All `user_attributes` that a workspace learns at the first visit."""
        return self._travel(person) if workspace == "travel-app" else self._hotel(person)

    def _travel(self, person: int) -> Document:
        people, city = self.people, CITIES[self.people.city[person]]
        age, day = people.age[person], people.birth_day[person]
        born = date(self.end.year - age - 1, 12, 31) - timedelta(days=day)
        bits = people.interests[person]
        found = {
            "$firstname": FIRST_NAMES[person % len(FIRST_NAMES)],
            "$lastname": LAST_NAMES[person // 7 % len(LAST_NAMES)],
            "$age": age,
            "$gender": "FMFMFX"[person % 6],
            "$country": city.country,
            "$city": city.name,
            "$zip": f"{city.zip_prefix}{1 + person % 20:02d}",
            "tier": TIERS[people.tier[person]],
            "points": people.points[person],
            "newsletter": people.wants_newsletter[person],
            "birth_date": born.isoformat(),
            "member_since": self._moment(people.member_days[person], person),
            "interests": [name for at, name in enumerate(INTERESTS) if bits >> at & 1],
            "preferred_budget": f"{150 + person * 37 % 2400}.{'00' if person % 2 else '50'}",
            "checkout_experiment": "one-page" if people.one_page_checkout[person] else "classic",
        }
        if people.next_trip_days[person] < 999:
            found["next_trip"] = (self.end.date() + timedelta(days=people.next_trip_days[person])).isoformat()
        if people.is_beta_tester[person]:
            found["beta_tester"] = None
        return found

    def _hotel(self, person: int) -> Document:
        people = self.people
        found: Document = {
            "$firstname": FIRST_NAMES[person % len(FIRST_NAMES)],
            "$lastname": LAST_NAMES[person // 7 % len(LAST_NAMES)],
            "$country": CITIES[self.people.city[person]].country,
            "club_level": ("guest", "member", "member", "president")[people.tier[person]],
            "club_nights": people.hotel_nights[person],
            "newsletter": "true" if people.wants_newsletter[person] else "false",
            "room_preferences": [
                ("quiet", "high floor", "twin beds", "bath")[(person + at) % 4] for at in range(person % 3)
            ],
            "club_expires": (self.end.date() + timedelta(days=person % 400 - 60)).isoformat(),
        }
        if person % 9 == 0:
            found["company"] = f"Company {person % 40}"
        return found

    def _moment(self, days: int, person: int) -> str:
        moment = self.end - timedelta(days=days, seconds=person * 97 % 86_400)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def consent(self, person: int, at_ms: int, *, second: bool = False) -> Document | None:
        """`consent_state`: at the first visit, or at the second for those who change their mind; else None."""
        people = self.people
        if second and not people.changes_consent[person]:
            return None
        agreed = people.consents[person] != second
        if people.asked_gdpr[person]:
            said = {"advertising": agreed, "analytics": agreed or person % 3 != 0}
            return {
                "gdpr": {purpose: {"consented": yes, "timestamp_unixtime_ms": at_ms} for purpose, yes in said.items()}
            }
        if CITIES[self.people.city[person]].country == "US":
            return {"ccpa": {"data_sale_opt_out": {"consented": agreed, "timestamp_unixtime_ms": at_ms}}}
        return None

    def home(self, person: int) -> Document:
        """The batch context of somebody at home."""
        found = self._homes.get(person)
        if found is None:
            people = self.people
            at = (people.latitude[person], people.longitude[person])
            found = self._homes[person] = {"location": place_document(CITIES[self.people.city[person]], *at, person)}
        return found

    def away(self, city: int) -> Document:
        """The batch context of somebody visiting a city."""
        return self._away[city]

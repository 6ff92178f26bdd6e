"""The people of the sample: one row each, drawn as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sample_data.world import (
    CITIES,
    CURRENCIES,
    CURRENCY_OF_COUNTRY,
    DESTINATION_WEIGHTS,
    DEVICES,
    EMAIL_DOMAIN_WEIGHTS,
    EMAIL_DOMAINS,
    GDPR_COUNTRIES,
    INTERESTS,
    ORGANIC,
    PUBLISHERS,
)

DAYS: Final = 90
HOURS: Final = DAYS * 24
IOS, ANDROID, WEB, ROKU = range(4)
PLATFORMS: Final = ("iOS", "Android", "web", "roku")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class People:
    """Columns of one value a person. Hours count from the start of the 90 days; codes index the tuples of `world`."""

    mpid: Ints  # unique, signed; leads have one here that their batches do not carry
    is_lead: Flags  # known to the CRM feed only, by e-mail, without mpid and without a visit
    in_travel: Flags
    in_hotel: Flags
    travel_platform: Ints
    has_web_too: Flags
    hotel_platform: Ints
    device: Ints  # of the travel platform, in DEVICES
    city: Ints
    latitude: Floats
    longitude: Floats
    currency: Ints
    joined_hour: Floats  # 0 = known before the 90 days
    left_hour: Floats
    activity: Floats
    destination: Ints  # the one they dream of
    is_reader: Flags
    is_weekender: Flags
    is_vip: Flags
    has_lapsed: Flags
    one_page_checkout: Flags  # the arm of an experiment whose people buy more often
    tier: Ints
    points: Ints
    age: Ints
    birth_day: Ints  # day of the year 0..364
    interests: Ints  # bits of INTERESTS
    wants_newsletter: Flags
    is_beta_tester: Flags
    next_trip_days: Ints  # from the end, negative = past, 999 = none planned
    member_days: Ints  # before the end
    hotel_nights: Ints
    publisher: Ints
    campaign: Ints  # ORGANIC or a code
    has_customer_id: Flags
    has_email: Flags
    email_domain: Ints
    changes_email: Flags
    has_phone: Flags
    has_push: Flags
    allows_tracking: Flags
    asked_gdpr: Flags
    consents: Flags  # to advertising at the first visit; in the United States: opts out of data sale
    changes_consent: Flags  # says the opposite at the second visit in a workspace
    release_lag_hours: Floats

    def __len__(self) -> int:
        return len(self.mpid)


def draw_people(count: int, seed: int) -> People:
    """`count` people; the same seed and count give the same people. `count` is at least 1."""
    rng = np.random.default_rng([seed, 1])
    city = _choice(rng, [place.weight for place in CITIES], count)
    country = np.array([place.country for place in CITIES])[city]
    member = rng.random(count)
    is_lead = (member > 0.585) & (member < 0.6)
    is_vip = rng.random(count) < 0.04
    has_lapsed = rng.random(count) < np.where(is_vip, 0.3, 0.15)
    joined, left = _lifetimes(rng, count, has_lapsed)
    platform = _choice(rng, [42, 36, 22], count)
    asked_gdpr = np.isin(country, list(GDPR_COUNTRIES))
    currency_of = np.array([CURRENCIES.index(CURRENCY_OF_COUNTRY.get(place.country, "EUR")) for place in CITIES])
    by_the_city = rng.normal(0.0, 0.09, (2, count))
    return People(
        mpid=_mpids(rng, count),
        is_lead=is_lead,
        in_travel=(member < 0.75) & ~is_lead,
        in_hotel=member >= 0.6,
        travel_platform=platform,
        has_web_too=(platform != WEB) & (rng.random(count) < 0.3),
        hotel_platform=np.where(rng.random(count) < 0.12, ROKU, WEB),
        device=_devices(rng, platform),
        city=city,
        latitude=np.array([place.latitude for place in CITIES])[city] + by_the_city[0],
        longitude=np.array([place.longitude for place in CITIES])[city] + by_the_city[1],
        currency=currency_of[city],
        joined_hour=joined,
        left_hour=left,
        activity=np.minimum(rng.pareto(1.25, count) + 0.15, 120.0) * np.where(is_vip, 2.0, 1.0),
        destination=_choice(rng, DESTINATION_WEIGHTS, count),
        is_reader=rng.random(count) < 0.12,
        is_weekender=rng.random(count) < 0.2,
        is_vip=is_vip,
        has_lapsed=has_lapsed,
        one_page_checkout=rng.random(count) < 0.5,
        tier=np.where(is_vip, rng.integers(2, 4, count), _choice(rng, [60, 27, 11, 2], count)),
        points=np.round(rng.exponential(900.0, count)).astype(np.int64) + np.where(is_vip, 4000, 0),
        age=np.clip(rng.normal(38.0, 13.0, count), 18, 90).astype(np.int64),
        birth_day=rng.integers(0, 365, count),
        interests=_interests(rng, count),
        wants_newsletter=rng.random(count) < 0.55,
        is_beta_tester=rng.random(count) < 0.03,
        next_trip_days=np.where(rng.random(count) < 0.4, rng.integers(-60, 120, count), 999),
        member_days=rng.integers(0, 1500, count) + (DAYS - (joined / 24)).astype(np.int64),
        hotel_nights=rng.poisson(3.0, count) + np.where(is_vip, 6, 0),
        publisher=_choice(rng, [35, 30, 15, 10, 10], count) % len(PUBLISHERS),
        campaign=np.where(rng.random(count) < 0.4, ORGANIC, _choice(rng, [22, 16, 14, 30, 10, 8], count)),
        has_customer_id=rng.random(count) < 0.8,
        has_email=(rng.random(count) < 0.78) | is_lead,
        email_domain=_choice(rng, EMAIL_DOMAIN_WEIGHTS, count) % len(EMAIL_DOMAINS),
        changes_email=rng.random(count) < 0.06,
        has_phone=rng.random(count) < 0.4,
        has_push=rng.random(count) < 0.62,
        allows_tracking=rng.random(count) < 0.45,
        asked_gdpr=asked_gdpr,
        consents=rng.random(count) < np.where(asked_gdpr, 0.58, 0.2),
        changes_consent=rng.random(count) < 0.07,
        release_lag_hours=rng.exponential(130.0, count),
    )


def _choice(rng: np.random.Generator, weights: list[float] | tuple[float, ...], count: int) -> Ints:
    """Codes drawn by weight."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    drawn = np.searchsorted(cumulative / cumulative[-1], rng.random(count), side="right")
    return np.minimum(drawn, len(weights) - 1).astype(np.int64)


def _mpids(rng: np.random.Generator, count: int) -> Ints:
    """Distinct signed 64-bit numbers, about half of them negative as mParticle's are."""
    drawn = np.unique(rng.integers(-(2**63) + 1, 2**63 - 1, count + 16, dtype=np.int64))
    return np.asarray(rng.permutation(drawn)[:count])


def _lifetimes(rng: np.random.Generator, count: int, has_lapsed: Flags) -> tuple[Floats, Floats]:
    """Hours of joining and leaving. A bit more than half were there before; arrivals grow by half over the 90 days."""
    is_new = rng.random(count) < 0.45
    progress = (np.sqrt(1.0 + 1.25 * rng.random(count)) - 1.0) / 0.5
    joined = np.where(is_new, progress * (HOURS - 1.0), 0.0)
    stays = np.select(
        [rng.random(count) < 0.3, rng.random(count) < 0.35],
        [rng.exponential(30.0, count), rng.exponential(400.0, count)],
    )
    left = np.where(is_new & (stays > 0), joined + stays, HOURS)
    left = np.where(has_lapsed, joined + (HOURS - joined) * rng.uniform(0.05, 0.6, count), left)
    latest = HOURS - 0.75  # a visit lasts up to 40 minutes and must be over at the end
    return np.minimum(joined, latest), np.clip(left, joined, latest)


def _devices(rng: np.random.Generator, platform: Ints) -> Ints:
    """A device of each person's platform."""
    device = np.zeros(len(platform), np.int64)
    for code, name in enumerate(PLATFORMS[:3]):
        mine = np.flatnonzero(platform == code)
        models = [at for at, model in enumerate(DEVICES) if model.platform == name]
        device[mine] = np.array(models)[_choice(rng, [DEVICES[at].share for at in models], len(mine))]
    return device


def _interests(rng: np.random.Generator, count: int) -> Ints:
    """Each interest by itself, the first ones more common."""
    chances = 0.34 / (1.0 + 0.25 * np.arange(len(INTERESTS)))
    has = rng.random((count, len(INTERESTS))) < chances
    return np.asarray(has @ (1 << np.arange(len(INTERESTS))))

"""The benchmark's data: profiles, events, consents and nested batches as files, seeded, made once for each size.

Events come as one Parquet file an input, in the order of time from row group to row group; what they hold is listed in
docs/performance.md. Whatever is there already is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

END_MS: Final = 1_782_820_800_000
"""2026-06-30T12:00:00Z."""

DAY_MS: Final = 86_400_000
DAYS: Final = 120
START_MS: Final = END_MS - DAYS * DAY_MS
CHUNK: Final = 4_000_000

INPUTS: Final = ("ios", "android", "web", "tvos", "ios-kids", "android-kids", "web-shop", "partner")
NAMES: Final = tuple(
    "screen_view session_start product_view app_open push_received add_to_cart search app_background login video_play "
    "purchase list_view email_open push_open remove_from_cart checkout_start wishlist_add article_read promo_click "
    "promo_view share rate level_up signup profile_update filter_apply coupon_apply store_locator chat_open "
    "review_write referral email_click email_unsubscribe refund subscription_start subscription_cancel error "
    "permission_grant logout app_uninstall".split()
)
COMMERCE: Final = {
    "product_view": "view_detail",
    "add_to_cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "checkout_start": "checkout",
    "wishlist_add": "add_to_wishlist",
    "purchase": "purchase",
    "refund": "refund",
}
CAMPAIGNED: Final = (
    *(name for name in NAMES if name.startswith(("push_", "email_", "promo_"))),
    "app_uninstall",
)
"""Events with a campaign; that of an uninstall is its attribution (DEFINITION 3.4)."""

CATEGORIES: Final = tuple(
    "shoe shirt dress jacket lamp chair table sofa watch ring bag hat phone laptop camera tent boat bike toy book game "
    "guitar piano drum plant vase mug pan knife towel".split()
)
PLATFORMS: Final = ("iOS", "Android", "Web", "tvOS")
SCREENS: Final = ("home", "product", "cart", "search", "profile", "settings", "video", "article", "deals", "help")
CITIES: Final = (
    ("US", "New York", 40.71, -74.01),
    ("DE", "Berlin", 52.52, 13.41),
    ("FR", "Paris", 48.85, 2.35),
    ("GB", "London", 51.51, -0.13),
    ("BR", "Rio de Janeiro", -22.91, -43.18),
    ("IN", "Mumbai", 19.07, 72.88),
    ("JP", "Tokyo", 35.69, 139.69),
    ("ES", "Madrid", 40.42, -3.7),
    ("IT", "Rome", 41.89, 12.51),
    ("NL", "Amsterdam", 52.37, 4.89),
    ("CA", "Toronto", 43.71, -79.4),
    ("AU", "Sydney", -33.87, 151.21),
    ("MX", "Mexico City", 19.43, -99.13),
    ("SE", "Stockholm", 59.33, 18.07),
    ("PL", "Warsaw", 52.23, 21.01),
)
TAGS: Final = tuple("sports travel music food fashion tech games books cars movies garden pets".split())
TIERS: Final = ("none", "bronze", "silver", "gold")
DOMAINS: Final = tuple(
    "gmail.com GMAIL.com outlook.com yahoo.com icloud.com web.de gmx.de proton.me example.com mail.ru".split()
)
_DOMAIN_SHARES: Final = (0.35, 0.05, *(0.6 / 8,) * 8)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Size:
    """How much data: `profiles` people with `events` events."""

    profiles: int
    events: int

    @property
    def label(self) -> str:
        """ "1M x 100M"."""
        return f"{_short(self.profiles)}x{_short(self.events)}"


def _short(number: int) -> str:
    return f"{number // 10**6}M" if number % 10**6 == 0 else f"{number // 1000}k"


def mpids(indices: npt.NDArray[Any]) -> Ints:
    """The mpid of each profile index: odd multiplication modulo 2^64, so no two are alike."""
    return ((indices.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)).view(np.int64)


def coded(codes: npt.NDArray[Any], values: list[str], given: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Texts by code; null where not given."""
    mask = None if given is None else ~given
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), pa.array(values))


def _numbers(values: npt.NDArray[Any], given: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~given)


def _named(names: npt.NDArray[Any], wanted: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    table = np.array([name in wanted for name in NAMES])
    return table[names]


PRODUCTS: Final = [f"{CATEGORIES[at % 30].title()} no. {at:04d}" for at in range(5000)]
SCREEN_NAMES: Final = [f"{SCREENS[at % 10]} {at:03d}" for at in range(300)]
CAMPAIGN_NAMES: Final = [f"campaign {at:03d}" for at in range(120)]
VERSIONS: Final = [f"{at // 10 + 1}.{at % 10}.0" for at in range(54)]
_PRICES: Final = np.round(np.random.default_rng(11).gamma(2.0, 30.0, 5000) + 1, 2)


def _search_terms() -> list[str]:
    words = (*CATEGORIES, "red", "blue", "cheap", "new", "used", "best", "large", "small", "kids", "pro")
    return [f"{words[at % 40]} {words[at // 40 % 40]} {at}" for at in range(200_000)]


def _chunk(size: Size, at: int, chunks: int, who: npt.NDArray[np.uint32], terms: list[str], seed: int) -> pa.Table:
    """The events of one slice of time."""
    rng = np.random.default_rng([seed, at])
    count = size.events * (at + 1) // chunks - size.events * at // chunks
    shares = np.cumsum(1 / np.arange(1, 41))
    table = np.searchsorted(shares / shares[-1], (np.arange(1 << 20) + 0.5) / (1 << 20)).astype(np.int8)
    names = table[rng.integers(0, 1 << 20, count, dtype=np.int32)]
    span = DAYS * DAY_MS // chunks
    times = START_MS + at * span + rng.integers(0, span, count)
    platform = np.searchsorted([0.45, 0.8, 0.98], rng.random(count, np.float32)).astype(np.int8)
    product = (5000 * rng.random(count, np.float32) ** 2).astype(np.int16).clip(0, 4999)
    quantity = rng.integers(1, 5, count, dtype=np.int8)
    sold, timed = _named(names, tuple(COMMERCE)), _named(names, ("video_play", "article_read"))
    cents = np.rint(_PRICES * 100).astype(np.int64)[product] * quantity
    searched, campaigned = _named(names, ("search",)), _named(names, CAMPAIGNED)
    leveled, viewed = _named(names, ("level_up",)), _named(names, ("screen_view",))
    everywhere = rng.integers(0, 200_000, count, dtype=np.int32)
    return pa.table(
        {
            "mpid": mpids(who[(size.profiles * rng.random(count) ** 2).astype(np.int64)]),
            "ts": times,
            "event_name": coded(names, list(NAMES)),
            "platform": coded(platform, list(PLATFORMS)),
            "app_version": coded(everywhere % 54, VERSIONS),
            "screen_name": coded(everywhere % 300, SCREEN_NAMES, viewed),
            "product": coded(product, PRODUCTS, sold),
            "category": coded(product % 30, list(CATEGORIES), sold),
            "price": _numbers(_PRICES[product], sold),
            "quantity": _numbers(quantity, sold),
            "revenue": _numbers(cents / 100, sold),
            "search_term": coded(everywhere, terms, searched),
            "results": _numbers((everywhere % 97).astype(np.int16), searched),
            "duration_s": _numbers(np.round(rng.standard_exponential(count, np.float32).astype(float) * 300, 1), timed),
            "campaign": coded(everywhere % 120, CAMPAIGN_NAMES, campaigned),
            "level": _numbers((everywhere % 100).astype(np.int16), leveled),
        }
    )


def tables(size: Size, seed: int = 1) -> Iterator[pa.Table]:
    """Every event, a slice of time after the other."""
    who = np.random.default_rng([seed, 0, 0]).permutation(size.profiles).astype(np.uint32)
    terms, chunks = _search_terms(), max(1, -(-size.events // CHUNK))
    for at in range(chunks):
        yield _chunk(size, at, chunks, who, terms, seed)


def make_events(size: Size, folder: Path) -> list[Path]:
    """One Parquet file an input; a slice of time is a row group."""
    files = [folder / f"events-{name}.parquet" for name in INPUTS]
    writers: list[pq.ParquetWriter] = []
    for table in tables(size):
        if not writers:
            writers = [pq.ParquetWriter(f"{file}.new", table.schema, store_schema=False) for file in files]
        for at, writer in enumerate(writers):
            first, last = (table.num_rows * part // len(INPUTS) for part in (at, at + 1))
            writer.write_table(table.slice(first, last - first))
    for writer, file in zip(writers, files, strict=True):
        writer.close()
        Path(f"{file}.new").rename(file)
    return files


def make_profiles(size: Size, file: Path, seed: int = 1) -> None:
    """The 28 columns of every profile, and the moment at which they were told."""
    rng, count = np.random.default_rng([seed, 1, 1]), size.profiles
    ranks = np.cumsum(1 / np.arange(1, 16))
    city = np.searchsorted(ranks / ranks[-1], rng.random(count))
    index, day = np.arange(count), np.datetime64("2026-06-30", "D")
    degrees = np.array([[lat, lon] for _, _, lat, lon in CITIES])[city] + rng.normal(0, 0.6, (count, 2))
    domain = np.searchsorted(np.cumsum(_DOMAIN_SHARES), rng.random(count)).clip(0, 9)
    tags = [[TAGS[(at * 5 + part * 7) % 12] for part in range(at % 5)] for at in range(60)]
    lists = pl.Series(tags, dtype=pl.List(pl.String)).gather(pl.Series(rng.integers(0, 60, count)))

    def some(values: list[str] | tuple[str, ...]) -> pl.Series:
        return pl.Series(values).gather(pl.Series(rng.integers(0, len(values), count)))

    def by(values: list[str], codes: npt.NDArray[Any]) -> pl.Series:
        return pl.Series(values).gather(pl.Series(codes))

    pl.DataFrame(
        {
            "mpid": mpids(index),
            "seen": END_MS - DAY_MS * 200 + rng.integers(0, DAY_MS * 199, count),
            "first_name": some([f"First{at}" for at in range(800)]),
            "last_name": some([f"Last{at}" for at in range(5000)]),
            "email": pl.select(
                pl.concat_str(pl.lit("user"), pl.lit(pl.Series(index)), pl.lit("@"), by(list(DOMAINS), domain))
            ).to_series(),
            "country": by([each[0] for each in CITIES], city),
            "city": by([each[1] for each in CITIES], city),
            "latitude": degrees[:, 0].clip(-89, 89).round(5),
            "longitude": degrees[:, 1].clip(-179, 179).round(5),
            "gender": some(("female", "male", "other")),
            "age": rng.integers(16, 90, count).astype(np.int16),
            "ltv": np.round(rng.exponential(120, count), 2),
            "signup": (day - rng.integers(0, 1500, count)).astype("datetime64[D]").astype(str),
            "birth": (np.datetime64("2008-01-01", "D") - rng.integers(0, 25_000, count)).astype(str),
            "newsletter": rng.random(count) < 0.4,
            "push": rng.random(count) < 0.6,
            "tier": some(TIERS),
            "interests": lists,
            "device_model": some([f"Model {at}" for at in range(400)]),
            "os_version": some([f"{at // 4 + 12}.{at % 4}" for at in range(28)]),
            "language": some(("en", "de", "fr", "es", "pt", "ja", "it", "nl", "sv", "pl")),
            "time_zone": some([f"UTC{at:+d}" for at in range(-11, 13)]),
            "acquisition": some(("organic", "search", "social", "referral", "partner")),
            "store": some([f"store {at}" for at in range(250)]),
            "score": np.round(rng.random(count) * 100, 1),
            "credit": rng.integers(300, 850, count).astype(np.int16),
            "churn": np.round(rng.random(count), 3),
            "zip": some([f"{at:05d}" for at in range(20_000)]),
            "notes": some([f"Note number {at} on what was said" for at in range(50_000)]),
        }
    ).write_parquet(file)


def make_consents(size: Size, file: Path, seed: int = 1) -> None:
    """The GDPR consent to advertising of every tenth profile: Parquet, and the same as batches beside it."""
    rng = np.random.default_rng([seed, 2, 2])
    index = np.arange(0, size.profiles, 10)
    frame = pl.DataFrame(
        {
            "mpid": mpids(index),
            "ts": START_MS + rng.integers(0, DAYS * DAY_MS, len(index)),
            "consented": rng.random(len(index)) < 0.7,
        }
    )
    with file.with_suffix(".jsonl").open("wb") as lines:
        for mpid, at, consented in frame.iter_rows():
            said = {"gdpr": {"advertising": {"consented": consented, "timestamp_unixtime_ms": at}}}
            batch = {"mpid": mpid, "timestamp_unixtime_ms": at, "source_request_id": f"c{mpid}", "consent_state": said}
            lines.write(orjson.dumps({**batch, "events": []}) + b"\n")
    frame.write_parquet(file)


def make_nested(events: int, file: Path, seed: int = 1) -> None:
    """Nested batches of ten events each, as an SDK sends them: custom events with attributes, and purchases."""
    rng = np.random.default_rng([seed, 3, 3])
    profiles = max(1, events // 40)
    with file.open("wb") as lines:
        for at in range(events // 10):
            sent = START_MS + int(rng.integers(0, DAYS * DAY_MS))
            batch = {
                "mpid": int(rng.integers(1, profiles + 1)),
                "source_request_id": f"r{seed}-{at}",  # files are loaded together: none is a copy of another
                "timestamp_unixtime_ms": sent,
                "user_attributes": {"tier": TIERS[at % 4], "points": at % 5000},
                "device_info": {
                    "platform": PLATFORMS[at % 4],
                    "os_version": "18.1",
                    "device_model": f"Model {at % 400}",
                },
                "events": [_nested_event(seed * events + at * 10 + each, sent - each * 1000) for each in range(10)],
            }
            lines.write(orjson.dumps(batch) + b"\n")


def _nested_event(at: int, when: int) -> dict[str, Any]:
    common = {"timestamp_unixtime_ms": when, "source_message_id": f"m{at}"}
    if at % 5:
        attributes = {"destination": CITIES[at % 15][1], "seconds": at % 600, "campaign": CAMPAIGN_NAMES[at % 120]}
        named = {"event_name": NAMES[at % 40], "custom_event_type": "other", "custom_attributes": attributes}
        return {"event_type": "custom_event", "data": common | named}
    product = {"id": f"P{at % 5000}", "name": PRODUCTS[at % 5000], "price": 49.5, "quantity": 1 + at % 3}
    bought = {"action": "purchase", "total_amount": 49.5 * (1 + at % 3), "products": [product]}
    return {"event_type": "commerce_event", "data": common | {"product_action": bought, "currency_code": "EUR"}}


EVENT_MAPPING: Final[dict[str, Any]] = {
    "user": {"column": "mpid", "as": "mpid"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "event_name"},
    "kinds": {
        **{name: {"kind": "ecommerce", "name": action} for name, action in COMMERCE.items()},
        "promo_view": {"kind": "ecommerce", "name": "promotion_view"},
        "promo_click": {"kind": "ecommerce", "name": "promotion_click"},
        "screen_view": {"kind": "screen_view"},
        "session_start": {"kind": "session"},
        "app_uninstall": {"kind": "uninstall"},
        "error": {"kind": "crash"},
    },
    "attributes": ["search_term", "results", "duration_s", "campaign", "level"],
    "fields": {
        "platform": "platform",
        "app_version": "app_version",
        "screen_name": "screen_name",
        "total_amount": "revenue",
    },
    "product": {"name": "product", "category": "category", "price": "price", "quantity": "quantity"},
}
PROFILE_MAPPING: Final[dict[str, Any]] = {
    "rows": "profiles",
    "user": {"column": "mpid", "as": "mpid"},
    "time": {"column": "seen", "unit": "ms"},
    "identities": {"email": "email"},
    "location": {"latitude": "latitude", "longitude": "longitude", "city": "city", "country": "country"},
    "fields": {"device_model": "device_model", "os_version": "os_version"},
    "user_attributes": (
        "first_name last_name country city gender age ltv signup birth newsletter push tier interests language "
        "time_zone acquisition store score credit churn zip notes"
    ).split(),
}

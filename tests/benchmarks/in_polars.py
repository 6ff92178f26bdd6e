"""The 13 audiences in plain polars: lazy scans of one Parquet folder an event name, group_by and semi joins."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from tests.benchmarks.audiences import BERLIN, COUNTRIES, HOUR_MS, SCREENS, WORDS
from tests.benchmarks.data import DAY_MS, END_MS

TS: Final = pl.col("ts")


def last(days: float) -> pl.Expr:
    """Whether an event is at most so many days old."""
    return TS.is_between(END_MS - int(days * DAY_MS), END_MS)


class Frames:
    """Lazy frames over the Parquet files."""

    def __init__(self, folder: Path, profiles: Path) -> None:
        self.folder = folder
        self.profiles = pl.scan_parquet(profiles)

    def events(self, name: str, days: float = math.inf) -> pl.LazyFrame:
        """The events of a name in the last days."""
        rows = pl.scan_parquet(self.folder / f"event_name={name}" / "*.parquet", hive_partitioning=False)
        return rows.filter(last(days)) if days < math.inf else rows

    def everything(self, days: float) -> pl.LazyFrame:
        """The events of every name in the last days."""
        rows = pl.scan_parquet(self.folder / "*" / "*.parquet", hive_partitioning=False)
        return rows.filter(last(days))

    def those(self, who: pl.LazyFrame, profiles: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """The profiles of a frame of mpids."""
        return (self.profiles if profiles is None else profiles).join(who, on="mpid", how="semi")

    def others(self, who: pl.LazyFrame, profiles: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """The profiles that are in none of its rows."""
        return (self.profiles if profiles is None else profiles).join(who, on="mpid", how="anti")


def often(rows: pl.LazyFrame, holds: pl.Expr) -> pl.LazyFrame:
    """The mpids of groups for which an aggregate holds."""
    return rows.group_by("mpid").agg(holds.alias("holds")).filter("holds")


def near(kilometers: float) -> pl.Expr:
    lat, lon = (pl.col(name).radians() for name in ("latitude", "longitude"))
    lat0, lon0 = (math.radians(each) for each in BERLIN)
    half = ((lat - lat0) / 2).sin() ** 2 + lat.cos() * math.cos(lat0) * ((lon - lon0) / 2).sin() ** 2
    return 2 * 6371.0088 * half.sqrt().clip(0, 1).arcsin() <= kilometers


def contains(column: str, text: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().str.contains(text, literal=True)


def spent(frames: Frames, days: int = 90) -> pl.LazyFrame:
    return often(frames.events("purchase", days), pl.col("revenue").sum() > 500.005)


def abandoned(frames: Frames, days: int = 7) -> pl.LazyFrame:
    added = frames.events("add_to_cart", days).group_by("mpid").agg(TS.max().alias("added"))
    bought = frames.events("purchase", days).group_by("mpid").agg(TS.max().alias("bought"))
    open_cart = pl.col("bought").is_null() | (pl.col("bought") < pl.col("added"))
    left = added.join(bought, on="mpid", how="left")
    return left.filter(pl.col("added") <= END_MS - 2 * HOUR_MS, open_cart)


def _a2(frames: Frames, edit: int) -> pl.LazyFrame:
    countries = ["US", "DE", *([COUNTRIES[edit - 1]] if edit else [])]
    who = often(frames.events("purchase", 30), pl.len() >= 3)
    return frames.those(who, frames.profiles.filter(pl.col("country").is_in(countries)))


def _a6(frames: Frames, edit: int) -> pl.LazyFrame:
    added = frames.events("add_to_cart", 6 + edit).filter(TS <= END_MS - 4 * DAY_MS)
    return frames.those(added.filter(pl.col("platform").str.to_lowercase() == "ios"))


def _a9(frames: Frames, edit: int) -> pl.LazyFrame:
    screens = pl.col("screen_name").str.to_lowercase().str.starts_with(SCREENS[edit])
    liked = frames.profiles.filter((pl.col("ltv") > 100) | pl.col("interests").list.contains("sports"))
    seen = often(frames.events("screen_view", 30).filter(screens), pl.len() >= 3)
    return frames.others(frames.events("email_unsubscribe"), frames.those(seen, liked))


def _a10(frames: Frames, edit: int) -> pl.LazyFrame:
    here = frames.those(frames.events("login", 3 + edit), frames.those(spent(frames)))
    return frames.others(abandoned(frames), here)


def _a12(frames: Frames, edit: int) -> pl.LazyFrame:
    searched = frames.events("search", 90).filter(contains("search_term", "phone")).select("mpid")
    long = frames.events("video_play", 30).filter(pl.col("duration_s") > 600 + 30 * edit)
    return frames.those(pl.concat([searched, often(long, pl.len() >= 2).select("mpid")]))


QUERIES: Final[dict[str, Callable[[Frames, int], pl.LazyFrame]]] = {
    "A1": lambda frames, edit: frames.those(frames.events("product_view", 7 + edit)),
    "A2": _a2,
    "A3": lambda frames, edit: frames.those(often(frames.events("purchase", 120), pl.len() == 1 + edit)),
    "A4": lambda frames, edit: frames.others(
        frames.events("session_start", 30 + edit), frames.profiles.filter(contains("email", "gmail"))
    ),
    "A5": lambda frames, edit: frames.those(
        often(frames.events("product_view", 90).filter(contains("product", WORDS[edit])), pl.len() >= 3)
    ),
    "A6": _a6,
    "A7": lambda frames, edit: frames.those(abandoned(frames, 7 + edit)),
    "A8": lambda frames, edit: frames.those(spent(frames, 90 - edit)),
    "A9": _a9,
    "A10": _a10,
    "A11": lambda frames, edit: frames.those(
        frames.events("app_open", 14), frames.profiles.filter(near(50 + 5 * edit))
    ),
    "A12": _a12,
    "A13": lambda frames, edit: frames.those(often(frames.everything(90 - edit), pl.len() >= 60)),
}

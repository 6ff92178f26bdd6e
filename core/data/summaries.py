"""What segments hold by name: how often a day, which values, what they read as, and of how many people.

Segments are immutable, so their summaries are made once and kept in the column cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.cache import LEAST_ROWS
from core.data.columns import DAY_MS
from core.data.distinct import least
from core.data.events import Events
from core.data.letters import Arrays, text_arrays, texts
from core.data.manifest import Segment
from core.data.schema import EVENT_KINDS, scan
from core.data.snapshot import Snapshot
from core.data.values import DATE_PATTERN, NUMBER_PATTERN

SAMPLES: Final = 5
KEPT: Final = 20 * SAMPLES
"""So many values a summary tells. The most frequent ones of all are exact where no part has more, and else all but."""

TYPES: Final = ("number", "boolean", "date", "list")
"""What all values of a name can be; anything else is a string (DEFINITION 3.2)."""


def condensed(counted: pl.LazyFrame, *keys: str) -> pl.LazyFrame:
    """Counted tagged values (`value`, `count` beside the keys) with a Boolean column for each of `TYPES`.

    The most frequent values of a key keep their text; the rest is added up by what it reads as, its `value` null.
    Condensing what was condensed loses nothing. Nulls are left out: a key without a value has no type.
    """
    flags = [pl.col(name) for name in TYPES]
    ranked = (
        counted.group_by(*keys, "value", *flags)
        .agg(pl.col("count").sum())
        .sort(pl.col("value").is_null(), "count", "value", descending=[False, True, False])
        .with_columns(rank=pl.int_range(pl.len()).over(keys))
    )
    kept = pl.when(pl.col("rank") < KEPT).then(pl.col("value"))
    return ranked.with_columns(value=kept).group_by(*keys, "value", *flags).agg(pl.col("count").sum())


def read(counted: pl.LazyFrame) -> pl.LazyFrame:
    """Counted tagged values with what each reads as; nulls are left out."""
    tag, text = pl.col("value").str.slice(0, 1), pl.col("value").str.slice(1)
    flags = {
        "number": (tag == "n") | ((tag == "s") & text.str.contains(NUMBER_PATTERN)),
        "boolean": (tag == "b") | ((tag == "s") & text.str.to_lowercase().is_in(["true", "false"])),
        "date": (tag == "s") & text.str.contains(DATE_PATTERN),
        "list": tag == "l",
    }
    return counted.filter(pl.col("value").is_not_null() & (tag != "z")).with_columns(**flags)


def prepare(snapshot: Snapshot, going: Callable[[], bool]) -> None:
    """Fill the column cache with what the catalog reads of a version, as long as it is `going`."""
    for kind, use_of in (*((kind, carried_use) for kind in CARRIED), *((kind, fact_use) for kind in FACTS)):
        uses = use_of(snapshot, kind)
        while going() and next(uses, None) is not None:
            pass


# --- attributes of events and products ---------------------------------------------------------------------------

CARRIED: Final = {"event_attribute": "attributes", "product_attribute": "products"}
"""Kinds of attributes that events carry, and the column of events that holds them."""

_CARRIED_NAME: Final = ["workspace", "kind", "name", "key"]
_AT_ONCE: Final = 500_000
"""About so many events are taken apart at a time."""


@dataclass(frozen=True)
class AttributeUse:
    """How custom attributes are used in some segments, by `workspace`, `kind` and `name` of the event and by `key`."""

    days: pl.DataFrame
    """workspace, kind, name, key, day (UTC days since 1970), count: events or products that have the key."""
    values: pl.DataFrame
    """workspace, kind, name, key, value, count and `TYPES`, condensed."""
    hashes: pl.DataFrame
    """workspace, kind, name, key, hash: the least hashes of the values of each (`core.data.distinct`)."""


def carried_use(snapshot: Snapshot, kind: str) -> Iterator[AttributeUse]:
    """The use of a kind of attributes, of each big segment from the column cache or made, of small ones together."""

    def made(*some: Events) -> Arrays:
        files, size = [each.source.file for each in some], sum(each.size for each in some)
        parts = [_carried_parts(kind, files, start) for start in range(0, size, _AT_ONCE)]
        return _carried_arrays([pl.concat(same) for same in zip(*parts, strict=True)])

    small = [events for events in snapshot.segments if events.size < LEAST_ROWS]
    for events in snapshot.segments:
        if events.size >= LEAST_ROWS:
            yield _carried_use(events.source.bundle(f"summary/{kind}", events.size, partial(made, events)))
    if small:
        yield _carried_use(made(*small))


def _carried_use(arrays: Arrays) -> AttributeUse:
    return AttributeUse(*(_unpacked(arrays, prefix) for prefix in ("d", "v", "h")))


def _carried_parts(kind: str, files: list[Path], start: int) -> list[pl.DataFrame]:
    """What `AttributeUse` holds of some rows."""
    column = CARRIED[kind]
    read_columns = ("workspace", "kind", "name", "timestamp_ms", column)
    rows = scan("events", files, read_columns).slice(start, _AT_ONCE).filter(pl.col("kind").is_in(EVENT_KINDS))
    day = (pl.col("timestamp_ms") // DAY_MS).cast(pl.Int32)
    each = rows.filter(pl.col(column).list.len() > 0).select("workspace", "kind", "name", column, day=day)
    if kind == "product_attribute":
        each = each.explode(column).with_columns(attributes=pl.col(column).struct.field("attributes")).drop(column)
        each = each.filter(pl.col("attributes").list.len() > 0)
    bags = each.explode("attributes").unnest("attributes").collect().lazy()
    count = pl.len().cast(pl.Int64)
    days = bags.group_by(*_CARRIED_NAME, "day").agg(count=count)
    values = read(bags.group_by(*_CARRIED_NAME, "value").agg(count=count))
    return pl.collect_all([days, condensed(values, *_CARRIED_NAME), least(values, *_CARRIED_NAME)])


def _carried_arrays(parts: list[pl.DataFrame]) -> Arrays:
    days, values, hashes = (part.lazy() for part in parts)
    summed = days.group_by(*_CARRIED_NAME, "day").agg(pl.col("count").sum())
    made = pl.collect_all([summed, condensed(values, *_CARRIED_NAME), hashes.unique()])
    return {**_packed(made[0], "d"), **_packed(made[1], "v"), **_packed(made[2], "h")}


# --- profile facts -----------------------------------------------------------------------------------------------

FACTS: Final = {
    "user_attribute": ("attributes", "key"),
    "identity": ("identities", "identity_type"),
    "device": ("devices", "field"),
    "consent": ("consents", "purpose"),
}
"""Kinds of profile facts: their table, and its column of names."""

DISTINCT: Final = ("user_attribute", "device")
"""Those whose different values are counted: identities are about as many as people."""

_NAME: Final = ["workspace", "name"]
_FACT_VALUES: Final = {"identity": pl.concat_str(pl.lit("s"), "value"), "consent": pl.lit(None, pl.String)}


@dataclass(frozen=True)
class FactUse:
    """How a kind of profile facts is used in some segments, by `workspace` and `name`."""

    spans: pl.DataFrame
    """workspace, name, first, last: UTC milliseconds."""
    people: list[npt.NDArray[np.uint8]]
    """Who has it, a row of `spans` each: a bit a profile up to the last one who does."""
    days: pl.DataFrame
    """workspace, name, day (UTC days since 1970), count: records."""
    values: pl.DataFrame
    """workspace, name, value, count and `TYPES`, condensed."""
    hashes: pl.DataFrame
    """workspace, name, hash: the least hashes of the values of each; of kinds that are `DISTINCT`, else none."""


def fact_use(snapshot: Snapshot, kind: str) -> Iterator[FactUse]:
    """The use of a kind of facts, of each big segment from the column cache or made, of the small ones together."""
    table = FACTS[kind][0]

    def made(*segments: Segment) -> Arrays:
        return _fact_arrays(kind, snapshot.store.read(table, segments=segments))

    segments = [segment for segment in snapshot.manifest.segments if table in segment.tables]
    small = [segment for segment in segments if segment.tables[table] < LEAST_ROWS]
    for segment in segments:
        if segment not in small:
            bundle = snapshot.source(segment).bundle
            yield _fact_use(bundle(f"summary/{kind}", segment.tables[table], partial(made, segment)))
    if small:
        yield _fact_use(made(*small))


def _fact_use(arrays: Arrays) -> FactUse:
    spans, *rest = (_unpacked(arrays, prefix) for prefix in ("s", "d", "v", "h"))
    return FactUse(spans, [arrays[f"people.{at}"] for at in range(len(spans))], *rest)


def _fact_arrays(kind: str, frame: pl.LazyFrame) -> Arrays:
    facts = frame.select(
        "workspace", "profile", "time_ms", name=FACTS[kind][1], value=_FACT_VALUES.get(kind, pl.col("value"))
    )
    spans = facts.group_by(_NAME).agg(
        pl.col("profile").unique(), first=pl.col("time_ms").min(), last=pl.col("time_ms").max()
    )
    day = (pl.col("time_ms") // DAY_MS).cast(pl.Int32)
    days = facts.group_by(*_NAME, day=day).agg(count=pl.len().cast(pl.Int64))
    values = facts.group_by(*_NAME, "value").agg(count=pl.len().cast(pl.Int64))
    told = values if kind in DISTINCT else values.clear()
    found = pl.collect_all([spans, days, condensed(read(values), *_NAME), least(read(told), *_NAME)])
    arrays = {f"people.{at}": _bits(profiles.to_numpy()) for at, profiles in enumerate(found[0]["profile"])}
    for prefix, each in zip(("s", "d", "v", "h"), (found[0].drop("profile"), *found[1:]), strict=True):
        arrays |= _packed(each, prefix)
    return arrays


def _bits(profiles: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    mask = np.zeros(int(profiles.max()) + 1, np.bool_)
    mask[profiles] = True
    return np.packbits(mask)


# --- as arrays of the cache --------------------------------------------------------------------------------------


_NULL: Final = "\0"
"""What stands for null among the texts of a bundle: no name and no tagged value is it."""


def _packed(frame: pl.DataFrame, prefix: str) -> Arrays:
    arrays: Arrays = {}
    for column in frame.get_columns():
        name = f"{prefix}.{column.name}"
        if column.dtype == pl.String:
            arrays |= text_arrays(column.fill_null(_NULL), name)
        else:
            arrays[name] = column.to_numpy()
    return arrays


def _unpacked(arrays: Arrays, prefix: str) -> pl.DataFrame:
    mine = (name.removeprefix(f"{prefix}.") for name in arrays if name.startswith(f"{prefix}."))
    names = dict.fromkeys(name.removesuffix(".begins").removesuffix(".bytes") for name in mine)
    return pl.DataFrame([_series(arrays, f"{prefix}.{name}").alias(name) for name in names])


def _series(arrays: Arrays, name: str) -> pl.Series:
    if name in arrays:
        return pl.Series(arrays[name])
    series = texts(arrays, name)
    null = series == _NULL
    return pl.select(pl.when(~null).then(series)).to_series() if null.any() else series

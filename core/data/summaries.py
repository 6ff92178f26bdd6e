"""What an event store holds by event name and attribute: how often a day, which values, and what they read as.

A store is immutable, so its summaries are made once and kept in the column cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from core.data.cache import Arrays, text_arrays, texts
from core.data.columns import EventStore
from core.data.values import DATE_PATTERN, NUMBER_PATTERN

SAMPLES: Final = 5
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
    kept = pl.when(pl.col("rank") < SAMPLES).then(pl.col("value"))
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


@dataclass(frozen=True)
class AttributeUse:
    """How the custom attributes of one store's events, or of their products, are used: by event `name` (null: none) and
    attribute `key`."""

    days: pl.DataFrame
    """name, key, day (UTC days since 1970), count: events or products that have the key."""
    values: pl.DataFrame
    """name, key, value, count and `TYPES`, condensed."""


def attribute_use(store: EventStore) -> AttributeUse:
    """The use of the custom attributes of a store's events, from the column cache or made."""
    return _use(store, "attribute-use", lambda: _placed(store, "attributes"))


def product_attribute_use(store: EventStore) -> AttributeUse:
    """The use of the custom attributes of the products of a store's events, from the column cache or made."""

    def products() -> pl.DataFrame:
        each = _placed(store, "products").filter(pl.col("products").list.len() > 0).explode("products")
        return each.select("name", "day", attributes=pl.col("products").struct.field("attributes"))

    return _use(store, "product-attribute-use", products)


def _use(store: EventStore, name: str, bags: Callable[[], pl.DataFrame]) -> AttributeUse:
    arrays = store.bundle(name, lambda: _arrays(bags()))
    names = pl.Series(list(store.names), dtype=pl.String)
    frames = (_unpacked(arrays, prefix).with_columns(name=names.gather(arrays[f"{prefix}.name"])) for prefix in "dv")
    days, values = frames
    return AttributeUse(days, values.with_columns(value=pl.col("value").replace("", None)))


def _placed(store: EventStore, column: str) -> pl.DataFrame:
    """A column of the durable file with the number of each event's name and its day."""
    starts = np.array([first for first, _ in store.names.values()], np.int64)
    number = np.searchsorted(starts, np.arange(store.size), "right") - 1
    return store.read(column).with_columns(name=pl.Series(number.astype(np.uint32)), day=pl.Series(store.day))


def _arrays(frame: pl.DataFrame) -> Arrays:
    bags = frame.filter(pl.col("attributes").list.len() > 0).explode("attributes").unnest("attributes").lazy()
    count = pl.len().cast(pl.Int64)
    days = bags.group_by("name", "key", "day").agg(count=count)
    values = condensed(read(bags.group_by("name", "key", "value").agg(count=count)), "name", "key")
    made = pl.collect_all([days, values])
    return {**_packed(made[0], "d"), **_packed(made[1], "v")}


def _packed(frame: pl.DataFrame, prefix: str) -> Arrays:
    arrays: Arrays = {}
    for column in frame.get_columns():
        name = f"{prefix}.{column.name}"
        if column.dtype == pl.String:
            arrays |= text_arrays(column.fill_null(""), name)  # no tagged value is empty
        else:
            arrays[name] = column.to_numpy()
    return arrays


def _unpacked(arrays: Arrays, prefix: str) -> pl.DataFrame:
    mine = [name for name in arrays if name.startswith(f"{prefix}.")]
    names = dict.fromkeys(name.removesuffix(".begins").removesuffix(".bytes") for name in mine)
    columns = [pl.Series(name, arrays[name]) if name in arrays else texts(arrays, name).alias(name) for name in names]
    return pl.DataFrame(columns).rename(lambda name: name.removeprefix(f"{prefix}."))

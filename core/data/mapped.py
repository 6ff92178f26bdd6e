"""Read rows of a mapped table as the tables of a load: the same rows that batches of the same content would give."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from functools import reduce
from operator import or_
from typing import Final

import numpy as np
import polars as pl

from core.data.batch_columns import listed
from core.data.cells import prefixed
from core.data.mapping import PROFILE_ROW_FIELDS, Mapping
from core.data.rows import NAME_CHARACTERS, Rows
from core.data.schema import BAG, FIELDS, PLACE_FIELDS, PRODUCT, PRODUCT_FIELDS
from core.data.values import NUMBER_PATTERN

ATTRIBUTES_AN_EVENT: Final = 100

_TOLD: Final = ("publisher", "campaign")

Values = Dictionary[str, pl.Series]
"""Tagged values by name, one entry a row in each."""


def mapped_tables(rows: Rows, users: pl.Series, count: int, mapping: Mapping) -> dict[str, pl.DataFrame]:
    """Tables of a load by name (core.data.loading.Part), without identities. `users`: UInt32, one a row, of
    `count` users.

    A row is one arrival: its own number. Rows of events need no row of `batches`: the event makes the profile seen.
    """
    who = pl.DataFrame(
        {"user": users, "time_ms": rows.time_ms, "arrival": pl.int_range(rows.size, dtype=pl.Int64, eager=True)}
    )
    columns = {**mapping.fields, **mapping.place_columns()}
    fields: Values = {name: rows.cells.tagged(columns[name]) for name in FIELDS if name in columns}
    tables: dict[str, pl.DataFrame] = {}
    if mapping.rows == "profiles":
        tables["batches"] = who
    else:
        bag = _attribute_values(rows, mapping)
        tables["events"] = _events(rows, who, fields, bag, mapping)
        tables["attributions"] = _attributions(rows, who, bag)
    tables["attributes"] = _user_attributes(rows, who, mapping)
    tables["devices"] = _devices(who, count, fields)
    tables["locations"] = _locations(who, fields, "batch" if mapping.rows == "profiles" else "event")
    return {name: table for name, table in tables.items() if table.height}


def _events(rows: Rows, who: pl.DataFrame, fields: Values, bag: Values, mapping: Mapping) -> pl.DataFrame:
    names = rows.events["name"]
    rows.cells.cut += int((names.str.len_chars() > NAME_CHARACTERS).sum())
    table = who.rename({"time_ms": "timestamp_ms"}).with_columns(
        rows.events["kind"], names.str.head(NAME_CHARACTERS), rows.events["custom_type"], **fields
    )
    if mapping.message_id is not None:
        message_id = rows.cells.text(mapping.message_id)
        table = table.with_columns(message_id=message_id.set(message_id == "", None))
    if bag:
        table = table.with_columns(attributes=_bags(rows, bag))
    if mapping.product:
        table = table.with_columns(products=_products(rows, mapping))
    return _with_session_ends(_with_screen_names(table, rows.events["given"]))


def _with_screen_names(table: pl.DataFrame, given: pl.Series) -> pl.DataFrame:
    """A screen view's name: what `kinds` calls it, else its field screen_name, else its event value; both have it."""
    views = (table["kind"] == "screen_view").arg_true()
    if not len(views):
        return table
    if "screen_name" not in table.columns:
        table = table.with_columns(screen_name=pl.lit(None, pl.String))
    own = table["screen_name"].gather(views).str.slice(1).str.head(NAME_CHARACTERS)
    named = own.is_not_null() & (own != "") & ~given.gather(views)
    names = own.zip_with(named, table["name"].gather(views))
    return table.with_columns(
        table["name"].scatter(views, names), table["screen_name"].scatter(views, prefixed("s", names))
    )


def _with_session_ends(table: pl.DataFrame) -> pl.DataFrame:
    """A duration belongs to the end of a session (DEFINITION 3.1), so a session row that has one is both.

    Where it has no session id, its moment stands for one.
    """
    if "session_duration_ms" not in table.columns:
        return table
    if "session_id" not in table.columns:
        table = table.with_columns(session_id=pl.lit(None, pl.String))
    ends = (pl.col("kind") == "session") & pl.col("session_duration_ms").is_not_null()
    moment = pl.col("timestamp_ms").cast(pl.String)
    table = table.with_columns(session_uuid=pl.when(ends & pl.col("session_id").is_null()).then(moment))
    ended = table.filter(ends).with_columns(kind=pl.lit("session_end"))
    duration = pl.when(pl.col("kind") == "session_end").then("session_duration_ms")
    return pl.concat([table, ended]).with_columns(session_duration_ms=duration)


def _attribute_values(rows: Rows, mapping: Mapping) -> dict[str, pl.Series]:
    """Tagged event attributes by key. "rest" is also the product's columns, on rows that are no ecommerce events."""
    columns = mapping.attribute_columns(rows.cells.frame.columns)
    values = {column: rows.cells.tagged(column) for column in columns}
    others = rows.events["kind"] != "ecommerce"
    if mapping.attributes == "rest" and others.any():
        taken = {column for key, column in mapping.uses() if not key.startswith("product.")}
        for column in dict.fromkeys(mapping.product.values()):
            if column not in taken:
                values[column] = rows.cells.tagged(column).set(~others, None)
    rows.cells.cut += sum(values[key].count() for key in values if len(key) > NAME_CHARACTERS)
    return {key[:NAME_CHARACTERS]: value for key, value in values.items()}


def _bags(rows: Rows, values: Values) -> pl.Series:
    """One bag a row: the keys with a value in order, at most 100 of them."""
    held = [series.is_not_null().arg_true().to_numpy().astype(np.int64) for series in values.values()]
    counts = [len(each) for each in held]
    of_row = np.concatenate(held)
    # By row, then in the order of the columns: places are sorted as part of the number that is compared.
    place = np.sort(of_row << 32 | np.arange(len(of_row))) & 0xFFFFFFFF
    lengths = np.bincount(of_row, minlength=rows.size)
    if len(values) > ATTRIBUTES_AN_EVENT:
        within = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows.cells.cut += int((within >= ATTRIBUTES_AN_EVENT).sum())
        place = place[within < ATTRIBUTES_AN_EVENT]
        lengths = np.minimum(lengths, ATTRIBUTES_AN_EVENT)
    cells = pl.concat([series.drop_nulls().alias("value") for series in values.values()], rechunk=True)
    keys = pl.Series("key", list(values), dtype=pl.String).gather(np.repeat(np.arange(len(values)), counts)[place])
    return listed("attributes", lengths, pl.DataFrame([keys, cells.gather(place)]))


def _products(rows: Rows, mapping: Mapping) -> pl.Series:
    """The one product of each ecommerce row, null where the row says nothing of one."""
    values = {name: rows.cells.tagged(column) for name, column in mapping.product.items()}
    told = (rows.events["kind"] == "ecommerce") & reduce(or_, (value.is_not_null() for value in values.values()))
    at = told.arg_true()
    absent = pl.repeat(None, len(at), dtype=pl.String, eager=True)
    parts = {name: values[name].gather(at) if name in values else absent for name in PRODUCT_FIELDS}
    products = pl.DataFrame({**parts, "attributes": pl.repeat(None, len(at), dtype=BAG, eager=True)})
    return listed("products", told.cast(pl.Int64).to_numpy(), products, absent=~told).cast(pl.List(PRODUCT))


def _attributions(rows: Rows, who: pl.DataFrame, bag: Values) -> pl.DataFrame:
    """Attributions that the rows tell of (DEFINITION 3.4): events named `attribution` or `uninstall`, uninstalls."""
    kind, name = rows.events["kind"], rows.events["name"]
    told = (kind == "attribution") & name.is_in(["attribution", "uninstall"])
    said = {key: bag[key] for key in _TOLD if key in bag}
    for values in said.values():
        told |= (kind == "uninstall") & values.is_not_null()
    if not told.any():
        return pl.DataFrame()
    action = bag.get("action", pl.repeat(None, rows.size, dtype=pl.String, eager=True))
    table = who.with_columns(
        event=pl.when(name == "attribution").then(pl.lit("install")).otherwise(pl.lit("uninstall")),
        source=pl.lit("event"),
        deleted=action.eq_missing("sdelete"),
        **said,
    )
    return table.filter(told)


def _user_attributes(rows: Rows, who: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    parts = []
    for column in dict.fromkeys(mapping.user_attributes):
        value = rows.cells.tagged(column)
        rows.cells.cut += value.count() if len(column) > NAME_CHARACTERS else 0
        part = who.with_columns(key=pl.lit(column[:NAME_CHARACTERS]), value=value)
        parts.append(part.filter(value.is_not_null()))
    return pl.concat(parts) if parts else pl.DataFrame()


def _devices(who: pl.DataFrame, users: int, fields: Values) -> pl.DataFrame:
    """Each user's device values with the earliest time of each, where users have several rows."""
    parts = []
    for name in PROFILE_ROW_FIELDS:
        if name in fields:
            held = who.select("user", "time_ms", value=fields[name]).filter(fields[name].is_not_null())
            if users < len(who):
                held = held.lazy().group_by("user", "value").agg(pl.col("time_ms").min()).collect()
            parts.append(held.with_columns(field=pl.lit(name)))
    return pl.concat(parts) if parts else pl.DataFrame()


def _locations(who: pl.DataFrame, fields: Values, source: str) -> pl.DataFrame:
    """Where the rows say where the user was: any part makes a record; coordinates that are no numbers are none."""
    texts = {name: fields[name].str.slice(1) for name in PLACE_FIELDS if name in fields}
    if not texts:
        return pl.DataFrame()
    parts = [
        text.set(~text.str.contains(NUMBER_PATTERN), None).cast(pl.Float64).alias(name)
        if name in ("latitude", "longitude")
        else text.alias(name)
        for name, text in texts.items()
    ]
    table = who.with_columns(*parts, source=pl.lit(source))
    return table.filter(pl.any_horizontal(pl.col(list(texts)).is_not_null()))

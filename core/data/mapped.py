"""Read rows of a mapped table as the tables of a load: the same rows that batches of the same content would give."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from functools import reduce
from operator import or_
from typing import Final

import numpy as np
import polars as pl

from core.data.codebook import Codebook, alike, equals
from core.data.mapping import PROFILE_ROW_FIELDS, Mapping
from core.data.rows import NAME_CHARACTERS, Rows
from core.data.schema import FIELDS, PLACE_FIELDS
from core.data.values import NUMBER_PATTERN

ATTRIBUTES_AN_EVENT: Final = 100

_TOLD: Final = ("publisher", "campaign")

Values = Dictionary[str, pl.Series]
"""Tagged values by name, one entry a row in each."""

Given = tuple[pl.Series, pl.Series]
"""Which rows have a value, ascending, and those values, tagged."""


def mapped_tables(rows: Rows, users: pl.Series, count: int, mapping: Mapping) -> dict[str, pl.DataFrame]:
    """Tables of a load by name (core.data.loading.Part), without identities. `users`: UInt32, one a row, of
    `count` users.

    A row is one arrival: its own number. Rows of events need no row of `batches`: the event makes the profile seen.
    """
    who = pl.DataFrame(
        {"user": users, "time_ms": rows.time_ms, "arrival": pl.int_range(rows.size, dtype=pl.Int64, eager=True)}
    )
    columns = {**mapping.fields, **mapping.place_columns()}
    fields: Values = {name: rows.cells.coded(columns[name]) for name in FIELDS if name in columns}
    tables: dict[str, pl.DataFrame] = {}
    if mapping.rows == "profiles":
        tables["batches"] = who
    else:
        bag = _attribute_values(rows, mapping)
        events = _events(rows, who, fields, mapping)
        tables["events"], ended = _with_session_ends(events, rows.cells.codebook)
        tables["event_attributes"] = _followed(_bags(rows, bag), ended, rows.size)
        tables["products"] = _products(rows, mapping) if mapping.product else pl.DataFrame()
        tables["attributions"] = _attributions(rows, who, bag)
    tables["attributes"] = _user_attributes(rows, who, mapping)
    tables["devices"] = _devices(who, count, fields, rows.cells.codebook)
    tables["locations"] = _locations(who, fields, "batch" if mapping.rows == "profiles" else "event")
    return {name: table for name, table in tables.items() if table.height}


def _events(rows: Rows, who: pl.DataFrame, fields: Values, mapping: Mapping) -> pl.DataFrame:
    rows.cells.cut += int(rows.events["cut"].sum())
    table = who.rename({"time_ms": "timestamp_ms"}).with_columns(
        rows.events["kind"], rows.events["name"], rows.events["custom_type"], **fields
    )
    if mapping.message_id is not None:
        message_id = rows.cells.text(mapping.message_id)
        empty = message_id == ""
        table = table.with_columns(message_id=message_id.set(empty, None) if empty.any() else message_id)
    return _with_screen_names(table, rows)


def _with_screen_names(table: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """A screen view's name: what `kinds` calls it, else its field screen_name, else its event value; both have it."""
    views = equals(table["kind"], "screen_view")
    if not views.any():
        return table
    codebook, names = rows.cells.codebook, table["name"]
    if "screen_name" in table.columns:
        screens = table["screen_name"]
        own = codebook.recoded("name", screens, _as_name)
        own, names = alike(own, names)
        names = own.zip_with(views & own.is_not_null() & ~rows.events["given"], names)
        screens = codebook.recoded("screen names", screens, lambda tagged: tagged)
    else:
        screens = codebook.coded("screen names", pl.repeat(None, len(table), dtype=pl.String, eager=True))
    told, screens = alike(codebook.recoded("screen names", names, lambda name: "s" + name), screens)
    return table.with_columns(name=names, screen_name=told.zip_with(views, screens))


def _as_name(tagged: pl.Series) -> pl.Series:
    """Tagged texts as names, null where there is none."""
    return tagged.str.slice(1).str.head(NAME_CHARACTERS).replace("", None)


def _with_session_ends(table: pl.DataFrame, codebook: Codebook) -> tuple[pl.DataFrame, pl.Series]:
    """A duration belongs to the end of a session (DEFINITION 3.1), so a session row that has one is both: the table
    with those ends behind all other rows, and which rows they repeat.

    Where it has no session id, its moment stands for one.
    """
    if "session_duration_ms" not in table.columns:
        return table, pl.Series([], dtype=pl.UInt32)
    if "session_id" not in table.columns:
        table = table.with_columns(session_id=pl.lit(None, pl.String))
    ends = equals(table["kind"], "session") & table["session_duration_ms"].is_not_null()
    moment = pl.col("timestamp_ms").cast(pl.String)
    table = table.with_columns(session_uuid=pl.when(ends & pl.col("session_id").is_null()).then(moment))
    kind = codebook.coded("kind", pl.Series(["session_end"])).new_from_index(0, int(ends.sum()))
    ended = table.filter(ends).with_columns(kind=kind)
    table = table.with_columns(session_duration_ms=pl.when(pl.lit(False)).then("session_duration_ms"))
    return pl.concat([table, ended]), ends.arg_true().cast(pl.UInt32)


def _followed(bag: pl.DataFrame, rows: pl.Series, size: int) -> pl.DataFrame:
    """The attributes of events, followed by those of rows that stand behind all others again."""
    if not len(rows) or not len(bag):
        return bag
    again = pl.DataFrame({"event": rows, "again": np.arange(size, size + len(rows), dtype=np.uint32)})
    repeated = bag.join(again, on="event", maintain_order="left")
    return pl.concat([bag, repeated.select(pl.col("again").alias("event"), "key", "value")])


def _attribute_values(rows: Rows, mapping: Mapping) -> dict[str, Given]:
    """Event attributes by key. "rest" is also the product's columns, on rows that are no ecommerce events."""
    given = {}
    for column in mapping.attribute_columns(rows.cells.frame.columns):
        at = rows.cells.raw(column).is_not_null().arg_true()
        given[column] = at, rows.cells.tagged(column, at)
    others = ~equals(rows.events["kind"], "ecommerce")
    if mapping.attributes == "rest" and others.any():
        taken = {column for key, column in mapping.uses() if not key.startswith("product.")}
        for column in dict.fromkeys(mapping.product.values()):
            if column not in taken:
                at = (rows.cells.raw(column).is_not_null() & others).arg_true()
                given[column] = at, rows.cells.tagged(column, at)
    rows.cells.cut += sum(len(at) for key, (at, _) in given.items() if len(key) > NAME_CHARACTERS)
    return {key[:NAME_CHARACTERS]: each for key, each in given.items()}


def _bags(rows: Rows, bag: Dictionary[str, Given]) -> pl.DataFrame:
    """The attributes of events, by row in the order of the columns: those with a value, at most 100 a row."""
    lengths = np.zeros(rows.size, np.int64)
    parts = []
    for key, (at, values) in bag.items():
        kept = pl.DataFrame([at.cast(pl.UInt32).alias("event"), values.alias("value")])
        if len(bag) > ATTRIBUTES_AN_EVENT:
            mine = at.to_numpy()
            full = lengths[mine] >= ATTRIBUTES_AN_EVENT
            rows.cells.cut += int(np.count_nonzero(full))
            lengths[mine] += 1
            kept = kept.filter(pl.Series(~full))
        named = rows.cells.codebook.repeated("attribute keys", key, len(kept)).alias("key")
        parts.append(kept.insert_column(1, named))
    return pl.concat(parts) if parts else pl.DataFrame()


def _products(rows: Rows, mapping: Mapping) -> pl.DataFrame:
    """The one product of each ecommerce row that says something of one."""
    said = reduce(or_, (rows.cells.raw(column).is_not_null() for column in mapping.product.values()))
    at = (equals(rows.events["kind"], "ecommerce") & said).arg_true()
    fields = [rows.cells.coded(column, at).alias(name) for name, column in mapping.product.items()]
    return pl.DataFrame([at.cast(pl.UInt32).alias("event"), *fields])


def _attributions(rows: Rows, who: pl.DataFrame, bag: Dictionary[str, Given]) -> pl.DataFrame:
    """Attributions that the rows tell of (DEFINITION 3.4): events named `attribution` or `uninstall`, uninstalls."""
    kind = rows.events["kind"]
    at = equals(kind, "attribution", "uninstall").arg_true()
    kind, name = kind.gather(at).cast(pl.String), rows.events["name"].gather(at).cast(pl.String)
    told = (kind == "attribution") & name.is_in(["attribution", "uninstall"])
    said = {key: _in_rows(*bag[key], at) for key in (*_TOLD, "action") if key in bag}
    for key in _TOLD:
        if key in said:
            told |= (kind == "uninstall") & said[key].is_not_null()
    if not told.any():
        return pl.DataFrame()
    action = said.pop("action", pl.repeat(None, len(at), dtype=pl.String, eager=True))
    table = who[at].with_columns(
        event=pl.when(name == "attribution").then(pl.lit("install")).otherwise(pl.lit("uninstall")),
        source=pl.lit("event"),
        deleted=action.eq_missing("sdelete"),
        **said,
    )
    return table.filter(told)


def _in_rows(held: pl.Series, values: pl.Series, at: pl.Series) -> pl.Series:
    """What some rows (ascending) have of values that are given for the rows `held`, null where they have none."""
    rows = pl.DataFrame({"at": at})
    given = pl.DataFrame([held.alias("at"), values.alias("value")])
    return rows.join(given, on="at", how="left", maintain_order="left")["value"]


def _user_attributes(rows: Rows, who: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    parts = []
    for column in dict.fromkeys(mapping.user_attributes):
        value = rows.cells.tagged(column)
        rows.cells.cut += value.count() if len(column) > NAME_CHARACTERS else 0
        part = who.with_columns(key=pl.lit(column[:NAME_CHARACTERS]), value=value)
        parts.append(part.filter(value.is_not_null()))
    return pl.concat(parts) if parts else pl.DataFrame()


def _devices(who: pl.DataFrame, users: int, fields: Values, codebook: Codebook) -> pl.DataFrame:
    """Each user's device values with the earliest time of each, where users have several rows."""
    parts = []
    for name in PROFILE_ROW_FIELDS:
        if name in fields:
            found = codebook.recoded("device values", fields[name], lambda tagged: tagged)
            held = who.select("user", "time_ms", value=found).filter(found.is_not_null())
            if users < len(who):
                held = held.lazy().group_by("user", "value").agg(pl.col("time_ms").min()).collect()
            parts.append(held.with_columns(field=codebook.repeated("device fields", name, len(held))))
    alike_values = alike(*(part["value"] for part in parts))
    parts = [part.with_columns(value) for part, value in zip(parts, alike_values, strict=True)]
    return pl.concat(parts) if parts else pl.DataFrame()


def _locations(who: pl.DataFrame, fields: Values, source: str) -> pl.DataFrame:
    """Where the rows say where the user was: any part makes a record; coordinates that are no numbers are none."""
    texts = {name: fields[name].cast(pl.String).str.slice(1) for name in PLACE_FIELDS if name in fields}
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

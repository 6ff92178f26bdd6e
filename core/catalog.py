"""The catalog: everything that the data holds by name, and the values it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import polars as pl

from core.data.coded import FIRST, Column
from core.data.columns import EventStore
from core.data.schema import EVENT_KINDS, FIELDS, IDENTITY_TYPES, OTHER, PRODUCT_FIELDS, SEVERAL_VALUE_FIELDS
from core.data.snapshot import Snapshot
from core.errors import CoreError

OVERVIEW: Final = pl.Schema(
    {
        "workspace": pl.String(),
        "kind": pl.String(),
        "name": pl.String(),
        "records": pl.Int64(),
        "profiles": pl.Int64(),
        "first": pl.Datetime("ms", "UTC"),
        "last": pl.Datetime("ms", "UTC"),
        "tier": pl.String(),
    }
)


def overview(snapshot: Snapshot) -> pl.DataFrame:
    """Every event name (`kind` an event kind, or `other`), user attribute, identity type and consent purpose.

    Columns: workspace, kind, name, records, profiles, first, last (UTC), tier (events that criteria read only).
    """
    frames = [_events_overview(store) for store in snapshot.event_stores() if store.kind in (*EVENT_KINDS, OTHER)]
    for table, column, kind in (
        ("attributes", "key", "user_attribute"),
        ("identities", "identity_type", "identity"),
        ("consents", "purpose", "consent"),
    ):
        records = snapshot.table(table)
        if table == "identities":  # every load that sees one keeps it once, with its first moment
            records = records.group_by("workspace", "profile", column, "value").agg(pl.col("time_ms").min())
        frames.append(records.select("workspace", "profile", "time_ms", kind=pl.lit(kind), name=column).collect())
    named = pl.concat([frame.select("workspace", "kind", "name", "profile", "time_ms") for frame in frames])
    grouped = named.group_by("workspace", "kind", "name").agg(
        records=pl.len().cast(pl.Int64),
        profiles=pl.col("profile").n_unique().cast(pl.Int64),
        first=pl.col("time_ms").min().cast(pl.Datetime("ms", "UTC")),
        last=pl.col("time_ms").max().cast(pl.Datetime("ms", "UTC")),
    )
    tiers = [
        (workspace, kind, name, tier)
        for workspace, each in snapshot.manifest.workspaces.items()
        for (kind, name), tier in each.tiers.items()
    ]
    tier_frame = pl.DataFrame(tiers, schema=["workspace", "kind", "name", "tier"], orient="row").cast(pl.String)
    known = pl.col("kind").is_in(list(EVENT_KINDS))
    return (
        grouped.join(tier_frame, on=["workspace", "kind", "name"], how="left", nulls_equal=True)
        .with_columns(tier=pl.when(known).then(pl.col("tier").fill_null("personalize")))
        .select(OVERVIEW.names())
        .sort("workspace", "kind", "records", "name", descending=[False, False, True, False])
    )


def summed(overviews: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The overview of parts that have no profile in common."""
    grouped = pl.concat(overviews).group_by("workspace", "kind", "name", "tier")
    return (
        grouped.agg(pl.col("records", "profiles").sum(), pl.col("first").min(), pl.col("last").max())
        .select(OVERVIEW.names())
        .sort("workspace", "kind", "records", "name", descending=[False, False, True, False])
    )


def _events_overview(store: EventStore) -> pl.DataFrame:
    names = [(name, last - first) for name, (first, last) in store.names.items()]
    column = pl.concat([pl.Series([name], dtype=pl.String).new_from_index(0, size) for name, size in names])
    return pl.DataFrame(
        {
            "workspace": pl.Series([store.workspace]).new_from_index(0, store.size),
            "kind": pl.Series([store.kind]).new_from_index(0, store.size),
            "name": column,
            "profile": store.profile,
            "time_ms": store.times(slice(0, store.size)),
        }
    )


VALUE_LISTS: Final = (
    *("user_attribute", "identity", "device", "location"),
    *("event_attribute", "event_field", "product_attribute", "product_field"),
)
STORED_KINDS: Final = (*EVENT_KINDS, "session_end", OTHER)
"""The kinds of events in the files: those that criteria read, and the rest."""


def values(
    snapshot: Snapshot, kind: str, name: str, workspace: str, event: tuple[str, str | None] | None = None
) -> pl.DataFrame:
    """The values of a name, most frequent first: columns `value` (text) and `count` (profiles, or events).

    `kind`: user_attribute, identity, device, location, event_attribute, event_field, product_attribute, product_field.
    `event`: (kind, name) of the events to look at. Raises CoreError for another kind.
    """
    match kind:
        case "user_attribute":
            end = snapshot.end_ms or 0
            columns = [snapshot.attribute(workspace, name).state("value", end, snapshot.size)]
        case "identity":
            columns = [snapshot.identities(workspace, name).column]
        case "location":
            end = snapshot.end_ms or 0
            columns = [snapshot.locations(workspace).state(name, end, snapshot.size)]
        case "device":
            columns = [snapshot.devices(workspace, name).column]
        case "event_attribute" | "event_field" | "product_attribute" | "product_field":
            owner, where = kind.split("_")
            columns = [
                _property(store, rows, owner, where, name) for store, rows in _stores(snapshot, workspace, event)
            ]
        case _:
            raise CoreError(f"{kind!r} is no list of values.", f"Ask for {', '.join(VALUE_LISTS)}.")
    return counted(_counted(column) for column in columns)


def counted(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The sum of frames of values and their counts, most frequent first."""
    empty = pl.DataFrame(schema={"value": pl.String, "count": pl.Int64})
    return (
        pl.concat([empty, *frames])
        .group_by("value")
        .agg(pl.col("count").sum())
        .sort("count", "value", descending=[True, False])
    )


def _stores(snapshot: Snapshot, workspace: str, event: tuple[str, str | None] | None) -> list[tuple[EventStore, slice]]:
    kinds = EVENT_KINDS if event is None else (event[0],)
    found = []
    for store in (each for kind in kinds for each in snapshot.events(workspace, kind)):
        if event is None or event[1] is None:
            found.append((store, slice(0, store.size)))
        elif event[1] in store.names:
            found.append((store, slice(*store.names[event[1]])))
    return found


def _property(store: EventStore, rows: slice, owner: str, where: str, name: str) -> Column:
    if owner == "event":
        column = store.column(where, name)
        return Column(column.codes[rows], column.dictionary)
    products = store.products
    mine = np.flatnonzero((products.owner >= rows.start) & (products.owner < rows.stop))
    return products.column(where, name).take(mine)


def _counted(column: Column) -> pl.DataFrame:
    counts = np.bincount(column.codes, minlength=len(column.dictionary))[FIRST:]
    frame = pl.DataFrame({"value": column.dictionary.entries.str.slice(1), "count": counts})
    return frame.filter(pl.col("count") > 0).with_columns(pl.col("count").cast(pl.Int64))


def events(snapshot: Snapshot, name: str | None, kind: str | None, workspace: str | None) -> pl.LazyFrame:
    """Events as a lazy frame: mpid, timestamp, workspace, input, kind, name, standard fields, attributes, products.

    All values are the texts that string operators read; of a field with several values, those joined by ", ".
    `attributes` are a list of key and value, `products` one of their fields and attributes, both empty without any.
    """
    if kind is not None and kind not in STORED_KINDS:
        raise CoreError(f"{kind!r} is no kind of events.", f"Use one of {', '.join(STORED_KINDS)}.")
    frame = snapshot.table("events")
    for column, wanted in (("name", name), ("kind", kind), ("workspace", workspace)):
        if wanted is not None:
            frame = frame.filter(pl.col(column) == wanted)
    mpids = snapshot.table("profiles").select("profile", "mpid")
    product = [_text(pl.element().struct.field(field)).alias(field) for field in PRODUCT_FIELDS]
    own = _texts(pl.element().struct.field("attributes"))
    return frame.join(mpids, on="profile", how="left").select(
        "mpid",
        pl.col("timestamp_ms").cast(pl.Datetime("ms", "UTC")).alias("timestamp"),
        "workspace",
        "input",
        "kind",
        "name",
        *(_joined(field) if field in SEVERAL_VALUE_FIELDS else _text(pl.col(field)).alias(field) for field in FIELDS),
        attributes=_texts(pl.col("attributes")),
        products=pl.col("products").fill_null([]).list.eval(pl.struct(*product, attributes=own)),
    )


def _text(column: pl.Expr) -> pl.Expr:
    """The text of a tagged value; null where it is null."""
    return pl.when(column != "z").then(column.str.slice(1))


def _texts(bag: pl.Expr) -> pl.Expr:
    """A bag of attributes with texts for tagged values; empty where a file left it out."""
    value = _text(pl.element().struct.field("value"))
    return bag.fill_null([]).list.eval(pl.struct(key=pl.element().struct.field("key"), value=value))


def _joined(field: str) -> pl.Expr:
    listed = pl.when(pl.col(field).str.starts_with("m")).then(pl.col(field).str.slice(1))
    several = listed.str.json_decode(pl.List(pl.String)).list.eval(pl.element().str.slice(1))
    return several.list.join(", ").alias(field)


def identity_types(snapshots: Iterable[Snapshot]) -> list[str]:
    """Every identity type, in the order of rows: the known ones, then those that only the data of snapshots has."""
    held = {
        name
        for snapshot in snapshots
        for workspace in snapshot.manifest.workspaces
        for name in snapshot.keys("identities", "identity_type", workspace)
    }
    return [*IDENTITY_TYPES, *sorted(held - set(IDENTITY_TYPES))]


def knows(snapshot: Snapshot, names: str, workspace: str, name: str) -> bool:
    """Whether the data of a workspace ever held a name.

    `names`: attributes, identities, event_attributes, product_attributes, events:KIND.
    """
    if names == "attributes":
        return name in snapshot.keys("attributes", "key", workspace)
    if names == "identities":
        return name in snapshot.keys("identities", "identity_type", workspace)
    stores = [store for store in snapshot.event_stores() if store.workspace == workspace]
    if names == "event_attributes":
        return any(name in store.attribute_keys for store in stores)
    if names == "product_attributes":
        return any(name in store.products.attributes for store in stores)
    kind = names.removeprefix("events:")
    return any(store.kind == kind and name in store.names for store in stores)

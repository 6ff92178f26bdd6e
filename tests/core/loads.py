"""Small batches, and tables read back without what differs between equal datasets (indexes, arrival numbers)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from core.data.batches import load_batches
from core.data.loading import LoadReport
from core.data.store import Store

T = 1_700_000_000_000
"""14 November 2023 22:13:20 UTC."""


def event(kind: str = "custom_event", **data: Any) -> dict[str, Any]:
    return {"event_type": kind, "data": data}


def named(name: str, **data: Any) -> dict[str, Any]:
    return event(event_name=name, custom_event_type="other", **data)


def batch(mpid: int | None = 1, *events: dict[str, Any], time: int | None = T, **rest: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"events": list(events), **rest}
    if mpid is not None:
        document["mpid"] = mpid
    if time is not None:
        document["timestamp_unixtime_ms"] = time
    return document


def load(store: Store, batches: Any, workspace: str = "shop", input: str = "ios", **rest: Any) -> LoadReport:
    return load_batches(store, batches, workspace=workspace, input=input, **rest)


def rows(store: Store, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a table in order of their values, with mpid for profile."""
    profiles = store.read("profiles").select("profile", "mpid").collect()
    frame = store.read(table).collect().join(profiles, on="profile", how="left")
    return sorted(frame.select(columns).rows(), key=repr)


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every table as a multiset of rows; arrivals as their rank, identities and devices folded to one a profile."""
    profiles = store.read("profiles").select("profile", "mpid").collect()
    arrivals = pl.concat([store.read(table).select("arrival").collect() for table in ("batches", "events")])["arrival"]
    rank = {arrival: number for number, arrival in enumerate(sorted(set(arrivals.to_list())))}
    result = {"profiles": sorted(profiles["mpid"].to_list())}
    for table in ("batches", "events", "attributes", "consents", "identities", "devices", "locations", "attributions"):
        frame = store.read(table).collect()
        if "arrival" in frame.columns:
            numbers = [rank[arrival] for arrival in frame["arrival"].to_list()]
            frame = frame.with_columns(pl.Series("arrival", numbers, dtype=pl.Int64))
        frame = frame.join(profiles, on="profile").drop("profile")
        if table == "identities":
            frame = frame.group_by("workspace", "identity_type", "value", "mpid").agg(
                pl.col("time_ms").min(), pl.col("arrival").max()
            )
        if table == "devices":
            frame = frame.group_by("workspace", "field", "value", "mpid").agg(pl.col("time_ms").min())
        result[table] = sorted(frame.select(sorted(frame.columns)).rows(), key=repr)
    return result


def new(path: Path) -> Store:
    return Store.create(path / "dataset")

"""Session durations: each session start's duration comes from the latest end of the same session at or before now."""

from __future__ import annotations

import polars as pl

from core.data.columns import EventStore
from core.data.snapshot import Snapshot
from core.data.values import Column


def _rows(store: EventStore) -> pl.DataFrame:
    frame = store.read("profile", "timestamp_ms", "arrival", "session_uuid", "session_id", "session_duration_ms")
    return frame.with_columns(pl.col("session_id").str.slice(1)).with_row_index("row")


def durations(starts: EventStore, snapshot: Snapshot, now_ms: int) -> Column:
    """The duration of each session start of a store, through any input of its workspace (DEFINITION 3.1).

    An end belongs to a start of the same profile with the same `session_uuid`; where one of the two has none, with the
    same `session_id`. Of several ends the latest counts, of those at one moment the later arrival.
    """
    at = now_ms if snapshot.end_ms is None else min(now_ms, snapshot.end_ms)
    return snapshot.remember(("duration", id(starts), at), lambda: _join(starts, snapshot, at))


def _join(starts: EventStore, snapshot: Snapshot, now_ms: int) -> Column:
    stores = snapshot.events(starts.workspace, "session_end")
    begun = _rows(starts)
    if not stores:
        return Column.missing(starts.size)
    ended = pl.concat([_rows(store) for store in stores]).filter(pl.col("timestamp_ms") <= now_ms)
    ends = ended.select("profile", "timestamp_ms", "arrival", "session_uuid", "session_id", value="session_duration_ms")
    by_uuid = begun.join(ends, on=["profile", "session_uuid"], suffix="_end")
    by_id = begun.join(ends, on=["profile", "session_id"], suffix="_end").filter(
        pl.col("session_uuid").is_null() | pl.col("session_uuid_end").is_null()
    )
    found = pl.concat([part.select("row", "timestamp_ms_end", "arrival_end", "value") for part in (by_uuid, by_id)])
    latest = found.sort("timestamp_ms_end", "arrival_end").group_by("row").agg(pl.col("value").last())
    return Column.of(begun.select("row").join(latest, on="row", how="left", maintain_order="left")["value"])

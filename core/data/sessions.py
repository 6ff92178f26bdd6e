"""Session durations: each session start's duration comes from the latest end of the same session at or before now."""

from __future__ import annotations

import numpy as np
import polars as pl

from core.data.coded import Column
from core.data.columns import EventStore, Index
from core.data.snapshot import Snapshot
from core.data.values import Millis


def _rows(store: EventStore) -> pl.DataFrame:
    frame = store.read("profile", "timestamp_ms", "arrival", "session_uuid", "session_id", "session_duration_ms")
    return frame.with_columns(pl.col("session_id").str.slice(1)).with_row_index("row")


def durations(starts: EventStore, snapshot: Snapshot, now_ms: int) -> Column:
    """The duration of each session start of a store, through any input of its workspace (DEFINITION 3.1).

    An end belongs to a start of the same profile with the same `session_uuid`; where one of the two has none, with the
    same `session_id`. Of several ends the latest counts, of those at one moment the later arrival.
    """
    at = now_ms if snapshot.end_ms is None else min(now_ms, snapshot.end_ms)

    def make() -> Column:
        rows, times, ended = snapshot.remember(("session ends", id(starts)), lambda: _ends(starts, snapshot))
        known = int(np.searchsorted(times, at, "right"))
        codes = np.zeros(starts.size, ended.codes.dtype)
        codes[rows[:known]] = ended.codes[:known]  # in order of time, so that the latest stands
        return Column(codes, ended.dictionary)

    return snapshot.remember_at(("duration", id(starts)), at, make)


def _ends(starts: EventStore, snapshot: Snapshot) -> tuple[Index, Millis, Column]:
    """The ends that belong to the session starts of a store, in order of time: row of the start, moment, duration."""
    begun = _rows(starts)
    stores = snapshot.events(starts.workspace, "session_end")
    if not stores:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), Column.missing(0)
    ended = pl.concat([_rows(store) for store in stores])
    ends = ended.select("profile", "timestamp_ms", "arrival", "session_uuid", "session_id", value="session_duration_ms")
    by_uuid = begun.join(ends, on=["profile", "session_uuid"], suffix="_end")
    by_id = begun.join(ends, on=["profile", "session_id"], suffix="_end").filter(
        pl.col("session_uuid").is_null() | pl.col("session_uuid_end").is_null()
    )
    found = pl.concat([part.select("row", "timestamp_ms_end", "arrival_end", "value") for part in (by_uuid, by_id)])
    found = found.sort("timestamp_ms_end", "arrival_end")
    return found["row"].to_numpy(), found["timestamp_ms_end"].to_numpy(), Column.of(found["value"])

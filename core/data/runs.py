"""How the rows of an events file lie: where each name begins, and each of its days.

A *run* is the rows of one name and UTC day. Its *slot* is the number of the name, and the day: name << 32 | day.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.columns import DAY_MS
from core.data.letters import Arrays, text_arrays
from core.data.schema import scan

_AT_ONCE: Final = 4_000_000
"""So many rows are read at once."""

DAY_BITS: Final = 32
DAY_ZERO: Final = 1 << (DAY_BITS - 1)
DAYS: Final = DAY_ZERO - 1
"""Days are numbers of 32 bits around 1970."""


def directory(file: Path) -> Arrays:
    """Where each (workspace, kind, name) begins and ends in a file."""
    group = ["workspace", "kind", "name"]
    names = (
        scan("events", [file], group)
        .with_row_index("row")
        .group_by(group)
        .agg(first=pl.col("row").min(), last=pl.col("row").max() + 1)
        .sort("first")
        .collect()
    )
    bounds = {bound: names[bound].cast(pl.Int64).to_numpy() for bound in ("first", "last")}
    return {
        **text_arrays(names["workspace"], "workspace"),
        **text_arrays(names["kind"], "kind"),
        **text_arrays(names["name"].fill_null(""), "name"),
        "named": names["name"].is_not_null().to_numpy(),
        **bounds,
    }


def run_arrays(file: Path, names: npt.NDArray[np.int64], size: int) -> Arrays:
    """Profile, time of day and runs of the rows of a file, given where each name begins and ends: shape (names, 2)."""
    profile, clock = np.empty(size, np.uint32), np.empty(size, np.uint32)
    slots, begins, also = ([np.zeros(0, np.int64)] for _ in range(3))
    before = -1
    for first in range(0, size, _AT_ONCE):
        frame = scan("events", [file], ("profile", "timestamp_ms", "also"), (first, _AT_ONCE)).collect()
        mine, times = slice(first, first + frame.height), frame["timestamp_ms"].to_numpy()
        profile[mine], clock[mine] = frame["profile"].to_numpy(), times % DAY_MS
        low, high = np.clip(names, mine.start, mine.stop).T
        day = np.clip(times // DAY_MS, -DAYS, DAYS) + DAY_ZERO
        slot = (np.repeat(np.arange(len(names), dtype=np.int64), high - low) << DAY_BITS) | day
        new = np.flatnonzero(np.diff(slot, prepend=before))
        slots.append(slot[new])
        begins.append(first + new)
        also.append(first + np.flatnonzero(frame["also"].to_numpy()))
        before = int(slot[-1])
    return {
        "profile": profile,
        "clock": clock,
        "slots": np.concatenate(slots),
        "begins": np.append(np.concatenate(begins), size),
        "also": np.concatenate(also),
    }

"""What the rows of many segments come to for each profile: how many, on how many days, the earliest and the latest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data import kernels, loops
from core.data.events import Rows
from core.data.values import Mask, Millis


def counted(rows: Iterable[Rows], size: int) -> npt.NDArray[Any]:
    """How many of the rows each profile has: whole numbers, shape (size,)."""
    return kernels.count((part.counted for part in rows), size)


def latest(rows: Iterable[Rows], size: int, known: Millis | None = None) -> Millis:
    """The moment of each profile's latest row, or the one that is `known` where that is later; `NEVER` for none."""
    return kernels.highest((part.timed(1) for part in rows), size, known)


def marked(rows: Iterable[Rows], mask: Mask) -> Mask:
    """A mask over profiles (which is changed) with those that have one of the rows."""
    for part in rows:
        mask[part.take(part.events.profile)] = True
    return mask


def earliest(rows: Iterable[Rows], size: int) -> Millis:
    """The moment of each profile's earliest row, `NEVER` where it has none."""
    found = kernels.highest((part.timed(-1) for part in rows), size)
    return np.where(found == loops.NEVER, loops.NEVER, -found)


def days_counted(rows: Iterable[Rows], size: int) -> npt.NDArray[Any]:
    """On how many UTC days each profile has one of the rows: whole numbers, shape (size,)."""
    rows = list(rows)
    runs = [part.runs() for part in rows]
    counts = np.zeros(size, np.int32)
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *(days for _, _, days in runs)]))
    for some in (every[at : at + 64] for at in range(0, len(every), 64)):  # a bit a day
        parts = []
        for part, (starts, stops, days) in zip(rows, runs, strict=True):
            mine = (days >= some[0]) & (days <= some[-1])
            keep = part.keep[np.repeat(mine, stops - starts)] if len(part.keep) else part.keep
            bits = np.uint64(1) << np.searchsorted(some, days[mine]).astype(np.uint64)
            parts.append(kernels.Part(part.events.profile, (starts[mine], stops[mine], keep), each=(bits,)))
        counts += np.bitwise_count(kernels.mark(parts, size))
    return counts

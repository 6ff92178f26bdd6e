"""Profile facts: logs in (time, arrival) order, never folded away; the state at any `now` is a scatter of a prefix.

Assigning a log's records in order leaves the latest one of each profile standing, so a log sorted by time answers
every earlier `now` by the same one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.values import NO_MOMENT, Codes, Column, Mask, Millis

NO_RECORD = -1


@dataclass(frozen=True)
class Log:
    """Records of profiles in (time, arrival) order. `frame` has `profile`, `time_ms` and the record's own columns."""

    frame: pl.DataFrame

    @cached_property
    def profile(self) -> npt.NDArray[np.uint32]:
        """Profile index, one a record."""
        return self.frame["profile"].to_numpy()

    @cached_property
    def time_ms(self) -> Millis:
        """UTC milliseconds, one a record, ascending."""
        return self.frame["time_ms"].to_numpy()

    def known(self, now_ms: int) -> int:
        """How many records exist at `now`."""
        return int(np.searchsorted(self.time_ms, now_ms, "right"))

    def latest(self, now_ms: int, size: int) -> npt.NDArray[np.int64]:
        """The number of each profile's latest record, `NO_RECORD` where there is none: shape (size,)."""
        known = self.known(now_ms)
        latest = np.full(size, NO_RECORD, np.int64)
        latest[self.profile[:known]] = np.arange(known)
        return latest

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {}

    def column(self, name: str) -> Column:
        """A tagged column of the records as codes."""
        if name not in self._columns:
            self._columns[name] = Column.of(self.frame[name])
        return self._columns[name]

    def state(self, name: str, now_ms: int, size: int) -> Column:
        """The latest value of a tagged column, one a profile; null in the log stands for deleted."""
        column, known = self.column(name), self.known(now_ms)
        codes: Codes = np.zeros(size, column.codes.dtype)
        codes[self.profile[:known]] = column.codes[:known]
        return Column(codes, column.dictionary)


@dataclass(frozen=True)
class Activity:
    """When profiles were seen: every event and batch time, in time order."""

    profile: npt.NDArray[np.uint32]
    time_ms: Millis

    def first(self, size: int) -> Millis:
        """Each profile's first activity ever, `NO_MOMENT` where there is none."""
        moments = np.full(size, NO_MOMENT, np.int64)
        moments[self.profile[::-1]] = self.time_ms[::-1]
        return moments

    def last(self, now_ms: int, size: int) -> Millis:
        """Each profile's last activity at or before `now`, `NO_MOMENT` where there is none."""
        known = int(np.searchsorted(self.time_ms, now_ms, "right"))
        moments = np.full(size, NO_MOMENT, np.int64)
        moments[self.profile[:known]] = self.time_ms[:known]
        return moments


@dataclass(frozen=True)
class Holdings:
    """Values that profiles hold, every one ever seen: identities of a type, a device field's values."""

    profile: npt.NDArray[np.uint32]
    time_ms: Millis
    column: Column

    def at(self, now_ms: int) -> tuple[npt.NDArray[np.uint32], Column]:
        """Profiles and values seen at or before `now`."""
        seen: Mask = self.time_ms <= now_ms
        if seen.all():
            return self.profile, self.column
        return self.profile[seen], Column(self.column.codes[seen], self.column.dictionary)

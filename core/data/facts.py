"""Profile facts: logs in (time, arrival) order, never folded away; the state at any `now` is a scatter of a prefix.

Assigning a log's records in order leaves the latest one of each profile standing, so a log sorted by time answers
every earlier `now` by the same one line. A log is made segment by segment: what a later segment adds is merged in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.coded import ABSENT, Codes, Column, Dictionary, merge
from core.data.letters import Arrays, text_arrays, texts
from core.data.values import NO_MOMENT, Millis

NO_RECORD = -1
Profiles = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Log:
    """Records of profiles, ascending by time and, at one moment, by `order`: each with texts and numbers by name."""

    profile: Profiles
    time_ms: Millis
    order: npt.NDArray[np.int64]
    columns: Mapping[str, Column]
    numbers: Mapping[str, npt.NDArray[np.float64]]
    serial: int = field(default_factory=count().__next__)
    """Which of this program's logs it is; what is derived from it is remembered under this number."""

    @classmethod
    def arrays(cls, frame: pl.DataFrame) -> Arrays:
        """The records of a frame as arrays for the cache: profile, time_ms, order, tagged texts and Float64 numbers."""
        frame = frame.sort("time_ms", "order", maintain_order=True)
        arrays: Arrays = {}
        for name in frame.columns:
            if frame.schema[name] == pl.String:
                column = Column.of(frame[name])
                arrays |= {f"{name}.codes": column.codes, **text_arrays(column.dictionary.entries, name)}
            else:
                arrays[name] = frame[name].to_numpy()
        return arrays

    @classmethod
    def of(cls, arrays: Arrays, names: Sequence[str], numbers: Sequence[str]) -> Log:
        """The log of `arrays`, with texts and numbers of these names."""
        columns = {name: Column(arrays[f"{name}.codes"], Dictionary(texts(arrays, name))) for name in names}
        counted = {name: arrays[name] for name in numbers}
        return cls(arrays["profile"], arrays["time_ms"], arrays["order"], columns, counted)

    def __len__(self) -> int:
        return len(self.profile)

    def followed_by(self, later: Log) -> Log:
        """Both logs as one. Where the later one only adds to the end, nothing is sorted."""
        if not len(self) or not len(later):
            return self if len(self) else later
        time = np.concatenate([self.time_ms, later.time_ms])
        order = np.concatenate([self.order, later.order])
        last, first = (self.time_ms[-1], self.order[-1]), (later.time_ms[0], later.order[0])
        place = slice(None) if last <= first else np.lexsort((order, time))

        def joined(mine: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
            both: npt.NDArray[Any] = np.concatenate([mine, theirs])
            return both[place]

        columns = {}
        for name, column in self.columns.items():
            mine, theirs = merge([column, later.columns[name]])
            columns[name] = Column(joined(mine.codes, theirs.codes), mine.dictionary)
        numbers = {name: joined(values, later.numbers[name]) for name, values in self.numbers.items()}
        return Log(joined(self.profile, later.profile), time[place], order[place], columns, numbers)

    def known(self, now_ms: int) -> int:
        """How many records exist at `now`."""
        return int(np.searchsorted(self.time_ms, now_ms, "right"))

    def latest(self, now_ms: int, size: int) -> npt.NDArray[np.int64]:
        """The number of each profile's latest record, `NO_RECORD` where there is none: shape (size,)."""
        known = self.known(now_ms)
        latest = np.full(size, NO_RECORD, np.int64)
        latest[self.profile[:known]] = np.arange(known)
        return latest

    def state(self, name: str, now_ms: int, size: int) -> Column:
        """The latest text of a name, one a profile; null in the log stands for deleted."""
        column, known = self.columns[name], self.known(now_ms)
        codes: Codes = np.zeros(size, column.codes.dtype)
        codes[self.profile[:known]] = column.codes[:known]
        return Column(codes, column.dictionary)


@dataclass(frozen=True)
class Seen:
    """When profiles were first and last seen in a segment: `profile` ascending, each once."""

    profile: Profiles
    first_ms: Millis
    last_ms: Millis


@dataclass(frozen=True)
class Activity:
    """When profiles were first and last seen in all segments: one a profile, `NO_MOMENT` where never."""

    first_ms: Millis
    last_ms: Millis

    def followed_by(self, seen: Seen, size: int) -> Activity:
        """With what another segment says, of `size` profiles."""
        more = np.full(size - len(self.first_ms), NO_MOMENT)
        first, last = np.append(self.first_ms, more), np.append(self.last_ms, more)
        known = first[seen.profile]
        first[seen.profile] = np.where(known == NO_MOMENT, seen.first_ms, np.minimum(known, seen.first_ms))
        last[seen.profile] = np.maximum(last[seen.profile], seen.last_ms)
        return Activity(first, last)


@dataclass(frozen=True)
class Held:
    """What profiles hold at one moment: one value of each, and rows (profile, value) of the others, each once.

    `first` has one code a profile, so that what most profiles have one of is judged like an attribute.
    """

    first: Column
    profile: Profiles
    more: Column

    def rows(self) -> tuple[Profiles, Column]:
        """Everything that is held, a row each."""
        holders = np.flatnonzero(self.first.codes)
        codes = np.concatenate([self.first.codes[holders], self.more.codes])
        return np.concatenate([holders.astype(np.uint32), self.profile]), Column(codes, self.first.dictionary)


@dataclass(frozen=True)
class Holdings:
    """Values that profiles hold, every one ever seen: identities of a type, a device field's values."""

    profile: Profiles
    time_ms: Millis
    column: Column

    serial: int = field(default_factory=count(1 << 32).__next__)
    """As that of a log, and none of theirs."""

    def known(self, now_ms: int) -> int:
        """How many records exist at `now`."""
        return len(self) if now_ms >= self.last_ms else int(np.count_nonzero(self.time_ms <= now_ms))

    def __len__(self) -> int:
        return len(self.profile)

    @cached_property
    def last_ms(self) -> int:
        """When the last one was seen."""
        return int(self.time_ms.max(initial=NO_MOMENT))

    def at(self, now_ms: int, size: int) -> Held:
        """What of `size` profiles was seen at or before `now`."""
        seen = np.flatnonzero((self.time_ms <= now_ms) & (self.column.codes != ABSENT))
        profile, codes = self.profile[seen], self.column.codes[seen]
        first: Codes = np.zeros(size, codes.dtype)
        first[profile] = codes
        others = np.flatnonzero(first[profile] != codes)
        more = np.unique((profile[others].astype(np.uint64) << np.uint64(32)) | codes[others])
        dictionary, values = self.column.dictionary, more.astype(np.uint32).astype(codes.dtype)
        return Held(Column(first, dictionary), (more >> np.uint64(32)).astype(np.uint32), Column(values, dictionary))

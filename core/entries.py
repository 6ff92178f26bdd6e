"""The catalog's entries: everything that the data holds by name, with volume over time, data type and sample values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.columns import DAY_MS, EventStore
from core.data.distinct import Distinct
from core.data.manifest import Workspace
from core.data.schema import EVENT_KINDS, OTHER
from core.data.snapshot import Snapshot
from core.data.summaries import (
    CARRIED,
    DISTINCT,
    FACTS,
    SAMPLES,
    TYPES,
    AttributeUse,
    FactUse,
    carried_use,
    condensed,
    fact_use,
)
from core.data.values import NO_MOMENT
from core.scope import Steps

Place = tuple[str, str, str | None]
"""Workspace, kind and name of an event."""

DAYS: Final = 30
"""How many UTC days a volume over time looks back, the day of `now` included."""

ENTRY_KINDS: Final = (*EVENT_KINDS, OTHER, *CARRIED, *FACTS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of the catalog. `kind`: an event kind, `other`, `event_attribute`, `product_attribute`, or a kind of
    profile fact."""

    workspace: str
    kind: str
    name: str | None
    event: tuple[str, str | None] | None
    """Of an attribute of events or products: the kind and name of its event."""
    records: int
    profiles: int | None
    """Who ever had it; None for attributes of events and products."""
    filled: float | None
    """The share of the workspace's profiles that ever had it; of attributes, the share of the event's events or
    products."""
    first: datetime | None
    last: datetime | None
    days: tuple[int, ...]
    """Records on each of the last `DAYS` UTC days."""
    data_type: str | None
    """number, boolean, date, list or string: what all its values read as. None for events, and without a value."""
    samples: tuple[str, ...]
    """Its most frequent values."""
    distinct: Distinct | None
    """How many different values it ever had; None for events, identities and consent."""
    tier: str | None
    """Of events that criteria can read: personalize, preserve or connect."""

    @property
    def group(self) -> str:
        """`event` for every kind of event that criteria read, `other_event` for the rest, else its kind."""
        return "event" if self.tier is not None else "other_event" if self.kind == OTHER else self.kind


@dataclass(frozen=True, slots=True)
class InputUse:
    """An input of a workspace and what came through it. Times are those of its events and batches."""

    workspace: str
    input: str
    kind: str
    events: int
    batches: int
    first: datetime | None
    last: datetime | None
    days: tuple[int, ...]
    """Events on each of the last `DAYS` UTC days."""


def inputs(snapshots: Iterable[Snapshot], now_ms: int, steps: Steps) -> list[InputUse]:
    """Every input of every workspace, those without data too. The volume ends with the day of `now`.

    `snapshots`: the parts of one version; one is looked at after the other, and `steps` are told of each.
    """
    found = []
    for snapshot in snapshots:
        found.append(_inputs(snapshot, now_ms, steps))
        steps.next()
    return _inputs_together(found)


def _inputs(snapshot: Snapshot, now_ms: int, steps: Steps) -> list[InputUse]:
    last_day = now_ms // DAY_MS
    days: dict[tuple[str, str], npt.NDArray[np.int64]] = {}
    events: dict[tuple[str, str], int] = {}
    times: dict[tuple[str, str], list[int]] = {}
    for store in snapshot.event_stores():
        steps.here()
        names, codes = store.events.inputs[0], store.events.inputs[1][store.start : store.stop]
        day, moments = store.day, store.times(slice(None))
        for code, name in enumerate(names):
            mine, key = codes == code, (store.workspace, name)
            if not mine.any():
                continue
            age = last_day - day[mine]
            volume = np.bincount(DAYS - 1 - age[(age >= 0) & (age < DAYS)], minlength=DAYS)
            days[key] = days.get(key, np.zeros(DAYS, np.int64)) + volume
            events[key] = events.get(key, 0) + len(age)
            times.setdefault(key, []).extend((int(moments[mine].min()), int(moments[mine].max())))
    grouped = snapshot.table("batches").group_by("workspace", "input")
    batches = grouped.agg(pl.len(), first=pl.col("time_ms").min(), last=pl.col("time_ms").max()).collect()
    counted = {}
    for workspace, name, count, first, last in batches.iter_rows():
        counted[workspace, name] = count
        times.setdefault((workspace, name), []).extend((first, last))
    return [
        InputUse(
            workspace=workspace,
            input=name,
            kind=kind,
            events=events.get((workspace, name), 0),
            batches=counted.get((workspace, name), 0),
            first=_moment(min(times[workspace, name])) if (workspace, name) in times else None,
            last=_moment(max(times[workspace, name])) if (workspace, name) in times else None,
            days=tuple(days.get((workspace, name), np.zeros(DAYS, np.int64)).tolist()),
        )
        for workspace, settings in snapshot.manifest.workspaces.items()
        for name, kind in settings.inputs.items()
    ]


def entries(snapshots: Iterable[Snapshot], now_ms: int, steps: Steps) -> list[Entry]:
    """Every name in every workspace, by workspace, kind and falling number of records. The volume ends with `now`.

    `snapshots`: the parts of one version, which have no profile in common; one is looked at after the other, and
    `steps` are told of each.
    """
    found = _Found(now_ms // DAY_MS)
    for snapshot in snapshots:
        found.add(snapshot, steps)
        steps.next()
    spaces = list(found.workspaces)
    return sorted(
        found.entries(),
        key=lambda each: (
            *(spaces.index(each.workspace), ENTRY_KINDS.index(each.kind), -each.records, each.name or ""),
            [part or "" for part in each.event or ()],
        ),
    )


def _inputs_together(parts: Sequence[list[InputUse]]) -> list[InputUse]:
    """The inputs of parts that have no profile in common."""
    return [
        replace(
            same[0],
            events=sum(each.events for each in same),
            batches=sum(each.batches for each in same),
            first=min((each.first for each in same if each.first is not None), default=None),
            last=max((each.last for each in same if each.last is not None), default=None),
            days=tuple(map(sum, zip(*(each.days for each in same), strict=True))),
        )
        for same in zip(*parts, strict=True)
    ]


@dataclass
class _Named:
    """What parts hold by one name. `volume`: records on each of the last days."""

    records: int
    profiles: int
    first_ms: int
    last_ms: int
    volume: npt.NDArray[np.int64]

    def joined(self, other: _Named) -> _Named:
        """Together with what another part holds, of other profiles."""
        return _Named(
            self.records + other.records,
            self.profiles + other.profiles,
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
            self.volume + other.volume,
        )


class _Found:
    """What was found in the parts of a version so far."""

    def __init__(self, last_day: int) -> None:
        self.last_day = last_day
        self.workspaces: Mapping[str, Workspace] = {}
        self.seen = Counter[str]()
        """How many profiles were ever seen in each workspace."""
        self.events: dict[Place, _Named] = {}
        self.totals: dict[str, Counter[Place]] = {kind: Counter() for kind in CARRIED}
        """Of what a kind of attribute is carried: how many events each event name has, or products."""
        self.facts: dict[str, dict[tuple[str, str | None], _Named]] = {kind: {} for kind in FACTS}
        self.days: dict[str, list[pl.DataFrame]] = {kind: [] for kind in (*CARRIED, *FACTS)}
        self.values: dict[str, list[pl.DataFrame]] = {kind: [] for kind in (*CARRIED, *FACTS)}
        self.hashes: dict[str, list[pl.DataFrame]] = {kind: [] for kind in (*CARRIED, *DISTINCT)}

    # -- a part after the other ------------------------------------------------------------------------------------

    def add(self, snapshot: Snapshot, steps: Steps) -> None:
        """Add what a part holds."""
        steps.here()
        self.workspaces = snapshot.manifest.workspaces
        for name in self.workspaces:
            self.seen[name] += int(np.count_nonzero(snapshot.first_seen(name) != NO_MOMENT))
        stores = [store for store in snapshot.event_stores() if store.kind in EVENT_KINDS]
        unread = [store for store in snapshot.event_stores() if store.kind == OTHER]
        self._add_events([*stores, *unread], snapshot.size)
        for kind in CARRIED:
            steps.here()
            self._add_totals(kind, stores)
            self._add_frames(kind, list(carried_use(snapshot, kind)))
        for kind in FACTS:
            steps.here()
            self._add_facts(kind, list(fact_use(snapshot, kind)))

    def _add_events(self, stores: list[EventStore], size: int) -> None:
        parts: dict[Place, list[tuple[EventStore, int, int]]] = {}
        for store in stores:
            for name, rows in store.names.items():
                parts.setdefault((store.workspace, store.kind, name), []).append((store, *rows))
        for place, found in parts.items():
            who = np.zeros(size, np.bool_)
            named = []
            for store, first, last in found:
                who[store.profile[first:last]] = True
                days, begins, ends = store.days(first, last)
                moments = [store.times(np.arange(begins[at], ends[at])) for at in (0, -1)]
                volume = self._volume(days, ends - begins)
                named.append(_Named(last - first, 0, int(moments[0].min()), int(moments[1].max()), volume))
            whole = replace(reduce(_Named.joined, named), profiles=int(np.count_nonzero(who)))
            self.events[place] = self.events[place].joined(whole) if place in self.events else whole

    def _volume(self, days: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        age = self.last_day - days
        shown = (age >= 0) & (age < DAYS)
        volume = np.zeros(DAYS, np.int64)
        np.add.at(volume, DAYS - 1 - age[shown], counts[shown])
        return volume

    def _add_totals(self, kind: str, stores: list[EventStore]) -> None:
        for store in stores:
            for name, (first, last) in store.names.items():
                rows = np.array([first, last])
                if kind == "product_attribute":
                    rows = np.searchsorted(store.products.owner, rows)
                self.totals[kind][store.workspace, store.kind, name] += int(rows[1] - rows[0])

    def _add_facts(self, kind: str, uses: list[FactUse]) -> None:
        people: dict[tuple[str, str | None], npt.NDArray[np.uint8]] = {}
        known = self.facts[kind]
        nothing = np.zeros(DAYS, np.int64)
        for use in uses:
            for (workspace, name, first, last), who in zip(use.spans.iter_rows(), use.people, strict=True):
                key = workspace, name
                people[key] = _either(people[key], who) if key in people else who
                span = _Named(0, 0, first, last, nothing)
                known[key] = known[key].joined(span) if key in known else span
        for key, who in people.items():
            known[key].profiles += int(np.bitwise_count(who).sum())
        self._add_frames(kind, uses)

    def _add_frames(self, kind: str, uses: Sequence[AttributeUse | FactUse]) -> None:
        """Add what days and values are told by, in as few rows as that needs."""
        if filled := [use.days for use in uses if len(use.days)]:
            keys = [name for name in filled[0].columns if name != "count"]
            self.days[kind].append(pl.concat(filled).group_by(keys).agg(pl.col("count").sum()))
        if filled := [use.values for use in uses if len(use.values)]:
            keys = [name for name in filled[0].columns if name not in ("value", "count", *TYPES)]
            self.values[kind].append(condensed(pl.concat(filled).lazy(), *keys).collect())
        if filled := [use.hashes for use in uses if len(use.hashes)]:
            self.hashes[kind].append(pl.concat(filled).unique())

    # -- all of them -----------------------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """What was found, in no order."""
        yield from self._of_events()
        for kind in CARRIED:
            yield from self._of_carried(kind)
        for kind in FACTS:
            yield from self._of_facts(kind)

    def _of_events(self) -> Iterator[Entry]:
        """Event names with their tiers."""
        for (workspace, kind, name), found in self.events.items():
            yield Entry(
                workspace=workspace,
                kind=kind,
                name=name,
                event=None,
                records=found.records,
                profiles=found.profiles,
                filled=found.profiles / max(self.seen[workspace], 1),
                first=_moment(found.first_ms),
                last=_moment(found.last_ms),
                days=tuple(found.volume.tolist()),
                data_type=None,
                samples=(),
                distinct=None,
                tier=None if kind == OTHER else self.workspaces[workspace].tiers.get((kind, name), "personalize"),
            )

    def _of_carried(self, kind: str) -> Iterator[Entry]:
        """The custom attributes of each event name, or of its products."""
        keys = ["workspace", "kind", "name", "key"]
        typed, distinct = self._typed(kind, keys), self._distinct(kind, keys)
        for key, (records, volume) in self._volumes(kind, keys).items():
            workspace, event, name, attribute = key
            data_type, samples = typed.get(key, (None, ()))
            yield Entry(
                workspace=workspace,
                kind=kind,
                name=attribute,
                event=(event, name),
                records=records,
                profiles=None,
                filled=records / self.totals[kind][workspace, event, name],
                first=None,
                last=None,
                days=volume,
                data_type=data_type,
                samples=samples,
                distinct=distinct.get(key, Distinct(b"")),
                tier=None,
            )

    def _of_facts(self, kind: str) -> Iterator[Entry]:
        """User attributes, identity types, device fields, consent purposes."""
        keys = ["workspace", "name"]
        volumes, typed, distinct = self._volumes(kind, keys), self._typed(kind, keys), self._distinct(kind, keys)
        for (workspace, name), found in self.facts[kind].items():
            records, volume = volumes[workspace, name]
            data_type, samples = typed.get((workspace, name), (None, ()))
            yield Entry(
                workspace=workspace,
                kind=kind,
                name=name,
                event=None,
                records=records,
                profiles=found.profiles,
                filled=found.profiles / max(self.seen[workspace], 1),
                first=_moment(found.first_ms),
                last=_moment(found.last_ms),
                days=volume,
                data_type="boolean" if kind == "consent" else data_type,
                samples=samples,
                distinct=distinct.get((workspace, name), Distinct(b"")) if kind in DISTINCT else None,
                tier=None,
            )

    def _distinct(self, kind: str, keys: list[str]) -> dict[tuple[Any, ...], Distinct]:
        """By key: the different values, of their least hashes."""
        if not self.hashes.get(kind):
            return {}
        grouped = pl.concat(self.hashes[kind]).lazy().group_by(keys).agg(pl.col("hash")).collect()
        every = zip(grouped.select(keys).iter_rows(), grouped["hash"], strict=True)
        return {key: Distinct.of(found.to_numpy()) for key, found in every}

    def _volumes(self, kind: str, keys: list[str]) -> dict[tuple[Any, ...], tuple[int, tuple[int, ...]]]:
        """By key: all records, and those of each of the last days."""
        if not self.days[kind]:
            return {}
        found: dict[tuple[Any, ...], tuple[int, list[int]]] = {}
        summed = pl.concat(self.days[kind]).group_by(*keys, "day").agg(pl.col("count").sum())
        for *key, day, count in summed.select(*keys, "day", "count").iter_rows():
            records, volume = found.setdefault(tuple(key), (0, [0] * DAYS))
            age = self.last_day - day
            if 0 <= age < DAYS:
                volume[DAYS - 1 - age] += count
            found[tuple(key)] = (records + count, volume)
        return {key: (records, tuple(volume)) for key, (records, volume) in found.items()}

    def _typed(self, kind: str, keys: list[str]) -> dict[tuple[Any, ...], tuple[str, tuple[str, ...]]]:
        """By key: the type that all values read as, and the most frequent values."""
        if not self.values[kind]:
            return {}
        whole = condensed(pl.concat(self.values[kind]).lazy(), *keys)
        shown = pl.col("value").drop_nulls().str.slice(1).head(SAMPLES)
        grouped = (
            whole.sort("count", "value", descending=[True, False])
            .group_by(keys)
            .agg(*[pl.col(name).all() for name in TYPES], samples=shown)
            .collect()
        )
        return {
            tuple(row[key] for key in keys): (
                next((name for name in TYPES if row[name]), "string"),
                tuple(row["samples"]),
            )
            for row in grouped.iter_rows(named=True)
        }


def _either(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The bits of both, as long as the longer one."""
    short, long = sorted((one, other), key=len)
    both = long.copy()
    both[: len(short)] |= short
    return both


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)

"""The catalog's entries: everything that the data holds by name, with volume over time, data type and sample values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.columns import DAY_MS, EventStore
from core.data.schema import EVENT_KINDS
from core.data.snapshot import Snapshot
from core.data.summaries import SAMPLES, TYPES, AttributeUse, attribute_use, condensed, product_attribute_use, read
from core.data.values import NO_MOMENT

Place = tuple[str, str, str | None]
"""Workspace, kind and name of an event."""

DAYS: Final = 30
"""How many UTC days a volume over time looks back, the day of `now` included."""

_FACTS: Final = {
    "user_attribute": ("attributes", "key"),
    "identity": ("identities", "identity_type"),
    "device": ("devices", "field"),
    "consent": ("consents", "purpose"),
}
_CARRIED: Final[dict[str, Callable[[EventStore], AttributeUse]]] = {
    "event_attribute": attribute_use,
    "product_attribute": product_attribute_use,
}
"""The custom attributes of events and of their products, and where their use is summed up."""

ENTRY_KINDS: Final = (*EVENT_KINDS, *_CARRIED, *_FACTS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of the catalog. `kind`: an event kind, `event_attribute`, `product_attribute`, or a kind of profile
    fact."""

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
    tier: str | None
    """Of events: personalize, preserve or connect."""

    @property
    def group(self) -> str:
        """`event` for every kind of event, else its kind."""
        return "event" if self.tier is not None else self.kind


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


def inputs(snapshot: Snapshot, now_ms: int) -> list[InputUse]:
    """Every input of every workspace, those without data too. The volume ends with the day of `now`."""
    last_day = now_ms // DAY_MS
    days: dict[tuple[str, str], npt.NDArray[np.int64]] = {}
    events: dict[tuple[str, str], int] = {}
    times: dict[tuple[str, str], list[int]] = {}
    for store in snapshot.event_stores():
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


def entries(snapshot: Snapshot, now_ms: int) -> list[Entry]:
    """Every name in every workspace, by workspace, kind and falling number of records. The volume ends with `now`."""
    found = _Entries(snapshot, now_ms // DAY_MS)
    carried = (each for kind in _CARRIED for each in found.carried(kind))
    every = [*found.events(), *carried, *(each for kind in _FACTS for each in found.facts(kind))]
    return _ordered(every, snapshot)


def _ordered(every: Iterable[Entry], snapshot: Snapshot) -> list[Entry]:
    spaces = list(snapshot.manifest.workspaces)
    return sorted(
        every,
        key=lambda each: (spaces.index(each.workspace), ENTRY_KINDS.index(each.kind), -each.records, each.name or ""),
    )


def together(parts: Sequence[tuple[list[Entry], Snapshot]]) -> list[Entry]:
    """The entries of parts that have no profile in common; the samples of a name are those of its parts in turn."""
    seen = {
        workspace: sum(_Entries(snapshot, 0).seen[workspace] for _, snapshot in parts)
        for workspace in parts[0][1].manifest.workspaces
    }
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for each in (entry for found, _ in parts for entry in found):
        groups.setdefault((each.workspace, each.kind, each.name, each.event), []).append(each)
    totals: dict[str, Counter[Place]] = {kind: Counter() for kind in _CARRIED}
    for _, snapshot in parts:
        for kind, total in totals.items():
            total.update(_Entries(snapshot, 0).totals(kind))
    summed = []
    for same in groups.values():
        first = same[0]
        place = None if first.event is None else (first.workspace, *first.event)
        summed.append(_sum(same, seen[first.workspace] if place is None else totals[first.kind][place]))
    return _ordered(summed, parts[0][1])


def together_inputs(parts: Sequence[list[InputUse]]) -> list[InputUse]:
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


def _sum(same: list[Entry], among: int) -> Entry:
    first = same[0]
    records = sum(each.records for each in same)
    profiles = None if first.profiles is None else sum(each.profiles or 0 for each in same)
    types = {each.data_type for each in same if each.data_type is not None}
    in_turn = (sample for several in zip_longest(*(each.samples for each in same)) for sample in several)
    return replace(
        first,
        records=records,
        profiles=profiles,
        filled=(records if profiles is None else profiles) / max(among, 1),
        first=min((each.first for each in same if each.first is not None), default=None),
        last=max((each.last for each in same if each.last is not None), default=None),
        days=tuple(map(sum, zip(*(each.days for each in same), strict=True))),
        data_type=types.pop() if len(types) == 1 else "string" if types else None,
        samples=tuple(dict.fromkeys(sample for sample in in_turn if sample is not None))[:SAMPLES],
    )


class _Entries:
    def __init__(self, snapshot: Snapshot, last_day: int) -> None:
        self.snapshot, self.last_day = snapshot, last_day
        self.stores = [store for store in snapshot.event_stores() if store.kind in EVENT_KINDS]
        self.seen = {
            each: int(np.count_nonzero(snapshot.first_seen(each) != NO_MOMENT)) for each in snapshot.manifest.workspaces
        }
        """How many profiles were ever seen in each workspace."""

    def events(self) -> Iterator[Entry]:
        """Event names with their tiers."""
        parts: dict[tuple[str, str, str | None], list[tuple[EventStore, int, int]]] = {}
        for store in self.stores:
            for name, (first, last) in store.names.items():
                parts.setdefault((store.workspace, store.kind, name), []).append((store, first, last))
        for (workspace, kind, name), found in parts.items():
            who = np.zeros(self.snapshot.size, np.bool_)
            volume = np.zeros(DAYS, np.int64)
            times = []
            for store, first, last in found:
                who[store.profile[first:last]] = True
                days, begins, ends = store.days(first, last)
                age = self.last_day - days
                shown = (age >= 0) & (age < DAYS)
                volume[DAYS - 1 - age[shown]] += (ends - begins)[shown]
                times += [store.times(np.arange(begins[at], ends[at])) for at in (0, -1)]
            profiles = int(np.count_nonzero(who))
            yield Entry(
                workspace=workspace,
                kind=kind,
                name=name,
                event=None,
                records=sum(last - first for _, first, last in found),
                profiles=profiles,
                filled=profiles / max(self.seen[workspace], 1),
                first=_moment(min(int(each.min()) for each in times)),
                last=_moment(max(int(each.max()) for each in times)),
                days=tuple(volume.tolist()),
                data_type=None,
                samples=(),
                tier=self.snapshot.manifest.workspaces[workspace].tiers.get((kind, name), "personalize"),
            )

    def totals(self, kind: str) -> Counter[Place]:
        """Of what a kind of attribute is carried: how many events each event name has, or products."""
        found: Counter[Place] = Counter()
        for store in self.stores:
            for name, (first, last) in store.names.items():
                rows = np.array([first, last])
                if kind == "product_attribute":
                    rows = np.searchsorted(store.products.owner, rows)
                found[store.workspace, store.kind, name] += int(rows[1] - rows[0])
        return found

    def carried(self, kind: str) -> Iterator[Entry]:
        """The custom attributes of each event name, or of its products."""
        keys = ["workspace", "kind", "name", "key"]
        uses = [(store, _CARRIED[kind](store)) for store in self.stores]
        days = _together([_of(store, use.days) for store, use in uses])
        values = _together([_of(store, use.values) for store, use in uses])
        if days is None or values is None:
            return
        totals = self.totals(kind)
        typed = self._typed(values, keys)
        volumes = self._volumes(days, keys)
        for key, (records, volume) in volumes.items():
            workspace, event, name, attribute = key
            data_type, samples = typed.get(key, (None, ()))
            yield Entry(
                workspace=workspace,
                kind=kind,
                name=attribute,
                event=(event, name),
                records=records,
                profiles=None,
                filled=records / totals[workspace, event, name],
                first=None,
                last=None,
                days=volume,
                data_type=data_type,
                samples=samples,
                tier=None,
            )

    def facts(self, kind: str) -> Iterator[Entry]:
        """User attributes, identity types, device fields, consent purposes."""
        table, column = _FACTS[kind]
        frame = self.snapshot.table(table)
        keys = ["workspace", "name"]
        facts = frame.select("workspace", "profile", "time_ms", name=column)
        day = (pl.col("time_ms") // DAY_MS).cast(pl.Int32)
        counted = facts.group_by(*keys, day=day).agg(count=pl.len().cast(pl.Int64))
        overview = facts.group_by(keys).agg(
            profiles=pl.col("profile").n_unique(), first=pl.col("time_ms").min(), last=pl.col("time_ms").max()
        )
        value = {"identity": pl.concat_str(pl.lit("s"), "value"), "consent": pl.lit(None, pl.String)}.get(kind)
        values = (
            frame.select("workspace", name=column, value=pl.col("value") if value is None else value)
            .group_by(*keys, "value")
            .agg(count=pl.len().cast(pl.Int64))
        )
        collected = pl.collect_all([counted, overview, condensed(read(values), *keys)])
        volumes, typed = self._volumes(collected[0], keys), self._typed(collected[2], keys)
        for workspace, name, profiles, first, last in collected[1].iter_rows():
            records, volume = volumes[workspace, name]
            data_type, samples = typed.get((workspace, name), (None, ()))
            yield Entry(
                workspace=workspace,
                kind=kind,
                name=name,
                event=None,
                records=records,
                profiles=profiles,
                filled=profiles / max(self.seen[workspace], 1),
                first=_moment(first),
                last=_moment(last),
                days=volume,
                data_type="boolean" if kind == "consent" else data_type,
                samples=samples,
                tier=None,
            )

    def _volumes(self, days: pl.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], tuple[int, tuple[int, ...]]]:
        """By key: all records, and those of each of the last days."""
        found: dict[tuple[Any, ...], tuple[int, list[int]]] = {}
        summed = days.group_by(*keys, "day").agg(pl.col("count").sum())
        for *key, day, count in summed.select(*keys, "day", "count").iter_rows():
            records, volume = found.setdefault(tuple(key), (0, [0] * DAYS))
            age = self.last_day - day
            if 0 <= age < DAYS:
                volume[DAYS - 1 - age] += count
            found[tuple(key)] = (records + count, volume)
        return {key: (records, tuple(volume)) for key, (records, volume) in found.items()}

    def _typed(self, values: pl.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], tuple[str, tuple[str, ...]]]:
        """By key: the type that all values read as, and the most frequent values."""
        whole = condensed(values.lazy(), *keys)
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


def _of(store: EventStore, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(workspace=pl.lit(store.workspace), kind=pl.lit(store.kind))


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame | None:
    filled = [frame for frame in frames if len(frame)]
    return pl.concat(filled) if filled else None


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)

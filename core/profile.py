"""One profile: everything known of one mpid as of a moment, who an identity belongs to, and what people did when."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from core.criteria.calculated import calculated_attribute
from core.criteria.measures import Values
from core.data.coded import FIRST
from core.data.columns import EventStore
from core.data.schema import FIELDS, PRODUCT_FIELDS
from core.data.snapshot import Snapshot
from core.data.values import NO_MOMENT, plain
from core.errors import CoreError
from core.scope import Scope

PLACES: Final = ("city", "state", "zip", "dma", "country", "latitude", "longitude")

_MPID: Final = re.compile("-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Known:
    """A named value of a profile and the moment it is known from; `value` None is a key without a value."""

    name: str
    value: object
    at: datetime


@dataclass(frozen=True, slots=True)
class ConsentKnown:
    """The latest state of a consent. CCPA `consented` means opted out of data sale; it has no purpose."""

    regulation: str
    purpose: str | None
    consented: bool
    at: datetime


@dataclass(frozen=True)
class InWorkspace:
    """What one workspace knows of a profile."""

    workspace: str
    first_seen: datetime
    last_seen: datetime
    attributes: tuple[Known, ...]
    """The latest value of every key that is not deleted, by name."""
    calculated: tuple[tuple[str, object], ...]
    """Calculated attributes with their values, None where there is none."""
    identities: tuple[Known, ...]
    """Every value ever seen and since when, by type."""
    devices: tuple[Known, ...]
    """Every value of a device field ever seen with its last moment, by field."""
    consents: tuple[ConsentKnown, ...]
    location: tuple[Known, ...]
    """The parts of the latest location record."""
    attributions: tuple[Known, ...]
    """`install publisher`, `install campaign`, `uninstall publisher`, `uninstall campaign`: those that are known."""


@dataclass(frozen=True)
class Profile:
    """Everything known of one person as of `now`, workspace by workspace."""

    mpid: int
    now: datetime
    workspaces: tuple[InWorkspace, ...]

    def masked(self) -> Profile:
        """The same with identities that cannot be read."""
        hidden = (
            replace(each, identities=tuple(replace(known, value=masked(str(known.value))) for known in each.identities))
            for each in self.workspaces
        )
        return replace(self, workspaces=tuple(hidden))

    def to_dict(self) -> dict[str, Any]:
        """As JSON says it: moments as ISO texts."""
        document = asdict(self)
        document["now"] = _said(self.now)
        for part in document["workspaces"]:
            part["calculated"] = {name: _said(value) for name, value in part["calculated"]}
            part["first_seen"], part["last_seen"] = _said(part["first_seen"]), _said(part["last_seen"])
            for group in ("attributes", "identities", "devices", "consents", "location", "attributions"):
                part[group] = [{**each, "at": _said(each["at"])} for each in part[group]]
        return document


@dataclass(frozen=True, slots=True)
class Match:
    """A profile that was found, and by what: an identity type, or None for the mpid itself."""

    mpid: int
    identity_type: str | None


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a profile: its custom attributes, the standard fields that have a value, and products alike."""

    at: datetime
    workspace: str
    input: str
    kind: str
    name: str | None
    attributes: dict[str, object]
    fields: dict[str, object]
    products: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Timeline:
    """A page of a profile's events, newest first. `kinds` counts all of them by kind, `total` those that were asked."""

    total: int
    kinds: dict[str, int]
    events: tuple[Happening, ...]


def masked(identity: str) -> str:
    """An identity as others may see it: its first letter, and the domain of an address."""
    name, at, domain = identity.partition("@")
    return f"{name[:1]}•••{at}{domain}"


def find_profiles(snapshots: Iterable[Snapshot], text: str, now_ms: int) -> list[Match]:
    """Profiles with that mpid, or an identity of exactly that value (`type:value` names its type) seen by `now`.

    The mpid comes first, then identities, those known last first. Several profiles can hold one identity.
    `snapshots`: the parts of one version.
    """
    wanted = text.strip()
    number = int(wanted) if _MPID.fullmatch(wanted) else 2**63
    found, holders = [], []
    for snapshot in snapshots:
        if -(2**63) <= number < 2**63 and index_of(snapshot, number) is not None:
            found.append(Match(number, None))
        holders += _holders(snapshot, wanted, now_ms)
    return found + [Match(mpid, identity_type) for _, identity_type, mpid in sorted(holders)]


def _holders(snapshot: Snapshot, wanted: str, now_ms: int) -> list[tuple[int, str, int]]:
    """Who holds an identity: minus the moment since when, its type, and the mpid."""
    kind, colon, rest = wanted.partition(":")
    typed = (pl.col("identity_type") == kind) & (pl.col("value") == rest) if colon else pl.lit(False)
    rows = (
        snapshot.table("identities")
        .filter(((pl.col("value") == wanted) | typed) & (pl.col("time_ms") <= now_ms))
        .group_by("profile", "identity_type")
        .agg(pl.col("time_ms").min())
        .select("time_ms", "identity_type", "profile")
        .collect()
    )
    return [(-time_ms, identity_type, int(snapshot.mpid[profile])) for time_ms, identity_type, profile in rows.rows()]


def recently_seen(snapshots: Iterable[Snapshot], now_ms: int, limit: int) -> list[tuple[int, datetime]]:
    """The mpids that were active last by `now` in any workspace, with the moment, newest first.

    `snapshots`: the parts of one version.
    """
    found = sorted(each for snapshot in snapshots for each in _last_active(snapshot, now_ms, limit))
    return [(mpid, _moment(-ago)) for ago, mpid in found[:limit]]


def _last_active(snapshot: Snapshot, now_ms: int, limit: int) -> list[tuple[int, int]]:
    """Minus the last moments of those who were active last, with their mpids."""
    last = np.full(snapshot.size, NO_MOMENT, np.int64)
    for workspace in snapshot.manifest.workspaces:
        np.maximum(last, snapshot.last_seen(workspace, now_ms), out=last)
    seen = np.flatnonzero(last != NO_MOMENT)
    newest = seen[np.lexsort((snapshot.mpid[seen], -last[seen]))[:limit]]
    return [(-int(last[at]), int(snapshot.mpid[at])) for at in newest]


def index_of(snapshot: Snapshot, mpid: int) -> int | None:
    """The index of an mpid, None where the account has none such."""
    at = np.flatnonzero(snapshot.mpid == np.int64(mpid))
    return int(at[0]) if len(at) else None


def profile_of(snapshot: Snapshot, mpid: int, now: datetime) -> Profile:
    """Everything known of an mpid as of `now`; CoreError where it was not seen by then."""
    at = index_of(snapshot, mpid)
    now_ms = round(now.timestamp() * 1000)
    spaces = [] if at is None else [name for name in snapshot.manifest.workspaces if _seen(snapshot, name, at, now_ms)]
    if at is None or not spaces:
        raise CoreError(f"No profile with mpid {mpid} was seen by {now:%-d %b %Y %H:%M} UTC.", "Check the number.")
    facts = _Facts(snapshot, at, now_ms)
    return Profile(mpid, now, tuple(facts.workspace(name) for name in spaces))


def _seen(snapshot: Snapshot, workspace: str, at: int, now_ms: int) -> bool:
    first = int(snapshot.first_seen(workspace)[at])
    return first != NO_MOMENT and first <= now_ms


def _said(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


class _Facts:
    """The fact tables' rows of one profile up to now."""

    def __init__(self, snapshot: Snapshot, at: int, now_ms: int) -> None:
        self.snapshot, self.at, self.now_ms = snapshot, at, now_ms
        names = ("attributes", "identities", "devices", "consents", "locations", "attributions")
        mine = (pl.col("profile") == at) & (pl.col("time_ms") <= now_ms)
        frames = pl.collect_all([snapshot.table(name).filter(mine) for name in names])
        self.tables = dict(zip(names, frames, strict=True))

    def workspace(self, name: str) -> InWorkspace:
        return InWorkspace(
            workspace=name,
            first_seen=_moment(int(self.snapshot.first_seen(name)[self.at])),
            last_seen=_moment(int(self.snapshot.last_seen(name, self.now_ms)[self.at])),
            attributes=tuple(self._attributes(name)),
            calculated=tuple(self._calculated(name)),
            identities=tuple(self._held("identities", name, "identity_type")),
            devices=tuple(self._held("devices", name, "field")),
            consents=tuple(self._consents(name)),
            location=tuple(self._location(name)),
            attributions=tuple(self._attributions(name)),
        )

    def _latest(self, table: str, workspace: str, order: list[str], *key: str) -> Iterator[dict[str, Any]]:
        """The last record of each key in the order of the table, by key."""
        mine = self.tables[table].filter(pl.col("workspace") == workspace).sort(order, maintain_order=True)
        last = mine.unique(list(key), keep="last", maintain_order=True) if key else mine.tail(1)
        yield from (last.sort(key, nulls_last=True) if key else last).iter_rows(named=True)

    def _attributes(self, workspace: str) -> Iterator[Known]:
        for row in self._latest("attributes", workspace, ["time_ms", "arrival"], "key"):
            if row["value"] is not None:  # null in the log: deleted
                yield Known(row["key"], plain(row["value"]), _moment(row["time_ms"]))

    def _held(self, table: str, workspace: str, kind: str) -> Iterator[Known]:
        """Each value once, since its first moment: of what came again, a compaction keeps no more."""
        mine = self.tables[table].filter(pl.col("workspace") == workspace)
        once = mine.group_by(kind, "value").agg(pl.col("time_ms").min()).sort(kind, "value")
        for row in once.iter_rows(named=True):
            value = row["value"] if table == "identities" else plain(row["value"])
            yield Known(row[kind], value, _moment(row["time_ms"]))

    def _consents(self, workspace: str) -> Iterator[ConsentKnown]:
        for row in self._latest("consents", workspace, ["time_ms", "arrival"], "regulation", "purpose"):
            yield ConsentKnown(row["regulation"], row["purpose"], row["consented"], _moment(row["time_ms"]))

    def _location(self, workspace: str) -> Iterator[Known]:
        for row in self._latest("locations", workspace, ["time_ms", "source", "arrival"]):
            parts = [(part, row[part]) for part in PLACES if row[part] is not None]
            yield from (Known(part, value, _moment(row["time_ms"])) for part, value in parts)

    def _attributions(self, workspace: str) -> Iterator[Known]:
        for row in self._latest("attributions", workspace, ["time_ms", "source", "arrival"], "event"):
            for part in ("publisher", "campaign"):
                if not row["deleted"] and row[part] is not None:
                    yield Known(f"{row['event']} {part}", plain(row[part]), _moment(row["time_ms"]))

    def _calculated(self, workspace: str) -> Iterator[tuple[str, object]]:
        scope = Scope(self.snapshot, (workspace,), frozenset(), None, self.now_ms)
        for name, definition in self.snapshot.manifest.workspaces[workspace].calculated_attributes.items():
            measure = calculated_attribute(definition).measure(workspace, scope)
            if isinstance(measure, Values):
                code = int(measure.column.codes[self.at])
                yield name, plain(measure.column.dictionary.entries[code - FIRST]) if code >= FIRST else None
            else:
                yield name, measure.values()[self.at]


def timeline_of(
    snapshot: Snapshot,
    mpid: int,
    now_ms: int,
    *,
    kinds: Collection[str] = (),
    offset: int = 0,
    limit: int = 25,
) -> Timeline:
    """A page of the events of an mpid up to `now`, newest first, of some kinds (none: all).

    Where all kinds are asked for, an event that two kinds hold is listed once. A page reads its own rows only.
    """
    at = index_of(snapshot, mpid)
    stores = snapshot.event_stores() if at is not None else []
    counts: dict[str, int] = {}
    found: list[tuple[EventStore, np.ndarray[Any, Any]]] = []
    for store in stores:
        rows = np.flatnonzero(store.profile == at)
        rows = rows[store.times(rows) <= now_ms]
        if not len(rows):
            continue
        counts[store.kind] = counts.get(store.kind, 0) + len(rows)
        if not kinds:
            rows = rows[~store.also[rows]]
        if not kinds or store.kind in kinds:
            found.append((store, rows))
    total = sum(len(rows) for _, rows in found)
    page = _newest(found)[offset : offset + limit]
    frames = pl.collect_all([store.lazy(row) for store, row in page])
    return Timeline(total, counts, tuple(_happening(frame.row(0, named=True)) for frame in frames))


def _newest(found: list[tuple[EventStore, np.ndarray[Any, Any]]]) -> list[tuple[EventStore, int]]:
    """Rows of stores, the newest first; at one moment the later arrival."""
    if not found:
        return []
    times = np.concatenate([store.times(rows) for store, rows in found])
    arrivals = np.concatenate([store.arrival[rows] for store, rows in found])
    which = np.repeat(np.arange(len(found)), [len(rows) for _, rows in found])
    row = np.concatenate([rows for _, rows in found])
    order = np.lexsort((arrivals, times))[::-1]
    return [(found[int(which[each])][0], int(row[each])) for each in order]


def _happening(row: dict[str, Any]) -> Happening:
    fields = {name: plain(row[name]) for name in FIELDS if row[name] is not None}
    attributes = {each["key"]: plain(each["value"]) for each in row["attributes"] or ()}
    return Happening(
        at=_moment(row["timestamp_ms"]),
        workspace=row["workspace"],
        input=row["input"],
        kind=row["kind"],
        name=row["name"],
        attributes=attributes,
        fields=fields,
        products=tuple(_product(each) for each in row["products"] or ()),
    )


def _product(row: dict[str, Any]) -> dict[str, object]:
    fields = {name: plain(row[name]) for name in PRODUCT_FIELDS if row[name] is not None}
    return {**fields, **{each["key"]: plain(each["value"]) for each in row["attributes"] or ()}}

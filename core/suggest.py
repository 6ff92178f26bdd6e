"""Suggestions for forms: the names that the data holds, and the values of a name, most frequent first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from core.data.distinct import Distinct
from core.data.schema import DEVICE_FIELDS, FIELDS, IDENTITY_TYPES, PRODUCT_FIELDS, VERSION_FIELDS
from core.data.values import DATE_PATTERN, NUMBER_PATTERN
from core.entries import Entry

Event = tuple[str, str | None]
LIMIT: Final = 5_000
"""How many suggestions a list holds at most; beyond, a text narrows it."""

_ENTRY_KINDS: Final = {
    "user_attributes": "user_attribute",
    "identity_types": "identity",
    "consent_purposes": "consent",
    "event_attributes": "event_attribute",
    "product_attributes": "product_attribute",
    "device_fields": "device",
}
_STANDARD: Final = {
    "event_fields": FIELDS,
    "product_fields": PRODUCT_FIELDS,
    "device_fields": DEVICE_FIELDS,
    "identity_types": IDENTITY_TYPES,
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One name or value. `count`: profiles that have the name, or how often the value occurs; None where unknown."""

    value: str
    count: int | None = None
    data_type: str | None = None
    filled: float | None = None
    """The share of profiles (attributes of events and products: of those) that have the name."""
    distinct: Distinct | None = None
    """How many different values it has; None where that is not counted."""
    refused: str = ""
    """Why it cannot be chosen."""
    label: str = ""
    """What is shown in place of the value."""


def names(entries: Sequence[Entry], source: str, workspaces: Iterable[str], event: Event) -> list[Suggestion]:
    """The names of a list (`Pick`) in some workspaces, most frequent first; `event` is what the form looks at."""
    spaces = tuple(workspaces)
    kind = event[0] if source == "event_names" else _ENTRY_KINDS.get(source)
    found: dict[str, list[Entry]] = {}
    among: dict[tuple[str, Event], float] = {}
    for entry in entries:
        if entry.workspace not in spaces:
            continue
        if kind == "event_attribute" and entry.tier is not None:
            among[entry.workspace, (entry.kind, entry.name)] = entry.records
        elif entry.kind == kind and entry.name is not None and (entry.event is None or _fits(entry.event, event)):
            found.setdefault(entry.name, []).append(entry)
            if kind == "product_attribute" and entry.event is not None and entry.filled:
                among[entry.workspace, entry.event] = entry.records / entry.filled
    carriers = sum(count for (_, each), count in among.items() if _fits(each, event))
    every = (_together(name, same, carriers) for name, same in found.items())
    ranked = sorted(every, key=lambda each: (-(each.count or 0), -(each.filled or 0), each.value))
    standard = [Suggestion(name, None, _field_type(name)) for name in _STANDARD.get(source, ()) if name not in found]
    return [*ranked, *standard]


def _fits(has: Event, asked: Event) -> bool:
    return asked[0] in ("any", has[0]) and asked[1] in (None, has[1])


def _field_type(name: str) -> str | None:
    return "version" if name in VERSION_FIELDS else None


def _together(name: str, same: Sequence[Entry], carriers: float) -> Suggestion:
    """A name of several workspaces or events. `carriers`: of how many events or products it is an attribute."""
    first = same[0]
    types = {each.data_type for each in same if each.data_type is not None}
    refusing = next((each for each in same if each.tier not in (None, "personalize")), None)
    counted = [each.distinct for each in same if each.distinct is not None]
    return Suggestion(
        name,
        count=None if first.profiles is None else sum(each.profiles or 0 for each in same),
        data_type="version" if _is_version(first) else types.pop() if len(types) == 1 else "string" if types else None,
        filled=sum(each.records for each in same) / carriers if carriers else max(each.filled or 0 for each in same),
        distinct=Distinct.union(counted) if counted else None,
        refused=f"tier {refusing.tier} in {refusing.workspace}" if refusing else "",
    )


def _is_version(entry: Entry) -> bool:
    return entry.kind == "device" and entry.name in VERSION_FIELDS


class Values:
    """The values of a name with how often they occur."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """`frame`: `value` and `count`, most frequent first."""
        self._frame = frame

    @property
    def total(self) -> int:
        """How many different values there are."""
        return len(self._frame)

    @cached_property
    def data_type(self) -> str | None:
        """number, boolean, date or string: what all values read as; None without a value."""
        texts = self._frame["value"]
        if not len(texts):
            return None
        if texts.str.contains(NUMBER_PATTERN).all():
            return "number"
        if texts.str.to_lowercase().is_in(["true", "false"]).all():
            return "boolean"
        return "date" if texts.str.contains(DATE_PATTERN).all() else "string"

    def first(self, limit: int = LIMIT, containing: str = "") -> list[Suggestion]:
        """The most frequent values, those that contain a text in any case."""
        frame = self._frame
        if containing:
            frame = frame.filter(pl.col("value").str.to_lowercase().str.contains(containing.lower(), literal=True))
        return [Suggestion(value, count) for value, count in frame.head(limit).iter_rows()]

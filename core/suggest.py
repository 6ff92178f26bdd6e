"""Suggestions for forms: the names that the data holds, and the values of a name, most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import polars as pl

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
    """The share of profiles (event attributes: of events) that have the name."""
    refused: str = ""
    """Why it cannot be chosen."""
    label: str = ""
    """What is shown in place of the value."""


def names(entries: Sequence[Entry], source: str, workspaces: Iterable[str], event: Event) -> list[Suggestion]:
    """The names of a list (`Pick`) in some workspaces, most frequent first; `event` is what the form looks at."""
    spaces = tuple(workspaces)
    kind = event[0] if source == "event_names" else _ENTRY_KINDS.get(source)
    found: dict[str, Suggestion] = {}
    for entry in entries:
        if entry.workspace not in spaces or entry.kind != kind or entry.name is None:
            continue
        if entry.event is not None and not _fits(entry.event, event):
            continue
        found[entry.name] = _joined(found.get(entry.name), entry)
    ranked = sorted(found.values(), key=lambda each: (-(each.count or 0), -(each.filled or 0), each.value))
    standard = [Suggestion(name, None, _field_type(name)) for name in _STANDARD.get(source, ()) if name not in found]
    return [*ranked, *standard]


def _fits(has: Event, asked: Event) -> bool:
    return asked[0] in ("any", has[0]) and asked[1] in (None, has[1])


def _field_type(name: str) -> str | None:
    return "version" if name in VERSION_FIELDS else None


def _joined(one: Suggestion | None, entry: Entry) -> Suggestion:
    """A name in one more workspace or event."""
    tier = entry.tier if entry.tier not in (None, "personalize") else None
    refused = f"tier {tier} in {entry.workspace}: not for audiences" if tier else ""
    if one is None:
        return Suggestion(entry.name or "", entry.profiles, entry.data_type, entry.filled, refused)
    count = one.count if entry.profiles is None else (one.count or 0) + entry.profiles
    data_type = one.data_type if one.data_type == entry.data_type else "string"
    filled = max(one.filled or 0, entry.filled or 0)
    return replace(one, count=count, data_type=data_type, filled=filled, refused=one.refused or refused)


def ranked(found: Sequence[tuple[Counter[str], int]]) -> list[Suggestion]:
    """Names of parts, each with how many have it and of how many; those that most have first."""
    counts, total = sum((each for each, _ in found), Counter[str]()), sum(each for _, each in found)
    every = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [Suggestion(name, filled=count / total) for name, count in every]


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

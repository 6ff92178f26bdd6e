"""A table's mapping as a form sees it: for every column, the one thing that it is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

from core.data.mapping import PROFILE_ROW_FIELDS, TABLE_KINDS
from core.data.schema import FIELDS, IDENTITY_TYPES, PLACE_FIELDS, PRODUCT_FIELDS

Document = dict[str, Any]

LEFT_OUT: Final = "left out"
_SINGLE: Final = ("user", "time", "event", "message_id")
_LISTS: Final = ("attributes", "user_attributes")
_PARTS: Final[dict[str, Sequence[str]]] = {
    "fields": FIELDS,
    "product": PRODUCT_FIELDS,
    "identities": IDENTITY_TYPES,
    "location": PLACE_FIELDS,
}
_WORDS: Final = {
    "message_id": "message id",
    "attributes": "event attribute",
    "user_attributes": "user attribute",
    "fields": "field",
    "product": "product",
    "identities": "identity",
    "location": "location",
}
KINDS: Final = TABLE_KINDS
DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "spaces"}


def targets(rows: str) -> list[str]:
    """What a column can be, in rows of events or of profiles: "user", "attributes", "fields/platform" ..."""
    events = rows == "events"
    single = _SINGLE if events else ("user", "time")
    lists = _LISTS if events else ("user_attributes",)
    parts = dict(_PARTS) if events else {**_PARTS, "fields": PROFILE_ROW_FIELDS, "product": ()}
    return [*single, *lists, *(f"{group}/{name}" for group, names in parts.items() for name in names), LEFT_OUT]


def words(target: str) -> str:
    """A target in words."""
    group, slash, name = target.partition("/")
    said = _WORDS.get(group, group)
    return f"{said}: {name.replace('_', ' ')}" if slash else said


def target_of(document: Document, column: str) -> str:
    """What a column is in a mapping."""
    for key in _SINGLE:
        named = document.get(key)
        if column == (named.get("column") if isinstance(named, dict) else named):
            return key
    for group in _PARTS:
        for name, mapped in document.get(group, {}).items():
            if mapped == column:
                return f"{group}/{name}"
    if column in document.get("user_attributes", ()):
        return "user_attributes"
    rest = document.get("attributes", ())
    return "attributes" if rest == "rest" or column in rest else LEFT_OUT


def with_target(document: Document, columns: Sequence[str], column: str, target: str) -> Document:
    """The mapping in which a column is something else. What it was, and whatever was that before, is left out."""
    was = {each: target_of(document, each) for each in columns}
    was[column] = target
    if "/" in target or target in _SINGLE:
        was |= {each: LEFT_OUT for each in columns if each != column and was[each] == target}
    changed = {key: copy.deepcopy(value) for key, value in document.items() if key not in (*_SINGLE, *_LISTS, *_PARTS)}
    for key in ("user", "time", "event"):
        named = next((each for each in columns if was[each] == key), None)
        kept = document.get(key) or {}
        if named is not None:
            changed[key] = {**{name: value for name, value in kept.items() if name != "value"}, "column": named}
        elif key == "event" and "value" in kept:
            changed[key] = kept
    message_ids = [each for each in columns if was[each] == "message_id"]
    changed |= {"message_id": message_ids[0]} if message_ids else {}
    for group in _PARTS:
        parts = {was[each].partition("/")[2]: each for each in columns if was[each].startswith(f"{group}/")}
        changed |= {group: parts} if parts else {}
    listed = {key: [each for each in columns if was[each] == key] for key in _LISTS}
    if document.get("attributes") == "rest" and LEFT_OUT not in was.values():
        changed["attributes"] = "rest"
        del listed["attributes"]
    return changed | {key: names for key, names in listed.items() if names}


def as_rows(document: Document, columns: Sequence[str], rows: str) -> Document:
    """The mapping for rows of the other sort: what those rows cannot have becomes their attributes, or is left out."""
    changed = {
        key: value for key, value in document.items() if key not in ("rows", "kinds", "default_kind", "attributes")
    }
    was = {each: target_of(document, each) for each in columns}
    known = set(targets(rows))
    changed["rows"] = rows
    for each in columns:
        other = "attributes" if rows == "events" else "user_attributes"
        fits = was[each] in known and was[each] not in _LISTS
        changed = with_target(changed, columns, each, was[each] if fits or was[each] == LEFT_OUT else other)
    if rows == "events" and "event" not in changed:
        changed["event"] = {"value": "event"}
    return changed

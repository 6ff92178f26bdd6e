"""What a definition refers to: the names of events, attributes, identities ... that it asks for, where and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from core.audience import Audience
from core.criteria.base import Criterion, Model, Pick
from core.criteria.calculated import CalculatedAttribute
from core.criteria.events import Event
from core.entries import Entry


@dataclass(frozen=True, slots=True)
class Use:
    """A name that a criterion asks for."""

    source: str
    """The list of the catalog that holds it: what `Pick` says of the field, or `events`."""
    name: str | None
    workspaces: tuple[str, ...]
    event: tuple[str, str | None] | None = None
    """Of events and their attributes: kind and name."""
    forced: str | None = None
    """The type that the criterion forces on it (`value_type`)."""


_SOURCES: Final = {
    "user_attribute": "user_attributes",
    "identity": "identity_types",
    "device": "device_fields",
    "consent": "consent_purposes",
    "event_attribute": "event_attributes",
    "product_attribute": "product_attributes",
}
"""The list of names of each kind of entry that is no event."""
_NO_NAMES: Final = frozenset({"workspaces", "inputs", "event_names"})
"""Lists that hold no names of the catalog; what an event criterion reads is a use of `events`."""


def uses_of(audience: Audience) -> set[Use]:
    """Everything that an audience's definition refers to."""
    found: set[Use] = set()
    for _, node in audience.nodes():
        own = getattr(node, "workspace", None)
        profile_based = "workspace" in type(node).model_fields
        spaces = (own or audience.workspaces[0],) if profile_based else _spaces(node, audience)
        if not node.children():
            found |= set(_uses(node, Use("", None, spaces)))
    return found


def uses_of_calculated(attribute: CalculatedAttribute, workspace: str) -> set[Use]:
    """Everything that a calculated attribute refers to."""
    return set(_uses(attribute, Use("", None, (workspace,))))


def _spaces(node: Any, audience: Audience) -> tuple[str, ...]:
    """The workspaces of the inputs that an event criterion names, all of the audience's where they say none."""
    inputs = getattr(node, "inputs", None) or audience.inputs or ()
    named = {name.partition("/")[0] for name in inputs if "/" in name}
    plain = any("/" not in name for name in inputs)
    return tuple(each for each in audience.workspaces if not inputs or plain or each in named)


def _uses(model: Model, within: Use) -> Iterator[Use]:
    if isinstance(model, Event):
        within = replace(within, event=(model.kind, model.name))
        yield replace(within, source="events", name=model.name)
    for kind, name in model.READS_EVENTS if isinstance(model, Criterion) else ():
        yield replace(within, source="events", name=name, event=(kind, name))
    for key, info in type(model).model_fields.items():
        value = getattr(model, key)
        picks = [each.source for each in info.metadata if isinstance(each, Pick)]
        if picks and isinstance(value, str) and picks[0] not in _NO_NAMES:
            yield replace(within, source=picks[0], name=value, forced=getattr(model, "value_type", None))
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Model):
                yield from _uses(each, within)


@dataclass(frozen=True, slots=True)
class User:
    """Who uses an entry, and the type that is forced on it there."""

    owner: str
    forced: str | None


class UsedBy:
    """Which definitions use an entry of the catalog."""

    def __init__(self, owners: Mapping[str, Iterable[Use]]) -> None:
        """`owners`: what is shown of each definition, and what it refers to."""
        self._users: dict[tuple[str, str | None], list[tuple[str, Use]]] = {}
        for owner, uses in owners.items():
            for use in uses:
                self._users.setdefault((use.source, use.name), []).append((owner, use))

    def of(self, entry: Entry) -> list[User]:
        """The users of an entry, in the order of the owners, each once."""
        found: dict[str, User] = {}
        for owner, use in self._users.get((_SOURCES.get(entry.kind, "events"), entry.name), ()):
            if entry.workspace in use.workspaces and _same_event(use, entry):
                known = found.get(owner)
                found[owner] = User(owner, use.forced or (known.forced if known else None))
        return list(found.values())


def _same_event(use: Use, entry: Entry) -> bool:
    """Whether both mean one event; a criterion without a name means every event of its kind."""
    if entry.kind not in _SOURCES:
        return use.event == (entry.kind, entry.name)
    if entry.event is None or use.event is None:
        return True
    return use.event[0] in (entry.event[0], "any") and use.event[1] in (entry.event[1], None)

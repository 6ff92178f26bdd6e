"""What forms suggest: names and values of the audience's scope."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from core import Dataset, Problem
from core.criteria.calculated import calculated_attribute
from core.data.places import suggest_cities
from core.data.schema import VERSION_FIELDS
from core.suggest import Event, Suggestion, Values
from workbench import session
from workbench.asking import Asking
from workbench.builder.tree import Change, Node, Place
from workbench.controls import Lookup

PLACES = 30_000
"""About how many cities the gazetteer has: more than a list holds."""


def asking(
    data: Dataset, document: Node, now: datetime, problems: tuple[Problem, ...], edit: Callable[[Place, Change], None]
) -> Asking:
    """The surroundings of the forms of a draft."""
    catalog = _Catalog(data, tuple(each for each in document["workspaces"] if each in data.workspaces))
    return Asking(catalog.names, catalog.values, catalog.data_type, edit, problems, now)


class _Catalog:
    """Names and values of some workspaces."""

    def __init__(self, data: Dataset, spaces: tuple[str, ...]) -> None:
        self.data, self.spaces = data, spaces
        self.at = str(data.path), data.version

    def names(self, source: str, event: Event) -> list[Suggestion]:
        """The names of a list, most frequent first."""
        if source == "audiences":
            known = session.audience_names(session.me().id)
            return [Suggestion(each, label=name) for each, name in known.items()]
        if source == "calculated_attributes":
            return [Suggestion(name, None, kind) for name, kind in self._calculated().items()]
        return session.names(*self.at, source, self.spaces, event)

    def _calculated(self) -> dict[str, str | None]:
        known = [self.data.workspaces[space].calculated_attributes for space in self.spaces]
        types = {name: calculated_attribute(each).result_type for found in known for name, each in found.items()}
        return {name: None if kind == "any" else kind for name, kind in types.items()}

    def values(self, kind: str, name: str, event: Event, workspace: str | None) -> Lookup:
        """The values of a name."""
        if kind == "place":
            return Lookup(PLACES, lambda limit, text: [Suggestion(each.label) for each in suggest_cities(text, limit)])
        if kind == "calculated_attribute":
            return Lookup(0, lambda limit, text: [])
        found = self._values(kind, name, event, workspace)
        return Lookup(found.total, found.first)

    def _values(self, kind: str, name: str, event: Event, workspace: str | None) -> Values:
        chosen = (workspace,) if workspace in self.spaces else self.spaces
        of = event if kind.startswith(("event", "product")) and event[0] != "any" else None
        return session.values(*self.at, kind, name, chosen, of)

    def data_type(self, kind: str, name: str, event: Event, workspace: str | None) -> str | None:
        """What the values of a name are: as the catalog detected it, else by what they read as."""
        if kind == "calculated_attribute":
            return self._calculated().get(name)
        if name in VERSION_FIELDS and kind in ("event_field", "device"):
            return "version"
        if kind in ("user_attribute", "event_attribute"):
            known = (each for each in self.names(f"{kind}s", event) if each.value == name)
            return next((each.data_type for each in known), None)
        return self._values(kind, name, event, workspace).data_type

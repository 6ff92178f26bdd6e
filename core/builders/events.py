"""Builders of criteria on events: `event`, `sequence`, `cart_abandonment`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from core.builders.built import Built, changed, once
from core.builders.conditions import Condition, Property
from core.builders.operators import Comparisons, Counts, Fields, Length, Windows, fields_of, length, made, refused
from core.criteria.commerce import CartAbandonment
from core.criteria.events import CustomType, Event, EventKind
from core.criteria.sequences import Sequence

_COUNTS = ("equals", "greater_than", "at_least", "less_than", "at_most", "between")


class EventBuilder(Built, Counts["EventBuilder"]):
    """People with qualifying events; without a count, at least one."""

    node: Event

    def on_days(self) -> EventBuilder:
        """Count distinct UTC days with a qualifying event, not events."""
        return changed(self, frequency={**self._frequency, "count": "days"})

    def where(self, *conditions: Condition) -> EventBuilder:
        """All conditions hold on the same event; those on products, on one and the same product of it."""
        return changed(
            self,
            where=[*self._entries("where"), *(each.entry for each in conditions if not each.of_product)],
            where_product=[*self._entries("where_product"), *(each.entry for each in conditions if each.of_product)],
        )

    def where_product(self, *conditions: Condition) -> EventBuilder:
        """All conditions hold on one and the same product of the event."""
        return changed(self, where_product=[*self._entries("where_product"), *(each.entry for each in conditions)])

    def through(self, *inputs: str) -> EventBuilder:
        """Only events through these inputs: "ios", or "travel-app/ios" for one workspace's."""
        return changed(self, **once(self, "inputs", list(inputs)))

    def sum(self, of: Property) -> Aggregated:
        """Compare the sum of a property."""
        return Aggregated(self, "sum", of)

    def average(self, of: Property) -> Aggregated:
        """Compare the average of a property."""
        return Aggregated(self, "average", of)

    def minimum(self, of: Property) -> Aggregated:
        """Compare the least value of a property."""
        return Aggregated(self, "minimum", of)

    def maximum(self, of: Property) -> Aggregated:
        """Compare the greatest value of a property."""
        return Aggregated(self, "maximum", of)

    def unique_count(self, of: Property) -> Aggregated:
        """Compare the number of distinct values of a property."""
        return Aggregated(self, "unique_count", of)

    def first(self, of: Property) -> Aggregated:
        """Compare the earliest value of a property."""
        return Aggregated(self, "first", of)

    def last(self, of: Property) -> Aggregated:
        """Compare the latest value of a property."""
        return Aggregated(self, "last", of)

    def _operated(self, operator: str, fields: Fields) -> EventBuilder:
        if operator not in _COUNTS:
            return changed(self, **once(self, "when", {"type": operator, **fields}))
        if "operator" in self._frequency:
            raise refused("The events are counted twice.", "Use between(low, high) for two bounds.")
        return changed(self, frequency={**self._frequency, "operator": operator, **fields})

    @property
    def _frequency(self) -> Fields:
        return fields_of(self.node.frequency) if self.node.frequency is not None else {}

    def _entries(self, key: str) -> list[Fields]:
        entries: list[Fields] = fields_of(self.node).get(key, [])
        return entries


@dataclass(frozen=True)
class Aggregated(Comparisons[EventBuilder]):
    """A value computed over the events; an operator makes the criterion."""

    events: EventBuilder
    function: str
    of: Property

    def _operated(self, operator: str, fields: Fields) -> EventBuilder:
        forced = {"value_type": self.of.value_type} if self.of.value_type is not None else {}
        compared = {"function": self.function, "of": self.of.ref, "operator": operator, **fields, **forced}
        return changed(self.events, **once(self.events, "aggregate", compared))


class SequenceBuilder(Built, Windows["SequenceBuilder"]):
    """People who did one thing after the other; a window bounds every step."""

    node: Sequence

    def within(self, **given: Unpack[Length]) -> SequenceBuilder:
        """At most so long from the first to the last step."""
        return changed(self, **once(self, "within", length(given)))

    def _operated(self, operator: str, fields: Fields) -> SequenceBuilder:
        return changed(self, **once(self, "when", {"type": operator, **fields}))


class CartBuilder(Built, Windows["CartBuilder"]):
    """People who left something in their cart; a window bounds the latest add to cart."""

    node: CartAbandonment

    def where_product(self, *conditions: Condition) -> CartBuilder:
        """All conditions hold on one and the same product that was added."""
        before = fields_of(self.node).get("where_product", [])
        return changed(self, where_product=[*before, *(each.entry for each in conditions)])

    def _operated(self, operator: str, fields: Fields) -> CartBuilder:
        return changed(self, **once(self, "when", {"type": operator, **fields}))


def event(
    name: str | None = None, *, kind: EventKind = "custom", custom_type: CustomType | None = None
) -> EventBuilder:
    """People with an event: `event("purchase", kind="ecommerce").within_last(days=7).at_least(2)`."""
    given = {"name": name, "custom_type": custom_type}
    fields = {"type": "event", "kind": kind, **{key: value for key, value in given.items() if value is not None}}
    return EventBuilder(node=made(Event, fields))


def sequence(*steps: EventBuilder | Event) -> SequenceBuilder:
    """People who did the steps one after the other: `sequence(event("a"), event("b")).within(days=1)`."""
    return SequenceBuilder(node=made(Sequence, {"type": "sequence", "steps": [fields_of(step) for step in steps]}))


def cart_abandonment(**wait: Unpack[Length]) -> CartBuilder:
    """People whose latest add to cart is older than this, with no purchase since: `cart_abandonment(days=4)`."""
    return CartBuilder(node=made(CartAbandonment, {"type": "cart_abandonment", "wait": length(wait)}))

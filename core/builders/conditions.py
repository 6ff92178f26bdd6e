"""Conditions on events and products: `attribute`, `field`, `product`, and `any_of` / `none_of` of them."""

from __future__ import annotations

from dataclasses import dataclass

from core.builders.operators import Comparisons, Fields, refused


@dataclass(frozen=True)
class Condition:
    """An entry of `where` (or `where_product`) in its JSON form; made by operators, checked where it is used."""

    entry: Fields
    of_product: bool = False


@dataclass(frozen=True)
class Property(Comparisons[Condition]):
    """A property of an event or of its products; an operator makes a condition of it."""

    name: Fields
    value_type: str | None = None
    of_product: bool = False

    def _operated(self, operator: str, fields: Fields) -> Condition:
        forced = {"value_type": self.value_type} if self.value_type is not None else {}
        return Condition({**self.name, "operator": operator, **fields, **forced}, self.of_product)

    @property
    def ref(self) -> Fields:
        """REF as aggregates name it."""
        return {"product": self.name} if self.of_product else self.name


def attribute(name: str, *, value_type: str | None = None) -> Property:
    """A custom attribute of the event (in `where_product`: of the product)."""
    return Property({"attribute": name}, value_type)


def field(name: str, *, value_type: str | None = None) -> Property:
    """A standard field of the event (in `where_product`: of the product)."""
    return Property({"field": name}, value_type)


def product(of: Property | str) -> Property:
    """A property of the event's products: `product(attribute("size"))`; a text names a standard field."""
    found = field(of) if isinstance(of, str) else of
    return Property(found.name, found.value_type, of_product=True)


def any_of(*conditions: Condition) -> Condition:
    """At least one condition holds, on one and the same event or product."""
    return _joined("any_of", conditions)


def none_of(*conditions: Condition) -> Condition:
    """No condition holds, on one and the same event or product."""
    return _joined("none_of", conditions)


def _joined(key: str, conditions: tuple[Condition, ...]) -> Condition:
    about = {condition.of_product for condition in conditions}
    if len(about) > 1:
        raise refused(f"{key} mixes conditions on the event and on its products.", "Give each kind its own `where`.")
    return Condition({key: [condition.entry for condition in conditions]}, about == {True})

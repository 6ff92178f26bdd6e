"""Predicates: comparisons of properties of events and products, and alternatives on one and the same of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Discriminator, Tag, WithJsonSchema, model_validator

from core.criteria.base import Model, Pick
from core.criteria.comparison import Comparison
from core.criteria.operands import unknown
from core.criteria.operators import COMPARED
from core.data.schema import FIELDS, PRODUCT_FIELDS, SEVERAL_VALUE_FIELDS, VERSION_FIELDS
from core.data.values import Mask

if TYPE_CHECKING:
    from core.sql import Sql, SqlScope


class Predicate(Comparison):
    """A comparison of a property of an event: a custom `attribute` or a standard `field`."""

    TEMPLATE = "{attribute|field} " + COMPARED
    START: ClassVar[Mapping[str, Any]] = {"attribute": "", "operator": "exact_match"}
    OWNER: ClassVar[str] = "event"

    attribute: Annotated[str | None, Pick("event_attributes")] = None
    field: Annotated[str | None, Pick("event_fields"), WithJsonSchema({"enum": [*FIELDS, None]})] = None

    FIELD_NAMES: ClassVar[tuple[str, ...]] = FIELDS

    @property
    def _is_version(self) -> bool:
        return self.field in VERSION_FIELDS

    @property
    def ref(self) -> tuple[str, str]:
        """("attribute" | "field", its name)."""
        return ("field", self.field) if self.field is not None else ("attribute", self.attribute or "")

    def sql(self, to: SqlScope, value: Callable[[str, str], Sql]) -> Sql:
        """Whether the property satisfies it, as SQL; `value(*ref)` is the tagged property."""
        one = value(*self.ref)
        if self.ref[1] in SEVERAL_VALUE_FIELDS and self.field is not None and self.matcher.READS != "any":
            holds = self.matcher.sql_any(one, to)
        else:
            holds = self.matcher.sql(one, to)
        return to.opposite(holds) if self.matcher.operator.negated else holds

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: Any) -> Any:
        if isinstance(data, dict):
            check_ref(data, cls.FIELD_NAMES)
        return data

    @classmethod
    def options(cls, field: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        return cls.FIELD_NAMES if field == "field" else super().options(field, data)

    @classmethod
    def values_of(cls, data: Mapping[str, Any]) -> tuple[str, str] | None:
        name = next(((key, data[key]) for key in ("attribute", "field") if data.get(key)), None)
        return None if name is None else (f"{cls.OWNER}_{name[0]}", name[1])


def check_ref(data: dict[str, Any], fields: tuple[str, ...]) -> None:
    """Refuse what does not name exactly one of attribute and field; raises ValueError."""
    named = [key for key in ("attribute", "field") if data.get(key) is not None]
    if len(named) != 1:
        raise ValueError("name exactly one of attribute and field")
    if named[0] == "field" and isinstance(data["field"], str) and data["field"] not in fields:
        raise unknown(data["field"], fields, "standard field")


class ProductPredicate(Predicate):
    """A comparison of a property of a product."""

    OWNER = "product"
    attribute: Annotated[str | None, Pick("product_attributes")] = None
    field: Annotated[str | None, Pick("product_fields"), WithJsonSchema({"enum": [*PRODUCT_FIELDS, None]})] = None

    FIELD_NAMES: ClassVar[tuple[str, ...]] = PRODUCT_FIELDS


Leaf = Callable[[Predicate], Mask]
"""A predicate's verdict on every row, an array that the caller may change."""


def all_of(entries: Sequence[Any], leaf: Leaf, size: int) -> Mask:
    """Rows on which every entry holds: bool, shape (size,)."""
    masks = (leaf(entry) if isinstance(entry, Predicate) else entry.holds(leaf, size) for entry in entries)
    first = next(masks, None)
    if first is None:
        return np.ones(size, np.bool_)
    for mask in masks:
        first &= mask
    return first


def some_of(entries: tuple[Any, ...], leaf: Leaf, size: int) -> Mask:
    """Rows on which at least one entry holds: bool, shape (size,)."""
    masks = (leaf(entry) if isinstance(entry, Predicate) else entry.holds(leaf, size) for entry in entries)
    first = next(masks, None)
    if first is None:
        return np.zeros(size, np.bool_)
    for mask in masks:
        first |= mask
    return first


def predicates(entries: tuple[Any, ...]) -> Iterator[Predicate]:
    """Every predicate in `where` entries, at any depth."""
    return (predicate for _, predicate in placed(entries, ""))


def placed(entries: tuple[Any, ...], key: str) -> Iterator[tuple[str, Predicate]]:
    """Every predicate in `where` entries with where it stands, such as "where.0" or "where.1.any_of.0"."""
    for at, entry in enumerate(entries):
        place = f"{key}.{at}"
        if isinstance(entry, Predicate):
            yield place, entry
        else:
            yield from placed(entry.entries, f"{place}.{_shape(entry)}")


def _words(entries: tuple[Any, ...], join: str) -> str:
    return f" {join} ".join(entry.sentence for entry in entries)


class _Several(Model):
    @property
    def entries(self) -> tuple[Any, ...]:
        """What is put together."""
        return tuple(getattr(self, _shape(self)))


class _AnyOf(_Several):
    def holds(self, leaf: Leaf, size: int) -> Mask:
        """Rows on which one of the alternatives holds; without any, none."""
        return some_of(self.entries, leaf, size)

    def sql(self, to: SqlScope, value: Callable[[str, str], Sql]) -> Sql:
        """The same as SQL."""
        return to.any_of(entry.sql(to, value) for entry in self.entries)

    @property
    def sentence(self) -> str:
        """The alternatives in English."""
        return f"({_words(self.entries, 'or')})" if self.entries else "nothing"


class _NoneOf(_Several):
    def holds(self, leaf: Leaf, size: int) -> Mask:
        """Rows on which none of the entries holds; without any, all."""
        return ~some_of(self.entries, leaf, size)

    def sql(self, to: SqlScope, value: Callable[[str, str], Sql]) -> Sql:
        """The same as SQL."""
        return to.opposite(to.any_of(entry.sql(to, value) for entry in self.entries))

    @property
    def sentence(self) -> str:
        """What must not hold, in English."""
        return f"not ({_words(self.entries, 'or')})" if self.entries else "anything"


class AnyOf(_AnyOf):
    """Or, on one and the same event."""

    CHOICE = "any of"
    ADDS: ClassVar[Mapping[str, str]] = {"any_of": "Alternative"}
    TEMPLATE = "{any_of}"

    any_of: tuple[Where, ...]


class NoneOf(_NoneOf):
    """Not, on one and the same event."""

    CHOICE = "none of"
    ADDS: ClassVar[Mapping[str, str]] = {"none_of": "Alternative"}
    TEMPLATE = "{none_of}"

    none_of: tuple[Where, ...]


class ProductAnyOf(_AnyOf):
    """Or, on one and the same product."""

    CHOICE = "any of"
    ADDS: ClassVar[Mapping[str, str]] = {"any_of": "Alternative"}
    TEMPLATE = "{any_of}"

    any_of: tuple[WhereProduct, ...]


class ProductNoneOf(_NoneOf):
    """Not, on one and the same product."""

    CHOICE = "none of"
    ADDS: ClassVar[Mapping[str, str]] = {"none_of": "Alternative"}
    TEMPLATE = "{none_of}"

    none_of: tuple[WhereProduct, ...]


def _shape(data: Any) -> str:
    keys = data if isinstance(data, dict) else type(data).model_fields if isinstance(data, Model) else {}
    return "any_of" if "any_of" in keys else "none_of" if "none_of" in keys else "predicate"


Where = Annotated[
    Annotated[Predicate, Tag("predicate")] | Annotated[AnyOf, Tag("any_of")] | Annotated[NoneOf, Tag("none_of")],
    Discriminator(_shape),
]
WhereProduct = Annotated[
    Annotated[ProductPredicate, Tag("predicate")]
    | Annotated[ProductAnyOf, Tag("any_of")]
    | Annotated[ProductNoneOf, Tag("none_of")],
    Discriminator(_shape),
]
for _model in (AnyOf, NoneOf, ProductAnyOf, ProductNoneOf):
    _model.model_rebuild()


class PropertyRef(Model):
    """The name of an event's property."""

    CHOICE = "the event’s"
    START: ClassVar[Mapping[str, Any]] = {"attribute": ""}
    TEMPLATE = "{attribute|field}"
    OWNER: ClassVar[str] = "event"
    FIELD_NAMES: ClassVar[tuple[str, ...]] = FIELDS
    attribute: Annotated[str | None, Pick("event_attributes")] = None
    field: Annotated[str | None, Pick("event_fields")] = None

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: Any) -> Any:
        if isinstance(data, dict):
            check_ref(data, cls.FIELD_NAMES)
        return data

    @classmethod
    def options(cls, field: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        return cls.FIELD_NAMES if field == "field" else super().options(field, data)

    @property
    def ref(self) -> tuple[str, str]:
        """("attribute" | "field", its name)."""
        return ("field", self.field) if self.field is not None else ("attribute", self.attribute or "")


class ProductPropertyRef(PropertyRef):
    """The name of a product's property."""

    FIELD_NAMES: ClassVar[tuple[str, ...]] = PRODUCT_FIELDS
    attribute: Annotated[str | None, Pick("product_attributes")] = None
    field: Annotated[str | None, Pick("product_fields")] = None


class ProductRef(Model):
    """The name of a property of the products that satisfy `where_product`."""

    CHOICE = "its products’"
    START: ClassVar[Mapping[str, Any]] = {"product": {"field": "total_product_amount"}}
    TEMPLATE = "{product}"
    OWNER: ClassVar[str] = "product"

    product: ProductPropertyRef

    @property
    def ref(self) -> tuple[str, str]:
        """("attribute" | "field", its name)."""
        return self.product.ref


def _of(data: Any) -> str:
    keys = data if isinstance(data, dict) else type(data).model_fields if isinstance(data, Model) else {}
    return "product" if "product" in keys else "event"


Ref = Annotated[Annotated[PropertyRef, Tag("event")] | Annotated[ProductRef, Tag("product")], Discriminator(_of)]
"""A property of an event, or of its products."""

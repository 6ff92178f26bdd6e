"""A comparison: operator, value and forced type beside the name of a value (DEFINITION 3.2), and what it reads."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo

from core.criteria.base import Model, Pick
from core.criteria.dials import Dial, Gap, dials_of, moment_gap, number_gap
from core.criteria.matchers import (
    LIST,
    NUMBER,
    PRESENCE,
    TEXT,
    Boolean,
    ListMatch,
    Matcher,
    Moment,
    Number,
    Operator,
    Presence,
    Text,
    Version,
    regex_error,
)
from core.criteria.operators import (
    COMPARED,
    OPERATORS,
    VALUELESS,
    WINDOW_KEYS,
    operator_words,
    operators_for,
)
from core.criteria.windows import WINDOW_TYPES, WINDOWS, window
from core.data.schema import FIELDS, PRODUCT_FIELDS, SEVERAL_VALUE_FIELDS, VERSION_FIELDS
from core.data.values import Mask, number_text, version_parts

if TYPE_CHECKING:
    from core.criteria.measures import Measure
    from core.scope import Scope
    from core.sql import Sql, SqlScope


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Value = Annotated[
    Any, BeforeValidator(_frozen), WithJsonSchema({"type": ["string", "number", "boolean", "array", "null"]})
]
OperatorName = Annotated[str, WithJsonSchema({"enum": list(OPERATORS)})]


def is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 10**300


def pair(value: Any, good: Callable[[Any], bool], what: str) -> tuple[Any, Any]:
    """The [low, high] of `between`; raises ValueError."""
    if not isinstance(value, tuple) or len(value) != 2 or not all(good(item) for item in value):
        raise ValueError(f"between needs a list of two {what}s, [low, high]")
    return value[0], value[1]


def number_matcher(name: str, value: Any) -> Number:
    """A number operator with its value; raises ValueError."""
    if name == "between":
        low, high = pair(value, is_number, "number")
        if low > high:
            raise ValueError(f"between needs the low number first: {low} is above {high}")
        return Number(NUMBER[name], (low, high))
    if not is_number(value):
        raise ValueError(f"{name} needs a number, not {_shown(value)}")
    return Number(NUMBER[name], value)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _version_matcher(name: str, value: Any) -> Version:
    def good(item: Any) -> bool:
        return isinstance(item, str) and version_parts(item) is not None

    if name == "between":
        low, high = pair(value, good, "version")
        if (version_parts(low) or ()) > (version_parts(high) or ()):
            raise ValueError(f"between needs the low version first: {low} is above {high}")
        return Version(NUMBER[name], (low, high))
    if not good(value):
        raise ValueError(f'{name} needs a version such as "2.10", not {_shown(value)}')
    return Version(NUMBER[name], value)


def _text_matcher(name: str, value: Any) -> Text:
    operator = TEXT[name]
    if operator.twin == "is_empty":
        if value is not None:
            raise ValueError("is_empty takes no value")
        return Text(operator, None)
    if operator.twin == "is_in":
        if not isinstance(value, tuple) or not value:
            raise ValueError(f"{name} needs a list with at least one string or number")
        if not all(isinstance(item, str) or is_number(item) for item in value):
            raise ValueError(f"{name} needs a list of strings or numbers")
        return Text(operator, tuple(item if isinstance(item, str) else number_text(item) for item in value))
    if not isinstance(value, str):
        raise ValueError(f"{name} needs a text, not {_shown(value)}")
    if operator.twin == "matches_regex" and (reason := regex_error(value)):
        raise ValueError(f"{value!r} is no regular expression in RE2 syntax: {reason}")
    return Text(operator, value)


def _list_matcher(name: str, value: Any) -> ListMatch:
    if not isinstance(value, str):
        raise ValueError(f"{name} needs a text, not {_shown(value)}")
    return ListMatch(LIST[name], value)


def _moment_matcher(name: str, fields: dict[str, Any]) -> Moment:
    try:
        when = window({"type": name, **fields})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in WINDOW_TYPES)
        reason = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{name}: {place + ': ' if place else ''}{reason}") from None
    return Moment(Operator(name, name, name), when)


def unknown(name: str, known: tuple[str, ...], what: str) -> ValueError:
    """The error for an unknown name, with the nearest known one."""
    close = difflib.get_close_matches(name, known, 1)
    way_out = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return ValueError(f"{name!r} is no {what}; {way_out}")


def _number_type(value: Any, value_type: str | None, is_version: bool) -> str:
    """How a number operator reads: the forced type, else the value's own."""
    if value_type is not None:
        return value_type
    if is_version:
        return "version"
    return "boolean" if isinstance(value, bool) else "number"


def make_matcher(name: str, value: Any, value_type: str | None, fields: dict[str, Any], is_version: bool) -> Matcher:
    """The matcher of an operator, its value and a forced type; raises ValueError with what is wrong."""
    if name not in OPERATORS:
        raise unknown(name, OPERATORS, "operator")
    if name in WINDOW_TYPES:
        if value is not None:
            raise ValueError(f"{name} takes its own fields instead of a value")
        return _agreeing(_moment_matcher(name, fields), value_type)
    if fields:
        raise ValueError(f"{next(iter(fields))} goes with a time window, not with {name}")
    if name in PRESENCE:
        if value is not None:
            raise ValueError(f"{name} takes no value")
        return Presence(PRESENCE[name])
    if name in TEXT:
        return _agreeing(_text_matcher(name, value), value_type)
    if name in LIST:
        return _agreeing(_list_matcher(name, value), value_type)
    match _number_type(value, value_type, is_version):
        case "boolean":
            if NUMBER[name].twin != "equals" or not isinstance(value, bool):
                raise ValueError("a boolean is compared by equals or not_equals with true or false")
            return Boolean(NUMBER[name], value)
        case "version":
            return _version_matcher(name, value)
        case "number":
            return number_matcher(name, value)
    raise ValueError(f"{name} does not compare a {value_type}")


def _agreeing(matcher: Matcher, value_type: str | None) -> Matcher:
    if value_type is not None and value_type != matcher.READS:
        raise ValueError(f"{matcher.operator.name} compares a {matcher.READS}, but value_type is {value_type}")
    return matcher


class Comparison(Model):
    """An operator with its value; the name of what it compares stands beside it in subclasses."""

    TEMPLATE = COMPARED
    START: ClassVar[Mapping[str, Any]] = {"operator": "exact_match"}

    operator: OperatorName
    value: Value = None
    value_type: Literal["string", "number", "boolean", "date", "list", "version"] | None = None
    amount: Any = None
    unit: Any = None
    from_: Any = Field(default=None, alias="from")
    to: Any = None
    date: Any = None
    offset: Any = None

    @classmethod
    def template(cls, data: Mapping[str, Any]) -> str:
        """The subclass's own, with the fields of the operator in place of the value."""
        window_kind = WINDOWS.get(data.get("operator") or "")
        if window_kind is not None:
            return cls.TEMPLATE.replace("{value}", window_kind.form_template())
        return cls.TEMPLATE.replace("{value}", "" if data.get("operator") in VALUELESS else "{value}")

    @classmethod
    def asked(cls, field: str, data: Mapping[str, Any]) -> FieldInfo:
        window_kind = WINDOWS.get(data.get("operator") or "")
        if window_kind is not None and field in WINDOW_KEYS and field in window_kind._by_key():
            return window_kind.asked(field, data)
        return super().asked(field, data)

    @classmethod
    def options(cls, field: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        return operators_for(data.get("value_type")) if field == "operator" else super().options(field, data)

    @classmethod
    def option_words(cls, field: str, option: str) -> str:
        return operator_words(option) if field == "operator" else super().option_words(field, option)

    @classmethod
    def fitted(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        kept = super().fitted(data)
        window_kind = WINDOWS.get(kept.get("operator") or "")
        return kept if window_kind is None else {**window_kind.START, **kept}

    @classmethod
    def shape(cls, field: str, data: Mapping[str, Any]) -> str:
        operator = str(data.get("operator"))
        if field != "value" or operator in WINDOWS:
            return super().shape(field, data)
        if operator in TEXT or operator in LIST:
            return "texts" if operator in ("is_in", "is_not_in") else "text"
        if operator == "between":
            return "pair"
        if data.get("field") in VERSION_FIELDS:
            return "version"
        given, reads = data.get("value"), data.get("value_type")
        if isinstance(given, bool):
            return "boolean"
        return reads if reads in ("boolean", "version") and not is_number(given) else "number"

    def _spoken_template(self) -> str:
        return self.TEMPLATE.replace("{value}", "")

    def said(self, field: str) -> str:
        if field == "operator":  # a matcher says its value too
            return self.matcher.words
        return "" if field in COMPARISON_KEYS else super().said(field)

    @property
    def _window_fields(self) -> dict[str, Any]:
        values = {key: getattr(self, "from_" if key == "from" else key) for key in WINDOW_KEYS}
        return {key: value for key, value in values.items() if value is not None}

    @property
    def _is_version(self) -> bool:
        return False

    @cached_property
    def matcher(self) -> Matcher:
        """What judges the value."""
        return make_matcher(self.operator, self.value, self.value_type, self._window_fields, self._is_version)

    @model_validator(mode="after")
    def _agree(self) -> Comparison:
        assert self.matcher
        return self

    def value_dials(self, words: str) -> Iterator[Dial]:
        """The dials of its number or window; `words`: what it compares."""
        if isinstance(self.matcher, Number):
            yield from dials_of("value", self.value, words)
        elif isinstance(self.matcher, Moment):
            yield from self.matcher.window.dials()

    def gap_of(self, measure: Measure, scope: Scope, wanted: bool) -> Gap | None:
        """How far the values of a measure are from the answer `wanted`."""
        if isinstance(self.matcher, Number) and (values := measure.numbers()) is not None:
            return Gap("", number_gap(self.matcher, values, wanted, whole=False))
        if isinstance(self.matcher, Moment) and (moments := measure.moments_of()) is not None:
            return moment_gap(moments, self.matcher.window.bounds(scope.now_ms), wanted)
        return None

    def holds(self, measure: Measure, scope: Scope) -> Mask:
        """Who satisfies this comparison; a negative operator is the exact negation, so missing values satisfy it."""
        mask = measure.positive(self.matcher, scope)
        return ~mask if self.matcher.operator.negated else mask

    def sql_among(self, query: Sql, value: Sql, to: SqlScope) -> Sql:
        """Who satisfies this comparison by one of a query's values: rows of mpid, `value` a tagged expression."""
        found = to.members(query.where(self.matcher.sql(value, to)).select("mpid"))
        return to.opposite(found) if self.matcher.operator.negated else found


COMPARISON_KEYS: Final = frozenset({"operator", "value", "value_type", *WINDOW_KEYS})


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
    for entry in entries:
        if isinstance(entry, Predicate):
            yield entry
        else:
            yield from predicates(entry.entries)


def _words(entries: tuple[Any, ...], join: str) -> str:
    return f" {join} ".join(entry.sentence for entry in entries)


class _AnyOf(Model):
    @property
    def entries(self) -> tuple[Any, ...]:
        """The alternatives."""
        return tuple(getattr(self, "any_of"))  # noqa: B009 - declared by subclasses

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


class _NoneOf(Model):
    @property
    def entries(self) -> tuple[Any, ...]:
        """What must not hold."""
        return tuple(getattr(self, "none_of"))  # noqa: B009 - declared by subclasses

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

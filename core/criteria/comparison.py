"""A comparison: operator, value and forced type beside the name of a value (DEFINITION 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo

from core.criteria.base import Model
from core.criteria.dials import Dial, Gap, dials_of, moment_gap, number_gap
from core.criteria.matchers import LIST, TEXT, Matcher, Moment, Number
from core.criteria.operands import is_number, make_matcher
from core.criteria.operators import COMPARED, OPERATORS, VALUELESS, WINDOW_KEYS, operator_words, operators_for
from core.criteria.windows import WINDOWS
from core.data.schema import VERSION_FIELDS
from core.data.values import Mask

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

"""The words that builders share: windows, and one method for every operator of DEFINITION 3.2.

A class that inherits `Operated[R]` says in `_operated` what an operator makes of it (an R); the methods follow from the
declarations below, typed by what each operator takes. A test holds them against the operator tables of
`core.criteria.matchers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Generic, Literal, Self, TypeAlias, TypedDict, TypeVar, Unpack, overload

from pydantic import ValidationError

from core.criteria import Model
from core.criteria.problems import problems_of
from core.criteria.windows import Unit
from core.errors import DefinitionError, Problem

Fields: TypeAlias = dict[str, Any]
"""A part of a document in its JSON form."""

Scalar: TypeAlias = str | float
"""A number, a text (a version) or a boolean."""

Moment: TypeAlias = str | date
"""A date, an aware datetime, or their text: "2018-09-09", "2018-09-09T12:30:00Z"."""

R = TypeVar("R")
V = TypeVar("V")
M = TypeVar("M", bound=Model)


def refused(message: str, hint: str = "") -> DefinitionError:
    """The error for what cannot be built."""
    return DefinitionError([Problem("criterion", message, hint)])


def made(kind: type[M], fields: Fields) -> M:
    """The model of its JSON form; raises DefinitionError with every problem."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        start = str(fields.get("type", "criterion"))
        problems = [
            replace(each, path=f"{start}.{each.path}" if each.path else start) for each in problems_of(error, fields)
        ]
        raise DefinitionError(problems) from None


def fields_of(model: Model) -> Fields:
    """The JSON form of a model, what was left out left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Length(TypedDict, total=False):
    """A length of time: exactly one of these."""

    seconds: float
    minutes: float
    hours: float
    days: float
    weeks: float


def length(given: Length) -> Fields:
    """`amount` and `unit`; DefinitionError unless exactly one unit is given."""
    if len(given) != 1:
        raise refused("Give one length of time.", "For example days=7, or hours=36.")
    ((unit, amount),) = given.items()
    return {"amount": amount, "unit": unit}


def moment(given: Moment) -> str:
    """A date or an instant as text; DefinitionError for an instant without zone or finer than milliseconds."""
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise refused(f"{given} has no time zone.", "Give an aware datetime, for example with tzinfo=UTC.")
        if given.microsecond % 1000:
            raise refused(f"{given} is finer than milliseconds.", "Round it.")
        spec = "milliseconds" if given.microsecond else "seconds"
        return given.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=spec) + "Z"
    return given.isoformat() if isinstance(given, date) else given


class Operated(Generic[R]):
    """What operators are called on; each call makes an R."""

    def _operated(self, operator: str, fields: Fields) -> R:
        """What the operator with its value or its window's fields makes."""
        raise AssertionError


class Takes(Generic[V]):
    """Declares the method of an operator that takes one value."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Operated[R], owner: type) -> Callable[[V], R]: ...

    def __get__(self, instance: Operated[R] | None, owner: type) -> Self | Callable[[V], R]:
        if instance is None:
            return self
        target = instance

        def method(value: V) -> R:
            return target._operated(self.name, {"value": value})

        method.__name__ = self.name
        method.__doc__ = f"The operator `{self.name}` with a value."
        return method


class TakesNothing:
    """Declares the method of an operator without a value."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Operated[R], owner: type) -> Callable[[], R]: ...

    def __get__(self, instance: Operated[R] | None, owner: type) -> Self | Callable[[], R]:
        if instance is None:
            return self
        target = instance

        def method() -> R:
            return target._operated(self.name, {})

        method.__name__ = self.name
        method.__doc__ = f"The operator `{self.name}`."
        return method


class Windows(Operated[R]):
    """The windows over what has happened (DEFINITION 3.3)."""

    def within_last(self, **given: Unpack[Length]) -> R:
        """From so long ago until now: `within_last(days=7)`."""
        return self._operated("within_last", length(given))

    def more_than_ago(self, **given: Unpack[Length]) -> R:
        """Longer ago than this: `more_than_ago(days=30)`."""
        return self._operated("more_than_ago", length(given))

    def between_ago(self, first: float, second: float, unit: Unit) -> R:
        """Between two lengths ago, in either order: `between_ago(4, 6, "days")`."""
        return self._operated("between_ago", {"from": first, "to": second, "unit": unit})

    def before(self, at: Moment) -> R:
        """Before a date's UTC midnight, or an instant."""
        return self._operated("before", {"date": moment(at)})

    def after(self, at: Moment) -> R:
        """At or after a date's UTC midnight, or an instant."""
        return self._operated("after", {"date": moment(at)})

    def on(self, day: Moment) -> R:
        """On a UTC calendar day."""
        return self._operated("on", {"date": moment(day)})

    def between_dates(self, first: Moment, last: Moment) -> R:
        """Between two dates or instants, both included."""
        return self._operated("between_dates", {"from": moment(first), "to": moment(last)})

    def calendar(self, unit: Literal["day", "week", "month", "quarter", "year"], offset: int) -> R:
        """A whole UTC calendar unit: `calendar("month", -1)` is last month, offset 0 this one."""
        return self._operated("calendar", {"unit": unit, "offset": offset})


class Counts(Windows[R]):
    """The operators of a count, beside the windows of what is counted."""

    equals = Takes[int]()
    greater_than = Takes[int]()
    at_least = Takes[int]()
    less_than = Takes[int]()
    at_most = Takes[int]()

    def between(self, low: int, high: int) -> R:
        """Between two counts, both included."""
        return self._operated("between", {"value": [low, high]})


class Comparisons(Windows[R]):
    """Every operator (DEFINITION 3.2)."""

    exists = TakesNothing()
    not_exists = TakesNothing()

    contains = Takes[str]()
    does_not_contain = Takes[str]()
    exact_match = Takes[str]()
    does_not_match = Takes[str]()
    pattern = Takes[str]()
    does_not_match_pattern = Takes[str]()
    starts_with = Takes[str]()
    does_not_start_with = Takes[str]()
    ends_with = Takes[str]()
    does_not_end_with = Takes[str]()
    matches_regex = Takes[str]()
    does_not_match_regex = Takes[str]()
    is_empty = TakesNothing()

    includes = Takes[str]()
    does_not_include = Takes[str]()
    partial_match = Takes[str]()

    equals = Takes[Scalar]()
    not_equals = Takes[Scalar]()
    greater_than = Takes[Scalar]()
    at_least = Takes[Scalar]()
    less_than = Takes[Scalar]()
    at_most = Takes[Scalar]()

    def is_in(self, *values: Scalar | Iterable[Scalar]) -> R:
        """One of the values: `is_in("gold", "silver")` or `is_in(["gold", "silver"])`."""
        return self._operated("is_in", {"value": _several(values)})

    def is_not_in(self, *values: Scalar | Iterable[Scalar]) -> R:
        """None of the values."""
        return self._operated("is_not_in", {"value": _several(values)})

    def between(self, low: Scalar, high: Scalar) -> R:
        """Between two numbers (or versions), both included."""
        return self._operated("between", {"value": [low, high]})

    def within_next(self, **given: Unpack[Length]) -> R:
        """From now until so far ahead; for dates in attributes."""
        return self._operated("within_next", length(given))


def _several(values: tuple[Scalar | Iterable[Scalar], ...]) -> list[Scalar]:
    found: list[Scalar] = []
    for value in values:
        if isinstance(value, str | float | int):
            found.append(value)
        else:
            found.extend(value)
    return found

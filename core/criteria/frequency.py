"""What is asked of the events that qualify: how many of them there are, or what a property of theirs comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from core.criteria.base import Model
from core.criteria.comparison import Comparison
from core.criteria.operands import is_number, number_matcher, pair
from core.criteria.operators import COMPARED
from core.criteria.predicates import Ref

if TYPE_CHECKING:
    from core.criteria.matchers import Number


class Frequency(Model):
    """How many qualifying events (or distinct UTC days with one)."""

    TEMPLATE = "{operator} {value} {count}"
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "operator": {"greater_than": "more than", "less_than": "fewer than", "equals": "exactly"},
        "count": {"events": "times", "days": "different days"},
    }

    operator: Literal["greater_than", "less_than", "equals", "at_least", "at_most", "between"] = "greater_than"
    value: Any = 0
    count: Literal["events", "days"] = "events"

    @model_validator(mode="before")
    @classmethod
    def _frozen(cls, data: Any) -> Any:
        if isinstance(data, dict) and ("operator" in data) != ("value" in data):
            raise ValueError("give operator and value together")  # a value nobody said would be 0
        if isinstance(data, dict) and isinstance(data.get("value"), list):
            return {**data, "value": tuple(data["value"])}
        return data

    @model_validator(mode="after")
    def _whole(self) -> Frequency:
        def good(item: Any) -> bool:
            return is_number(item) and item >= 0 and item == int(item)

        if self.operator == "between":
            pair(self.value, good, "whole numbers from 0")
        elif not good(self.value):
            raise ValueError(f"{self.operator} needs a whole number from 0")
        assert self.matcher
        return self

    @property
    def matcher(self) -> Number:
        """What judges the count."""
        return number_matcher(self.operator, self.value)

    @classmethod
    def shape(cls, field: str, data: Mapping[str, Any]) -> str:
        return "pair" if data.get("operator") == "between" else "number"

    @property
    def _adverb(self) -> str:
        """ "once" and "twice", where they say how many events."""
        return {1: "once", 2: "twice"}.get(self.value, "") if self.count == "events" else ""

    @property
    def sentence(self) -> str:
        """ "at least twice", "on exactly 3 different days"."""
        if self.model_dump(exclude_defaults=True) == {}:
            return "at least once"
        return super().sentence

    def said(self, field: str) -> str:
        if field == "value":
            plain = " and ".join(str(each) for each in self.value) if isinstance(self.value, tuple) else str(self.value)
            return self._adverb or plain
        words = super().said(field)
        if field == "operator" and self.count == "days":
            return f"on {words}"
        if field == "count":
            return "" if self._adverb else words.removesuffix("s") if self.value == 1 else words
        return words


class Aggregate(Comparison):
    """A value computed over the user's qualifying events, compared."""

    TEMPLATE = "with {function} of {of} that " + COMPARED
    START: ClassVar[Mapping[str, Any]] = {
        "function": "sum",
        "of": {"attribute": ""},
        "operator": "greater_than",
        "value": 0,
    }
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "function": {
            "sum": "the sum",
            "average": "the average",
            "minimum": "the least",
            "maximum": "the greatest",
            "unique_count": "the number of different values",
            "first": "the first",
            "last": "the last",
        }
    }

    function: Literal["sum", "average", "minimum", "maximum", "unique_count", "last", "first"]
    of: Ref

    @model_validator(mode="after")
    def _number_operators(self) -> Aggregate:
        if self.function not in ("first", "last") and self.matcher.READS != "number":
            raise ValueError(f"{self.function} is a number: compare it by a number operator, not by {self.operator}")
        return self

    @property
    def what(self) -> str:
        """ "the sum of total amount"."""
        return f"{self.said('function')} of {self.said('of')}"

    @property
    def _is_version(self) -> bool:
        return self.of.ref[0] == "field" and self.of.ref[1] in ("app_version", "os_version")

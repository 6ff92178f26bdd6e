"""What an operator compares with: a name, a value and a forced type as a matcher, or what is wrong with them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

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
from core.criteria.operators import OPERATORS
from core.criteria.problems import reason
from core.criteria.windows import WINDOW_TYPES, window
from core.data.values import number_text, version_parts


def is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 10**300


def pair(value: Any, good: Callable[[Any], bool], what: str) -> tuple[Any, Any]:
    """The [low, high] of `between`; raises ValueError."""
    if not isinstance(value, tuple) or len(value) != 2 or not all(good(item) for item in value):
        raise ValueError(f"between needs a list of two {what}, [low, high]")
    return value[0], value[1]


def number_matcher(name: str, value: Any) -> Number:
    """A number operator with its value; raises ValueError."""
    if name == "between":
        low, high = pair(value, is_number, "numbers")
        if low > high:
            raise ValueError(f"between needs the low number first: {low} is above {high}")
        return Number(NUMBER[name], (low, high))
    if not is_number(value):
        raise ValueError(f"{name} needs a number, not {_shown(value)}")
    return Number(NUMBER[name], value)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _version_matcher(name: str, value: Any) -> Version:
    def good(item: Any) -> bool:
        return isinstance(item, str) and version_parts(item) is not None

    if name == "between":
        low, high = pair(value, good, "versions")
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
        raise ValueError(f"{name}: {reason(first, place)[0].rstrip('.')}") from None
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

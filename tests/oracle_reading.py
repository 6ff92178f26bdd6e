"""How the oracle reads values and judges operators and windows (DEFINITION 3.2, 3.3), one value at a time.

Nothing here imports the engine that it judges. Numbers are exact (`Fraction`), moments are UTC milliseconds.
"""

from __future__ import annotations

import json
import math
import operator as compare
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

MISSING: Final = object()
"""There is no value at all: the key is absent. `None` is a key that is present with a null value."""


class Several(tuple[Any, ...]):
    """The values of a field that may hold several: a positive operator holds when one of them satisfies it."""


UNIT_MS: Final = {"seconds": 1000, "minutes": 60_000, "hours": 3_600_000, "days": 86_400_000, "weeks": 604_800_000}
DAY_MS: Final = UNIT_MS["days"]
FOREVER: Final = 10**18

TWINS: Final = {
    "not_exists": "exists",
    "does_not_contain": "contains",
    "does_not_match": "exact_match",
    "does_not_match_pattern": "pattern",
    "does_not_start_with": "starts_with",
    "does_not_end_with": "ends_with",
    "is_not_in": "is_in",
    "does_not_match_regex": "matches_regex",
    "does_not_include": "includes",
    "not_equals": "equals",
}
"""Negative operators and the positive twin that each is the exact negation of."""

ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": compare.eq,
    "greater_than": compare.gt,
    "at_least": compare.ge,
    "less_than": compare.lt,
    "at_most": compare.le,
}
WINDOWS: Final = frozenset(
    ("within_last", "between_ago", "more_than_ago", "within_next", "before", "after", "on", "between_dates", "calendar")
)


# --- reading one value -------------------------------------------------------------------------------------------


def text(value: Any) -> str | None:
    """The text that string operators read; None for null, a missing key and lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return str(int(value)) if value == math.floor(value) else repr(value)
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return None


_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def number(value: Any) -> Fraction | None:
    """The value as an exact number, also from a string; None for booleans and everything that is no plain decimal."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(Decimal(repr(value))) if math.isfinite(value) else None
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Fraction(Decimal(value))
    return None


def boolean(value: Any) -> bool | None:
    """True / false and the strings "true" / "false" in any case; never 1 and 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None


_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2})(?::?(\d{2}))?)?)?",
    re.ASCII,
)


def moment(value: Any) -> int | None:
    """UTC milliseconds of an ISO-8601 string: a date alone is its midnight, no zone is UTC. Numbers are no dates."""
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = found.groups()
    try:
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
    ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if fraction:
        ms += int(fraction.ljust(3, "0")[:3])
    if sign:
        offset = (int(zone_hours) * 60 + int(zone_minutes or 0)) * 60_000
        ms -= offset if sign == "+" else -offset
    return ms


def version(value: Any) -> tuple[int, ...] | None:
    """The parts of a version, trailing zeros left out (missing parts are 0); None when a part is no number."""
    written = None if isinstance(value, bool) else text(value)
    if written is None or not re.fullmatch(r"[0-9]+(\.[0-9]+)*", written):
        return None
    parts = [int(part) for part in written.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def elements(value: Any) -> list[str] | None:
    """The texts of a list's elements, nulls left out; None when the value is no list."""
    if not isinstance(value, list):
        return None
    texts = (text(item) for item in value)
    return [item for item in texts if item is not None]


# --- windows -----------------------------------------------------------------------------------------------------


def _day_start(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS


def _calendar_day(today: date, offset: int) -> tuple[date, date]:
    return today + timedelta(days=offset), today + timedelta(days=offset + 1)


def _calendar_week(today: date, offset: int) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday()) + timedelta(days=7 * offset)
    return monday, monday + timedelta(days=7)


def _calendar_months(today: date, offset: int, months: int) -> tuple[date, date]:
    """The period of `months` months at an offset; month numbers run on from year 0."""
    start = (today.year * 12 + today.month - 1) // months * months + offset * months
    first, end = start, start + months
    return date(first // 12, first % 12 + 1, 1), date(end // 12, end % 12 + 1, 1)


def _calendar(window: dict[str, Any], now: int) -> tuple[int, int]:
    today = datetime.fromtimestamp(now // 1000, UTC).date()
    unit, offset = window["unit"], window["offset"]
    if unit == "day":
        first, end = _calendar_day(today, offset)
    elif unit == "week":
        first, end = _calendar_week(today, offset)
    else:
        first, end = _calendar_months(today, offset, {"month": 1, "quarter": 3, "year": 12}[unit])
    return _day_start(first), _day_start(end) - 1


def _is_date(written: str) -> bool:
    return len(written) == 10


def span(amount: float, unit: str) -> int:
    """An amount of a unit in milliseconds."""
    return round(amount * UNIT_MS[unit])


def bounds(window: dict[str, Any], now: int) -> tuple[int, int]:
    """First and last millisecond of a window, both included (DEFINITION 3.3)."""
    kind = window["type"]
    if kind == "within_last":
        return now - span(window["amount"], window["unit"]), now
    if kind == "between_ago":
        ends = [now - span(window[end], window["unit"]) for end in ("from", "to")]
        return min(ends), max(ends)
    if kind == "more_than_ago":
        return -FOREVER, now - span(window["amount"], window["unit"]) - 1
    if kind == "within_next":
        return now + 1, now + span(window["amount"], window["unit"])
    if kind == "calendar":
        return _calendar(window, now)
    if kind == "between_dates":
        last = moment(window["to"]) + (DAY_MS - 1 if _is_date(window["to"]) else 0)
        return moment(window["from"]), last
    start = moment(window["date"])
    return {"before": (-FOREVER, start - 1), "after": (start, FOREVER), "on": (start, start + DAY_MS - 1)}[kind]


def inside(window: dict[str, Any] | None, at: int, now: int) -> bool:
    """Whether a moment lies in a window; no window holds every moment."""
    if window is None:
        return True
    first, last = bounds(window, now)
    return first <= at <= last


# --- operators ---------------------------------------------------------------------------------------------------


def _wildcard(pattern: str, whole: str) -> bool:
    """Whether a pattern of `*` (any run) and `?` (one code point) covers the whole string."""
    reach = {0}
    for char in pattern:
        if char == "*":
            reach = set(range(min(reach), len(whole) + 1)) if reach else reach
        else:
            reach = {at + 1 for at in reach if at < len(whole) and char in ("?", whole[at])}
    return len(whole) in reach


def _string_holds(name: str, predicate: dict[str, Any], value: Any) -> bool:
    read = text(value)
    if read is None:
        return False
    low, wanted = read.lower(), predicate.get("value")
    if name == "is_empty":
        return low == ""
    if name == "is_in":
        return low in [text(item).lower() for item in wanted]
    if name == "matches_regex":
        return re.search(wanted, read, re.IGNORECASE) is not None
    wanted = wanted.lower()
    if name == "pattern":
        return _wildcard(wanted, low)
    return {
        "contains": wanted in low,
        "exact_match": wanted == low,
        "starts_with": low.startswith(wanted),
        "ends_with": low.endswith(wanted),
    }[name]


def _list_holds(name: str, predicate: dict[str, Any], value: Any) -> bool:
    wanted = predicate["value"].lower()
    items = [item.lower() for item in elements(value) or []]
    return wanted in items if name == "includes" else any(wanted in item for item in items)


def _compares(name: str, read: Any, wanted: Any) -> bool:
    if read is None:
        return False
    return wanted[0] <= read <= wanted[1] if name == "between" else ORDER[name](read, wanted)


def _number_holds(name: str, predicate: dict[str, Any], value: Any, as_version: bool) -> bool:
    wanted = predicate["value"]
    if isinstance(wanted, bool):
        return boolean(value) is wanted
    reader: Callable[[Any], Any] = version if as_version or predicate.get("value_type") == "version" else number
    return _compares(name, reader(value), [reader(end) for end in wanted] if name == "between" else reader(wanted))


def _positive(name: str, predicate: dict[str, Any], value: Any, now: int, as_version: bool) -> bool:
    if isinstance(value, Several):
        return any(_positive(name, predicate, item, now, as_version) for item in value)
    if name == "exists":
        return value is not MISSING
    if value is MISSING or value is None:
        return False
    if name in WINDOWS:
        at = value if isinstance(value, Moment) else moment(value)
        return at is not None and inside({**predicate, "type": name}, at, now)
    if name in ("includes", "partial_match"):
        return _list_holds(name, predicate, value)
    if name in ORDER or name == "between":
        return _number_holds(name, predicate, value, as_version)
    return _string_holds(name, predicate, value)


class Moment(int):
    """A moment that an engine computed (a first timestamp), as opposed to a text that reads as one."""


def holds(predicate: dict[str, Any], value: Any, now: int, as_version: bool = False) -> bool:
    """Whether `value` satisfies `{operator, value, ...}`; `as_version`: number operators read versions.

    A negative operator is the exact negation of its positive twin, over all values when there are several.
    """
    name = predicate["operator"]
    forced_number = predicate.get("value_type") == "number"
    positive = _positive(TWINS.get(name, name), predicate, value, now, as_version and not forced_number)
    return positive != (name in TWINS)


def frequency_holds(frequency: dict[str, Any] | None, count: int) -> bool:
    """Whether a count satisfies a frequency; the default is more than 0."""
    frequency = frequency or {"operator": "greater_than", "value": 0}
    return _compares(frequency["operator"], count, frequency["value"])

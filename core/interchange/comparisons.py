"""Comparisons and windows of mParticle's schema as ours: a list, a pair of bounds or one comparison -> its fields."""

from __future__ import annotations

import re
from typing import Any, Final

from core.interchange import vocabulary as words
from core.interchange.vocabulary import Expression

Fields = dict[str, Any]

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TEXTS: Final = words.inverse(words.TEXTS)
_NUMBERS: Final = words.inverse(words.NUMBERS)
_LISTS: Final = words.inverse(words.LISTS)
_UNITS: Final = words.inverse(words.UNITS)


class Unsaid(Exception):
    """Something that ours cannot say; `broken`: something that is no sound document."""

    def __init__(self, message: str, hint: str = "", *, broken: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.broken = message, hint, broken


def comparison(expression: Expression, *, version: bool = False) -> tuple[Fields, list[str]]:
    """(operator and value of a comparison, notes); `version`: the operand is compared part by part. Raises Unsaid."""
    if (found := words.listed(expression)) is not None:
        return {"operator": found[0], "value": list(found[2])}, []
    if "expressions" in expression:
        return _between(expression, version)
    operator = expression["operator"]
    if "operand" in expression:
        return {"operator": _presence(operator)}, []
    left, right = expression["left"], expression["right"]
    if operator in _LISTS:
        if not isinstance(left, str):
            raise Unsaid("A list includes a text.", "Write the text on the left, the path on the right.")
        return {"operator": _LISTS[operator], "value": left}, []
    if _is_date(right):
        when, notes = window(expression)
        return {"operator": when.pop("type"), **when}, notes
    return _valued(operator, right, version), []


def _presence(operator: str) -> str:
    if operator not in ("exists", "not_exists"):
        raise Unsaid(f"Ours has no {operator}: it tells absent from present.", "Write exists or not_exists.")
    return operator


def _valued(operator: str, value: Any, version: bool) -> Fields:
    """A comparison with a text, a number or a truth value."""
    if isinstance(value, bool | int | float) and operator in _NUMBERS:
        forced = {"value_type": "boolean" if isinstance(value, bool) else "number"} if version else {}
        return {"operator": _NUMBERS[operator], "value": value, **forced}
    if isinstance(value, str) and operator in _TEXTS:
        return {"operator": _TEXTS[operator], "value": value}
    if isinstance(value, str) and operator in _NUMBERS:
        return {"operator": _NUMBERS[operator], "value": value, **({} if version else {"value_type": "version"})}
    if isinstance(value, dict):
        raise Unsaid("Ours compares a path with a value, not with another one.", "Name the value.")
    raise Unsaid(f"Ours does not compare {value!r} by {operator}.")


def _between(expression: Expression, version: bool) -> tuple[Fields, list[str]]:
    found = words.bounded(expression)
    if found is None:
        raise Unsaid("These conditions are no one comparison.")
    _, low, high = found
    if _is_date(low["right"]) or _is_date(high["right"]):
        when, notes = window(expression)
        return {"operator": when.pop("type"), **when}, notes
    values = [low["right"], high["right"]]
    fields = [_valued(each["operator"], each["right"], version) for each in (low, high)]
    kinds = [each.get("value_type") for each in fields]
    alike = isinstance(values[0], str) == isinstance(values[1], str)
    if (low["operator"], high["operator"]) != ("greater_than_equal", "less_than_equal") or not alike:
        raise Unsaid("Two bounds of one comparison are both included, and of one type.")
    return {"operator": "between", "value": values, **({"value_type": kinds[0]} if kinds[0] else {})}, []


# --- windows -----------------------------------------------------------------------------------------------------


def window(expression: Expression) -> tuple[Fields, list[str]]:
    """(the window of a comparison with a date or of two, notes). Raises Unsaid."""
    if "expressions" not in expression:
        return _one_bound(expression["operator"], _date(expression.get("right")))
    found = words.bounded(expression)
    if found is None:
        raise Unsaid("Two bounds of a window stand in one `and`, the lower one first.")
    (low, first), (high, last) = ((each["operator"], _date(each["right"])) for each in found[1:])
    if "absolute" in first and "absolute" in last:
        return _between_dates(low, first["absolute"], high, last["absolute"]), []
    if "relative" in first and "relative" in last:
        return _recent(low, first["relative"], high, last["relative"]), []
    raise Unsaid("Ours has no window from a date to a moment that moves with now.", "Use two criteria.")


def _is_date(operand: Any) -> bool:
    return isinstance(operand, dict) and "date" in operand


def _date(operand: Any) -> Fields:
    if not _is_date(operand):
        raise Unsaid("A moment is compared with a date.", 'Write {"date": {"absolute": ...}} or {"relative": ...}.')
    date: Fields = operand["date"]
    if "relative_to" in date.get("relative", {}):
        raise Unsaid("Ours knows moments relative to a step at the end of a sequence only.", "There: from step 1.")
    return date


def _instant(text: str) -> str:
    """A date as it is, an instant with its zone: UTC where it has none."""
    zoned = _DATE.fullmatch(text) or re.search(r"(Z|[+-][0-9]{2}:[0-9]{2})$", text)
    return text if zoned else text + "Z"


def _next_millisecond(text: str) -> str:
    try:
        return words.moved(_instant(text), milliseconds=1)
    except (OverflowError, ValueError):
        raise Unsaid(f"{text!r} is no date that ours can write.") from None


def _one_bound(operator: str, date: Fields) -> tuple[Fields, list[str]]:
    if "absolute" in date:
        return _fixed_bound(operator, date["absolute"]), []
    moved = date["relative"]
    if "boundary" in moved or moved["offset"] >= 0:
        raise Unsaid("Ours has no window with one bound in the calendar, now or later.", "Give both bounds.")
    length_of = length(moved, backwards=True)
    if operator in ("greater_than_equal", "greater_than"):
        notes = ["Read as within the last ...: up to now."] if operator == "greater_than_equal" else [_BOUND]
        return {"type": "within_last", **length_of}, notes
    if operator in ("less_than", "less_than_equal"):
        return {"type": "more_than_ago", **length_of}, [_BOUND] if operator == "less_than_equal" else []
    raise Unsaid(f"Ours does not compare a moment that moves with now by {operator}.")


_BOUND: Final = "Read without the very millisecond of the bound, or with it, as ours has it."


def _fixed_bound(operator: str, text: str) -> Fields:
    match operator:
        case "less_than":
            return {"type": "before", "date": _instant(text)}
        case "greater_than_equal":
            return {"type": "after", "date": _instant(text)}
        case "less_than_equal":
            return {"type": "before", "date": _next_millisecond(text)}
        case "greater_than":
            return {"type": "after", "date": _next_millisecond(text)}
        case "equals" if _DATE.fullmatch(text):
            return {"type": "on", "date": text}
        case "equals":
            return {"type": "between_dates", "from": _instant(text), "to": _instant(text)}
    raise Unsaid(f"Ours does not compare a date by {operator}.", "Exclude the criterion instead of using not_equals.")


def _between_dates(low: str, first: str, high: str, last: str) -> Fields:
    start = _instant(first) if low == "greater_than_equal" else _next_millisecond(first)
    if high == "less_than_equal":
        end = _next_millisecond(words.moved(last, milliseconds=-1)) if _DATE.fullmatch(last) else _instant(last)
        return {"type": "between_dates", "from": start, "to": end}
    try:
        whole_days = _DATE.fullmatch(last)
        end = words.moved(last, days=-1) if whole_days else words.moved(_instant(last), milliseconds=-1)
    except (OverflowError, ValueError):
        raise Unsaid(f"{last!r} is no date that ours can write.") from None
    return {"type": "between_dates", "from": start, "to": end}


def _recent(low: str, first: Fields, high: str, last: Fields) -> Fields:
    boundaries = first.get("boundary"), last.get("boundary")
    if boundaries == ("start", "end") and (low, high) == ("greater_than_equal", "less_than_equal"):
        if (first["offset"], first["unit"]) == (last["offset"], last["unit"]) and first["unit"] in words.CALENDAR_UNITS:
            return {"type": "calendar", "unit": first["unit"], "offset": first["offset"]}
        raise Unsaid("Ours has whole calendar units, one at a time.", "Give both bounds the same offset and unit.")
    one_unit = first["unit"] == last["unit"] or last["offset"] == 0
    if boundaries != (None, None) or not one_unit or high != "less_than_equal":
        raise Unsaid("Ours has no window with these two bounds.", "Give both in one unit, both included.")
    unit = _unit(first["unit"])
    if low == "greater_than" and first["offset"] == 0 < last["offset"]:
        return {"type": "within_next", "amount": last["offset"], "unit": unit}
    if low != "greater_than_equal" or not first["offset"] <= last["offset"] <= 0:
        raise Unsaid("Ours has no window with these two bounds.", "Give the earlier one first, none after now.")
    if last["offset"] == 0 and first["offset"] < 0:
        return {"type": "within_last", "amount": -first["offset"], "unit": unit}
    return {"type": "between_ago", "from": -last["offset"] or 0, "to": -first["offset"] or 0, "unit": unit}


def _unit(unit: str) -> str:
    if unit not in _UNITS:
        raise Unsaid(f"Ours has no length of a {unit}: they differ.", f"Units are {', '.join(_UNITS)}.")
    return _UNITS[unit]


def length(moved: Fields, *, backwards: bool) -> Fields:
    """The amount and unit of a relative date; `backwards`: before now. Raises Unsaid."""
    if "boundary" in moved:
        raise Unsaid("A length has no boundary of the calendar.")
    return {"amount": -moved["offset"] if backwards else moved["offset"], "unit": _unit(moved["unit"])}

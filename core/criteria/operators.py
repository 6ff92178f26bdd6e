"""The operators of DEFINITION 3.2 by name: which agree with a type, which take a value, and their words."""

from __future__ import annotations

from typing import Final

from core.criteria.matchers import LIST, NUMBER, PRESENCE, TEXT
from core.criteria.windows import WINDOW_TYPES, WINDOWS

COMPARED: Final = "{value_type} {operator} {value}"
"""The template of a comparison."""

WINDOW_KEYS: Final = ("amount", "unit", "from", "to", "date", "offset")
OPERATORS: Final = (*PRESENCE, *TEXT, *LIST, *NUMBER, *WINDOW_TYPES)
VALUELESS: Final = (*PRESENCE, "is_empty")
"""The operators that take no value."""
_BY_TYPE: Final[dict[str, tuple[str, ...]]] = {
    "string": tuple(TEXT),
    "number": tuple(NUMBER),
    "version": tuple(NUMBER),
    "boolean": ("equals", "not_equals"),
    "list": tuple(LIST),
    "date": WINDOW_TYPES,
}


def operators_for(value_type: str | None) -> tuple[str, ...]:
    """The operators that agree with a type, all of them for None."""
    return OPERATORS if value_type is None else (*_BY_TYPE.get(value_type, ()), *PRESENCE)


def operator_words(name: str) -> str:
    """An operator in English: "is exactly", "is in the last"."""
    if name in WINDOWS:
        return f"is {WINDOWS[name].CHOICE}"
    tables = (PRESENCE, TEXT, LIST, NUMBER)
    return next((table[name].words for table in tables if name in table), name.replace("_", " "))

"""Free-form values: how they are written (`tagged`) and how criteria read them (`Dictionary`, `Column`)."""

from __future__ import annotations

import math
from decimal import Decimal

import orjson


def number_text(value: int | float | Decimal) -> str:
    """A number as string operators read it: whole numbers in full and without a fraction, others in shortest form."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return str(int(value))
    return str(value)


def tagged(value: object) -> str:
    """A free-form value as one string: a type letter and the text that string operators read.

    `s` text, `n` number, `btrue` / `bfalse`, `z` null, `l` a JSON array of element texts. Nested objects become their
    JSON text, non-finite numbers the texts "NaN", "Infinity", "-Infinity" (DEFINITION 3.2: they are no numbers).
    """
    if isinstance(value, str):
        return "s" + value
    if value is None:
        return "z"
    if isinstance(value, bool):
        return "btrue" if value else "bfalse"
    if isinstance(value, int):
        return f"n{value}"
    if isinstance(value, float):
        if math.isfinite(value):
            return "n" + number_text(value)
        return "sNaN" if math.isnan(value) else ("sInfinity" if value > 0 else "s-Infinity")
    if isinstance(value, Decimal):
        return "n" + number_text(value) if value.is_finite() else f"s{value}"
    if isinstance(value, list | tuple):
        texts = [tagged(item)[1:] for item in value if item is not None]
        return "l" + orjson.dumps(texts).decode()
    return "s" + orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
